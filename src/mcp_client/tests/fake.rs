//! A server over HTTP that does what a test says, in either era.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What comes of a call.
#[derive(Clone)]
pub(super) enum Answer {
    Result(Value),
    Error(i32, &'static str),
    /// A status with a body that is no JSON.
    Status(u16),
    Redirect(String),
    Hang,
    /// The connection breaks within the reply.
    Break,
}

/// What came in: the message, and the headers beside it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) message: Value,
    pub(super) headers: HeaderMap,
}

/// How it behaves.
pub(super) struct Behaviour {
    pub(super) legacy: bool,
    /// Pages of tools; each but the last names the next.
    pub(super) pages: Mutex<Vec<Value>>,
    pub(super) answer: Mutex<Answer>,
    pub(super) seen: Mutex<Vec<Seen>>,
    /// Tells listeners that the tools have changed.
    pub(super) change: Notify,
}

/// The server; gone when dropped.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    pub(super) behaviour: Arc<Behaviour>,
    serving: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(legacy: bool, tools: Value, answer: Answer) -> Self {
        let behaviour = Arc::new(Behaviour {
            legacy,
            pages: Mutex::new(vec![tools]),
            answer: Mutex::new(answer),
            seen: Mutex::default(),
            change: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let mut fake = Self { address, behaviour, serving: JoinSet::new() };
        fake.serve(listener);
        fake
    }

    fn serve(&mut self, listener: TcpListener) {
        let app = Router::new().route("/{*path}", post(answer)).with_state(Arc::clone(&self.behaviour));
        self.serving.spawn(async move { axum::serve(listener, app).await.expect("serving") });
    }

    /// Nothing answers at its address any more.
    pub(super) async fn shut_down(&mut self) {
        self.serving.shutdown().await;
    }

    /// At the address that it had.
    pub(super) async fn restart(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.serve(listener);
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Settings for it, with more or other fields.
    pub(super) fn config(&self, more: &Value) -> Value {
        let mut config = json!({ "name": "fake", "url": self.url(), "timeout": 30 });
        for (name, value) in more.as_object().expect("an object") {
            config[name] = value.clone();
        }
        config
    }

    pub(super) fn list(&self, tools: Value) {
        *self.behaviour.pages.lock().expect("the pages") = vec![tools];
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self.behaviour.answer.lock().expect("the answer") = answer;
    }

    /// The messages with this method that came in.
    pub(super) fn seen(&self, method: &str) -> Vec<Seen> {
        let seen = self.behaviour.seen.lock().expect("the messages");
        seen.iter().filter(|seen| seen.message["method"] == method).cloned().collect()
    }
}

async fn answer(State(fake): State<Arc<Behaviour>>, headers: HeaderMap, body: String) -> Response {
    let message: Value = serde_json::from_str(&body).expect("JSON");
    fake.seen.lock().expect("the messages").push(Seen { message: message.clone(), headers });
    let id = &message["id"];
    let method = message["method"].as_str().unwrap_or_default();
    match method {
        _ if id.is_null() => StatusCode::ACCEPTED.into_response(),
        "server/discover" if !fake.legacy => result(
            id,
            &json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28"],
                "capabilities": { "tools": { "listChanged": true } }, "ttlMs": 86_400_000, "cacheScope": "public"
            }),
        ),
        "initialize" if fake.legacy => result(
            id,
            &json!({
                "protocolVersion": message["params"]["protocolVersion"], "capabilities": { "tools": {} },
                "serverInfo": { "name": "fake", "version": "1" }
            }),
        ),
        "tools/list" => result(id, &page(&fake, &message["params"]["cursor"])),
        "subscriptions/listen" => listened(fake, id.clone()),
        "tools/call" => called(&fake, id),
        _ => error(id, -32601, "no such method"),
    }
}

fn page(fake: &Behaviour, cursor: &Value) -> Value {
    let pages = fake.pages.lock().expect("the pages");
    let at: usize = cursor.as_str().map_or(0, |cursor| cursor.parse().expect("a number"));
    // A list that never ends repeats its last page.
    let (last, tools) = (pages.len() - 1, &pages[at.min(pages.len() - 1)]);
    let mut page = json!({ "resultType": "complete", "tools": tools, "ttlMs": 86_400_000, "cacheScope": "public" });
    if at < last || tools.as_array().is_some_and(|tools| tools.len() == 100) {
        page["nextCursor"] = json!((at + 1).to_string());
    }
    page
}

fn called(fake: &Behaviour, id: &Value) -> Response {
    let answer = fake.answer.lock().expect("the answer").clone();
    match answer {
        Answer::Result(value) => result(id, &value),
        Answer::Error(code, message) => error(id, code, message),
        Answer::Status(status) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::CONTENT_TYPE, "text/html")], "<p>no</p>").into_response()
        }
        Answer::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Answer::Hang => events(stream::pending::<String>()),
        Answer::Break => {
            let pieces = [Ok("{\"jsonrpc\""), Err(std::io::Error::other("broken"))];
            ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(stream::iter(pieces))).into_response()
        }
    }
}

/// Confirms, and then tells of each change.
fn listened(fake: Arc<Behaviour>, id: Value) -> Response {
    let event = move |method: &str, params: Value| {
        let mut params = params;
        params["_meta"] = json!({ "io.modelcontextprotocol/subscriptionId": id });
        json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
    };
    let confirmed =
        event("notifications/subscriptions/acknowledged", json!({ "notifications": { "toolsListChanged": true } }));
    let changed = event("notifications/tools/list_changed", json!({}));
    let changes = stream::unfold(fake, move |fake| {
        let changed = changed.clone();
        async move {
            fake.change.notified().await;
            Some((changed, fake))
        }
    });
    events(stream::iter([confirmed]).chain(changes))
}

fn events(messages: impl futures::Stream<Item = String> + Send + 'static) -> Response {
    let body = Body::from_stream(messages.map(|message| Ok::<_, std::io::Error>(format!("data: {message}\n\n"))));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn result(id: &Value, result: &Value) -> Response {
    axum::Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })).into_response()
}

fn error(id: &Value, code: i32, message: &str) -> Response {
    axum::Json(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })).into_response()
}
