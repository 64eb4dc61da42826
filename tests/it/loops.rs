//! Models that would call tools for ever: steps and dollars have an end, and
//! there is an answer all the same.

use footnote::config::Price;
use footnote::prompt::NO_MORE_TOOLS;
use serde_json::{Value, json};

use crate::conversing::{Conversing, MODEL, Reply, Task};
use crate::talk::{MANUAL, PRESSURE, Talk, assert_exact, citations, notices, parts, text};

fn instructions(body: &Value) -> &str {
    body["messages"][0]["content"].as_str().expect("instructions")
}

#[tokio::test]
async fn a_model_that_never_stops_calling_is_stopped_and_the_documents_answer() {
    let restless = |_: &Value| Reply::calls("search_documents", &json!({ "query": "pump" }));
    let talk = Talk::with(Conversing::start(restless).await, |settings| settings.max_steps = 3).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let message = talk.ask(PRESSURE).await;
    let asked = talk.model.bodies(Task::Answer);
    assert_eq!(asked.len(), 3);
    let last: Vec<bool> = asked.iter().map(|body| instructions(body).contains(NO_MORE_TOOLS)).collect();
    assert_eq!(last, [false, false, true]);
    assert_eq!(asked[2]["tool_choice"], "none");
    // What the third step wanted was not called.
    assert_eq!(parts(&message, "tool_result").len(), 2);
    assert_eq!((&message["status"], &message["grounded"]), (&json!("completed"), &json!(true)), "{message}");
    assert!(text(&message).contains("4 bar") && notices(&message).contains(&"steps"), "{message}");
    let cited = citations(&message);
    assert!(!cited.is_empty(), "{message}");
    for citation in cited {
        assert_exact(&talk.app, citation).await;
    }
    assert_eq!(message["receipt"]["calls"].as_array().map(Vec::len), Some(3));
    talk.stop().await;
}

#[tokio::test]
async fn what_only_led_to_calls_is_no_answer() {
    let talkative = |_: &Value| {
        let arguments = json!({ "query": "pump" }).to_string();
        Reply::says("Let me look for the pump.").and_calls("search_documents", arguments)
    };
    let talk = Talk::with(Conversing::start(talkative).await, |settings| settings.max_steps = 2).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let message = talk.ask(PRESSURE).await;
    assert_eq!(talk.model.bodies(Task::Answer).len(), 2);
    assert_eq!((&message["status"], &message["grounded"]), (&json!("completed"), &json!(true)), "{message}");
    let said = text(&message);
    assert!(said.starts_with("Let me look for the pump.\n\n") && said.contains("4 bar. [1]"), "{message}");
    for citation in citations(&message) {
        assert_exact(&talk.app, citation).await;
    }
    talk.stop().await;
}

#[tokio::test]
async fn what_answers_in_the_end_is_set_apart_from_what_was_said_before_a_silent_call() {
    let silent_later = |body: &Value| {
        let arguments = json!({ "query": "pump" }).to_string();
        let said = if body["tool_choice"] == "none" { "" } else { "Let me look for the pump." };
        Reply::says(said).and_calls("search_documents", arguments)
    };
    let talk = Talk::with(Conversing::start(silent_later).await, |settings| settings.max_steps = 2).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let message = talk.ask(PRESSURE).await;
    assert_eq!(talk.model.bodies(Task::Answer).len(), 2);
    let said = text(&message);
    assert!(said.starts_with("Let me look for the pump.\n\n") && said.contains("4 bar. [1]"), "{message}");
    talk.stop().await;
}

#[tokio::test]
async fn a_model_that_is_stopped_with_a_blank_or_the_sign_of_refusal_has_refused() {
    for last in ["\n", "NOT_IN_DOCUMENTS"] {
        let restless = move |body: &Value| {
            let arguments = json!({ "expression": "1+1" }).to_string();
            let said = if body["tool_choice"] == "none" { last } else { "" };
            Reply::says(said).and_calls("calculate", arguments)
        };
        let talk = Talk::with(Conversing::start(restless).await, |settings| settings.max_steps = 2).await;
        let message = talk.ask(PRESSURE).await;
        assert_eq!(talk.model.bodies(Task::Answer).len(), 2);
        assert_eq!((&message["status"], &message["grounded"]), (&json!("completed"), &json!(false)));
        assert!(notices(&message).contains(&"not_in_documents"), "{last:?}: {message}");
        assert!(!text(&message).trim().is_empty() && !text(&message).contains("NOT_IN"), "{last:?}: {message}");
        talk.stop().await;
    }
}

#[tokio::test]
async fn a_model_that_is_stopped_with_nothing_found_has_refused() {
    let restless = |_: &Value| Reply::calls("search_documents", &json!({ "query": "pump" }));
    let talk = Talk::with(Conversing::start(restless).await, |settings| settings.max_steps = 2).await;
    let message = talk.ask(PRESSURE).await;
    assert_eq!(talk.model.bodies(Task::Answer).len(), 2);
    assert_eq!((&message["status"], &message["grounded"]), (&json!("completed"), &json!(false)));
    assert!(notices(&message).contains(&"steps"), "{message}");
    assert!(!text(&message).trim().is_empty(), "it says nothing: {message}");
    talk.stop().await;
}

#[tokio::test]
async fn a_model_that_is_stopped_may_still_answer_itself() {
    let obedient = |body: &Value| match body["tool_choice"].as_str() {
        Some("none") => Reply::says("The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"]."),
        _ => Reply::calls("calculate", &json!({ "expression": "1+1" })),
    };
    let talk = Talk::with(Conversing::start(obedient).await, |settings| settings.max_steps = 4).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let message = talk.ask(PRESSURE).await;
    assert_eq!(talk.model.bodies(Task::Answer).len(), 4);
    assert_eq!(
        (text(&message).as_str(), notices(&message).len()),
        ("The pump P4 is rated for 4 bar [1].", 0),
        "{message}"
    );
    talk.stop().await;
}

#[tokio::test]
async fn an_answer_that_costs_too_much_calls_no_more_tools() {
    let dear = |_: &Value| Reply::calls("search_documents", &json!({ "query": "pump" })).used(1000, 0, 1000);
    let talk = Talk::with(Conversing::start(dear).await, |settings| {
        // One call takes more than all may.
        settings.prices.insert(MODEL.into(), Price { input: 1.0, cached: None, output: 1.0 });
        settings.max_answer_cost = Some(0.001);
    })
    .await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let message = talk.ask(PRESSURE).await;
    let asked = talk.model.bodies(Task::Answer);
    assert_eq!((asked.len(), &asked[1]["tool_choice"]), (2, &json!("none")));
    assert!(text(&message).contains("4 bar") && notices(&message).contains(&"steps"), "{message}");
    let cost = message["receipt"]["cost_usd"].as_f64().expect("a cost");
    assert!((cost - 0.004).abs() < 1e-9, "{cost}");
    talk.stop().await;
}
