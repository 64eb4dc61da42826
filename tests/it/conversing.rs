//! A model that converses: what it says and calls is computed from what it was
//! asked. It speaks OpenAI's Chat Completions over a real socket, and keeps
//! every request.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use footnote::config::Settings;
use footnote::prompt;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::scripted::pieces;

/// Its name.
pub const MODEL: &str = "conversing";
/// Its key, which nobody but the provider may see.
pub const KEY: &str = "sk-canary-conversing";
/// The only path at which it answers.
pub const PATH: &str = "/v1/chat/completions";

/// What a model is asked for; its instructions tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Answer,
    /// The question in words that stand alone.
    Rewrite,
    /// The question as the documents might put it.
    Rephrase,
    Summary,
    Title,
}

impl Task {
    fn of(body: &Value) -> Self {
        let instructions = body["messages"][0]["content"].as_str().unwrap_or_default();
        let others = [
            (prompt::rewrite(), Self::Rewrite),
            (prompt::rephrase(), Self::Rephrase),
            (prompt::summarise(), Self::Summary),
            (prompt::title(), Self::Title),
        ];
        let other = others.into_iter().find(|(text, _)| text == instructions);
        other.map_or(Self::Answer, |(_, task)| task)
    }
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Asked {
    pub task: Task,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// What the model replies.
#[derive(Debug, Clone)]
pub struct Reply {
    words: String,
    /// Tools, and their arguments as text.
    calls: Vec<(String, String)>,
    usage: Value,
    pause: Duration,
    refusal: Option<String>,
    /// Why it ends, if it is to say another reason than it has.
    ending: Option<&'static str>,
}

impl Reply {
    pub fn says(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            calls: vec![],
            usage: json!({ "prompt_tokens": 120, "completion_tokens": 9 }),
            pause: Duration::ZERO,
            refusal: None,
            ending: None,
        }
    }

    /// Calls a tool and says nothing.
    pub fn calls(tool: &str, arguments: &Value) -> Self {
        Self::says("").and_calls(tool, arguments.to_string())
    }

    /// Refuses with HTTP status 400.
    pub fn refuses(why: &str) -> Self {
        Self { refusal: Some(why.to_owned()), ..Self::says("") }
    }

    /// Ends for a reason of choice.
    pub fn ending(mut self, reason: &'static str) -> Self {
        self.ending = Some(reason);
        self
    }

    /// Calls one more tool; the arguments need be no JSON.
    pub fn and_calls(mut self, tool: &str, arguments: impl Into<String>) -> Self {
        self.calls.push((tool.to_owned(), arguments.into()));
        self
    }

    /// Tokens that it read, those of them from a cache, and those it wrote.
    pub fn used(mut self, read: u32, cached: u32, wrote: u32) -> Self {
        self.usage = json!({
            "prompt_tokens": read, "completion_tokens": wrote, "prompt_tokens_details": { "cached_tokens": cached },
        });
        self
    }

    /// With a pause before each piece.
    pub fn slowly(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The events of its stream. The arguments of several calls come in turns.
    fn lines(&self, step: usize) -> Vec<String> {
        let chunk = |delta: Value| json!({ "id": "c", "choices": [{ "index": 0, "delta": delta }] });
        let part = |call: Value| chunk(json!({ "tool_calls": [call] }));
        let words = pieces(&self.words).into_iter().map(|piece| chunk(json!({ "content": piece })));
        let begun = self.calls.iter().enumerate().map(|(index, (tool, _))| {
            let (id, function) = (format!("call-{step}-{index}"), json!({ "name": tool, "arguments": "" }));
            part(json!({ "index": index, "id": id, "type": "function", "function": function }))
        });
        let mut chunks: Vec<Value> = words.chain(begun).collect();
        let arguments: Vec<Vec<String>> = self.calls.iter().map(|(_, arguments)| pieces(arguments)).collect();
        for turn in 0..arguments.iter().map(Vec::len).max().unwrap_or_default() {
            let cut = arguments.iter().enumerate().filter_map(|(index, cut)| Some((index, cut.get(turn)?)));
            chunks
                .extend(cut.map(|(index, piece)| part(json!({ "index": index, "function": { "arguments": piece } }))));
        }
        let reason = self.ending.unwrap_or(if self.calls.is_empty() { "stop" } else { "tool_calls" });
        chunks.push(json!({ "id": "c", "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }));
        chunks.push(json!({ "id": "c", "choices": [], "usage": self.usage }));
        chunks.iter().map(Value::to_string).chain(["[DONE]".to_owned()]).collect()
    }
}

type Mind = dyn Fn(Task, &Value) -> Reply + Send + Sync;

/// The model, for as long as the test's runtime lives.
#[derive(Clone)]
pub struct Conversing {
    url: String,
    state: Arc<Provider>,
}

struct Provider {
    mind: Box<Mind>,
    asked: Mutex<Vec<Asked>>,
}

impl Conversing {
    /// A model that answers by `mind`, and says nothing to whatever else it is
    /// asked for.
    pub async fn start(mind: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_asides(move |task, body| if task == Task::Answer { mind(body) } else { Reply::says("") }).await
    }

    /// A model that does everything by `mind`.
    pub async fn with_asides(mind: impl Fn(Task, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::new(Provider { mind: Box::new(mind), asked: Mutex::default() });
        // Pictures are large.
        let router = Router::new().fallback(complete).with_state(Arc::clone(&state)).layer(DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// Settings that let it answer.
    pub fn configure(&self, settings: &mut Settings) {
        settings.openai_base_url = Some(self.url.clone());
        settings.openai_api_key = Some(KEY.to_owned().into());
        settings.model = MODEL.into();
    }

    /// Everything that it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The requests for something.
    pub fn bodies(&self, task: Task) -> Vec<Value> {
        self.asked().into_iter().filter(|asked| asked.task == task).map(|asked| asked.body).collect()
    }

    /// The latest request for an answer.
    pub fn last(&self) -> Value {
        self.bodies(Task::Answer).pop().expect("it was asked")
    }
}

async fn complete(State(provider): State<Arc<Provider>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (task, path) = (Task::of(&body), uri.path().to_owned());
    let is_known = path == PATH;
    provider.asked.lock().unwrap().push(Asked { task, path, headers, body: body.clone() });
    if !is_known {
        return StatusCode::NOT_FOUND.into_response();
    }
    let reply = (provider.mind)(task, &body);
    if let Some(why) = reply.refusal {
        let error = json!({ "error": { "message": why, "type": "invalid_request_error" } });
        return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
    }
    let (pause, step) = (reply.pause, body["messages"].as_array().map_or(0, Vec::len));
    let events = stream::unfold(reply.lines(step).into_iter(), move |mut lines| async move {
        let line = lines.next()?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some((Ok::<_, Infallible>(Bytes::from(format!("data: {line}\n\n"))), lines))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(events)).into_response()
}
