//! Who can answer: the [`Provider`] trait and its plain types.
//!
//! Owns the talk with language models. Prompts, budgets, citations and the
//! choice of a model stand above it.

pub mod extractive;
pub mod openai;

mod error;
mod sse;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

pub use self::error::LlmError;

/// Name of the answerer that needs no model: it quotes the documents.
pub const EXTRACTIVE: &str = "extractive";
/// What a model replies, and nothing else, when the sources hold no answer.
pub const NOT_IN_DOCUMENTS: &str = "NOT_IN_DOCUMENTS";
/// One question to a model, with everything that it may see.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The model's name as its provider knows it.
    pub model: String,
    /// The instructions above the conversation.
    pub system: String,
    /// The turns, oldest first; the last one holds evidence and question.
    pub messages: Vec<Turn>,
    /// The question alone, for a provider that composes no prompt.
    pub question: String,
    /// The evidence alone, for the same.
    pub sources: Vec<Source>,
    /// Tokens of the answer, at most.
    pub max_tokens: u32,
    /// Randomness; none leaves it to the model.
    pub temperature: Option<f32>,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who spoke.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one who asks.
    User,
    /// The one who answers.
    Assistant,
}

/// A passage that may be quoted.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its number in the answer's citations, from 1.
    pub n: usize,
    /// The document's title.
    pub title: String,
    /// Headings above the passage, outermost first.
    pub headings: Vec<String>,
    /// The passage.
    pub text: String,
    /// What it is ranked by.
    pub score: f32,
    /// Cosine similarity with the question, where it is known.
    pub dense: Option<f32>,
}

/// A piece of an answer as it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Words of the answer.
    Text(String),
    /// Words that the model thinks aloud; no part of the answer.
    Reasoning(String),
    /// What the answer took; once, near the end.
    Usage(Usage),
    /// Why the answer ended; the last delta of a whole answer.
    Finished(FinishReason),
}

/// Tokens that an answer took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens that the model read.
    pub input_tokens: u32,
    /// Tokens that the model wrote, its reasoning included.
    pub output_tokens: u32,
    /// Whether we counted them because the provider did not say.
    pub estimated: bool,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// One model that can answer.
pub trait Provider: Send + Sync {
    /// The model's name.
    fn name(&self) -> &str;

    /// Starts an answer. Resolves when its first delta is there, so that what
    /// fails before it is an error of the call; what fails later is the last
    /// item of the stream.
    fn stream(&self, request: Request) -> BoxFuture<'_, Result<DeltaStream, LlmError>>;

    /// Tokens that the model takes, the answer included.
    fn context_window(&self) -> usize;

    /// Tokens of a text by the model's count, or an estimate that is rather too
    /// high.
    fn count_tokens(&self, text: &str) -> usize;
}
