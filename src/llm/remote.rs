//! A provider over HTTP, whatever its protocol: connections, time limits,
//! tries. Imports the plain types of `llm` and the reader of events.
//!
//! What differs between protocols is a [`Dialect`]: where to ask, with which
//! headers and body, and how the reply's JSON becomes deltas. The clients are
//! our own: crates that speak these protocols type what comes in more strictly
//! than servers write it, hide reply headers such as `Retry-After`, and have no
//! time limit within a stream.
//!
//! A request is tried at most twice, and never again once a delta came.

mod config;
mod peer;
mod reply;
mod said;

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::upstream;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Client, Url, redirect};
use secrecy::ExposeSecret;
use serde_json::Value;

pub use self::config::Config;
use self::config::{base, host, is_local};
pub(super) use self::peer::Names;
use self::peer::{Failed, Peer};
use self::reply::Reply;
#[cfg(test)]
pub(super) use self::reply::replay;
use super::guard::{Closed, Guard, Permit, jittered_backoff};
use super::{Capabilities, Delta, DeltaStream, LlmError, Provider, Request, count};
use tokio::time::Instant;

/// Bytes of an error's body that are read.
const ERROR_BYTES: usize = 64 << 10;
/// How long a provider is left alone that is too busy and does not say for how
/// long.
const UNTOLD_PAUSE: Duration = Duration::from_secs(1);
/// Variable that sets the time to the first token.
/// How much later than a call that is under way all else about it ends.
const AFTER: Duration = Duration::from_millis(100);
const FIRST_TOKEN_SETTING: &str = "FOOTNOTE_FIRST_TOKEN_TIMEOUT";

/// How a request is written, of which servers disagree: another way is tried after
/// one refused the usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As the host most likely wants it.
    Usual,
    /// With the other name of the limit of the answer's tokens.
    OtherLimit,
    /// Without asking for the tokens used: some count them unasked.
    UsageUnasked,
}

/// What a provider's protocol has of its own.
pub(super) trait Dialect: Send + Sync {
    /// Where a model's answer is asked for.
    fn url(&self, base: &Url, model: &str) -> Url;

    /// The headers of every request, the key's among them.
    ///
    /// # Errors
    /// When the key cannot stand in a header.
    fn headers(&self, key: Option<&str>) -> Result<HeaderMap, InvalidKey>;

    /// The request's JSON.
    fn body(&self, request: &Request, base: &Url, spelling: Spelling) -> Value;

    /// What reads the reply to such a request.
    fn chunks(&self, request: &Request) -> Box<dyn Chunks>;

    /// Tokens that a model of this name takes.
    fn context_window(&self, model: &str) -> usize;

    /// What a model of this name can do.
    fn capabilities(&self, model: &str) -> Capabilities;

    /// Tokens of a text by a model of this name; the estimate unless it is
    /// known better.
    fn count_tokens(&self, _model: &str, text: &str) -> usize {
        count::estimate(text)
    }
}

/// What a reply's JSON said so far.
pub(super) trait Chunks: Send {
    /// Takes the next JSON value.
    fn take(&mut self, chunk: &Value) -> Vec<Delta>;

    /// Whether a delta came.
    fn begun(&self) -> bool;

    /// Whether anything was understood.
    fn understood(&self) -> bool;

    /// Whether nothing is missing but perhaps the totals.
    fn is_complete(&self) -> bool;

    /// The protocol's own mark of the end came.
    fn mark_end(&mut self);

    /// Whether nothing more is to come.
    fn has_ended(&self) -> bool;

    /// The last deltas of a whole answer: calls, state, usage, the reason.
    fn finish(&mut self) -> Vec<Delta>;
}

/// A key that holds characters that no key has.
#[derive(Debug, Clone, Copy)]
pub(super) struct InvalidKey;

