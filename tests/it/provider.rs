//! A model behind an OpenAI-compatible API: its citations are checked, and its
//! failures are survived.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Event, TestApp, parse_events};
use crate::scripted::{Script, Scripted, pieces};

const MANUAL: &str = "The pump P4 is rated for a pressure of 4 bar. It weighs 3 kg. Oil it every six months.";

async fn with_provider(script: Script) -> (TestApp, Scripted, String) {
    let scripted = Scripted::start(script).await;
    let app = TestApp::with(|settings| {
        scripted.configure(settings);
        settings.rewrite_questions = false;
        settings.first_token_timeout = 2;
        settings.idle_timeout = 2;
    })
    .await;
    let collection = app.collection("manuals").await;
    app.text(&collection, "p4", MANUAL).await;
    app.settled(&collection).await;
    let messages = app.conversation().await;
    (app, scripted, messages)
}

fn text(events: &[Event]) -> String {
    events.iter().filter_map(|event| event.data["text"].as_str()).collect()
}

fn last(events: &[Event]) -> (&str, &Value) {
    let last = events.last().expect("an event");
    (&last.name, &last.data)
}

#[tokio::test]
async fn a_quoted_claim_is_cited_and_a_made_up_one_is_not() {
    let answer = "The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"]. \
                  The famous artist Leonardo painted its housing blue [1: \"Leonardo painted the housing\"].";
    let (app, scripted, messages) = with_provider(Script::Says(pieces(answer))).await;
    let events = app.events(&messages, &json!({ "content": "What is the pump P4 rated for?" })).await;
    assert_eq!(
        text(&events),
        "The pump P4 is rated for 4 bar [1]. The famous artist Leonardo painted its housing blue."
    );
    let (name, data) = last(&events);
    assert_eq!(name, "message.completed");
    let message = &data["message"];
    assert_eq!(message["grounded"], true);
    let citations: Vec<&Value> =
        events.iter().filter(|event| event.name == "citation").map(|event| &event.data["citation"]).collect();
    assert_eq!(citations.len(), 1);
    assert_eq!(citations[0]["quote"], "rated for a pressure of 4 bar");
    assert!(message.to_string().contains("1 claims of this answer were not found"), "{message}");
    assert_eq!(
        message["receipt"]["usage"],
        json!({ "input_tokens": 120, "cached_tokens": 0, "output_tokens": 9, "estimated": false })
    );
    // What was sent: the instructions, and the evidence inside its fence.
    let (headers, body) = scripted.asked().remove(0);
    assert_eq!(headers["authorization"], "Bearer sk-canary");
    assert!(body.to_string().contains("rated for a pressure of 4 bar"));
    app.stop().await;
}

