//! Who can answer: the [`Provider`] trait, its plain types, and the choice
//! between the models that are set up.
//!
//! Owns the talk with language models. Imports `error` and `config` only;
//! prompts, budgets and citations stand above it.

pub mod extractive;
pub mod openai;

mod error;
mod sse;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

pub use self::error::LlmError;
use self::openai::OpenAi;
use crate::error::{Error, Result};

/// Name of the answerer that needs no model: it quotes the documents.
pub const EXTRACTIVE: &str = "extractive";
/// What a model replies, and nothing else, when the sources hold no answer.
pub const NOT_IN_DOCUMENTS: &str = "NOT_IN_DOCUMENTS";
/// Characters of a model's name, at most.
const NAME_LENGTH: usize = 200;

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

/// The models that are set up.
pub struct Models {
    extractive: Arc<dyn Provider>,
    openai: Option<OpenAi>,
    default: String,
}

impl Models {
    /// The answerers there are, and the `default` one's name.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the default needs a provider and none is set up.
    pub fn new(extractive: Arc<dyn Provider>, openai: Option<OpenAi>, default: impl Into<String>) -> Result<Self> {
        let models = Self { extractive, openai, default: default.into() };
        models.choose(None)?;
        Ok(models)
    }

    /// The model of this name, or the default one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that nobody can answer to.
    pub fn choose(&self, name: Option<&str>) -> Result<Arc<dyn Provider>> {
        let name = name.unwrap_or(&self.default).trim();
        if name == EXTRACTIVE {
            return Ok(self.extractive());
        }
        if name.is_empty() || name.chars().count() > NAME_LENGTH || name.contains(char::is_control) {
            let problem = format!("must be `{EXTRACTIVE}` or a model's name of at most {NAME_LENGTH} characters");
            return Err(Error::Invalid { field: "model", problem });
        }
        let Some(openai) = &self.openai else {
            return Err(Error::Invalid {
                field: "model",
                problem: format!(
                    "is `{name}`, but no provider is set up; set OPENAI_API_KEY or OPENAI_BASE_URL, or use `extractive`"
                ),
            });
        };
        Ok(Arc::new(openai.model(name)))
    }

    /// The answerer that quotes the documents.
    #[must_use]
    pub fn extractive(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.extractive)
    }

    /// The model that answers unless another is named.
    #[must_use]
    pub fn default_name(&self) -> &str {
        self.default.trim()
    }

    /// Names that are known to be there, the default first. A provider takes
    /// more than these.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let default = self.default.trim();
        let mut names = vec![default.to_owned()];
        if default != EXTRACTIVE {
            names.push(EXTRACTIVE.to_owned());
        }
        names
    }
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").field("openai", &self.openai).field("default", &self.default).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    struct Silent;

    impl Provider for Silent {
        fn name(&self) -> &str {
            EXTRACTIVE
        }
        fn stream(&self, _: Request) -> BoxFuture<'_, Result<DeltaStream, LlmError>> {
            async { Ok(futures::stream::empty().boxed()) }.boxed()
        }
        fn context_window(&self) -> usize {
            usize::MAX
        }
        fn count_tokens(&self, text: &str) -> usize {
            text.len()
        }
    }

    fn models(openai: Option<OpenAi>, default: &str) -> Result<Models> {
        Models::new(Arc::new(Silent), openai, default)
    }

    fn provider() -> OpenAi {
        OpenAi::new(openai::Config::new("http://127.0.0.1:1/v1")).expect("a provider")
    }

    #[test]
    fn without_a_provider_a_models_name_is_refused_with_what_to_set() {
        let models = models(None, EXTRACTIVE).expect("models");
        assert_eq!(models.choose(None).expect("the default").name(), EXTRACTIVE);
        let refusal = models.choose(Some("gpt-4o")).err().expect("no provider").to_string();
        assert!(refusal.contains("OPENAI_API_KEY") && refusal.contains("gpt-4o"), "{refusal}");
        assert_eq!(models.names(), [EXTRACTIVE]);
    }

    #[test]
    fn a_default_that_needs_a_provider_is_refused_at_the_start() {
        assert!(models(None, "gpt-4o").is_err());
    }

    #[test]
    fn with_a_provider_any_name_is_its_model_but_extractive() {
        let models = models(Some(provider()), "qwen3:8b").expect("models");
        assert_eq!(models.choose(None).expect("the default").name(), "qwen3:8b");
        assert_eq!(models.choose(Some("other")).expect("another").name(), "other");
        assert_eq!(models.choose(Some(EXTRACTIVE)).expect("extractive").name(), EXTRACTIVE);
        assert_eq!(models.names(), ["qwen3:8b", EXTRACTIVE]);
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let models = models(Some(provider()), EXTRACTIVE).expect("models");
        for name in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(models.choose(Some(name)).is_err(), "{name:?}");
        }
    }
}