/// A header that shows in no log.
///
/// # Errors
/// When the value cannot stand in a header.
pub(super) fn secret_header(value: &str) -> Result<HeaderValue, InvalidKey> {
    let mut value = HeaderValue::from_str(value).map_err(|_| InvalidKey)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A provider that is set up. Cloning shares its connections.
#[derive(Clone)]
pub struct Remote(Arc<Connection>);

struct Connection {
    config: Config,
    base: Url,
    headers: HeaderMap,
    client: Client,
    peer: Peer,
    dialect: Box<dyn Dialect>,
    guard: Guard,
}

impl Remote {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`LlmError::Misconfigured`] for an address or a key that cannot be one.
    pub(super) fn new(config: Config, dialect: impl Dialect + 'static) -> Result<Self, LlmError> {
        let base = base(&config)?;
        let key = config.api_key.as_ref().map(|key| key.expose_secret().trim()).filter(|key| !key.is_empty());
        let headers = dialect.headers(key).map_err(|InvalidKey| LlmError::Misconfigured {
            setting: config.key_setting.clone(),
            problem: "holds characters that no key has; check it for line breaks".into(),
        })?;
        let names = Names { key: config.key_setting.clone(), url: config.url_setting.clone() };
        let peer = Peer::new(host(&base), key, names);
        let mut builder = Client::builder()
            .user_agent(concat!("footnote/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            // A redirect would take the key and the question elsewhere.
            .redirect(redirect::Policy::none());
        if is_local(&base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| LlmError::Misconfigured {
            setting: "TLS".into(),
            problem: format!("cannot be set up ({error}); check the system's certificates"),
        })?;
        let (dialect, guard) = (Box::new(dialect), Guard::new(config.limits));
        Ok(Self(Arc::new(Connection { config, base, headers, client, peer, dialect, guard })))
    }

    /// What it is called in settings.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// One of its models, by the name that the provider knows and the one that
    /// callers choose it by.
    #[must_use]
    pub fn model(&self, known: &str, name: &str) -> ChatModel {
        ChatModel { connection: Arc::clone(&self.0), known: known.to_owned(), name: name.to_owned(), images: true }
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Remote").field(&self.0.peer.name()).finish()
    }
}

/// One model of a provider.
#[derive(Clone)]
pub struct ChatModel {
    connection: Arc<Connection>,
    /// As its provider knows it.
    known: String,
    /// As callers choose it.
    name: String,
    /// It takes images, as far as its protocol does.
    images: bool,
}

impl ChatModel {
    /// The same model, which takes no images.
    #[must_use]
    pub fn without_images(self) -> Self {
        Self { images: false, ..self }
    }
}

impl Provider for ChatModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn provider(&self) -> &str {
        &self.connection.config.name
    }

    fn stream(&self, mut request: Request) -> BoxFuture<'_, Result<DeltaStream, LlmError>> {
        request.model.clone_from(&self.known);
        async move {
            let deadline = Instant::now() + self.connection.config.first_token_timeout;
            // What waits for a place, or pauses, ends soon after: a call that is under way
            // says first whose fault it was.
            let asked = tokio::time::timeout_at(deadline + AFTER, self.connection.ask(&request, deadline));
            let asked = upstream::watched("model", self.connection.peer.name(), asked).await;
            asked.unwrap_or_else(|_| Err(self.connection.silent()))
        }
        .boxed()
    }

    fn context_window(&self) -> usize {
        let set = self.connection.config.context_window;
        set.unwrap_or_else(|| self.connection.dialect.context_window(&self.known))
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.connection.dialect.count_tokens(&self.known, text)
    }

    fn capabilities(&self) -> Capabilities {
        let known = self.connection.dialect.capabilities(&self.known);
        Capabilities { images: known.images && self.images, ..known }
    }

    fn is_crowded(&self) -> bool {
        self.connection.guard.is_crowded()
    }
}

impl Connection {
    /// Tries, and tries once more what may pass, as far as the guard lets.
    async fn ask(&self, request: &Request, deadline: Instant) -> Result<DeltaStream, LlmError> {
        let failed = match self.attempt(request, Spelling::Usual, deadline).await {
            Ok(stream) => return Ok(stream),
            Err(failed) => failed,
        };
        let (pause, spelling) = match failed.again {
            peer::Again::Never => return Err(failed.error),
            peer::Again::After(pause) => {
                if !self.guard.may_retry() {
                    return Err(failed.error);
                }
                (pause + jittered_backoff(0, self.config.retry_spread, self.config.retry_spread), Spelling::Usual)
            }
            peer::Again::Spelled(spelling) => (Duration::ZERO, spelling),
        };
        tracing::debug!(provider = self.peer.name(), error = %failed.error, ?pause, "asking the model once more");
        tokio::time::sleep(pause).await;
        self.attempt(request, spelling, deadline).await.map_err(|failed| failed.error)
    }

