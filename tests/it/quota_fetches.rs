//! Fetched web pages have a quota of each day.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use footnote_ingest::store::usage;
use insta::assert_json_snapshot;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::{TestApp, operator};
use crate::quotas::{assert_refused, used};

#[tokio::test]
async fn web_pages_are_fetched_up_to_the_limit_of_the_day() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let routes = Router::new().route("/{page}", get(async || "Herons stand in ponds."));
    tokio::spawn(async { axum::serve(listener, routes).await });
    let app = TestApp::with(|settings| {
        settings.fetch_allow = vec!["127.0.0.1".into()];
        settings.quota.fetches = 2;
    })
    .await;
    let collection = app.collection("web").await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let fetch = async |page: &str| app.post(&path, &json!({ "url": format!("http://127.0.0.1:{port}/{page}") })).await;
    for page in ["a", "b"] {
        assert_eq!(fetch(page).await.status, StatusCode::ACCEPTED);
    }
    let refused = fetch("c").await;
    assert_refused(&refused, "quota_exceeded:fetches");
    assert_json_snapshot!(refused.json()["error"]["message"], @r#""2 of 2 web pages were fetched today; go on after midnight UTC, or have FOOTNOTE_QUOTA_FETCHES raised""#);
    assert_eq!(used(&app, "fetches").await, 2);
    sqlx::query("update fetches set day = day - 1").execute(&app.db).await.unwrap();
    let scope = operator(&app.db).await;
    let mut fetches = JoinSet::new();
    for _ in 0..50 {
        let db = app.db.clone();
        fetches.spawn(async move { usage::count_fetch(&db, scope, Some(2)).await.unwrap() });
    }
    assert_eq!(fetches.join_all().await.into_iter().filter(|counted| *counted).count(), 2, "of fifty on a new day");
    app.stop().await;
}
