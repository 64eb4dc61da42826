//! The web page: what browsers are sent, and what they may do with it.

use axum::body::Body;
use axum::http::StatusCode;

use crate::harness::{TestApp, request};

#[tokio::test]
async fn the_page_comes_with_a_policy_that_lets_nothing_else_in() {
    let app = TestApp::start().await;
    let page = app.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["cache-control"], "no-cache");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let rules: Vec<&str> = policy.split("; ").collect();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(rules.contains(&rule), "{rule} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");

    // The address of a source is the same page; what is none is no page.
    let source = app.get("/s/0190a000-0000-7000-8000-000000000000?start=1&end=2").await;
    assert_eq!((source.status, source.bytes == page.bytes), (StatusCode::OK, true));
    assert_eq!(app.get("/s/passwd").await.code(), "not_found:route");
    assert_eq!(app.get("/index.html").await.code(), "not_found:route");
    app.stop().await;
}

#[tokio::test]
async fn files_of_the_page_are_kept_for_good_and_the_page_is_asked_for_again() {
    let app = TestApp::start().await;
    let page = app.get("/").await;
    let text = page.text();
    let script = text.split(" src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let script = app.get(script).await;
    assert_eq!(script.status, StatusCode::OK);
    assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
    assert!(script.headers["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(script.headers.contains_key("content-security-policy"));

    let again = request("GET", "/").header("if-none-match", &page.headers["etag"]).body(Body::empty()).unwrap();
    let again = app.request(again).await;
    assert_eq!((again.status, again.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(app.get("/assets/nothing.js").await.code(), "not_found:route");
    app.stop().await;
}
