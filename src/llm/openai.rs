//! Any server that speaks OpenAI's Chat Completions: OpenAI itself, vLLM,
//! Ollama, llama.cpp, gateways. Imports the plain types of `llm`.
//!
//! Protocol: `POST {base}/chat/completions` with `stream: true`, after OpenAI's
//! API reference, "Create chat completion" and "Streaming". The request and the
//! reader are our own: the crate `async-openai` types its chunks more strictly
//! than servers write them (numbers as error codes, missing `choices`, reasoning
//! fields), hides reply headers such as `Retry-After`, and has no time limit
//! within a stream.
//!
//! A request is tried at most twice, and never again once a delta came.

mod peer;
mod reply;
mod wire;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use self::peer::{Failed, Peer};
use self::reply::Reply;
use self::wire::Limit;
use super::{DeltaStream, LlmError, Provider, Request};

/// Bytes of an error's body that are read.
const ERROR_BYTES: usize = 64 << 10;
/// Variable that sets the time to the first token.
const FIRST_TOKEN_SETTING: &str = "FOOTNOTE_FIRST_TOKEN_TIMEOUT";
/// A window that any model of today has.
const DEFAULT_WINDOW: usize = 32_768;
/// Windows by the beginnings of models' names, longest first, after OpenAI's
/// page "Models".
const WINDOWS: &[(&str, usize)] = &[
    ("gpt-5-chat", 128_000),
    ("gpt-3.5-turbo", 16_385),
    ("gpt-4-turbo", 128_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-oss", 131_072),
    ("gpt-4o", 128_000),
    ("gpt-4", 8_192),
    ("gpt-5", 400_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4", 200_000),
];

/// Where a provider is and how long it may take.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its base URL, to which `/chat/completions` is added.
    pub base_url: String,
    /// Its key; local servers often need none.
    pub api_key: Option<SecretString>,
    /// Tokens that its model takes; none goes by the model's name.
    pub context_window: Option<usize>,
    /// To a connection.
    pub connect_timeout: Duration,
    /// From the question to the first token, a second try included.
    pub first_token_timeout: Duration,
    /// Between tokens.
    pub idle_timeout: Duration,
    /// A second try waits a random part of this, so that many who failed
    /// together do not come back together.
    pub retry_spread: Duration,
}

impl Config {
    /// A provider at this address, without a key, with the usual time limits.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: None,
            context_window: None,
            connect_timeout: Duration::from_secs(5),
            first_token_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(30),
            retry_spread: Duration::from_millis(2500),
        }
    }
}

/// A provider that is set up. Cloning shares its connections.
#[derive(Clone)]
pub struct OpenAi(Arc<Connection>);

struct Connection {
    config: Config,
    url: Url,
    authorization: Option<HeaderValue>,
    client: Client,
    peer: Peer,
    random: RandomState,
}

impl OpenAi {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`LlmError::Misconfigured`] for an address or a key that cannot be one.
    pub fn new(config: Config) -> Result<Self, LlmError> {
        let url = endpoint(&config.base_url)?;
        let key = config.api_key.as_ref().map(|key| key.expose_secret().trim()).filter(|key| !key.is_empty());
        let authorization = key.map(authorization).transpose()?;
        let peer = Peer::new(host(&url), key);
        let mut builder = Client::builder()
            .user_agent(concat!("footnote/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            // A redirect would take the key and the question elsewhere.
            .redirect(redirect::Policy::none());
        if is_local(&url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| LlmError::Misconfigured {
            setting: "TLS",
            problem: format!("cannot be set up ({error}); check the system's certificates"),
        })?;
        let random = RandomState::new();
        Ok(Self(Arc::new(Connection { config, url, authorization, client, peer, random })))
    }

    /// One of its models.
    #[must_use]
    pub fn model(&self, name: &str) -> ChatModel {
        ChatModel { connection: Arc::clone(&self.0), name: name.to_owned() }
    }
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OpenAi").field(&self.0.peer.name()).finish()
    }
}

/// One model of a provider.
#[derive(Clone)]
pub struct ChatModel {
    connection: Arc<Connection>,
    name: String,
}

