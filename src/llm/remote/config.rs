//! Where a provider is, and how long it may take. Plain types and URLs.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use crate::llm::LlmError;
use crate::llm::guard::Limits;

/// Where a provider is and how long it may take.
#[derive(Debug, Clone)]
pub struct Config {
    /// What it is called in settings, usage and logs.
    pub name: String,
    /// Its base URL, to which the protocol's path is added.
    pub base_url: String,
    /// Its key; local servers often need none.
    pub api_key: Option<SecretString>,
    /// The setting that holds the key, for messages.
    pub key_setting: String,
    /// The setting that holds the base URL, for messages.
    pub url_setting: String,
    /// Tokens that its models take; none goes by the model's name.
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
    /// What we send it, at most.
    pub limits: Limits,
}

impl Config {
    /// An OpenAI-compatible provider at this address, without a key, with the
    /// usual time limits.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            name: "openai".into(),
            base_url: base_url.into(),
            api_key: None,
            key_setting: "OPENAI_API_KEY".into(),
            url_setting: "OPENAI_BASE_URL".into(),
            context_window: None,
            connect_timeout: Duration::from_secs(5),
            first_token_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(30),
            retry_spread: Duration::from_millis(2500),
            limits: Limits::default(),
        }
    }
}

/// The base URL, if it can be one.
///
/// # Errors
/// [`LlmError::Misconfigured`].
pub(super) fn base(config: &Config) -> Result<Url, LlmError> {
    let invalid = |problem: String| LlmError::Misconfigured { setting: config.url_setting.clone(), problem };
    // What it holds is not repeated: it may carry a password.
    let mut url = Url::parse(config.base_url.trim())
        .map_err(|_| invalid("is no URL; use one like `http://localhost:11434/v1`".into()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("must begin with `http://` or `https://` and name a host".into()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(format!("must hold no user name or password; put the key into {}", config.key_setting)));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Host and, unless it is the usual one, port.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether it is this machine's.
pub(super) fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