#[tokio::test]
async fn the_sign_that_documents_hold_no_answer_becomes_a_refusal() {
    let (app, _scripted, messages) = with_provider(Script::Says(pieces("NOT_IN_DOCUMENTS"))).await;
    let answer = app.post(&messages, &json!({ "content": "Who painted the pump?" })).await.json();
    assert_eq!(answer["grounded"], false);
    assert!(!answer.to_string().contains("NOT_IN_DOCUMENTS"), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn earlier_turns_are_sent_along() {
    let (app, scripted, messages) = with_provider(Script::Says(pieces("Fine."))).await;
    for question in ["What is P4?", "And its weight?"] {
        app.post(&messages, &json!({ "content": question })).await;
    }
    let sent = scripted.asked().remove(1).1["messages"].clone();
    let roles: Vec<&str> = sent.as_array().unwrap().iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert_eq!(sent[1]["content"], "What is P4?");
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_said_to_be_one_and_is_not_shown() {
    let wrong = json!({ "error": { "message": "Incorrect API key provided: sk-canary", "code": "invalid_api_key" } });
    let (app, _scripted, messages) = with_provider(Script::Refuses(401, wrong)).await;
    let reply = app.post(&messages, &json!({ "content": "What is P4?" })).await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(reply.code().starts_with("upstream:"), "{}", reply.text());
    assert!(reply.text().contains("OPENAI_API_KEY"), "{}", reply.text());
    assert!(!reply.text().contains("canary"), "{}", reply.text());
    app.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_down_is_stood_in_for_and_the_answer_says_so() {
    let down = json!({ "error": { "message": "overloaded" } });
    let (app, _scripted, messages) = with_provider(Script::Refuses(503, down)).await;
    let events = app.events(&messages, &json!({ "content": "What pressure is the pump P4 rated for?" })).await;
    let (name, data) = last(&events);
    assert_eq!(name, "message.completed");
    assert!(text(&events).contains("could not answer"), "{}", text(&events));
    assert!(text(&events).contains("4 bar"), "{}", text(&events));
    assert!(data["message"]["receipt"]["fallback"].is_string(), "{data}");
    app.stop().await;
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_not_waited_for_for_ever() {
    let (app, _scripted, messages) = with_provider(Script::IsSilent).await;
    let events = app.events(&messages, &json!({ "content": "What pressure is the pump P4 rated for?" })).await;
    let (name, data) = last(&events);
    assert_eq!(name, "message.completed");
    assert_eq!(data["message"]["receipt"]["fallback"], "timeout");
    app.stop().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_kept_and_said_to_be_broken_off() {
    let (app, _scripted, messages) = with_provider(Script::BreaksOff(pieces("The pump P4 is rated for"))).await;
    let events = app.events(&messages, &json!({ "content": "What is the pump P4 rated for?" })).await;
    let (name, data) = last(&events);
    assert_eq!(name, "message.interrupted", "{events:?}");
    assert_eq!(data["message"]["status"], "interrupted");
    assert_eq!(data["message"]["parts"][0]["text"].as_str().unwrap().trim(), "The pump P4 is rated for");
    assert!(data["error"]["message"].as_str().unwrap().contains("ask again"), "{data}");
    app.stop().await;
}

#[tokio::test]
async fn cancelling_stops_the_provider_at_once_and_keeps_what_was_said() {
    let slowly = Script::SaysSlowly(pieces(&"The pump runs. ".repeat(200)), Duration::from_millis(20));
    let (app, scripted, messages) = with_provider(slowly).await;
    let question = json!({ "content": "What does the pump P4 do?", "stream": true });
    let asking = app.post(&messages, &question);
    let cancelling = async {
        let answer = loop {
            let list = app.get(&messages).await.json();
            let said = scripted.open_streams() == 1;
            match list["items"].as_array().unwrap().iter().find(|item| item["role"] == "assistant") {
                Some(answer) if said => break answer["id"].as_str().unwrap().to_owned(),
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        app.post(&format!("{messages}/{answer}/cancel"), &json!({})).await.json()
    };
    let (stream, cancelled) = tokio::join!(asking, cancelling);
    let events = parse_events(&stream.text());
    assert_eq!(last(&events).0, "message.cancelled");
    assert_eq!(cancelled["status"], "cancelled");
    assert!(cancelled["parts"][0]["text"].as_str().unwrap().contains("The pump"), "{cancelled}");
    for _ in 0..100 {
        if scripted.open_streams() == 0 {
            return app.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the provider is still read");
}

#[tokio::test]
async fn a_reader_that_goes_away_does_not_stop_the_answer() {
    let slowly = Script::SaysSlowly(
        pieces("The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"]."),
        Duration::from_millis(20),
    );
    let (app, _scripted, messages) = with_provider(slowly).await;
    let question = json!({ "content": "What is the pump P4 rated for?", "stream": true });
    // Dropped before the answer is there.
    let reading = tokio::time::timeout(Duration::from_millis(150), app.post(&messages, &question)).await;
    assert!(reading.is_err());
    let answer = loop {
        let list = app.get(&messages).await.json();
        let answer = list["items"].as_array().unwrap().iter().find(|item| item["role"] == "assistant").cloned();
        match answer {
            Some(answer) if answer["status"] != "running" => break answer,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert_eq!(answer["status"], "completed");
    assert_eq!(answer["grounded"], true);
    app.stop().await;
}
