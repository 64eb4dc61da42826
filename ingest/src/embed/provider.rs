//! A provider's `/embeddings`, as OpenAI's API defines it.

use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::embeddings::{CreateEmbeddingRequestArgs, EmbeddingInput};
use secrecy::{ExposeSecret, SecretString};

use super::normalise;
use crate::error::{Error, Result};
use crate::tokens::TokenCounter;
use crate::upstream;

/// Requests under way at once.
const LANES: usize = 4;
/// Time limit of one request with the waits that the provider asks for: its
/// client tries again three times, after as long as `Retry-After` says.
const TIMEOUT: Duration = Duration::from_mins(5);
/// The same where somebody waits for it, unless configured otherwise.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);

/// Which provider and model.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Base URL, such as `http://localhost:11434/v1`.
    pub base_url: String,
    /// Its key, if it wants one.
    pub api_key: Option<SecretString>,
    /// Name of the model.
    pub model: String,
    /// How long a question may wait for its vector; documents, for which nobody
    /// waits, have longer.
    pub patience: Duration,
}

/// A client of one embedding model of one provider.
#[derive(Debug)]
pub struct ProviderEmbedder {
    client: Client<OpenAIConfig>,
    model: String,
    patience: Duration,
    dimensions: usize,
    tokens: TokenCounter,
}

impl ProviderEmbedder {
    /// Connects, and asks once to learn the number of dimensions.
    ///
    /// # Errors
    /// [`Error::EmbedderSetup`] when the provider does not answer.
    pub async fn connect(config: ProviderConfig) -> Result<Self> {
        let key = config.api_key.as_ref().map(|key| key.expose_secret().to_owned()).unwrap_or_default();
        let openai = OpenAIConfig::new().with_api_base(&config.base_url).with_api_key(key);
        let mut embedder = Self {
            client: Client::with_config(openai),
            model: config.model,
            patience: config.patience,
            dimensions: 0,
            tokens: TokenCounter::Estimate,
        };
        let probe = embedder.embed(vec!["probe".into()], true).await.map_err(|error| {
            Error::EmbedderSetup(format!(
                "the embedding provider at `{}` does not serve the model `{}` ({error}); check FOOTNOTE_EMBEDDING_BASE_URL, FOOTNOTE_EMBEDDING_API_KEY and FOOTNOTE_EMBEDDING_MODEL",
                config.base_url, embedder.model
            ))
        })?;
        embedder.dimensions = probe.first().map_or(0, Vec::len);
        Ok(embedder)
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(super) fn tokens(&self) -> &TokenCounter {
        &self.tokens
    }

    pub(super) fn lanes(&self) -> usize {
        LANES
    }

    /// Vectors of the texts, in their order; soon, if somebody waits for them.
    pub(super) async fn embed(&self, texts: Vec<String>, interactive: bool) -> Result<Vec<Vec<f32>>> {
        let expected = texts.len();
        let limit = if interactive { self.patience } else { TIMEOUT };
        let request = CreateEmbeddingRequestArgs::default()
            .model(&self.model)
            .input(EmbeddingInput::StringArray(texts))
            .build()
            .map_err(|error| Error::Embedder(error.to_string()))?;
        let embeddings = self.client.embeddings();
        let asked = tokio::time::timeout(limit, embeddings.create(request));
        let answer = upstream::watched("embedder", &self.model, asked)
            .await
            .map_err(|_| Error::Embedder(format!("the provider did not answer within {} s", limit.as_secs())))?
            .map_err(failure)?;
        let mut rows = answer.data;
        rows.sort_by_key(|row| row.index);
        if rows.len() != expected {
            return Err(Error::Embedder(format!("the provider returned {} vectors for {expected} texts", rows.len())));
        }
        Ok(rows.into_iter().map(|row| normalise(row.embedding)).collect())
    }
}

/// What a provider means by its status: of these, that a text is too long, or not
/// to be embedded.
fn failure(error: OpenAIError) -> Error {
    match error {
        OpenAIError::ApiError(refusal) if matches!(refusal.status_code.as_u16(), 400 | 413 | 422) => {
            Error::EmbedderRefused(refusal.to_string())
        }
        other => Error::Embedder(other.to_string()),
    }
}