impl Provider for ChatModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<DeltaStream, LlmError>> {
        async move {
            let limit = self.connection.config.first_token_timeout;
            let asked = tokio::time::timeout(limit, self.connection.ask(&request)).await;
            asked.unwrap_or_else(|_| Err(self.connection.peer.timeout("first token", limit, FIRST_TOKEN_SETTING)))
        }
        .boxed()
    }

    fn context_window(&self) -> usize {
        self.connection.config.context_window.unwrap_or_else(|| window(&self.name))
    }

    fn count_tokens(&self, text: &str) -> usize {
        wire::estimate(text)
    }
}

impl Connection {
    /// Tries, and tries once more what may pass.
    async fn ask(&self, request: &Request) -> Result<DeltaStream, LlmError> {
        let limit = Limit::of(self.url.host_str().unwrap_or_default());
        let failed = match self.attempt(request, limit).await {
            Ok(stream) => return Ok(stream),
            Err(failed) => failed,
        };
        let (pause, limit) = match failed.again {
            peer::Again::Never => return Err(failed.error),
            peer::Again::After(pause) => (pause + self.jitter(), limit),
            peer::Again::WithOtherLimit => (Duration::ZERO, limit.other()),
        };
        tracing::debug!(provider = self.peer.name(), error = %failed.error, ?pause, "asking the model once more");
        tokio::time::sleep(pause).await;
        self.attempt(request, limit).await.map_err(|failed| failed.error)
    }

    async fn attempt(&self, request: &Request, limit: Limit) -> Result<DeltaStream, Failed> {
        let mut post = self.client.post(self.url.clone()).header(ACCEPT, "text/event-stream");
        if let Some(authorization) = &self.authorization {
            post = post.header(AUTHORIZATION, authorization);
        }
        let sent = post.json(&wire::Body::new(request, limit)).send().await;
        let response = sent.map_err(|error| self.peer.not_sent(&error))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            let headers = response.headers().clone();
            let body = beginning(response).await;
            return Err(self.peer.refused(status, &headers, &body, &request.model));
        }
        let bytes = response.bytes_stream().map_ok(Vec::from).map_err(|error| peer::cause(&error)).boxed();
        let reply = Reply::new(bytes, self.peer.clone(), request, self.config.idle_timeout);
        Ok(reply.started().await?)
    }

    /// A random part of the spread.
    fn jitter(&self) -> Duration {
        let random = self.random.hash_one(std::time::Instant::now()) % 1000;
        self.config.retry_spread * u32::try_from(random).unwrap_or_default() / 1000
    }
}

/// The beginning of an error's body; what cannot be read is left out.
async fn beginning(response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    let mut bytes = response.bytes_stream();
    while let Some(Ok(piece)) = bytes.next().await {
        body.extend_from_slice(&piece);
        if body.len() > ERROR_BYTES {
            break;
        }
    }
    body
}

fn endpoint(base_url: &str) -> Result<Url, LlmError> {
    let invalid = |problem: &str| LlmError::Misconfigured { setting: "OPENAI_BASE_URL", problem: problem.to_owned() };
    // What it holds is not repeated: it may carry a password.
    let mut url =
        Url::parse(base_url.trim()).map_err(|_| invalid("is no URL; use one like `http://localhost:11434/v1`"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("must begin with `http://` or `https://` and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must hold no user name or password; put the key into OPENAI_API_KEY"));
    }
    url.set_fragment(None);
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["chat", "completions"]);
    }
    Ok(url)
}

fn authorization(key: &str) -> Result<HeaderValue, LlmError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| LlmError::Misconfigured {
        setting: "OPENAI_API_KEY",
        problem: "holds characters that no key has; check it for line breaks".into(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Host and, unless it is the usual one, port.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The window of a model by its name; gateways put a vendor's name before it.
fn window(model: &str) -> usize {
    let name = model.rsplit('/').next().unwrap_or(model);
    WINDOWS.iter().find(|(start, _)| name.starts_with(start)).map_or(DEFAULT_WINDOW, |(_, window)| *window)
}

#[cfg(test)]
mod tests;
