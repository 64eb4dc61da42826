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
    /// Streams whose reader is still there.
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
        let state = Arc::new(Provider { script, asked: Mutex::default(), open: Arc::default() });
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

    /// What was asked so far.
    pub fn asked(&self) -> Vec<(HeaderMap, Value)> {
        self.state.asked.lock().unwrap().clone()
    }

    pub fn open_streams(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

/// The pieces of a text, cut every few characters.
pub fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(7).map(|piece| piece.iter().collect()).collect()
}

async fn complete(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    provider.asked.lock().unwrap().push((headers, body));
    let script = provider.script.clone();
    let (pieces, pause, whole) = match script {
        Script::Refuses(status, body) => {
            return (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
        }
        Script::Says(pieces) => (pieces, Duration::ZERO, true),
        Script::SaysSlowly(pieces, pause) => (pieces, pause, true),
        Script::BreaksOff(pieces) => (pieces, Duration::ZERO, false),
        Script::IsSilent => (vec![String::new()], Duration::from_hours(1), true),
    };
    let mut parts: Vec<Option<Value>> = pieces
        .into_iter()
        .map(|piece| Some(json!({ "id": "c", "choices": [{ "index": 0, "delta": { "content": piece } }] })))
        .collect();
    if whole {
        parts.push(Some(json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })));
        parts
            .push(Some(json!({ "id": "c", "choices": [], "usage": { "prompt_tokens": 120, "completion_tokens": 9 } })));
    } else {
        parts.push(None);
    }
    provider.open.fetch_add(1, Ordering::SeqCst);
    let reader = Reader(Arc::clone(&provider.open));
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
