//! Tools: functions that a language model may call. Imports nothing of this
//! crate, so that services above it can offer their own.
//!
//! A model names a tool and writes its arguments as JSON text; [`Toolbox::run`]
//! turns that into an [`Output`] or a [`ToolError`], and never into a panic or
//! an endless wait. Both are told to the model, which may then do better.
//!
//! * [`mod@function`]: a tool made of two Rust types and an async function
//! * [`schema`]: the JSON schema of a Rust type, as all providers take it
//! * [`toolbox`]: the tools of one answer
//! * [`calculate`], [`current_time`]: tools that need no documents

pub mod calculate;
pub mod current_time;
pub mod function;
pub mod schema;
pub mod toolbox;

use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

pub use function::{Function, function};
pub use toolbox::{BadTool, Toolbox};

/// How long a call may take, unless the tool says otherwise.
const LIMIT: Duration = Duration::from_mins(2);

/// What a model is told of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spec {
    /// Its name, 1 to 64 of `A`–`Z`, `a`–`z`, `0`–`9`, `_` and `-`.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON schema of its arguments, an object.
    pub parameters: Value,
}

/// Whether a tool changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It only reads; it may be called again at will.
    ReadOnly,
    /// It changes something, which nobody has to allow: what is the conversation's own,
    /// or what whoever set it up trusts it with.
    Trusted,
    /// It changes something that others see: a person has to allow each call.
    Writes,
}

/// What a tool answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What the model reads.
    pub text: String,
    /// What a user interface may show.
    pub data: Option<Value>,
}

/// Why a call gave no output. The model reads it, and so may the user: it holds
/// no secrets and nothing of the server's insides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// There is no such tool.
    #[error("there is no tool `{name}`; {known}")]
    Unknown {
        /// The name as it was called.
        name: String,
        /// Which tools there are.
        known: String,
    },
    /// The arguments are not what the tool takes; others may be.
    #[error("the arguments are not valid: {problem}")]
    InvalidArguments {
        /// Which field is wrong and what is expected.
        problem: String,
    },
    /// The tool tried and failed; the same again may end the same.
    #[error("the tool failed: {problem}")]
    Failed {
        /// What happened and what to do.
        problem: String,
    },
    /// It did not end in time.
    #[error("the tool did not answer within {} s; ask for less, or go on without it", .limit.as_secs_f32())]
    TimedOut {
        /// How long it had.
        limit: Duration,
    },
    /// It may not be called, or not with these arguments.
    #[error("this is not allowed: {problem}")]
    NotAllowed {
        /// What is not, and who could allow it.
        problem: String,
    },
    /// The tool answered something that is not its kind of result.
    #[error("the tool gave a result that cannot be used: {problem}; go on without it")]
    InvalidResult {
        /// What is wrong with it.
        problem: String,
    },
}

impl ToolError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown_tool",
            Self::InvalidArguments { .. } => "invalid_arguments",
            Self::Failed { .. } => "tool_failed",
            Self::TimedOut { .. } => "tool_timed_out",
            Self::NotAllowed { .. } => "not_allowed",
            Self::InvalidResult { .. } => "invalid_result",
        }
    }

    /// Arguments that are not what the tool takes.
    pub fn invalid(problem: impl Into<String>) -> Self {
        Self::InvalidArguments { problem: problem.into() }
    }
}

/// Something that a model may call.
pub trait Tool: Send + Sync {
    /// What the model is told of it.
    fn spec(&self) -> &Spec;

    /// Whether it changes anything.
    fn effect(&self) -> Effect;

    /// How long a call may take.
    fn limit(&self) -> Duration {
        LIMIT
    }

    /// Calls it. `arguments` is an object, but not yet one of the schema's kind.
    fn call(&self, arguments: Value) -> BoxFuture<'_, Result<Output, ToolError>>;

    /// JSON schema of [`Output::data`], where all its results are of one kind.
    fn results(&self) -> Option<&Value> {
        None
    }
}

/// The beginning of a text, at most so many bytes, cut at a character.
fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests;
