//! Browsers are held: whose pages may call, what replies may do in a browser,
//! and what is compressed.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::harness::{Reply, TestApp, request};

/// The one origin that is named.
const NAMED: &str = "https://chat.example.org";

async fn from(app: &TestApp, method: &str, path: &str, origin: &str) -> Reply {
    let request = request(method, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-stainless-lang");
    app.request(request.body(Body::empty()).unwrap()).await
}

fn allowed(headers: &HeaderMap) -> Option<&str> {
    headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn only_pages_of_named_origins_may_call() {
    let app = TestApp::with(|settings| settings.allowed_origins = vec![NAMED.into()]).await;
    let path = "/api/v1/collections";
    for method in ["GET", "OPTIONS"] {
        let reply = from(&app, method, path, NAMED).await;
        assert!(reply.status.is_success(), "{method}: {}", reply.text());
        assert_eq!(allowed(&reply.headers), Some(NAMED), "{method}");
        assert_eq!(reply.headers["access-control-allow-credentials"], "true");
        assert!(reply.headers["vary"].to_str().unwrap().contains("origin"), "{:?}", reply.headers);
        for origin in [
            "null",
            "http://chat.example.org",
            "https://chat.example.org:8443",
            "https://chat.example.org.evil.example",
            "https://sub.chat.example.org",
            "https://evilchat.example.org",
            "https://example.org",
            "*",
        ] {
            let reply = from(&app, method, path, origin).await;
            assert_eq!((reply.status, allowed(&reply.headers)), (StatusCode::FORBIDDEN, None), "{method} {origin}");
        }
    }
    let asked = from(&app, "OPTIONS", path, NAMED).await;
    let headers = asked.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(headers.contains("authorization") && headers.contains("x-stainless-lang"), "{headers}");
    let told = from(&app, "GET", path, NAMED).await;
    let exposed = told.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("x-request-id") && exposed.contains("x-ratelimit-remaining-tokens"), "{exposed}");
    // A refusal can be read by the page too.
    let refused = from(&app, "GET", "/api/v1/documents/one", NAMED).await;
    assert_eq!((refused.status, allowed(&refused.headers)), (StatusCode::NOT_FOUND, Some(NAMED)));
    app.stop().await;
}

#[tokio::test]
async fn without_names_no_other_page_may_call() {
    let app = TestApp::start().await;
    for origin in [NAMED, "null", "http://localhost:3000"] {
        let reply = from(&app, "OPTIONS", "/api/v1/search", origin).await;
        assert_eq!((reply.status, allowed(&reply.headers)), (StatusCode::FORBIDDEN, None), "{origin}");
    }
    let own = from(&app, "GET", "/api/v1/collections", "http://localhost").await;
    assert_eq!((own.status, allowed(&own.headers)), (StatusCode::OK, None));
    app.stop().await;
}

#[tokio::test]
async fn every_reply_holds_the_browser() {
    let app = TestApp::start().await;
    let large = app.post("/api/v1/search", &json!({ "query": " " })).await;
    let replies = [
        app.get("/api/v1/collections").await,
        app.get("/api/v1/nowhere").await,
        app.get("/nowhere").await,
        app.get("/health/live").await,
        app.get("/docs/").await,
        large,
        app.delete("/api/v1/search").await,
        from(&app, "GET", "/api/v1/collections", "https://evil.example").await,
    ];
    for reply in &replies {
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
        assert_eq!(reply.headers["x-frame-options"], "DENY");
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        for rule in ["object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "default-src 'none'"] {
            assert!(policy.contains(rule), "{policy}");
        }
    }
    for reply in [&replies[0], &replies[1], &replies[5], &replies[7]] {
        assert_eq!(reply.headers["cache-control"], "no-store");
    }
    app.stop().await;
}

#[tokio::test]
async fn text_is_compressed_for_those_who_take_it_and_streams_are_not() {
    let app = TestApp::start().await;
    let asking = |path: &str| request("GET", path).header("accept-encoding", "gzip, br").body(Body::empty()).unwrap();
    let description = app.request(asking("/openapi.json")).await;
    assert_eq!(description.headers["content-encoding"], "br");
    let plain = app.get("/openapi.json").await;
    assert!(!plain.headers.contains_key("content-encoding") && plain.bytes.len() > 5 * description.bytes.len());
    let small = app.request(asking("/health/live")).await;
    assert!(!small.headers.contains_key("content-encoding"));
    let messages = app.conversation().await;
    let question = json!({ "content": "Anything?", "stream": true }).to_string();
    let stream = request("POST", &messages).header("accept-encoding", "gzip, br");
    let stream = stream.header("content-type", "application/json").body(question.into()).unwrap();
    let stream = app.request(stream).await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert!(!stream.headers.contains_key("content-encoding"));
    app.stop().await;
}
