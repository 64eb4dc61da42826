//! A provider of embeddings that counts what it was asked for, and fails as it
//! is told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

/// Numbers in its vectors.
const DIMENSIONS: usize = 32;
/// What a client asks for to learn how many there are.
const PROBE: &str = "probe";

/// How it fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Refuses the first batch of texts.
    pub first: bool,
    /// Refuses every so-manieth request.
    pub every: Option<usize>,
    /// Once so many texts were paid for, refuses everything for so long.
    pub outage: Option<(usize, Duration)>,
    /// Takes so many texts at once.
    pub most: Option<usize>,
    /// Never takes texts that hold this.
    pub refused: Option<&'static str>,
    /// Takes so long for each request.
    pub delay: Duration,
}

/// What it was asked for.
#[derive(Debug, Default)]
pub struct Ledger {
    paid: HashMap<String, usize>,
    pub requests: usize,
    pub refused: usize,
    outage_begun: Option<Instant>,
}

impl Ledger {
    /// Texts that were paid for, each once.
    pub fn texts(&self) -> usize {
        self.paid.keys().filter(|text| *text != PROBE).count()
    }

    /// How often a text was paid for that had been paid for already.
    pub fn twice(&self) -> usize {
        let paid = self.paid.iter().filter(|(text, _)| *text != PROBE);
        paid.map(|(_, times)| times - 1).sum()
    }

    /// Why the next request fails, if it does.
    fn fault(&mut self, faults: &Faults, texts: &[String]) -> Option<StatusCode> {
        if let Some((after, length)) = faults.outage
            && self.texts() >= after
            && self.outage_begun.get_or_insert_with(Instant::now).elapsed() < length
        {
            return Some(StatusCode::SERVICE_UNAVAILABLE);
        }
        let first = faults.first && self.refused == 0 && !texts.iter().any(|text| text == PROBE);
        let in_turn = faults.every.is_some_and(|every| self.requests.is_multiple_of(every));
        (first || in_turn).then_some(StatusCode::TOO_MANY_REQUESTS)
    }
}

/// The provider, for as long as the test's runtime lives.
#[derive(Clone)]
pub struct Counting {
    /// Its base URL.
    pub url: String,
    state: Arc<(Faults, Mutex<Ledger>)>,
}

impl Counting {
    pub async fn start(faults: Faults) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::new((faults, Mutex::default()));
        let router = Router::new().route("/v1/embeddings", post(embeddings)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// The environment of a process that is to use it.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("FOOTNOTE_EMBEDDING_BASE_URL", self.url.clone()), ("FOOTNOTE_EMBEDDING_MODEL", "counting".into())]
    }

    pub fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.state.1.lock().unwrap())
    }
}

async fn embeddings(State(state): State<Arc<(Faults, Mutex<Ledger>)>>, Json(body): Json<Value>) -> Response {
    let (faults, ledger) = &*state;
    let texts: Vec<String> = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        texts => serde_json::from_value(texts.clone()).unwrap(),
    };
    tokio::time::sleep(faults.delay).await;
    let mut ledger = ledger.lock().unwrap();
    ledger.requests += 1;
    if faults.refused.is_some_and(|refused| texts.iter().any(|text| text.contains(refused))) {
        // As llama.cpp does: the code is a number.
        let why = json!({ "message": "this text is not embedded", "type": "invalid_request_error", "code": 400 });
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))).into_response();
    }
    if faults.most.is_some_and(|most| texts.len() > most) {
        ledger.refused += 1;
        // As Text Embeddings Inference does.
        let error = json!({ "message": "batch size is too large", "type": "Validation", "code": 413 });
        return (StatusCode::PAYLOAD_TOO_LARGE, Json(error)).into_response();
    }
    if let Some(status) = ledger.fault(faults, &texts) {
        ledger.refused += 1;
        // As what stands before a provider does.
        return (status, [("retry-after", "1")], "not now").into_response();
    }
    let row =
        |(index, text): (usize, &String)| json!({ "object": "embedding", "index": index, "embedding": vector(text) });
    let data: Vec<Value> = texts.iter().enumerate().map(row).collect();
    for text in texts {
        *ledger.paid.entry(text).or_default() += 1;
    }
    let usage = json!({ "prompt_tokens": 1, "total_tokens": 1 });
    Json(json!({ "object": "list", "model": body["model"], "data": data, "usage": usage })).into_response()
}

/// Letters counted by their place in the alphabet.
fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.01_f32; DIMENSIONS];
    for byte in text.bytes() {
        vector[usize::from(byte) % DIMENSIONS] += 1.0;
    }
    vector
}
