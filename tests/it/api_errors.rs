//! Refusals: what they look like, and that each says what to do.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{TestApp, operators, request};

#[tokio::test]
async fn every_refusal_has_its_code_a_message_and_the_request_s_id() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let nothing = "/api/v1/documents/0190a000-0000-7000-8000-000000000000";
    let messages = app.conversation().await;
    let text = |text: Value| json!({ "key": "k", "text": text });
    let upload = format!("/api/v1/collections/{collection}/documents");
    let replies = [
        ("404 route", app.get("/api/v1/nowhere").await, "not_found:route"),
        ("404 thing", app.get(nothing).await, "not_found:document"),
        ("404 no id", app.get("/api/v1/documents/one").await, "not_found:resource"),
        ("405", app.delete("/api/v1/search").await, "bad_request:method"),
        (
            "no JSON",
            app.request(request("POST", "/api/v1/search").body("x".into()).unwrap()).await,
            "bad_request:content_type",
        ),
        ("unknown field", app.post("/api/v1/search", &json!({ "query": "a", "qurey": 1 })).await, "unprocessable:body"),
        ("empty query", app.post("/api/v1/search", &json!({ "query": " " })).await, "unprocessable:query"),
        ("limit", app.post("/api/v1/search", &json!({ "query": "a", "limit": 0 })).await, "unprocessable:limit"),
        (
            "collection",
            app.post("/api/v1/search", &json!({ "query": "a", "collections": ["x"] })).await,
            "not_found:collection",
        ),
        (
            "long question",
            app.post(&messages, &json!({ "content": "x".repeat(100_000) })).await,
            "unprocessable:content",
        ),
        ("model", app.post(&messages, &json!({ "content": "a", "model": "gpt-9" })).await, "unprocessable:model"),
        (
            "temperature",
            app.post(&messages, &json!({ "content": "a", "temperature": 3 })).await,
            "unprocessable:temperature",
        ),
        ("no key", app.post(&upload, &json!({ "text": "a" })).await, "unprocessable:key"),
        ("wrong type", app.post(&upload, &text(json!(7))).await, "unprocessable:body"),
        ("query string", app.get("/api/v1/documents?page=2").await, "unprocessable:query"),
        ("cursor", app.get("/api/v1/conversations?cursor=x").await, "unprocessable:cursor"),
    ];
    for (what, reply, code) in replies {
        assert_eq!(reply.code(), code, "{what}: {}", reply.text());
        assert!(reply.status.is_client_error(), "{what}");
        let error = &reply.json()["error"];
        assert!(error["message"].as_str().unwrap().len() > 10, "{what}: {error}");
        assert_eq!(error["request_id"], reply.headers["x-request-id"].to_str().unwrap(), "{what}");
    }
    app.stop().await;
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let app = TestApp::start().await;
    let reply = app.post("/api/v1/search", &json!({ "query": "a", "qurey": 1 })).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(reply.text().contains("qurey"), "{}", reply.text());
    app.stop().await;
}

#[tokio::test]
async fn a_caller_s_request_id_is_kept() {
    let app = TestApp::start().await;
    let request = request("GET", "/api/v1/nowhere").header("x-request-id", "mine").body(Body::empty()).unwrap();
    let reply = app.request(request).await;
    assert_eq!(reply.headers["x-request-id"], "mine");
    assert_eq!(reply.json()["error"]["request_id"], "mine");
    app.stop().await;
}

#[tokio::test]
async fn requests_in_a_foreign_name_or_from_a_foreign_page_are_turned_away() {
    let app = TestApp::start().await;
    for (header, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let mut request = request("GET", "/api/v1/collections").body(Body::empty()).unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        let reply = app.request(request).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{header}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_with_what_to_do() {
    let app = TestApp::with(|settings| settings.max_file_bytes = 1000).await;
    let collection = app.collection("c").await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let reply = app.post(&path, &json!({ "key": "k", "text": "word ".repeat(1000) })).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large:file".into()));
    assert!(reply.text().contains("FOOTNOTE_MAX_FILE_BYTES"), "{}", reply.text());
    assert_eq!(app.get("/api/v1/documents").await.json()["items"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn a_full_disk_refuses_uploads_and_keeps_what_is_there() {
    let mut app = TestApp::start().await;
    let collection = app.collection("c").await;
    app.text(&collection, "pump", "The pump holds 4 bar.").await;
    app.settled(&collection).await;
    // As if all but nothing were taken.
    let mut full = app.service.app.clone();
    let mut config = (*full.corpus.config).clone();
    config.disk_reserve = u64::MAX / 2;
    full.corpus.config = std::sync::Arc::new(config);
    app.router = operators(&full);
    let path = format!("/api/v1/collections/{collection}/documents");
    let reply = app.post(&path, &json!({ "key": "new", "text": "Some text." })).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::SERVICE_UNAVAILABLE, "busy:disk".into()));
    assert!(reply.headers.contains_key("retry-after"));
    let found = app.post("/api/v1/search", &json!({ "query": "pump" })).await.json();
    assert_eq!(found["passages"][0]["key"], "pump");
    app.stop().await;
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let app = TestApp::start().await;
    let description = app.get("/openapi.json").await.json();
    let id = "0190a000-0000-7000-8000-000000000000";
    let mut known = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let parts: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect();
            let path_with_ids = parts.join("/");
            let request = request(&method.to_uppercase(), &path_with_ids).header("content-type", "application/json");
            let reply = app.request(request.body("{}".into()).unwrap()).await;
            assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!reply.text().contains("not_found:route"), "{method} {path}");
            known.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    insta::assert_snapshot!(known.into_iter().collect::<Vec<_>>().join("\n"));
    let docs = app.get("/docs/").await;
    assert_eq!(docs.status, StatusCode::OK);
    app.stop().await;
}
