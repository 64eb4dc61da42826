//! The MCP server's door: who may come in, what is no request at all, and where
//! credentials come from.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use footnote::credentials::jwks::Issuer;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{TestApp, request};

/// A request to the server as JSON, in the older era.
fn raw(message: &Value) -> Request<Body> {
    let request = request("POST", "/mcp").header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream");
    request.body(message.to_string().into()).unwrap()
}

fn greeting() -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_hosts_and_pages_are_turned_away() {
    let app = TestApp::start().await;
    let mut host = raw(&greeting());
    host.headers_mut().insert("host", "evil.example".parse().unwrap());
    let refused = app.request(host).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "forbidden:host"));
    let mut origin = raw(&greeting());
    origin.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
    let refused = app.request(origin).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "forbidden:origin"));

    let mut own = raw(&greeting());
    own.headers_mut().insert("host", "127.0.0.2:4711".parse().unwrap());
    own.headers_mut().insert("origin", "http://127.0.0.2:4711".parse().unwrap());
    let greeted = app.request(own).await;
    assert_eq!(greeted.status, StatusCode::OK, "{}", greeted.text());
    assert_eq!(greeted.headers["content-type"], "application/json");
    assert_eq!(greeted.json()["result"]["serverInfo"]["name"], "footnote");
    assert!(!greeted.headers.contains_key("mcp-session-id"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused() {
    let app = TestApp::start().await;
    let question = json!({ "name": "ask", "arguments": { "question": "x".repeat(10_000_000) } });
    let huge = raw(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": question }));
    assert_eq!(app.request(huge).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for broken in ["", "{", "[]", "null", "{\"jsonrpc\":\"2.0\"}", "\u{0}"] {
        let mut request = raw(&greeting());
        *request.body_mut() = broken.into();
        let reply = app.request(request).await;
        assert!(reply.status.is_client_error(), "{broken}: {}", reply.status);
    }
    let listening = request("GET", "/mcp").header("accept", "text/event-stream").body(Body::empty()).unwrap();
    let refused = app.request(listening).await;
    assert_eq!((refused.status, &refused.headers["allow"]), (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_credentials_come_from_is_said_to_anybody() {
    let path = "/.well-known/oauth-protected-resource/mcp";
    let unknown = || request("GET", path).body(Body::empty()).unwrap();
    let issuer = "https://id.example/realms/kb";
    let app = TestApp::with(|settings| settings.identity_providers = vec![provider(issuer)]).await;
    // Past the harness, which brings credentials.
    let reply = app.doors().oneshot(unknown()).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let bytes = axum::body::to_bytes(reply.into_body(), 1 << 20).await.unwrap();
    let told: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        told,
        json!({
            "resource": "http://localhost/mcp", "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"], "scopes_supported": ["read", "ask"],
            "resource_name": "Footnote", "resource_documentation": "http://localhost/docs",
        })
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_credential_is_told_where_to_get_one() {
    let app = TestApp::start().await;
    // Past the harness, which brings credentials.
    let reply = app.doors().oneshot(raw(&greeting())).await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    let challenge = reply.headers()["www-authenticate"].to_str().unwrap();
    let metadata = "resource_metadata=\"http://localhost/.well-known/oauth-protected-resource/mcp\"";
    assert_eq!(challenge, format!("Bearer {metadata}, scope=\"read ask\""));
    app.stop().await;
}

fn provider(issuer: &str) -> Issuer {
    let provider = json!({ "issuer": issuer, "audience": "footnote", "jwks_url": "https://login.example/keys" });
    serde_json::from_value(provider).unwrap()
}
