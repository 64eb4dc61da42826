//! Readers of answers' streams: bytes as they come, and the events in them by
//! the rules of the HTML standard, written apart from every reader of the
//! service; and services to read from.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use footnote::app::App;
use footnote::chat::Hub;
use footnote::config::Settings;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::counting::{Counting, Faults};
use crate::harness::{TestApp, operators, request};
use crate::random::{Random, number};
use crate::scripted::{Script, Scripted};

/// Events that end a stream.
const ENDS: [&str; 4] = ["message.completed", "message.cancelled", "message.interrupted", "error"];
/// What fields, line ends and escapes are made of, and what breaks careless
/// readers, with bars between. No bracket: it could begin a marker of a citation,
/// which is not shown as it was said.
const ODD: &str = "pump|a| |  |\t|\n|\r|\r\n|\n\n|\r\r|data:|data: x\n\n|\nid: 7\n|\n\nid: -1|event: error\n|\rretry: 1\r|:|\
                   \n: comment\n|\\|\\u0000|\\ud800|\\n|\"|{\"text\":|}|%00|<b>|`|é|漢字|🙂|👩\u{200d}👩\u{200d}👧|e\u{301}|\
                   \u{feff}|\u{2028}|\u{2029}|\u{85}|\u{a0}|\u{1}|\u{7f}|\u{2400}|\u{fffd}|\u{ffff}|\u{10ffff}";

/// An event as a browser would get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub id: String,
    pub name: String,
    pub data: String,
}

impl Frame {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// The whole events of a stream's bytes, by the HTML standard, section 9.2.6
/// "Interpreting an event stream": one that is cut off before its blank line is
/// none.
pub fn frames(bytes: &[u8]) -> Vec<Frame> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut frames = Vec::new();
    let (mut id, mut name, mut data) = (String::new(), String::new(), String::new());
    while let Some(end) = rest.find(['\r', '\n']) {
        let line = &rest[..end];
        let length = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + length..];
        if line.is_empty() {
            let (name, mut data) = (std::mem::take(&mut name), std::mem::take(&mut data));
            if data.pop().is_some() {
                let name = if name.is_empty() { "message".to_owned() } else { name };
                frames.push(Frame { id: id.clone(), name, data });
            }
            continue;
        }
        // The name of a comment's field is empty.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            _ => {}
        }
    }
    frames
}

/// The words that events say.
pub fn said(frames: &[Frame]) -> String {
    let deltas = frames.iter().filter(|frame| frame.name == "text.delta");
    deltas.map(|delta| delta.json()["text"].as_str().unwrap().to_owned()).collect()
}

/// The words of a stored message.
pub fn words(message: &Value) -> String {
    let parts = message["parts"].as_array().unwrap_or_else(|| panic!("no message: {message}")).iter();
    parts.filter(|part| part["type"] == "text").map(|part| part["text"].as_str().unwrap()).collect()
}

/// Where a reader goes on that has read these.
pub fn last_id(frames: &[Frame]) -> String {
    frames.last().map_or_else(|| "0".to_owned(), |last| last.id.clone())
}

/// A stream is whole: numbered from 1 without a gap, with one end, at its end.
pub fn assert_whole(frames: &[Frame], end: &str) {
    let ids: Vec<&str> = frames.iter().map(|frame| frame.id.as_str()).collect();
    let counted: Vec<String> = (1..=frames.len()).map(|n| n.to_string()).collect();
    assert_eq!(ids, counted);
    let ends: Vec<&str> = frames.iter().map(|frame| frame.name.as_str()).filter(|name| ENDS.contains(name)).collect();
    assert_eq!(ends, [end], "{:?}", frames.last());
    assert_eq!(frames.last().unwrap().name, end);
}

/// A stream as it is read.
pub struct Reading {
    body: BodyDataStream,
    /// What has come so far.
    pub bytes: Vec<u8>,
}

impl Reading {
    pub async fn open(router: &Router, request: Request<Body>) -> Self {
        let reply = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = reply.into_parts();
        if parts.status != StatusCode::OK {
            let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            panic!("{}: {}", parts.status, String::from_utf8_lossy(&bytes));
        }
        assert_eq!(parts.headers["content-type"], "text/event-stream");
        Self { body: body.into_data_stream(), bytes: Vec::new() }
    }

