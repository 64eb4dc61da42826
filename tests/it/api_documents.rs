//! Documents and collections over HTTP.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{TestApp, request};

fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        body.extend(format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--XX--\r\n");
    body
}

async fn upload(app: &TestApp, collection: &str, body: Vec<u8>) -> crate::harness::Reply {
    let path = format!("/api/v1/collections/{collection}/documents");
    let request = request("POST", &path).header("content-type", "multipart/form-data; boundary=XX");
    app.request(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn files_go_through_their_stages_and_come_back_as_they_were() {
    let app = TestApp::start().await;
    let collection = app.collection("files").await;
    let page = b"<html><title>Pumps</title><body><h1>Pumps</h1><p>The pump holds 4 bar.</p></body></html>";
    let body = form(&[
        ("title", None, "About pumps".as_bytes()),
        ("uri", None, b"https://example.com/pumps"),
        ("meta", None, br#"{"year": 2026}"#),
        ("file", Some("pumps.html"), page),
        ("file", Some("valves.md"), b"# Valves\n\nA valve opens in 3 s.\n"),
    ]);
    let taken = upload(&app, &collection, body).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
    let taken = taken.json()["documents"].clone();
    assert_eq!(taken[0]["key"], "pumps.html");
    assert_eq!(taken[1]["outcome"], "added");
    app.settled(&collection).await;

    let id = taken[0]["id"].as_str().unwrap();
    let document = app.get(&format!("/api/v1/documents/{id}")).await.json();
    assert_eq!(document["stage"], "done");
    assert_eq!(document["title"], "About pumps");
    assert_eq!(document["uri"], "https://example.com/pumps");
    assert_eq!(document["chunks"], document["embedded"]);
    let original = app.get(&format!("/api/v1/documents/{id}/original")).await;
    assert_eq!(original.bytes, page);
    assert_eq!(original.headers["content-disposition"], "attachment");
    assert_eq!(original.headers["x-content-type-options"], "nosniff");
    app.stop().await;
}

#[tokio::test]
async fn metadata_that_each_chunk_would_carry_is_bounded_and_stays_unless_it_is_told() {
    let app = TestApp::start().await;
    let collection = app.collection("noted").await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let text = |meta: Value| json!({ "key": "pump", "text": "The pump holds 4 bar.", "meta": meta });
    let large = json!({ "note": "x".repeat(40_000) });
    let refused = app.post(&path, &text(large.clone())).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
    assert!(refused.text().contains("32768"), "{}", refused.text());
    let taken = app.post(&path, &text(json!({ "year": 2026 }))).await.json();
    let document = format!("/api/v1/documents/{}", taken["documents"][0]["id"].as_str().unwrap());
    let edited = app.send("PATCH", &document, &json!({ "meta": large })).await;
    assert_eq!(edited.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", edited.text());
    app.post(&path, &json!({ "key": "pump", "text": "The pump holds 5 bar." })).await;
    assert_eq!(app.get(&document).await.json()["meta"], json!({ "year": 2026 }));
    app.post(&path, &text(json!({}))).await;
    assert_eq!(app.get(&document).await.json()["meta"], json!({}));
    app.stop().await;
}

#[tokio::test]
async fn the_same_bytes_again_are_no_work_and_other_bytes_replace_them() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let id = app.text(&collection, "k", "The pump holds 4 bar.").await;
    app.settled(&collection).await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let again = app.post(&path, &json!({ "key": "k", "text": "The pump holds 4 bar." })).await.json();
    assert_eq!(again["documents"][0]["outcome"], "unchanged");
    assert_eq!(again["documents"][0]["id"], id.as_str());

    let before = app.get(&format!("/api/v1/documents/{id}")).await.json()["revision_id"].clone();
    let changed = app.post(&path, &json!({ "key": "k", "text": "The pump holds 6 bar." })).await.json();
    assert_eq!(changed["documents"][0]["outcome"], "changed");
    app.settled(&collection).await;
    let after = app.get(&format!("/api/v1/documents/{id}")).await.json()["revision_id"].clone();
    assert_ne!(before, after);
    // What cited the old text can still be read.
    let text = app.get(&format!("/api/v1/revisions/{}/text", before.as_str().unwrap())).await.json();
    assert_eq!(text["text"], "The pump holds 4 bar.");
    let found = app.post("/api/v1/search", &json!({ "query": "pump bar" })).await.json();
    let texts: Vec<&Value> = found["passages"].as_array().unwrap().iter().map(|passage| &passage["text"]).collect();
    assert_eq!(texts, ["The pump holds 6 bar."]);
    app.stop().await;
}

#[tokio::test]
async fn how_urgent_a_document_is_has_bounds() {
    let app = TestApp::start().await;
    let collection = app.collection("urgent").await;
    let path = format!("/api/v1/collections/{collection}/documents");
    for (priority, status) in [(100, 202), (-100, 202), (101, 422), (-101, 422), (40_000, 422)] {
        let of_text = app.post(&path, &json!({ "key": "a", "text": "A valve.", "priority": priority })).await;
        assert_eq!(of_text.status, status, "{}", of_text.text());
        let said = priority.to_string();
        let of_form = form(&[("priority", None, said.as_bytes()), ("file", Some("b.txt"), b"A pump.")]);
        assert_eq!(upload(&app, &collection, of_form).await.status, status, "{priority}");
    }
    let of_page = app.post(&path, &json!({ "url": "https://example.com/", "priority": 101 })).await;
    assert_eq!((of_page.status.as_u16(), of_page.code().as_str()), (422, "unprocessable:priority"));
    let no_number = form(&[("priority", None, b"soon"), ("file", Some("b.txt"), b"A pump.")]);
    assert_eq!(upload(&app, &collection, no_number).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    app.stop().await;
}

#[tokio::test]
async fn a_deleted_document_is_gone_at_once_and_its_points_soon_after() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    let id = app.text(&collection, "k", "The heron stands in the pond.").await;
    app.text(&collection, "other", "The stork stands on the roof.").await;
    app.settled(&collection).await;
    assert_eq!(app.delete(&format!("/api/v1/documents/{id}")).await.status, StatusCode::NO_CONTENT);
    let found = app.post("/api/v1/search", &json!({ "query": "heron pond" })).await.json();
    assert!(!found.to_string().contains("heron stands"), "{found}");
    assert_eq!(app.get(&format!("/api/v1/documents/{id}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.delete(&format!("/api/v1/documents/{id}")).await.status, StatusCode::NOT_FOUND);
    for _ in 0..500 {
        let drift = app.post("/api/v1/admin/doctor", &json!({})).await.json();
        if drift["points"] == 1 {
            assert_eq!(drift["orphaned"], 0);
            return app.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the points stayed");
}

#[tokio::test]
async fn deleting_a_collection_takes_its_documents_along() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    app.text(&collection, "k", "The heron stands in the pond.").await;
    app.settled(&collection).await;
    assert_eq!(app.delete(&format!("/api/v1/collections/{collection}")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get(&format!("/api/v1/collections/{collection}")).await.status, StatusCode::NOT_FOUND);
    let found = app.post("/api/v1/search", &json!({ "query": "heron pond" })).await.json();
    assert_eq!(found["passages"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn lists_come_in_pages_without_gaps_or_repeats() {
    let app = TestApp::start().await;
    let collection = app.collection("c").await;
    for n in 0..7 {
        app.text(&collection, &format!("k{n}"), &format!("Text number {n} of seven.")).await;
    }
    let mut keys: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("/api/v1/documents?collection=c&limit=3{cursor}")).await.json();
        keys.extend(page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    keys.sort();
    assert_eq!(keys, ["k0", "k1", "k2", "k3", "k4", "k5", "k6"]);
    app.stop().await;
}

#[tokio::test]
async fn a_collection_s_name_is_unique_and_can_change() {
    let app = TestApp::start().await;
    let id = app.collection("one").await;
    app.collection("two").await;
    let taken = app.post("/api/v1/collections", &json!({ "name": "one" })).await;
    assert_eq!((taken.status, taken.code()), (StatusCode::CONFLICT, "conflict:collection".into()));
    let path = format!("/api/v1/collections/{id}");
    assert_eq!(app.send("PATCH", &path, &json!({ "name": "two" })).await.status, StatusCode::CONFLICT);
    let renamed = app.send("PATCH", &path, &json!({ "name": "three" })).await;
    assert_eq!(renamed.json()["name"], "three");
    app.stop().await;
}

#[tokio::test]
async fn of_several_files_that_are_refused_the_first_is_told() {
    let app = TestApp::start().await;
    let collection = app.collection("files").await;
    let (key, meta) = ("k".repeat(3_000), json!({ "notes": "x".repeat(40_000) }).to_string());
    let mut parts: Vec<(&str, Option<&str>, &[u8])> = vec![
        ("key", None, key.as_bytes()),
        ("file", Some("a.md"), b"The pump holds 4 bar."),
        ("meta", None, meta.as_bytes()),
        ("file", Some("b.md"), b"The valve leaks."),
    ];
    parts.extend([("file", Some("c.md"), b"A heron eats fish.".as_slice())].repeat(6));
    let refused = upload(&app, &collection, form(&parts)).await;
    assert_eq!(refused.code(), "unprocessable:key", "{}", refused.text());
    app.stop().await;
}
