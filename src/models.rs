//! The choice between the models that are set up. Imports `llm` and errors.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::llm::openai::OpenAi;
use crate::llm::{EXTRACTIVE, Provider};

/// Characters of a model's name, at most.
const NAME_LENGTH: usize = 200;

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
    use futures::future::BoxFuture;
    use futures::{FutureExt, StreamExt};

    use super::*;
    use crate::llm::{DeltaStream, LlmError, Request, openai};

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