    /// Takes what comes next. False at the end.
    pub async fn more(&mut self) -> bool {
        let Some(more) = self.body.next().await else { return false };
        self.bytes.extend_from_slice(&more.unwrap());
        true
    }

    /// Reads on until an event of this name is there.
    pub async fn until(&mut self, name: &str) -> Frame {
        loop {
            if let Some(found) = frames(&self.bytes).into_iter().find(|frame| frame.name == name) {
                return found;
            }
            assert!(self.more().await, "no `{name}` in {}", String::from_utf8_lossy(&self.bytes));
        }
    }

    /// All of its bytes.
    pub async fn rest(mut self) -> Vec<u8> {
        while self.more().await {}
        self.bytes
    }
}

/// Begins to read the answer to a question; and the answer's path.
pub async fn asked(app: &TestApp, question: &str) -> (Reading, String) {
    let messages = app.conversation().await;
    let body = json!({ "content": question, "stream": true });
    let mut reading = Reading::open(&app.router, post(&messages, &body)).await;
    let started = reading.until("message.started").await.json();
    (reading, format!("{messages}/{}", started["message_id"].as_str().unwrap()))
}

pub fn post(path: &str, body: &Value) -> Request<Body> {
    request("POST", path).header("content-type", "application/json").body(body.to_string().into()).unwrap()
}

/// For the events of the answer at `path` after one of them.
pub fn following(path: &str, after: &str) -> Request<Body> {
    request("GET", &format!("{path}/stream")).header("last-event-id", after).body(Body::empty()).unwrap()
}

/// All events of an answer, to its end.
pub async fn replayed(app: &TestApp, path: &str) -> Vec<u8> {
    Reading::open(&app.router, following(path, "0")).await.rest().await
}

/// One of many questions.
pub fn question(n: usize) -> String {
    format!("What is said of gauge {n}?")
}

/// A service without documents whose model says what the script says, and is
/// asked for little else.
pub async fn talking(script: Script, change: impl FnOnce(&mut Settings)) -> (TestApp, Scripted) {
    let provider = Scripted::start(script).await;
    let embedder = Counting::start(Faults::default()).await;
    let app = TestApp::with(|settings| {
        provider.configure(settings);
        settings.embedding_base_url = Some(embedder.url.clone());
        settings.embedding_model = Some("counting".into());
        settings.rewrite_questions = false;
        change(settings);
    })
    .await;
    (app, provider)
}

/// The doors of another replica: the same database and documents, and answers of
/// its own.
pub fn replica(app: &TestApp) -> Router {
    let other = App { hub: Arc::new(Hub::default()), ..app.service.app.clone() };
    operators(&other)
}

/// A model that says to each question another of so many texts.
pub fn varying(texts: &[Vec<String>], pause: u64) -> Script {
    Script::Varies(texts.into(), Duration::from_millis(pause))
}

/// Texts of so many pieces, each with its number at its start.
pub fn numbered(texts: usize, pieces: usize) -> Vec<Vec<String>> {
    let text = |n: usize| -> Vec<String> {
        let rest = (1..pieces).map(|piece| format!("word {piece} "));
        [format!("Text {n}. ")].into_iter().chain(rest).collect()
    };
    (0..texts).map(text).collect()
}

/// A text of odd characters in so many pieces. It has a word, for an answer
/// without any is none.
pub fn odd(random: &mut Random, pieces: usize) -> Vec<String> {
    let odd: Vec<&str> = ODD.split('|').collect();
    let mut piece = || -> String {
        let length = 1 + random.index(6);
        (0..length).map(|_| odd[random.index(odd.len())]).collect()
    };
    let mut text: Vec<String> = (0..pieces).map(|_| piece()).collect();
    if text.iter().all(|piece| piece.trim().is_empty()) {
        text[0].push_str(odd[0]);
    }
    text
}

/// A number of things from the environment.
pub fn amount(name: &str, default: u64) -> usize {
    usize::try_from(number(name, default)).unwrap()
}

/// What a query counts.
pub async fn count(app: &TestApp, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&app.db).await.unwrap()
}
