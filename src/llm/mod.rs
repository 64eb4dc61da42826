//! Who can answer: the [`Provider`] trait and its plain types.
//!
//! Owns the talk with language models. Prompts, budgets, citations, tools and
//! the choice of a model stand above it.

pub mod anthropic;
pub mod extractive;
pub mod gemini;
pub mod guard;
pub mod openai;
pub mod remote;

mod count;
mod error;
mod request;
mod sse;
mod turns;

#[cfg(test)]
mod oddities;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::error::LlmError;
pub use self::request::{Format, Image, Request, Role, Source, Step, ToolCall, ToolChoice, ToolResult, ToolSpec, Turn};

/// Name of the answerer that needs no model: it quotes the documents.
pub const EXTRACTIVE: &str = "extractive";
/// What a model replies, and nothing else, when the sources hold no answer.
pub const NOT_IN_DOCUMENTS: &str = "NOT_IN_DOCUMENTS";

/// A piece of an answer as it comes in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delta {
    /// Words of the answer.
    Text(String),
    /// Words that the model thinks aloud; no part of the answer.
    Reasoning(String),
    /// The provider's own citation of the words before it.
    Cited {
        /// The source's number, from 1.
        n: u32,
        /// The source's words.
        quote: String,
    },
    /// A tool that the model wants called; whole, after the words.
    Call(ToolCall),
    /// What the provider wants back, unread, with the results of its calls.
    State(Value),
    /// What the answer took; once, near the end.
    Usage(Usage),
    /// Why the answer ended; the last delta of a whole answer.
    Finished(FinishReason),
}

/// Tokens that an answer took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens that the model read.
    pub input_tokens: u32,
    /// Those of them that the provider had in its cache.
    #[serde(default)]
    pub cached_tokens: u32,
    /// Tokens that the model wrote, its reasoning included.
    pub output_tokens: u32,
    /// Whether we counted them because the provider did not say.
    pub estimated: bool,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            estimated: self.estimated || other.estimated,
        }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// It reached the limit of tokens.
    Length,
    /// The provider's filter cut it.
    ContentFilter,
    /// It wants to call a tool.
    ToolCalls,
    /// A reason of the provider's own.
    Other,
}

/// The pieces of one answer, in order. Dropping it stops the answer.
pub type DeltaStream = BoxStream<'static, Result<Delta, LlmError>>;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Its words.
    pub text: String,
    /// What it took.
    pub usage: Usage,
    /// Why it ended.
    pub finish: FinishReason,
}

/// What a model can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each can be so or not, whatever the others are")]
pub struct Capabilities {
    /// It follows instructions; else it is given question and sources only.
    pub instructed: bool,
    /// It calls tools.
    pub tools: bool,
    /// It looks at images.
    pub images: bool,
    /// It cites by the provider's own means, [`Delta::Cited`].
    pub citations: bool,
    /// [`Provider::count_tokens`] counts as the model does; else it estimates.
    pub exact_counts: bool,
}

/// One model that can answer.
pub trait Provider: Send + Sync {
    /// The model's name, as callers choose it.
    fn name(&self) -> &str;

    /// Who runs it.
    fn provider(&self) -> &str;

    /// Starts an answer. Resolves when its first delta is there, so that what
    /// fails before it is an error of the call; what fails later is the last
    /// item of the stream.
    fn stream(&self, request: Request) -> BoxFuture<'_, Result<DeltaStream, LlmError>>;

    /// A whole answer; its reasoning and tool calls are left out.
    fn complete(&self, request: Request) -> BoxFuture<'_, Result<Completion, LlmError>> {
        async move {
            let mut deltas = self.stream(request).await?;
            let mut whole = Completion { text: String::new(), usage: Usage::default(), finish: FinishReason::Other };
            while let Some(delta) = deltas.next().await {
                match delta? {
                    Delta::Text(text) => whole.text.push_str(&text),
                    Delta::Usage(usage) => whole.usage = usage,
                    Delta::Finished(reason) => whole.finish = reason,
                    Delta::Reasoning(_) | Delta::Cited { .. } | Delta::Call(_) | Delta::State(_) => {}
                }
            }
            Ok(whole)
        }
        .boxed()
    }

    /// Tokens that the model takes, the answer included.
    fn context_window(&self) -> usize;

    /// Tokens of a text by the model's count, or an estimate that is rather too
    /// high.
    fn count_tokens(&self, text: &str) -> usize;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Whether calls wait for their turn before they reach it, so that it is not to
    /// blame for the time that they take.
    fn is_crowded(&self) -> bool {
        false
    }
}
