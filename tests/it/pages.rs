//! Web pages by their URL: what the service fetches for a caller, and what the
//! command does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::command::{Footnote, errors, parsed};
use crate::harness::{Reply, TestApp};

const PAGE: &str = "<html><title>Herons</title><body><h1>Herons</h1><p>Herons stand in ponds.</p></body></html>";

/// A site on this machine.
struct Site {
    port: u16,
    /// How often its page was sent.
    sent: Arc<AtomicUsize>,
}

impl Site {
    async fn start() -> Self {
        // On all addresses, so that none is refused for not answering.
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(AtomicUsize::new(0));
        let map = format!("<urlset><url><loc>http://127.0.0.1:{port}/page</loc></url></urlset>");
        let routes = Router::new()
            .route("/page", get(page))
            .route("/large", get(async || "x".repeat(5000)))
            .route("/gone", get(async || StatusCode::NOT_FOUND))
            .route("/away", get(async move || Redirect::temporary(&format!("http://127.0.0.2:{port}/page"))))
            .route("/map", get(async move || ([("content-type", "application/xml")], map.clone())))
            .with_state(Arc::clone(&sent));
        tokio::spawn(async { axum::serve(listener, routes).await });
        Self { port, sent }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

async fn page(State(sent): State<Arc<AtomicUsize>>, headers: HeaderMap) -> Response {
    if headers.get("if-none-match").is_some_and(|tag| tag == "\"1\"") {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    sent.fetch_add(1, Ordering::SeqCst);
    ([("etag", "\"1\"")], Html(PAGE)).into_response()
}

async fn add(app: &TestApp, collection: &str, body: Value) -> Reply {
    app.post(&format!("/api/v1/collections/{collection}/documents"), &body).await
}

fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_caller_sends_the_service_into_its_own_network() {
    let app = TestApp::start().await;
    let collection = app.collection("web").await;
    let site = Site::start().await;
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"] {
        let reply = add(&app, &collection, json!({ "url": format!("http://{host}:{}/page", site.port) })).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:url"),
            "{host}"
        );
    }
    assert_eq!(site.sent.load(Ordering::SeqCst), 0);
    for wrong in ["file:///etc/passwd", "no url", "http://name:word@example.com/"] {
        let reply = add(&app, &collection, json!({ "url": wrong })).await;
        assert_eq!(reply.code(), "unprocessable:url", "{wrong}");
    }
    let both = add(&app, &collection, json!({ "url": site.url("/page"), "text": "x" })).await;
    assert_eq!(both.code(), "unprocessable:body");
    app.stop().await;
}

#[tokio::test]
async fn a_page_from_where_the_operator_allows_is_a_document() {
    let app = TestApp::with(|settings| {
        settings.fetch_allow = vec!["127.0.0.1".into()];
        settings.max_file_bytes = 4000;
    })
    .await;
    let collection = app.collection("web").await;
    let site = Site::start().await;
    let taken = add(&app, &collection, json!({ "url": site.url("/page"), "meta": { "year": 2026 } })).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
    let taken = taken.json()["documents"][0].clone();
    assert_eq!((&taken["key"], &taken["outcome"]), (&json!(site.url("/page")), &json!("added")));
    app.settled(&collection).await;
    let document = app.get(&format!("/api/v1/documents/{}", taken["id"].as_str().unwrap())).await.json();
    assert_eq!((&document["title"], &document["uri"]), (&json!("Herons"), &json!(site.url("/page"))));
    assert_eq!((&document["meta"]["year"], &document["source_version"]), (&json!(2026), &json!("etag:\"1\"")));

    // What is refused and what does not answer look the same.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let silent = add(&app, &collection, json!({ "url": format!("http://127.0.0.1:{closed}/") })).await;
    assert_eq!(silent.code(), "unprocessable:url");
    let inner = add(&app, &collection, json!({ "url": format!("http://127.0.0.2:{}/page", site.port) })).await;
    let away = add(&app, &collection, json!({ "url": site.url("/away") })).await;
    for refused in [inner, away] {
        assert_eq!((refused.status, message(&refused)), (silent.status, message(&silent)));
    }
    assert_eq!(site.sent.load(Ordering::SeqCst), 1, "no redirect led to it");

    let large = add(&app, &collection, json!({ "url": site.url("/large") })).await;
    assert_eq!((large.status, large.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large:url"));
    let gone = add(&app, &collection, json!({ "url": site.url("/gone") })).await;
    assert!(gone.status == StatusCode::UNPROCESSABLE_ENTITY && message(&gone).contains("404"), "{}", gone.text());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_fetches_what_has_changed_and_asks_before_it_looks_inside() {
    let site = Site::start().await;
    let (page, map) = (site.url("/page"), site.url("/map"));
    let sent = Arc::clone(&site.sent);
    let run = move || {
        let footnote = Footnote::new();
        let refused = footnote.run(&["ingest", &page, "--json"]);
        assert_eq!((refused.status.code(), sent.load(Ordering::SeqCst)), (Some(5), 0), "{}", errors(&refused));
        assert!(parsed(&refused)["failed"][0]["reason"].as_str().unwrap().contains("public internet"));

        let report = footnote.json(&["ingest", &page, "--allow-private"]);
        assert_eq!((&report["added"], sent.load(Ordering::SeqCst)), (&json!(1), 1), "{report}");
        let report = footnote.json(&["ingest", &page, "--allow-private"]);
        assert_eq!((&report["unchanged"], sent.load(Ordering::SeqCst)), (&json!(1), 1), "{report}");
        // A sitemap is told by what is in it; its page is the one that is there.
        let report = footnote.json(&["ingest", &map, "--allow-private", "--prune"]);
        assert_eq!((&report["unchanged"], &report["deleted"]), (&json!(1), &json!(0)), "{report}");
        let report = footnote.json(&["ingest", &format!("sitemap+{map}"), "--allow-private", "--exclude", "page"]);
        assert_eq!((&report["added"], &report["unchanged"]), (&json!(0), &json!(0)), "{report}");
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}
