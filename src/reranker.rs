//! A reranker: a model that reads a question together with each passage and says
//! how well they fit. Imports nothing of this crate.
//!
//! It is asked by `POST {base}/rerank`, the protocol that Cohere began ("Rerank",
//! API version 2) and that Jina, Voyage, vLLM, llama.cpp's server and `LiteLLM` speak:
//! `{model, query, documents, top_n}` gives `{results: [{index, relevance_score}]}`.

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::upstream;
use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a search waits for it; then it goes on as if there were none.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of its reply, at most.
const MAX_REPLY: usize = 1 << 20;

/// A client of one model of one provider. Cloning shares it.
#[derive(Clone)]
pub struct Reranker(Arc<Inner>);

struct Inner {
    client: Client,
    url: Url,
    key: Option<SecretString>,
    model: String,
}

/// Why it could not say.
#[derive(Debug, thiserror::Error)]
pub enum RerankError {
    /// It was not reached, or not in time.
    #[error("the reranker cannot be reached, or not in time")]
    Unreachable,
    /// It answered with this status.
    #[error("the reranker refuses with HTTP status {0}")]
    Refused(u16),
    /// Its answer is none of the protocol.
    #[error("the reranker's answer is none of its protocol: {0}")]
    Protocol(&'static str),
}

#[derive(Deserialize)]
struct Reply {
    results: Vec<Judged>,
}

#[derive(Deserialize)]
struct Judged {
    index: usize,
    relevance_score: f32,
}

impl Reranker {
    /// For the provider at `base_url`, which is `https://api.cohere.com/v2` for
    /// Cohere's. Connects to nothing yet.
    ///
    /// # Errors
    /// What is wrong with the address, for the setting that holds it.
    pub fn new(base_url: &str, key: Option<SecretString>, model: String) -> Result<Self, String> {
        let known = Url::parse(base_url).ok().filter(|base| matches!(base.scheme(), "http" | "https"));
        let url = known.and_then(|base| Url::parse(&format!("{}/rerank", base.as_str().trim_end_matches('/'))).ok());
        let url = url.ok_or_else(|| format!("`{base_url}` is no address; it begins with http:// or https://"))?;
        let client = Client::builder()
            .user_agent(concat!("footnote/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            // A redirect would take the key and the passages elsewhere.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| format!("cannot be used: {error}"))?;
        Ok(Self(Arc::new(Inner { client, url, key, model })))
    }

    /// How well each text fits the question, in their order: higher is better.
    /// None where the model does not say.
    ///
    /// # Errors
    /// [`RerankError`]; the order that is there already will do then.
    pub async fn scores(&self, question: &str, texts: &[&str]) -> Result<Vec<Option<f32>>, RerankError> {
        let host = self.0.url.host_str().unwrap_or_default();
        upstream::watched("reranker", host, self.ask(question, texts)).await
    }

    async fn ask(&self, question: &str, texts: &[&str]) -> Result<Vec<Option<f32>>, RerankError> {
        let Inner { client, url, key, model } = &*self.0;
        let body = json!({ "model": model, "query": question, "documents": texts, "top_n": texts.len() });
        let mut request = client.post(url.clone()).json(&body);
        if let Some(key) = key {
            request = request.bearer_auth(key.expose_secret());
        }
        let mut reply = request.send().await.map_err(|_| RerankError::Unreachable)?;
        if !reply.status().is_success() {
            return Err(RerankError::Refused(reply.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(more) = reply.chunk().await.map_err(|_| RerankError::Unreachable)? {
            bytes.extend_from_slice(&more);
            if bytes.len() > MAX_REPLY {
                return Err(RerankError::Protocol("it is too long"));
            }
        }
        read(&bytes, texts.len())
    }
}

impl std::fmt::Debug for Reranker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reranker").field("model", &self.0.model).finish_non_exhaustive()
    }
}

fn read(bytes: &[u8], texts: usize) -> Result<Vec<Option<f32>>, RerankError> {
    let reply: Reply = serde_json::from_slice(bytes).map_err(|_| RerankError::Protocol("it is no list of results"))?;
    let mut scores = vec![None; texts];
    for Judged { index, relevance_score } in reply.results {
        let place = scores.get_mut(index).ok_or(RerankError::Protocol("it judges what it was not asked about"))?;
        if !relevance_score.is_finite() || place.replace(relevance_score).is_some() {
            return Err(RerankError::Protocol("it judges a passage twice, or with no number"));
        }
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scores_come_in_the_order_of_the_texts() {
        let reply = br#"{"id":"r","results":[{"index":2,"relevance_score":0.9},{"index":0,"relevance_score":-1.5}]}"#;
        assert_eq!(read(reply, 3).expect("scores"), [Some(-1.5), None, Some(0.9)]);
        for wrong in [
            r#"{"results":[{"index":3,"relevance_score":1}]}"#,
            r#"{"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}]}"#,
            r#"{"results":[{"index":0,"relevance_score":1e99}]}"#,
            r#"{"results":[{"index":-1,"relevance_score":1}]}"#,
            r#"{"error":"no"}"#,
            "",
        ] {
            assert!(read(wrong.as_bytes(), 3).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_addresses_are_addresses() {
        let of = |url: &str| Reranker::new(url, None, "m".into());
        assert!(of("http://localhost:8080/v1").is_ok() && of("https://api.cohere.com/v2/").is_ok());
        for wrong in ["", "localhost:8080", "file:///etc", "http://"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_reply_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200), texts in 0_usize..5) {
            let _ = read(&bytes, texts);
        }
    }
}
