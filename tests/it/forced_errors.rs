//! Errors by the hundred, of bad requests and of a database in which tables are
//! missing: each tells an id and what to do, and nothing of what is inside.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::conversing::{Conversing, KEY, Reply as Says};
use crate::described::{Route, routes};
use crate::estate::Estate;
use crate::harness::{Reply, TestApp, model_dir, request};
use crate::people::{Person, whole};

/// How long a reply may take to its end.
const PATIENCE: Duration = Duration::from_mins(2);
/// What is said of what broke by whoever says more than an id.
const INSIDE: [&str; 16] = [
    "relation \"",
    "column \"",
    "insert into",
    "syntax error at",
    "violates",
    "SQLSTATE",
    "sqlx",
    "prepared statement",
    "postgres:",
    "postgres://",
    "panicked",
    "backtrace",
    ".rs:",
    "/src/",
    "/root/",
    "_away",
];
/// Tables that are away for a while, each alone.
const AWAY: [&str; 9] = [
    "api_keys",
    "artifacts",
    "collections",
    "conversations",
    "documents",
    "messages",
    "openai_files",
    "originals",
    "revisions",
];

/// Bodies that no route takes, with their media types.
fn bad_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let json = "application/json";
    let deep = "[".repeat(50_000);
    vec![
        (json, b"{".to_vec()),
        (json, b"null".to_vec()),
        (json, b"[1, 2, 3]".to_vec()),
        (json, br#"{"nobody knows this": 1}"#.to_vec()),
        (json, br#"{"query": 7, "name": {}, "content": [7], "input": false, "id": 1e999}"#.to_vec()),
        (json, b"{\"query\": \"\xff\xfe\"}".to_vec()),
        (json, deep.into_bytes()),
        ("text/plain", b"words".to_vec()),
        ("multipart/form-data", b"--x".to_vec()),
        ("multipart/form-data; boundary=x", b"--x\r\ncontent-disposition: form-data; name=\"a".to_vec()),
    ]
}

/// What must not be in an error of this service, however it came about.
struct Inside(Vec<String>);

impl Inside {
    fn of(app: &TestApp, owner: &Person) -> Self {
        let shown = |path: &std::path::Path| path.display().to_string();
        let own = [
            shown(&app.settings.data_dir),
            shown(&model_dir()),
            KEY.to_owned(),
            owner.access.clone(),
            owner.refresh.clone(),
            env!("CARGO_PKG_VERSION").to_owned(),
        ];
        Self(INSIDE.iter().map(|&inside| inside.to_owned()).chain(own).collect())
    }

    /// Checks a reply; whether it was an error, and whether it was ours.
    fn look(&self, what: &str, reply: &Reply) -> (bool, bool) {
        let (is_error, is_ours) = (reply.status.as_u16() >= 400, reply.status == StatusCode::INTERNAL_SERVER_ERROR);
        let kind = reply.headers.get("content-type").map(|kind| kind.as_bytes().to_vec()).unwrap_or_default();
        if !is_error && !kind.starts_with(b"text/event-stream") {
            return (false, false);
        }
        let headers: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value:?}\n")).collect();
        let text = reply.text();
        for inside in &self.0 {
            assert!(!text.contains(inside.as_str()), "{what} tells `{inside}`: {text}");
            assert!(!headers.contains(inside.as_str()), "{what} tells `{inside}`: {headers}");
        }
        assert!(!reply.headers.contains_key("server") && !reply.headers.contains_key("x-powered-by"), "{headers}");
        let id = reply.headers.get("x-request-id").unwrap_or_else(|| panic!("{what}: no id in {headers}"));
        if let Ok(body) = serde_json::from_slice::<Value>(&reply.bytes)
            && let Some(told) = body["error"].get("request_id")
        {
            assert_eq!(told, id.to_str().unwrap(), "{what}");
            let fields: Vec<&String> = body["error"].as_object().unwrap().keys().collect();
            assert_eq!(fields, ["code", "message", "request_id"], "{what}");
            assert!(!is_ours || body["error"]["code"] == "internal:service", "{what}: {text}");
        }
        (is_error, is_ours)
    }
}

