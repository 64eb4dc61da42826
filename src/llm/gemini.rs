//! Google's Gemini API.
//! Imports the plain types of `llm` and what all remote providers share.
//!
//! Protocol: `POST {base}/v1beta/models/{model}:streamGenerateContent?alt=sse`,
//! after the Gemini API reference, "Generating content", "Function calling" and
//! "Thought signatures".

mod body;
pub(in crate::llm) mod chunks;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::remote::{self, Config, Dialect, InvalidKey, Remote};
use super::{Capabilities, LlmError, Request};

/// The version that has all we need.
const VERSION: &str = "v1beta";
/// Versions that a base URL may end in.
const VERSIONS: &[&str] = &["v1", VERSION, "v1alpha"];
/// A window that any model of today has.
const DEFAULT_WINDOW: usize = 32_768;
/// The window of every Gemini.
const GEMINI_WINDOW: usize = 1_048_576;

/// The provider at this address, the part before `/v1beta`.
///
/// # Errors
/// [`LlmError::Misconfigured`] for an address or a key that cannot be one.
pub fn provider(config: Config) -> Result<Remote, LlmError> {
    Remote::new(config, GenerateContent)
}

/// The protocol.
struct GenerateContent;

impl Dialect for GenerateContent {
    fn url(&self, base: &Url, model: &str) -> Url {
        // A model's full name has its kind before it: `tunedModels/mine`.
        let kind = if model.contains('/') { "" } else { "models/" };
        let path = format!("{kind}{model}:streamGenerateContent");
        let version = (!remote::ends_in(base, VERSIONS)).then_some(VERSION);
        let segments: Vec<&str> = version.into_iter().chain(path.split('/')).collect();
        let mut url = remote::beneath(base, &segments);
        url.query_pairs_mut().append_pair("alt", "sse");
        url
    }

    fn headers(&self, key: Option<&str>) -> Result<HeaderMap, InvalidKey> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert("x-goog-api-key", remote::secret_header(key)?);
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
        if model.contains("gemini") { GEMINI_WINDOW } else { DEFAULT_WINDOW }
    }

    fn capabilities(&self, _model: &str) -> Capabilities {
        Capabilities { instructed: true, tools: true, images: true, citations: false, exact_counts: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_names_the_model_and_asks_for_events() {
        let of = |base: &str, model: &str| GenerateContent.url(&base.parse().expect("a URL"), model).to_string();
        let expected = "https://g.test/v1beta/models/gemini-x:streamGenerateContent?alt=sse";
        assert_eq!(of("https://g.test", "gemini-x"), expected);
        assert_eq!(of("https://g.test/v1beta/", "models/gemini-x"), expected);
        assert_eq!(
            of("https://g.test/a/v1?k=1", "tunedModels/my one?"),
            "https://g.test/a/v1/tunedModels/my%20one%3F:streamGenerateContent?k=1&alt=sse"
        );
    }

    #[test]
    fn the_key_stands_in_a_header_that_shows_in_no_log() {
        let headers = GenerateContent.headers(Some("AIza-canary")).expect("headers");
        assert_eq!(headers["x-goog-api-key"], "AIza-canary");
        assert!(!format!("{headers:?}").contains("canary"));
        assert!(GenerateContent.headers(None).expect("headers").is_empty());
        assert!(GenerateContent.headers(Some("a\nb")).is_err());
    }

    #[test]
    fn the_window_goes_by_the_name() {
        assert_eq!(GenerateContent.context_window("gemini-2.5-flash"), 1_048_576);
        assert_eq!(GenerateContent.context_window("gemma-3-27b-it"), DEFAULT_WINDOW);
    }
}
