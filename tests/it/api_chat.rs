//! Conversations: cited answers, streams that can be read again, refusals.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Event, TestApp, parse_events, request};

const MANUAL: &str = "# Pump P4\n\nThe pump P4 is rated for a pressure of 4 bar. It weighs 3 kg.\n\n\
                      ## Care\n\nOil the bearings of the pump every six months.\n";

async fn with_manual() -> TestApp {
    let app = TestApp::start().await;
    let collection = app.collection("manuals").await;
    app.text(&collection, "p4.md", MANUAL).await;
    app.settled(&collection).await;
    app
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn completed(events: &[Event]) -> &Value {
    let last = events.last().expect("an event");
    assert_eq!(last.name, "message.completed", "{last:?}");
    &last.data["message"]
}

fn citations(message: &Value) -> Vec<&Value> {
    let parts = message["parts"].as_array().unwrap().iter();
    parts.filter(|part| part["type"] == "citation").map(|part| &part["citation"]).collect()
}

#[tokio::test]
async fn an_answer_s_citations_are_the_exact_characters_of_the_source() {
    let app = with_manual().await;
    let messages = app.conversation().await;
    let events = app.events(&messages, &json!({ "content": "What pressure is the pump P4 rated for?" })).await;
    let message = completed(&events);
    assert_eq!(message["grounded"], true, "{message}");
    let cited = citations(message);
    assert!(!cited.is_empty());
    for citation in &cited {
        let (revision, start, end) = (citation["revision_id"].as_str().unwrap(), &citation["start"], &citation["end"]);
        let part = app.get(&format!("/api/v1/revisions/{revision}/text?start={start}&end={end}")).await.json();
        assert_eq!(part["text"], citation["quote"]);
        assert_eq!(citation["support"], "quoted");
    }
    assert!(cited.iter().any(|citation| citation["quote"].as_str().unwrap().contains("4 bar")), "{cited:?}");
    // Live and stored are the same.
    let live: Vec<&Value> =
        events.iter().filter(|event| event.name == "citation").map(|event| &event.data["citation"]).collect();
    assert_eq!(live, cited);
    app.stop().await;
}

#[tokio::test]
async fn what_the_documents_do_not_say_is_not_answered() {
    let app = with_manual().await;
    let messages = app.conversation().await;
    let question = json!({ "content": "Who won the chess olympiad in Budapest in 1926?" });
    let answer = app.post(&messages, &question).await.json();
    assert_eq!(answer["grounded"], false);
    assert!(citations(&answer).is_empty());
    assert!(answer.to_string().contains("do not answer"), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn no_documents_at_all_is_a_refusal_too() {
    let app = TestApp::start().await;
    let messages = app.conversation().await;
    let answer = app.post(&messages, &json!({ "content": "What is the pressure?" })).await.json();
    assert_eq!((&answer["grounded"], &answer["status"]), (&json!(false), &json!("completed")));
    app.stop().await;
}

#[tokio::test]
async fn a_stream_is_numbered_and_its_rest_comes_again_byte_for_byte() {
    let app = with_manual().await;
    let messages = app.conversation().await;
    let question = json!({ "content": "How often are the bearings oiled?", "stream": true });
    let first = app.post(&messages, &question).await.text();
    let events = parse_events(&first);
    let ids: Vec<u32> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=u32::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(&names(&events)[..2], ["message.started", "retrieval.completed"]);
    assert_eq!(names(&events).iter().filter(|name| name.starts_with("message.")).count(), 2);
    let reconnect: Vec<&str> = first.lines().filter(|line| line.starts_with("retry:")).collect();
    assert_eq!(reconnect, ["retry: 1000"], "how soon a reader that was cut off comes again, once");

    let message = events[0].data["message_id"].as_str().unwrap();
    for after in 0..events.len() {
        let request = request("GET", &format!("{messages}/{message}/stream")).header("last-event-id", after);
        let again = app.request(request.body(Body::empty()).unwrap()).await.text();
        let rest: String = first.split_inclusive("\n\n").skip(after).collect();
        assert_eq!(again, rest, "after {after}");
    }
    // So it does after a restart.
    let app = app.restarted().await;
    let again = app.get(&format!("{messages}/{message}/stream")).await.text();
    assert_eq!(again, first);
    app.stop().await;
}

#[tokio::test]
async fn a_conversation_is_kept_in_order() {
    let app = with_manual().await;
    let messages = app.conversation().await;
    for question in ["How heavy is the pump P4?", "What pressure is the pump P4 rated for?"] {
        let reply = app.post(&messages, &json!({ "content": question })).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
    let app = app.restarted().await;
    let list = app.get(&messages).await.json();
    let items = list["items"].as_array().unwrap();
    let roles: Vec<&str> = items.iter().map(|item| item["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
    for pair in items.windows(2) {
        assert_eq!(pair[1]["parent_id"], pair[0]["id"]);
    }
    let conversation = messages.trim_end_matches("/messages");
    assert_eq!(app.delete(conversation).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get(&messages).await.status, StatusCode::NOT_FOUND);
    app.stop().await;
}

#[tokio::test]
async fn conversations_are_listed_last_used_first() {
    let app = TestApp::start().await;
    for title in ["one", "two", "three"] {
        let made = app.post("/api/v1/conversations", &json!({ "title": title })).await;
        assert_eq!(made.status, StatusCode::CREATED);
    }
    let first = app.get("/api/v1/conversations?limit=2").await.json();
    assert_eq!((&first["items"][0]["title"], &first["items"][1]["title"]), (&json!("three"), &json!("two")));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/conversations?limit=2&cursor={cursor}")).await.json();
    assert_eq!(second["items"][0]["title"], "one");
    assert_eq!(second["next_cursor"], Value::Null);
    app.stop().await;
}

#[tokio::test]
async fn an_answer_has_this_shape() {
    let app = with_manual().await;
    let messages = app.conversation().await;
    let answer = app.post(&messages, &json!({ "content": "How heavy is the pump P4?" })).await.json();
    insta::assert_json_snapshot!(answer, {
        ".id" => "[id]", ".conversation_id" => "[id]", ".parent_id" => "[id]",
        ".created_at" => "[time]", ".updated_at" => "[time]",
        ".parts[].citation.document_id" => "[id]", ".parts[].citation.revision_id" => "[id]",
        ".receipt.timings.*" => "[ms]",
        // The name of the fence is another each time, and takes more or fewer tokens.
        ".receipt.budget.total" => "[tokens]", ".receipt.budget.shares.system" => "[tokens]",
        ".receipt.budget.shares.evidence" => "[tokens]",
        ".receipt.budget.evidence[].tokens" => "[tokens]", ".receipt.budget.evidence[].worth" => "[score]",
    });
    app.stop().await;
}