async fn sent(app: &TestApp, request: Request<Body>) -> Reply {
    let doors = app.doors();
    tokio::time::timeout(PATIENCE, whole(&doors, request)).await.expect("an end of the reply")
}

/// A request of the owner's, or of nobody's where it would end the sign-in.
fn by(owner: &Person, route: &Route<'_>, kind: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = request(route.method(), &route.path).header("content-type", kind);
    if !route.path.starts_with("/api/v1/auth/") {
        request = request.header("authorization", format!("Bearer {}", owner.access));
    }
    request.body(body.into()).unwrap()
}

async fn started() -> (TestApp, Estate, Value) {
    let model = Conversing::start(|_: &Value| Says::refuses(&format!("Incorrect API key provided: {KEY}"))).await;
    let app = TestApp::with(|settings| {
        model.configure(settings);
        settings.model = "extractive".into();
    })
    .await;
    let estate = Estate::of(&app, Person::with_role(&app, "owner", "admin").await).await;
    let document = app.get("/openapi.json").await.json();
    (app, estate, document)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bad_request_learns_what_is_inside() {
    let (app, estate, document) = started().await;
    let inside = Inside::of(&app, &estate.owner);
    let (mut errors, mut ours) = (0, 0);
    for route in routes(&document, &estate).iter().filter(|route| !["GET", "DELETE"].contains(&route.method())) {
        for (kind, body) in bad_bodies() {
            let what = format!("{} with {kind}", route.name);
            let (is_error, is_ours) = inside.look(&what, &sent(&app, by(&estate.owner, route, kind, body)).await);
            errors += usize::from(is_error);
            ours += usize::from(is_ours);
        }
    }
    for path in ["/api/v1/documents/", "/v1/files/", "/api/v1/revisions/", "/nowhere/", "/assets/", "/docs/", "/s/"] {
        for id in ["1", "%00", "..%2f..%2fetc%2fpasswd", "%ff", "'", "{id}", "%F0%9F%99%82"] {
            let id = id.replace(['{', '}'], "%7B");
            let reply = app.get(&format!("{path}{id}")).await;
            errors += usize::from(inside.look(path, &reply).0);
        }
    }
    eprintln!("{errors} errors of bad requests, {ours} of them ours");
    assert!(errors >= 350, "{errors}");
    assert_eq!(ours, 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_of_our_own_tells_what_broke() {
    let (app, estate, document) = started().await;
    let inside = Inside::of(&app, &estate.owner);
    let (mut errors, mut ours) = (0, 0);
    let move_to = async |from: &str, to: &str| {
        let statement = format!("alter table {from} rename to {to}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&app.db).await.unwrap();
    };
    for table in AWAY {
        let away = format!("{table}_away");
        move_to(table, &away).await;
        // What deletes would leave little for the next one.
        for route in routes(&document, &estate).iter().filter(|route| route.method() != "DELETE") {
            let what = format!("{} without {table}", route.name);
            let body = if route.body.is_null() { json!({}) } else { route.body.clone() };
            let body = if route.method() == "GET" { Body::empty() } else { body.to_string().into() };
            let reply = sent(&app, by(&estate.owner, route, "application/json", body)).await;
            let (is_error, is_ours) = inside.look(&what, &reply);
            errors += usize::from(is_error);
            ours += usize::from(is_ours);
        }
        move_to(&away, table).await;
    }
    // A model that tells what it should not.
    for _ in 0..5 {
        let question = json!({ "content": "What?", "model": crate::conversing::MODEL });
        let reply = estate.owner.post(&estate.owner.conversation().await, &question).await;
        errors += usize::from(inside.look("a model that refuses", &reply).0);
    }
    eprintln!("{errors} errors with tables away, {ours} of them ours");
    assert!(ours >= 50, "{ours}");
    // All is well again.
    let found = estate.owner.get(&format!("/api/v1/documents/{}", estate.document)).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text());
    app.stop().await;
}
