//! Fetching URLs that strangers name. The address that is connected to is the
//! one that was checked: names are looked up once per connection, by a resolver
//! that hands on only addresses the policy permits. Imports `address`.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::address::{Allow, Policy};
use crate::upstream;

#[cfg(test)]
mod tests;

/// The longest URL that is taken, in bytes.
const MAX_URL: usize = 8 * 1024;
/// The longest value of a header that is kept, in bytes.
const MAX_HEADER: usize = 1024;

/// How fetching is limited.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// The most bytes that a body may have.
    pub max_bytes: u64,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long everything may take, redirects and body included.
    pub total_timeout: Duration,
    /// How many redirects are followed.
    pub redirects: usize,
    /// What is open beyond the public internet.
    pub allow: Vec<Allow>,
    /// Media types that are taken, by how they begin. A reply that names none is
    /// taken.
    pub media_types: Vec<String>,
    /// How the fetcher calls itself.
    pub user_agent: String,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024 * 1024,
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_mins(1),
            redirects: 5,
            allow: Vec::new(),
            media_types: ["text/", "application/", "message/"].map(str::to_owned).to_vec(),
            user_agent: concat!("footnote/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What an earlier reply said about its version, RFC 9110 section 8.8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// Its `ETag`, as it was sent.
    pub etag: Option<String>,
    /// Its `Last-Modified`, as it was sent.
    pub last_modified: Option<String>,
}

impl Validators {
    /// Both as one text: `etag:` or `modified:`, and the value.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let etag = self.etag.as_ref().map(|etag| format!("etag:{etag}"));
        etag.or_else(|| self.last_modified.as_ref().map(|date| format!("modified:{date}")))
    }
}

/// What a URL held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where the redirects ended.
    pub final_url: String,
    /// The body.
    pub bytes: Vec<u8>,
    /// Its `Content-Type`, as it was sent.
    pub media_type: Option<String>,
    /// Its version, for the next time.
    pub validators: Validators,
}

/// What a fetch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A body.
    Fetched(Fetched),
    /// The version that was named is still the site's.
    NotModified,
}

/// Why a URL was not fetched. No message tells an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FetchError {
    /// No URL at all.
    #[error("this is no URL; give one like `https://example.com/page`")]
    Malformed,
    /// A scheme other than the web's.
    #[error("only `http` and `https` are fetched")]
    Scheme,
    /// A name or password in the URL.
    #[error("the URL has a name or password in it; leave it out")]
    Credentials,
    /// A port that is not the web's.
    #[error("this port is not fetched from; use 80, 443, or one from 1024 on")]
    Port,
    /// Not on the public internet, nor opened by the operator.
    #[error("the site is not on the public internet; the operator can open it by name or network")]
    Refused,
    /// No answer: no such name, no connection, or one that broke.
    #[error("the site cannot be reached; check the URL, or try again later")]
    Unreachable,
    /// Too slow.
    #[error("the site took longer than {} seconds; try again later", .0.as_secs())]
    Timeout(Duration),
    /// Too many redirects.
    #[error("the site redirects more than {0} times; give the URL where it ends")]
    Redirects(usize),
    /// A redirect without a target, or to what is no URL.
    #[error("the site redirects to what is no URL")]
    BadRedirect,
    /// Another status than success.
    #[error("the site answers with status {0}")]
    Status(u16),
    /// Compressed, though that was not asked for.
    #[error("the site sends its page compressed, though asked not to; download it and add the file")]
    Encoded,
    /// A media type that is not taken.
    #[error("the site sends `{0}`, which is not taken")]
    MediaType(String),
    /// Too large.
    #[error("the page is larger than {limit} bytes; split it, or raise FOOTNOTE_MAX_FILE_BYTES")]
    TooLarge {
        /// The most that is taken.
        limit: u64,
    },
    /// The client could not be set up.
    #[error("the web client cannot be set up: {0}")]
    Setup(String),
}

impl FetchError {
    /// Whether the same fetch may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Timeout(_) | Self::Status(408 | 425 | 429 | 500..=599))
    }
}

