//! Conversations that are set up with the request that begins them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply};
use crate::harness::{Reply as Answer, TestApp};
use crate::talk::Talk;

const ALL: &str = "/api/v1/conversations";

async fn begun(app: &TestApp, begin: &Value) -> Value {
    let begun = app.post(ALL, begin).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());
    begun.json()
}

#[tokio::test]
async fn a_conversation_is_begun_whole() {
    let app = TestApp::start().await;
    let collection = app.collection("manuals").await;
    let whole = json!({
        "title": " Pumps ", "collections": ["manuals"], "model": "extractive", "system_prompt": "Be brief.",
        "tools": ["search_documents"],
    });
    let conversation = begun(&app, &whole).await;
    let expected = json!({
        "id": conversation["id"], "title": "Pumps", "titled_by": "user", "collections": [collection],
        "model": "extractive", "system_prompt": "Be brief.", "tools": ["search_documents"], "leaf_id": null,
        "archived_at": null, "created_at": conversation["created_at"], "updated_at": conversation["created_at"],
    });
    assert_eq!(conversation, expected);
    let path = format!("{ALL}/{}", conversation["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.json(), expected);
    // It is as one that was set up afterwards.
    let later = begun(&app, &json!({})).await;
    assert_eq!((&later["system_prompt"], &later["tools"]), (&Value::Null, &Value::Null));
    let mut changed = app.send("PATCH", &format!("{ALL}/{}", later["id"].as_str().unwrap()), &whole).await.json();
    for own in ["id", "created_at", "updated_at"] {
        changed[own] = expected[own].clone();
    }
    assert_eq!(changed, expected);
    assert_eq!(begun(&app, &json!({ "tools": [] })).await["tools"], json!([]), "no tools at all");
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_set_up_is_refused_as_it_is_when_it_is_changed() {
    let app = TestApp::start().await;
    let kept = begun(&app, &json!({ "title": "kept" })).await;
    let path = format!("{ALL}/{}", kept["id"].as_str().unwrap());
    for (wrong, code) in [
        (json!({ "title": " " }), "unprocessable:title"),
        (json!({ "model": "gpt-9" }), "unprocessable:model"),
        (json!({ "collections": ["none"] }), "not_found:collection"),
        (json!({ "system_prompt": " " }), "unprocessable:system_prompt"),
        (json!({ "system_prompt": "x".repeat(8001) }), "unprocessable:system_prompt"),
        (json!({ "system_prompt": "a\u{0}b" }), "unprocessable:system_prompt"),
        (json!({ "system_prompt": ["Be brief."] }), "unprocessable:body"),
        (json!({ "tools": ["search_documents", ""] }), "unprocessable:tools"),
        (json!({ "tools": ["x".repeat(129)] }), "unprocessable:tools"),
        (json!({ "tools": vec!["x"; 129] }), "unprocessable:tools"),
        (json!({ "tols": [] }), "unprocessable:body"),
    ] {
        let (begun, changed) = (app.post(ALL, &wrong).await, app.send("PATCH", &path, &wrong).await);
        assert_eq!((begun.status, begun.code().as_str()), (changed.status, code), "{wrong}: {}", begun.text());
        let message = |reply: &Answer| reply.json()["error"]["message"].clone();
        if code != "unprocessable:body" {
            assert_eq!(message(&begun), message(&changed), "{wrong}");
        }
    }
    assert_eq!(app.get(ALL).await.json()["items"], json!([kept]));
    let longest = json!({ "system_prompt": "ä".repeat(8000), "tools": vec!["x".repeat(128); 128] });
    begun(&app, &longest).await;
    app.stop().await;
}

#[tokio::test]
async fn a_conversation_that_is_begun_whole_is_answered_so_from_its_first_question() {
    let talk = Talk::start(Conversing::start(|_| Reply::says("Fine.")).await).await;
    let whole = json!({
        "title": "Pumps", "model": "other", "system_prompt": "Speak like a sailor.", "tools": ["calculate"],
    });
    let conversation = begun(&talk.app, &whole).await;
    let messages = format!("{ALL}/{}/messages", conversation["id"].as_str().unwrap());
    talk.post(&messages, &json!({ "content": "What is 6 times 7?" })).await;
    let sent = talk.model.last();
    let tools: Vec<&Value> = sent["tools"].as_array().unwrap().iter().map(|tool| &tool["function"]["name"]).collect();
    assert_eq!((&sent["model"], tools), (&json!("other"), vec![&json!("calculate")]));
    let system = sent["messages"][0]["content"].as_str().unwrap();
    assert!(system.ends_with("Speak like a sailor."), "{system}");
    talk.stop().await;
}
