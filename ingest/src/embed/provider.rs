//! A provider's `/embeddings`, as OpenAI's API defines it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::middleware::ReqwestService;
use async_openai::middleware::retry::SimpleRetryPolicy;
use async_openai::types::embeddings::{CreateEmbeddingRequestArgs, EmbeddingInput};
use secrecy::{ExposeSecret, SecretString};
use tower::ServiceBuilder;

use super::{normalise, refusal};
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
    /// Texts in one request, as far as it is known what the provider takes.
    most: AtomicUsize,
}

impl ProviderEmbedder {
    /// Connects, and asks once to learn the number of dimensions.
    ///
    /// # Errors
    /// [`Error::EmbedderSetup`] when the provider does not answer.
    pub async fn connect(config: ProviderConfig) -> Result<Self> {
        let key = config.api_key.as_ref().map(|key| key.expose_secret().to_owned()).unwrap_or_default();
        let openai = OpenAIConfig::new().with_api_base(&config.base_url).with_api_key(key);
        // What is refused keeps its status, once it is not tried again. The policy
        // does not look into bodies, which are not OpenAI's everywhere.
        let transport = ServiceBuilder::new()
            .and_then(refusal::told)
            .retry(SimpleRetryPolicy::default())
            .service(ReqwestService::default());
        let mut embedder = Self {
            client: Client::with_config(openai).with_http_service(transport),
            model: config.model,
            patience: config.patience,
            dimensions: 0,
            tokens: TokenCounter::Estimate,
            most: AtomicUsize::new(usize::MAX),
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

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// So many plain words are too many for it.
    pub(super) fn takes_fewer_than(&self, texts: usize) {
        if self.most.fetch_min(texts.div_ceil(2), Ordering::Relaxed) >= texts {
            tracing::info!(model = %self.model, texts, "the embedding provider takes fewer texts at once");
        }
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
            .map_err(refusal::failure)?;
        let mut rows = answer.data;
        rows.sort_by_key(|row| row.index);
        if rows.len() != expected {
            return Err(Error::Embedder(format!("the provider returned {} vectors for {expected} texts", rows.len())));
        }
        Ok(rows.into_iter().map(|row| normalise(row.embedding)).collect())
    }
}
