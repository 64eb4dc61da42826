//! People with accounts, who ask through the doors as they are.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Reply, TestApp, request};

/// A password that is long enough.
pub const PASSWORD: &str = "correct horse battery staple";

/// Somebody who has signed in.
#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub id: String,
    pub access: String,
    pub refresh: String,
    pub doors: Router,
}

impl Person {
    /// An account that the operator makes, and its sign-in.
    pub async fn new(app: &TestApp, name: &str) -> Self {
        Self::with_role(app, name, "user").await
    }

    pub async fn with_role(app: &TestApp, name: &str, role: &str) -> Self {
        let account = json!({ "name": name, "password": PASSWORD, "role": role });
        let made = app.post("/api/v1/admin/users", &account).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        Self::signs_in(app, name, PASSWORD).await
    }

    pub async fn signs_in(app: &TestApp, name: &str, password: &str) -> Self {
        let reply = nobody(app, "POST", "/api/v1/auth/login", &json!({ "name": name, "password": password })).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        Self::of(app, &reply.json())
    }

    /// The one of a sign-in's reply.
    pub fn of(app: &TestApp, session: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: text(&session["user"]["name"]),
            id: text(&session["user"]["id"]),
            access: text(&session["access_token"]),
            refresh: text(&session["refresh_token"]),
            doors: app.doors(),
        }
    }

    /// The same with another credential, such as a key.
    pub fn showing(&self, credential: &str) -> Self {
        Self { access: credential.to_owned(), ..self.clone() }
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let request = request(method, path)
            .header("authorization", format!("Bearer {}", self.access))
            .header("content-type", "application/json");
        // What has no body sends none.
        let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
        whole(&self.doors, request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &Value::Null).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, body).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &Value::Null).await
    }

    /// A reply that goes on.
    pub async fn open(&self, path: &str) -> axum::response::Response {
        let request = request("GET", path).header("authorization", format!("Bearer {}", self.access));
        self.doors.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// Makes a collection.
    pub async fn collection(&self, name: &str) -> String {
        let made = self.post("/api/v1/collections", &json!({ "name": name })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// Makes a collection with one text, which is searchable when this returns.
    pub async fn collection_with(&self, name: &str, key: &str, text: &str) -> (String, String) {
        let collection = self.collection(name).await;
        let document = self.upload(&collection, key, text).await;
        (collection, document)
    }

    pub async fn upload(&self, collection: &str, key: &str, text: &str) -> String {
        let path = format!("/api/v1/collections/{collection}/documents");
        let taken = self.post(&path, &json!({ "key": key, "text": text })).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
        let document = taken.json()["documents"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/documents/{document}");
        crate::canaries::until("document", async || (self.get(&path).await.json()["stage"] == "done").then_some(()))
            .await;
        document
    }

    /// Takes part in a collection that somebody has invited this one to.
    pub async fn accept(&self, collection: &str) {
        let accepted = self.post(&format!("/api/v1/collections/{collection}/accept"), &Value::Null).await;
        assert_eq!(accepted.status, StatusCode::NO_CONTENT, "{}", accepted.text());
    }

    /// Begins a conversation and returns the path of its messages.
    pub async fn conversation(&self) -> String {
        let begun = self.post("/api/v1/conversations", &json!({ "title": "A talk" })).await;
        assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());
        format!("/api/v1/conversations/{}/messages", begun.json()["id"].as_str().unwrap())
    }
}

/// Asks without any credential.
pub async fn nobody(app: &TestApp, method: &str, path: &str, body: &Value) -> Reply {
    let request = request(method, path).header("content-type", "application/json");
    whole(&app.doors(), request.body(body.to_string().into()).unwrap()).await
}

pub async fn whole(doors: &Router, request: Request<Body>) -> Reply {
    let (parts, body) = doors.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Reply { status: parts.status, headers: parts.headers, bytes }
}