    /// It was asked, and nothing came in time.
    fn silent(&self) -> LlmError {
        self.peer.timeout("first token", self.config.first_token_timeout, FIRST_TOKEN_SETTING)
    }

    /// Asks once. The permit goes with the stream and ends with it.
    async fn attempt(&self, request: &Request, spelling: Spelling, deadline: Instant) -> Result<DeltaStream, Failed> {
        let tokens = count::estimate_request(request) + request.max_tokens as usize;
        let entered = self.guard.enter(tokens, self.config.first_token_timeout / 2).await;
        let mut permit = entered.map_err(|closed| self.closed(closed))?;
        let sent = tokio::time::timeout_at(deadline, self.send(request, spelling)).await;
        match sent.unwrap_or_else(|_| Err(Failed { error: self.silent(), again: peer::Again::Never })) {
            Ok(deltas) => {
                permit.succeeded();
                Ok(guarded(deltas, permit))
            }
            Err(failed) => {
                self.judge(&failed, &mut permit);
                Err(failed)
            }
        }
    }

    async fn send(&self, request: &Request, spelling: Spelling) -> Result<DeltaStream, Failed> {
        let post = self.client.post(self.dialect.url(&self.base, &request.model));
        let post = post.header(ACCEPT, "text/event-stream").headers(self.headers.clone());
        let sent = post.json(&self.dialect.body(request, &self.base, spelling)).send().await;
        let response = sent.map_err(|error| self.peer.not_sent(&error))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            let headers = response.headers().clone();
            let body = beginning(response).await;
            return Err(self.peer.refused(status, &headers, &body, &request.model));
        }
        let bytes = response.bytes_stream().map_ok(Vec::from).map_err(|error| peer::cause(&error)).boxed();
        let chunks = self.dialect.chunks(request);
        let reply = Reply::new(bytes, self.peer.clone(), chunks, &request.model, self.config.idle_timeout);
        Ok(reply.started().await?)
    }

    /// Tells the guard whose fault it was.
    fn judge(&self, failed: &Failed, permit: &mut Permit) {
        match &failed.error {
            LlmError::RateLimited { retry_after, .. } => self.guard.pause(retry_after.unwrap_or(UNTOLD_PAUSE)),
            LlmError::Transient { .. }
            | LlmError::Unreachable { .. }
            | LlmError::Timeout { .. }
            | LlmError::Interrupted { .. }
            | LlmError::Protocol { .. } => permit.failed(),
            // It is there, and this request is not to its liking.
            LlmError::Unauthorized { .. }
            | LlmError::ModelNotFound { .. }
            | LlmError::TooLong { .. }
            | LlmError::Refused { .. }
            | LlmError::Spent { .. }
            | LlmError::Blank { .. }
            | LlmError::Misconfigured { .. } => permit.succeeded(),
        }
    }

    /// Why the provider is not asked now.
    fn closed(&self, closed: Closed) -> Failed {
        let (provider, retry_after) = (self.peer.name().to_owned(), Some(closed.retry_after()));
        let details = closed.to_string();
        Failed { error: LlmError::RateLimited { provider, retry_after, details }, again: peer::Again::Never }
    }
}

/// The deltas of a call that is under way, and its permit.
fn guarded(deltas: DeltaStream, permit: Permit) -> DeltaStream {
    let state = (deltas, Some(permit));
    futures::stream::unfold(state, |(mut deltas, mut permit)| async move {
        let delta = deltas.next().await?;
        if let Some(open) = &mut permit {
            match &delta {
                Ok(Delta::Usage(usage)) => open.used(usage.input_tokens as usize + usage.output_tokens as usize),
                Ok(Delta::Finished(_)) => permit = None,
                Err(_) => {
                    open.failed();
                    permit = None;
                }
                Ok(_) => {}
            }
        }
        Some((delta, (deltas, permit)))
    })
    .boxed()
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

/// A URL with more segments behind its path.
pub(super) fn beneath(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Whether the last segment of a URL's path is one of these.
pub(super) fn ends_in(base: &Url, segments: &[&str]) -> bool {
    let last = base.path_segments().and_then(|mut path| path.rfind(|segment| !segment.is_empty()));
    last.is_some_and(|last| segments.contains(&last))
}

#[cfg(test)]
mod tests;
