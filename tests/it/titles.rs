//! Titles: a conversation that nobody has named is named after its first
//! question, and a name that somebody gave stays.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::canaries::until;
use crate::conversing::{Conversing, Reply, Task};
use crate::fences::{content, messages};
use crate::talk::{MANUAL, PRESSURE, Talk};

async fn with_titles() -> Talk {
    let mind = |task, _: &Value| match task {
        Task::Title => Reply::says("\n\"Pressure of the P4.\"\nas a title"),
        _ => Reply::says("The pump P4 is rated for 4 bar."),
    };
    let talk = Talk::start(Conversing::with_asides(mind).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    talk
}

/// Begins a conversation and returns the path of its messages.
async fn begin(talk: &Talk, about: &Value) -> String {
    let begun = talk.app.post("/api/v1/conversations", about).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());
    format!("/api/v1/conversations/{}/messages", begun.json()["id"].as_str().unwrap())
}

async fn named(talk: &Talk, messages: &str) -> Value {
    talk.app.get(messages.trim_end_matches("/messages")).await.json()
}

/// Waits until a model has named a conversation.
async fn named_by_model(talk: &Talk, messages: &str) -> Value {
    until("title", async || {
        let conversation = named(talk, messages).await;
        (conversation["titled_by"] == "model").then_some(conversation)
    })
    .await
}

#[tokio::test]
async fn a_conversation_is_named_after_its_first_question_once() {
    let talk = with_titles().await;
    let (first, second) = (begin(&talk, &json!({})).await, begin(&talk, &json!({})).await);
    assert_eq!(named(&talk, &first).await["titled_by"], "default");
    talk.post(&first, &json!({ "content": PRESSURE })).await;
    assert_eq!(named_by_model(&talk, &first).await["title"], "Pressure of the P4");
    let wanted = talk.model.bodies(Task::Title);
    assert_eq!(content(&messages(&wanted[0])[0]), PRESSURE);
    let bill = async || {
        let usage = talk.app.get("/api/v1/usage").await.json();
        usage["items"].as_array()?.iter().find(|item| item["purpose"] == "title").map(|item| item["calls"].clone())
    };
    assert_eq!(until("bill for the title", bill).await, 1);
    // What comes later names it no more, nor does what begins it anew.
    talk.post(&first, &json!({ "content": "How heavy is it?" })).await;
    talk.post(&first, &json!({ "content": "How heavy is the pump P4?", "parent_id": null })).await;
    talk.post(&second, &json!({ "content": "How often is it oiled?" })).await;
    named_by_model(&talk, &second).await;
    assert_eq!(talk.model.bodies(Task::Title).len(), 2);
    talk.stop().await;
}

#[tokio::test]
async fn a_title_that_somebody_gave_stays() {
    let talk = with_titles().await;
    let (mine, renamed) = (begin(&talk, &json!({ "title": "Mine" })).await, begin(&talk, &json!({})).await);
    let conversation = renamed.trim_end_matches("/messages");
    let reply = talk.app.send("PATCH", conversation, &json!({ "title": "Mine too" })).await;
    assert!(reply.status.is_success(), "{}", reply.text());
    for messages in [&mine, &renamed] {
        talk.post(messages, &json!({ "content": PRESSURE })).await;
    }
    // One that is named, after those that are not to be.
    let unnamed = begin(&talk, &json!({})).await;
    talk.post(&unnamed, &json!({ "content": PRESSURE })).await;
    named_by_model(&talk, &unnamed).await;
    assert_eq!(named(&talk, &mine).await["title"], "Mine");
    assert_eq!(named(&talk, &renamed).await["title"], "Mine too");
    assert_eq!(talk.model.bodies(Task::Title).len(), 1);
    talk.stop().await;
}
