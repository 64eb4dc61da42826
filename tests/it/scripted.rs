//! A provider that says what a test tells it to say, over a real socket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use footnote::config::Settings;
use footnote::prompt;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the provider does with a question.
#[derive(Debug, Clone)]
pub enum Script {
    /// Says these pieces, then ends as it should.
    Says(Vec<String>),
    /// Says the pieces with a pause before each.
    SaysSlowly(Vec<String>, Duration),
    /// Says the pieces, then drops the connection.
    BreaksOff(Vec<String>),
    /// Answers with this status.
    Refuses(u16, Value),
    /// Takes the question and says nothing.
    IsSilent,
    /// Says to each question a text of its own, in this order, with a pause
    /// before each piece. What is asked beside answers gets a word at once.
    Varies(Arc<[Vec<String>]>, Duration),
    /// Sends deltas of its own to each request for an answer, in this order, with a
    /// pause before each: it may think, and call tools. What is asked beside answers
    /// gets a word at once.
    Sends(Arc<[Vec<Value>]>, Duration),
}

/// The provider.
#[derive(Clone)]
pub struct Scripted {
    pub url: String,
    state: Arc<Provider>,
}

struct Provider {
    script: Script,
    asked: Mutex<Vec<(HeaderMap, Value)>>,
    /// The last turn of each request for an answer.
    calls: Mutex<Vec<String>>,
    /// Answers whose reader is still there.
    open: Arc<AtomicUsize>,
}

/// Counts down when the reader of a stream goes away.
struct Reader(Arc<AtomicUsize>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (asked, calls, open) = (Mutex::default(), Mutex::default(), Arc::default());
        let state = Arc::new(Provider { script, asked, calls, open });
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// Settings that let this provider answer as model `scripted`.
    pub fn configure(&self, settings: &mut Settings) {
        settings.openai_base_url = Some(self.url.clone());
        settings.openai_api_key = Some("sk-canary".to_owned().into());
        settings.model = "scripted".into();
    }

    /// What was asked so far; nothing where it varies what it says, since that
    /// may be very much.
    pub fn asked(&self) -> Vec<(HeaderMap, Value)> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The questions that it was asked to answer, without what a service asks
    /// beside answers, such as a title.
    pub fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap().clone()
    }

    pub fn open_streams(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl Provider {
    /// Writes a request for an answer down; returns how many there were before.
    fn take(&self, body: &Value) -> usize {
        let turns = body["messages"].as_array().unwrap();
        let last = turns.iter().rev().find(|turn| turn["role"] == "user").unwrap();
        let mut calls = self.calls.lock().unwrap();
        calls.push(last["content"].as_str().unwrap_or_default().to_owned());
        calls.len() - 1
    }
}

/// Whether a request is for something else than an answer.
fn is_aside(body: &Value) -> bool {
    let asides = [prompt::title(), prompt::rewrite(), prompt::rephrase(), prompt::summarise()];
    body["messages"][0]["content"].as_str().is_some_and(|system| asides.iter().any(|aside| aside == system))
}

/// Deltas that say these pieces.
pub fn saying(pieces: Vec<String>) -> Vec<Value> {
    pieces.into_iter().map(|piece| json!({ "content": piece })).collect()
}

/// The pieces of a text, cut every few characters.
pub fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(7).map(|piece| piece.iter().collect()).collect()
}

async fn complete(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let aside = is_aside(&body);
    let turn = if aside { 0 } else { provider.take(&body) };
    let script = provider.script.clone();
    if !matches!(script, Script::Varies(..) | Script::Sends(..)) {
        provider.asked.lock().unwrap().push((headers, body));
    }
    let (deltas, pause, whole) = match script {
        Script::Refuses(status, body) => {
            return (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
        }
        Script::Says(pieces) => (saying(pieces), Duration::ZERO, true),
        Script::SaysSlowly(pieces, pause) => (saying(pieces), pause, true),
        Script::BreaksOff(pieces) => (saying(pieces), Duration::ZERO, false),
        Script::IsSilent => (saying(vec![String::new()]), Duration::from_hours(1), true),
        Script::Varies(..) | Script::Sends(..) if aside => (saying(vec!["Gauges".into()]), Duration::ZERO, true),
        Script::Varies(texts, pause) => (saying(texts[turn % texts.len()].clone()), pause, true),
        Script::Sends(turns, pause) => (turns[turn % turns.len()].clone(), pause, true),
    };
    let mut parts: Vec<Option<Value>> = deltas
        .into_iter()
        .map(|delta| Some(json!({ "id": "c", "choices": [{ "index": 0, "delta": delta }] })))
        .collect();
    if whole {
        parts.push(Some(json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })));
        parts
            .push(Some(json!({ "id": "c", "choices": [], "usage": { "prompt_tokens": 120, "completion_tokens": 9 } })));
    } else {
        parts.push(None);
    }
    let open = if aside { Arc::default() } else { Arc::clone(&provider.open) };
    open.fetch_add(1, Ordering::SeqCst);
    let reader = Reader(open);
    let body = stream::unfold((parts.into_iter(), reader), move |(mut parts, reader)| async move {
        let part = parts.next()?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let item = match part {
            Some(part) => Ok(Bytes::from(format!("data: {part}\n\n"))),
            None => {
                // What was said before has left by then.
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(std::io::Error::other("cut"))
            }
        };
        Some((item, (parts, reader)))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}
