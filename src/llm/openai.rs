//! Any server that speaks OpenAI's Chat Completions: OpenAI itself, DeepSeek,
//! xAI, Mistral, Groq, OpenRouter, vLLM, Ollama, llama.cpp, LM Studio, gateways.
//! Imports the plain types of `llm` and what all remote providers share.
//!
//! Protocol: `POST {base}/chat/completions` with `stream: true`, after OpenAI's
//! API reference, "Create chat completion" and "Streaming".

mod body;
pub(in crate::llm) mod chunks;

use bpe_openai::Tokenizer;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;

use self::body::Body;
use super::remote::{self, Dialect, InvalidKey, Spelling};
use super::{Capabilities, LlmError, Request, count};

pub use super::remote::{ChatModel, Config, Remote};

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

/// The provider at this address.
///
/// # Errors
/// [`LlmError::Misconfigured`] for an address or a key that cannot be one.
pub fn provider(config: Config) -> Result<Remote, LlmError> {
    Remote::new(config, ChatCompletions)
}

/// The tokenizer of OpenAI's own models, by their names; after the table
/// `MODEL_PREFIX_TO_ENCODING` of their library tiktoken.
fn tokenizer(model: &str) -> Option<&'static Tokenizer> {
    let name = bare(model);
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    match () {
        () if begins(&["gpt-4o", "gpt-4.1", "gpt-5", "gpt-oss", "o1", "o3", "o4-"]) => Some(bpe_openai::o200k_base()),
        () if begins(&["gpt-4", "gpt-3.5"]) => Some(bpe_openai::cl100k_base()),
        () => None,
    }
}

/// A model's name without the vendor that gateways put before it.
fn bare(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// The protocol.
struct ChatCompletions;

impl Dialect for ChatCompletions {
    fn url(&self, base: &Url, _model: &str) -> Url {
        remote::beneath(base, &["chat", "completions"])
    }

    fn headers(&self, key: Option<&str>) -> Result<HeaderMap, InvalidKey> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, remote::secret_header(&format!("Bearer {key}"))?);
        }
        Ok(headers)
    }

    fn body(&self, request: &Request, base: &Url, spelling: Spelling) -> Value {
        Body::new(request, base.host_str().unwrap_or_default(), spelling).into_json()
    }

    fn chunks(&self, request: &Request) -> Box<dyn remote::Chunks> {
        Box::new(chunks::Chunks::new(request))
    }

    fn context_window(&self, model: &str) -> usize {
        let name = bare(model);
        WINDOWS.iter().find(|(start, _)| name.starts_with(start)).map_or(DEFAULT_WINDOW, |(_, window)| *window)
    }

    fn capabilities(&self, model: &str) -> Capabilities {
        let exact_counts = tokenizer(model).is_some();
        Capabilities { instructed: true, tools: true, images: true, citations: false, exact_counts }
    }

    fn count_tokens(&self, model: &str, text: &str) -> usize {
        tokenizer(model).map_or_else(|| count::estimate(text), |tokenizer| tokenizer.count(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::Provider as _;

    #[test]
    fn the_endpoint_is_beside_whatever_the_base_url_holds() {
        let of = |base: &str| ChatCompletions.url(&Url::parse(base).expect("a URL"), "m").to_string();
        assert_eq!(of("https://api.openai.com/v1"), "https://api.openai.com/v1/chat/completions");
        assert_eq!(of("http://localhost:11434/v1/"), "http://localhost:11434/v1/chat/completions");
        assert_eq!(
            of("https://x.test/openai/v1?api-version=1"),
            "https://x.test/openai/v1/chat/completions?api-version=1"
        );
    }

    #[test]
    fn tokens_are_counted_as_the_model_counts_where_that_is_known() {
        // After the examples of OpenAI's cookbook, "How to count tokens with tiktoken".
        let text = "antidisestablishmentarianism";
        assert_eq!(ChatCompletions.count_tokens("gpt-4", text), 6);
        assert_eq!(ChatCompletions.count_tokens("openai/gpt-4o", text), 6);
        assert_eq!(ChatCompletions.count_tokens("gpt-4o", "2 + 2 = 4"), 7);
        assert!(ChatCompletions.capabilities("gpt-4o").exact_counts);
        assert!(!ChatCompletions.capabilities("qwen3:8b").exact_counts);
        assert_eq!(ChatCompletions.count_tokens("qwen3:8b", text), count::estimate(text));
    }

    #[test]
    fn the_window_goes_by_the_name_unless_it_is_set() {
        let window = |model: &str| ChatCompletions.context_window(model);
        assert_eq!(window("gpt-4o-mini"), 128_000);
        assert_eq!(window("openai/gpt-5-mini"), 400_000);
        assert_eq!(window("gpt-4.1-nano"), 1_047_576);
        assert_eq!(window("qwen3:8b"), DEFAULT_WINDOW);
        let config = Config { context_window: Some(9), ..Config::new("http://host") };
        assert_eq!(provider(config).expect("a provider").model("gpt-4o", "gpt-4o").context_window(), 9);
    }
}