/// Finds the addresses of a name.
pub trait Lookup: Send + Sync {
    /// All addresses of `host`.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's way of finding addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Marks, inside an error of the client, that the policy refused every address.
#[derive(Debug, thiserror::Error)]
#[error("no address is permitted")]
struct NonePermitted;

/// Hands on only what the policy permits.
struct Guard {
    lookup: Arc<dyn Lookup>,
    policy: Arc<Policy>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (host, policy) = (name.as_str().to_owned(), Arc::clone(&self.policy));
        let answer = self.lookup.lookup(host.clone());
        Box::pin(async move {
            let mut addresses = answer.await?;
            if addresses.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            addresses.retain(|address| policy.permits(&host, *address));
            if addresses.is_empty() {
                return Err(NonePermitted.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Fetches URLs. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Fetcher {
    client: Client,
    policy: Arc<Policy>,
    config: Arc<FetchConfig>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// A fetcher that finds addresses as the system does.
    ///
    /// # Errors
    /// [`FetchError::Setup`] if the client cannot be made.
    pub fn new(config: FetchConfig) -> Result<Self, FetchError> {
        Self::with_lookup(config, Arc::new(SystemLookup))
    }

    /// A fetcher with its own way of finding addresses.
    ///
    /// # Errors
    /// [`FetchError::Setup`] if the client cannot be made.
    pub fn with_lookup(config: FetchConfig, lookup: Arc<dyn Lookup>) -> Result<Self, FetchError> {
        let policy = Arc::new(Policy::new(config.allow.clone()));
        let client = Client::builder()
            // A proxy would connect in our stead, to addresses nobody checked.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(config.connect_timeout)
            .user_agent(&config.user_agent)
            .dns_resolver(Guard { lookup, policy: Arc::clone(&policy) })
            .build()
            .map_err(|error| FetchError::Setup(error.without_url().to_string()))?;
        Ok(Self { client, policy, config: Arc::new(config) })
    }

    /// Gets a URL, following redirects, each checked like the first. With
    /// `validators`, a page that is still the same is not sent again.
    ///
    /// # Errors
    /// [`FetchError`] says what to do.
    pub async fn get(&self, url: &str, validators: Option<&Validators>) -> Result<Outcome, FetchError> {
        let limit = self.config.total_timeout;
        let host = parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let followed = tokio::time::timeout(limit, self.follow(url, validators));
        match upstream::watched("page", &host, followed).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Timeout(limit)),
        }
    }

    /// Whether a URL may be asked for, as far as can be told without looking up
    /// its name.
    ///
    /// # Errors
    /// [`FetchError`] says what is wrong with it.
    pub fn check(&self, url: &str) -> Result<(), FetchError> {
        self.permitted(&parse(url)?)
    }

    async fn follow(&self, url: &str, validators: Option<&Validators>) -> Result<Outcome, FetchError> {
        let mut url = parse(url)?;
        for _ in 0..=self.config.redirects {
            self.permitted(&url)?;
            let request = self.client.get(url.clone()).headers(headers(validators));
            let reply = request.send().await.map_err(|error| self.problem(&error))?;
            let status = reply.status();
            if is_redirect(status) {
                url = target(&url, reply.headers())?;
                continue;
            }
            if status == StatusCode::NOT_MODIFIED && validators.is_some() {
                return Ok(Outcome::NotModified);
            }
            if !status.is_success() {
                return Err(FetchError::Status(status.as_u16()));
            }
            return self.body(reply, url).await.map(Outcome::Fetched);
        }
        Err(FetchError::Redirects(self.config.redirects))
    }

    fn permitted(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Credentials);
        }
        // Below 1024 live services that are no sites, such as mail.
        if !matches!(url.port_or_known_default(), Some(80 | 443 | 1024..)) {
            return Err(FetchError::Port);
        }
        let host = url.host_str().ok_or(FetchError::Malformed)?;
        // A literal address is connected to without any resolver.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let permitted = match literal {
            Ok(address) => self.policy.permits(host, address),
            Err(_) => self.policy.permits_name(host),
        };
        if permitted { Ok(()) } else { Err(FetchError::Refused) }
    }

    async fn body(&self, mut reply: Response, url: Url) -> Result<Fetched, FetchError> {
        let limit = self.config.max_bytes;
        let text = |name| kept(reply.headers(), name);
        let media_type = text(header::CONTENT_TYPE);
        let validators = Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
        if text(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(FetchError::Encoded);
        }
        self.takes(media_type.as_deref())?;
        if reply.content_length().is_some_and(|length| length > limit) {
            return Err(FetchError::TooLarge { limit });
        }
        let mut bytes = Vec::new();
        while let Some(part) = reply.chunk().await.map_err(|error| self.problem(&error))? {
            if (bytes.len() as u64).saturating_add(part.len() as u64) > limit {
                return Err(FetchError::TooLarge { limit });
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Fetched { final_url: url.into(), bytes, media_type, validators })
    }

    fn takes(&self, media_type: Option<&str>) -> Result<(), FetchError> {
        let Some(named) = media_type else { return Ok(()) };
        let essence = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence.is_empty() || self.config.media_types.iter().any(|start| essence.starts_with(start.as_str())) {
            return Ok(());
        }
        Err(FetchError::MediaType(essence.chars().filter(|c| !c.is_control()).take(80).collect()))
    }

    /// What an error of the client means, without what it says.
    fn problem(&self, error: &reqwest::Error) -> FetchError {
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            if inner.is::<NonePermitted>() {
                return FetchError::Refused;
            }
            source = inner.source();
        }
        if error.is_timeout() { FetchError::Timeout(self.config.connect_timeout) } else { FetchError::Unreachable }
    }
}

fn parse(url: &str) -> Result<Url, FetchError> {
    if url.len() > MAX_URL {
        return Err(FetchError::Malformed);
    }
    Url::parse(url.trim()).map_err(|_| FetchError::Malformed)
}

fn headers(validators: Option<&Validators>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // The limit on bytes counts what is sent, so nothing may unfold later.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut validator = |name, value: Option<&String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    if let Some(validators) = validators {
        validator(header::IF_NONE_MATCH, validators.etag.as_ref());
        validator(header::IF_MODIFIED_SINCE, validators.last_modified.as_ref());
    }
    headers
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn target(from: &Url, headers: &HeaderMap) -> Result<Url, FetchError> {
    let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).ok_or(FetchError::BadRedirect)?;
    if to.len() > MAX_URL {
        return Err(FetchError::BadRedirect);
    }
    from.join(to).map_err(|_| FetchError::BadRedirect)
}

fn kept(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty() && value.len() <= MAX_HEADER).then(|| value.to_owned())
}
