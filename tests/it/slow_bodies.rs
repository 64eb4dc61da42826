//! Requests that are begun with a good credential and ended after it: what they
//! ask for is not done.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures::channel::mpsc::{Sender, channel};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{Reply, TestApp, request};
use crate::people::{Person, whole};

/// Longer than a body that is believed to be there at once.
const LATER: Duration = Duration::from_millis(1_200);

/// A request of which all but the last byte was sent.
struct Open {
    rest: Sender<Result<Bytes, std::io::Error>>,
    last: Bytes,
    reply: JoinHandle<Reply>,
}

impl Open {
    /// Begun, and far enough in for its body to be read.
    async fn by(person: &Person, method: &str, path: &str, body: &Value) -> Self {
        let (mut rest, body_of) = channel(0);
        let mut first = Bytes::from(body.to_string());
        let last = first.split_off(first.len() - 1);
        let request = request(method, path)
            .header("authorization", format!("Bearer {}", person.access))
            .header("content-type", "application/json")
            .body(Body::from_stream(body_of.fuse()))
            .unwrap();
        let doors = person.doors.clone();
        let reply = tokio::spawn(async move { whole(&doors, request).await });
        // Returns once it is taken, for there is no room for it to wait in.
        rest.send(Ok(first)).await.unwrap();
        Self { rest, last, reply }
    }

    async fn end(mut self) -> Reply {
        tokio::time::sleep(LATER).await;
        self.rest.send(Ok(self.last)).await.unwrap();
        drop(self.rest);
        self.reply.await.unwrap()
    }
}

#[tokio::test]
async fn what_ends_after_its_credential_is_not_done() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let (messages, keys) = (ada.conversation().await, "/api/v1/api-keys");
    let key = json!({ "name": "kept", "scopes": ["read", "ask", "write"] });
    let phone = Person::signs_in(&app, "ada", crate::people::PASSWORD).await;
    let stolen = [
        Open::by(&phone, "POST", keys, &key).await,
        Open::by(&phone, "POST", "/api/v1/collections", &json!({ "name": "theirs" })).await,
        Open::by(&phone, "POST", &messages, &json!({ "content": "What is a pump?" })).await,
    ];
    // In time, a slow one is taken.
    let slow = Open::by(&phone, "POST", "/api/v1/collections", &json!({ "name": "slow" })).await.end().await;
    assert_eq!(slow.status, StatusCode::CREATED, "{}", slow.text());
    let out = phone.post("/api/v1/auth/logout", &json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT, "{}", out.text());
    for open in stolen {
        let reply = open.end().await;
        assert_eq!((reply.status, reply.code()), (StatusCode::UNAUTHORIZED, "unauthorized:credential".into()));
    }
    assert_eq!(ada.get(keys).await.json()["items"], json!([]));
    assert_eq!(ada.get("/api/v1/collections").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(ada.get(&messages).await.json()["items"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn who_is_no_administrator_any_more_makes_none() {
    let app = TestApp::start().await;
    let root = Person::with_role(&app, "root", "admin").await;
    let account = json!({ "name": "left", "password": crate::people::PASSWORD, "role": "admin" });
    let open = Open::by(&root, "POST", "/api/v1/admin/users", &account).await;
    let demoted = app.send("PATCH", &format!("/api/v1/admin/users/{}", root.id), &json!({ "role": "user" })).await;
    assert_eq!(demoted.status, StatusCode::OK, "{}", demoted.text());
    let reply = open.end().await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", reply.text());
    assert!(!app.get("/api/v1/admin/users").await.text().contains("\"left\""));
    app.stop().await;
}

#[tokio::test]
async fn a_request_names_so_much_and_no_more() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let (collection, _) = ada.collection_with("k", "pump.txt", "The pump holds 4 bar.").await;
    let too_many = |body: &Value| {
        let body = body.clone();
        let ada = ada.clone();
        async move {
            let reply = ada.post("/api/v1/search", &body).await;
            assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", reply.text());
        }
    };
    too_many(&json!({ "query": "pump", "collections": vec!["k"; 101] })).await;
    too_many(&json!({ "query": "pump", "filter": { "x": vec![0; 257] } })).await;
    let keys: serde_json::Map<String, Value> = (0..65).map(|n| (format!("k{n}"), json!(n))).collect();
    too_many(&json!({ "query": "pump", "filter": keys })).await;
    // One that is named again and again is one.
    let begun = ada.post("/api/v1/conversations", &json!({ "collections": vec!["k"; 100] })).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());
    assert_eq!(begun.json()["collections"], json!([collection]));
    app.stop().await;
}
