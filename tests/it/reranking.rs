//! A reranker orders what was found, and a search goes on without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::harness::TestApp;

/// Texts in the order in which they fit a question about pumps, by their words.
const TEXTS: [(&str, &str); 3] = [
    ("pump.txt", "The pump P4 is a pump among pumps: pump, pumps and more pumps."),
    ("gauge.txt", "The gauge of the pump shows what it is rated for."),
    ("rated.txt", "Four bar, says the plate of the pump."),
];

/// A reranker that likes plates, and counts how often it was asked.
async fn start(asked: Arc<AtomicUsize>) -> String {
    async fn rerank(State(asked): State<Arc<AtomicUsize>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
        assert_eq!(headers["authorization"], "Bearer rr-key");
        assert_eq!(body["model"], "judge");
        if asked.fetch_add(1, Ordering::SeqCst) > 0 {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let documents = body["documents"].as_array().unwrap().iter().enumerate();
        let judged = documents.map(|(index, text)| {
            let likes = text.as_str().unwrap().contains("plate");
            json!({ "index": index, "relevance_score": if likes { 0.9 } else { 0.1 } })
        });
        Json(json!({ "results": judged.collect::<Vec<_>>() })).into_response()
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v2", listener.local_addr().unwrap());
    let router = Router::new().route("/v2/rerank", post(rerank)).with_state(asked);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// The keys that a search finds, and the first one's score by the reranker.
async fn found(app: &TestApp, rerank: Option<bool>) -> (Vec<String>, Value) {
    let search = json!({ "query": "pump", "mode": "sparse", "rerank": rerank });
    let reply = app.post("/api/v1/search", &search).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let passages = reply.json()["passages"].as_array().unwrap().clone();
    let keys = passages.iter().map(|passage| passage["key"].as_str().unwrap().to_owned()).collect();
    (keys, passages[0]["scores"]["rerank"].clone())
}

#[tokio::test]
async fn a_reranker_orders_what_was_found_and_is_missed_by_nobody() {
    let asked = Arc::new(AtomicUsize::new(0));
    let url = start(Arc::clone(&asked)).await;
    let app = TestApp::with(|settings| {
        settings.reranker_base_url = Some(url);
        settings.reranker_model = Some("judge".into());
        settings.reranker_api_key = Some("rr-key".to_owned().into());
    })
    .await;
    let collection = app.collection("c").await;
    for (key, text) in TEXTS {
        app.text(&collection, key, text).await;
    }
    app.settled(&collection).await;
    let (plain, score) = found(&app, Some(false)).await;
    assert_eq!((plain[0].as_str(), score, asked.load(Ordering::SeqCst)), ("pump.txt", Value::Null, 0));
    let (ordered, score) = found(&app, None).await;
    assert_eq!((ordered[0].as_str(), score.as_f64().map(|score| score > 0.8)), ("rated.txt", Some(true)));
    assert_eq!(ordered[1..], plain.iter().filter(|key| *key != "rated.txt").cloned().collect::<Vec<_>>());
    // It fails from the second time on.
    assert_eq!(found(&app, Some(true)).await, (plain, Value::Null));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    app.stop().await;
}

#[tokio::test]
async fn who_wants_a_reranker_that_is_not_there_is_told() {
    let app = TestApp::start().await;
    let reply = app.post("/api/v1/search", &json!({ "query": "pump", "rerank": true })).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:rerank"));
    app.stop().await;
}
