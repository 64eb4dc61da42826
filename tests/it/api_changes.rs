//! Changes of documents that are there: names, places, metadata.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::canaries::until;
use crate::command::Footnote;
use crate::harness::{Reply, TestApp};

const MAIL: &str = "From: a@example.com\r\nTo: b@example.com\r\nSubject: Birds\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=XX\r\n\r\n--XX\r\nContent-Type: text/plain\r\n\r\nThe list is attached.\r\n\
    --XX\r\nContent-Type: text/plain; name=birds.txt\r\nContent-Disposition: attachment; filename=birds.txt\r\n\r\n\
    Herons stand in ponds.\r\n--XX--\r\n";

async fn change(app: &TestApp, id: &str, change: Value) -> Reply {
    app.send("PATCH", &format!("/api/v1/documents/{id}"), &change).await
}

async fn found(app: &TestApp, query: Value) -> Value {
    app.post("/api/v1/search", &query).await.json()["passages"].clone()
}

#[tokio::test]
async fn a_document_with_another_key_is_the_same_one() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let id = app.text(&collection, "pump.txt", "The pump holds 4 bar.").await;
    let other = app.text(&collection, "other.txt", "Herons stand in ponds.").await;
    app.settled(&collection).await;
    let before = app.get(&format!("/api/v1/documents/{id}")).await.json();

    let reply = change(&app, &id, json!({ "key": "plant/pump.txt", "uri": "file:///plant/pump.txt" })).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let after = reply.json();
    assert_eq!((&after["key"], &after["title"]), (&json!("plant/pump.txt"), &json!("plant/pump.txt")));
    for same in ["revision_id", "stage", "sha256", "chunks", "embedded", "done_at"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let passages = found(&app, json!({ "query": "pump bar" })).await;
    assert_eq!((&passages[0]["title"], &passages[0]["uri"]), (&after["title"], &after["uri"]));

    let taken = change(&app, &other, json!({ "key": "plant/pump.txt" })).await;
    assert_eq!((taken.status, taken.code().as_str()), (StatusCode::CONFLICT, "conflict:document"));
    for (wrong, code) in [(json!({ "key": "" }), "unprocessable:key"), (json!({ "keys": "x" }), "unprocessable:body")] {
        assert_eq!(change(&app, &id, wrong).await.code(), code);
    }
    assert_eq!(change(&app, "01990000-0000-7000-8000-000000000000", json!({})).await.status, StatusCode::NOT_FOUND);
    app.delete(&format!("/api/v1/documents/{id}")).await;
    assert_eq!(change(&app, &id, json!({ "key": "x" })).await.status, StatusCode::NOT_FOUND);
    app.stop().await;
}

#[tokio::test]
async fn another_title_and_other_metadata_are_found_by() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let id = app.text(&collection, "k", "The pump holds 4 bar.").await;
    app.settled(&collection).await;
    let by_year = json!({ "query": "pump", "filter": { "year": 2026 } });
    assert_eq!(found(&app, by_year.clone()).await, json!([]));
    let reply = change(&app, &id, json!({ "title": "Hydraulics", "meta": { "year": 2026 } })).await;
    assert_eq!((reply.status, &reply.json()["title"]), (StatusCode::OK, &json!("Hydraulics")));
    app.settled(&collection).await;
    assert_eq!(found(&app, by_year).await[0]["title"], "Hydraulics");
    let by_word = found(&app, json!({ "query": "hydraulics", "mode": "sparse" })).await;
    assert_eq!(by_word[0]["document_id"], id.as_str());
    app.stop().await;
}

#[tokio::test]
async fn what_lies_within_a_file_follows_it() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let mail = json!({ "key": "in/m.eml", "text": MAIL, "media_type": "message/rfc822", "uri": "file:///in/m.eml" });
    let taken = app.post(&path, &mail).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
    let id = taken.json()["documents"][0]["id"].as_str().unwrap().to_owned();
    app.settled(&collection).await;
    let child = async |key: &str| {
        let listed = app.get(&format!("/api/v1/documents?collection={collection}&key={key}")).await.json();
        listed["items"][0].clone()
    };
    let before = child("in/m.eml/birds.txt").await;
    assert_eq!(before["parent_id"], id.as_str(), "{before}");
    let inner = change(&app, before["id"].as_str().unwrap(), json!({ "key": "birds.txt" })).await;
    assert_eq!((inner.status, inner.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:key"));

    let moved = change(&app, &id, json!({ "key": "out/m.eml", "uri": "file:///out/m.eml" })).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text());
    let after = child("out/m.eml/birds.txt").await;
    for same in ["id", "revision_id", "stage"] {
        assert_eq!(after[same], before[same], "{same}: {after}");
    }
    assert_eq!(after["title"], "out/m.eml/birds.txt");
    assert_eq!(after["uri"], "file:///out/m.eml#birds.txt");
    app.stop().await;
}

#[tokio::test]
async fn what_an_older_version_read_is_read_again_when_it_comes_again() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let same = json!({ "key": "a.txt", "text": "The herons stand in the pond." });
    let outcome = async || app.post(&path, &same).await.json()["documents"][0]["outcome"].clone();
    assert_eq!(outcome().await, "added");
    app.settled(&collection).await;
    assert_eq!(outcome().await, "unchanged");
    for version in ["parser_version", "chunker_version"] {
        let older = format!("update revisions set {version} = {version} - 1");
        sqlx::query(sqlx::AssertSqlSafe(older)).execute(&app.db).await.unwrap();
        let listed = app.get(&format!("/api/v1/documents?collection={collection}")).await.json();
        assert_eq!(listed["items"][0]["outdated"], true, "{listed}");
        assert_eq!(outcome().await, "changed", "{version}");
        app.settled(&collection).await;
        assert_eq!(outcome().await, "unchanged", "{version}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_lies_within_a_file_that_is_read_now_is_called_as_the_file_is_by_then() {
    let footnote = Footnote::new();
    let server = footnote.serve_with([("FAILPOINTS", "read=1*return(sleep 3000)".to_owned())]);
    let (client, base) = (server.client(), server.url.clone());
    let api = async |method: Method, path: &str, body: Option<Value>| -> Value {
        let request = client.request(method, format!("{base}/api/v1{path}"));
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let reply = request.send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.json().await.unwrap()
    };
    let collection = api(Method::POST, "/collections", Some(json!({ "name": "c" }))).await["id"].clone();
    let collection = collection.as_str().unwrap();
    let mail = json!({ "key": "in/m.eml", "text": MAIL, "media_type": "message/rfc822" });
    let taken = api(Method::POST, &format!("/collections/{collection}/documents"), Some(mail)).await;
    let id = taken["documents"][0]["id"].as_str().unwrap().to_owned();
    let running = async || {
        let jobs = api(Method::GET, "/admin/jobs?state=running", None).await;
        (!jobs["items"].as_array().unwrap().is_empty()).then_some(())
    };
    until("reader", running).await;
    api(Method::PATCH, &format!("/documents/{id}"), Some(json!({ "key": "out/m.eml" }))).await;
    let keys = async || {
        let listed = api(Method::GET, &format!("/documents?collection={collection}"), None).await;
        let items = listed["items"].as_array().unwrap();
        let done = items.iter().all(|item| item["stage"] == "done");
        let mut keys: Vec<String> = items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect();
        keys.sort_unstable();
        (done && keys.len() > 1).then_some(keys)
    };
    assert_eq!(until("attachment", keys).await, ["out/m.eml", "out/m.eml/birds.txt"]);
    assert_eq!(server.stop(), Some(0));
}
