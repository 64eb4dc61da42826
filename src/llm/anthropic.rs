//! Anthropic's Messages API, and servers that speak it.
//! Imports the plain types of `llm` and what all remote providers share.
//!
//! Protocol: `POST {base}/v1/messages` with `stream: true`, after Anthropic's
//! API reference, "Create a Message" and "Streaming Messages". Claude cites by
//! itself, after "Search results": the evidence goes out as `search_result`
//! blocks, and what is quoted comes back as `search_result_location`.

mod body;
pub(in crate::llm) mod chunks;
mod evidence;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::remote::{self, Config, Dialect, InvalidKey, Remote};
use super::{Capabilities, LlmError, Request};

/// The protocol's version; the only one there is.
const VERSION: &str = "2023-06-01";
/// A window that any model of today has.
const DEFAULT_WINDOW: usize = 32_768;
/// The window of every Claude; some can be asked for more.
const CLAUDE_WINDOW: usize = 200_000;

/// The provider at this address, the part before `/v1/messages`.
///
/// # Errors
/// [`LlmError::Misconfigured`] for an address or a key that cannot be one.
pub fn provider(config: Config) -> Result<Remote, LlmError> {
    Remote::new(config, Messages)
}

/// The protocol.
struct Messages;

impl Dialect for Messages {
    fn url(&self, base: &Url, _model: &str) -> Url {
        let segments = ["v1", "messages"];
        remote::beneath(base, if remote::ends_in(base, &["v1"]) { &segments[1..] } else { &segments })
    }

    fn headers(&self, key: Option<&str>) -> Result<HeaderMap, InvalidKey> {
        let mut headers = HeaderMap::new();
        headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
        if let Some(key) = key {
            headers.insert("x-api-key", remote::secret_header(key)?);
        }
        Ok(headers)
    }

    fn body(&self, request: &Request, _base: &Url, _spelling: remote::Spelling) -> Value {
        body::of(request)
    }

    fn chunks(&self, request: &Request) -> Box<dyn remote::Chunks> {
        Box::new(chunks::Chunks::new(request))
    }

    fn context_window(&self, model: &str) -> usize {
        if is_claude(model) { CLAUDE_WINDOW } else { DEFAULT_WINDOW }
    }

    fn capabilities(&self, model: &str) -> Capabilities {
        let citations = is_claude(model);
        Capabilities { instructed: true, tools: true, images: true, citations, exact_counts: false }
    }
}

/// Whether a model cites. Others behind this protocol pass over evidence that is
/// no text. Gateways put a vendor's name before a model's.
fn is_claude(model: &str) -> bool {
    model.to_ascii_lowercase().contains("claude")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_beneath_the_base_url_with_or_without_its_version() {
        let of = |base: &str| Messages.url(&base.parse().expect("a URL"), "m").to_string();
        assert_eq!(of("https://api.anthropic.com"), "https://api.anthropic.com/v1/messages");
        assert_eq!(of("https://api.anthropic.com/v1/"), "https://api.anthropic.com/v1/messages");
        assert_eq!(of("https://x.test/v1/acme/anthropic"), "https://x.test/v1/acme/anthropic/v1/messages");
    }

    #[test]
    fn the_key_stands_in_a_header_that_shows_in_no_log() {
        let headers = Messages.headers(Some("sk-ant-canary")).expect("headers");
        assert_eq!(headers["x-api-key"], "sk-ant-canary");
        assert_eq!(headers["anthropic-version"], "2023-06-01");
        assert!(!format!("{headers:?}").contains("canary"));
        assert!(!Messages.headers(None).expect("headers").contains_key("x-api-key"));
        assert!(Messages.headers(Some("a\nb")).is_err());
    }

    #[test]
    fn only_a_claude_cites() {
        for (model, window, cites) in [
            ("claude-sonnet-5-5", 200_000, true),
            ("anthropic/claude-haiku-4-5", 200_000, true),
            ("deepseek-chat", DEFAULT_WINDOW, false),
        ] {
            assert_eq!(Messages.context_window(model), window, "{model}");
            assert_eq!(Messages.capabilities(model).citations, cites, "{model}");
        }
    }
}
