//! Models that think before they speak, and models that end without a word.

use std::time::Duration;

use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply, Task};
use crate::talk::{MANUAL, PRESSURE, Talk, parts};

const ANSWER: &str = "The pump P4 is rated for a pressure of 4 bar [1].";

/// A model that thinks for 3,000 tokens, whatever it is asked for.
async fn thinker() -> Talk {
    let mind = |task, body: &Value| {
        let room = body["max_tokens"].as_u64().unwrap();
        match task {
            _ if room < 3_000 => Reply::says("").ending("length").used(120, 0, u32::try_from(room).unwrap()),
            Task::Title => Reply::says("Pressure"),
            _ => Reply::says(ANSWER),
        }
    };
    let talk = Talk::start(Conversing::with_asides(mind).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    talk
}

fn notices(answer: &Value) -> String {
    answer["parts"].as_array().unwrap().iter().filter(|part| part["type"] == "notice").map(Value::to_string).collect()
}

#[tokio::test]
async fn a_model_that_thinks_is_given_room_for_it() {
    let talk = thinker().await;
    let answer = talk.ask(PRESSURE).await;
    assert!(answer.to_string().contains("rated for a pressure of 4 bar"), "{answer}");
    assert!(answer["receipt"]["fallback"].is_null(), "{answer}");
    let rooms = |talk: &Talk| -> Vec<Value> {
        talk.model.bodies(Task::Answer).into_iter().map(|body| body["max_tokens"].clone()).collect()
    };
    assert_eq!(rooms(&talk), [json!(1024), json!(1024 + 4096)]);
    // Both are on the bill.
    let calls: Vec<&Value> =
        answer["receipt"]["calls"].as_array().unwrap().iter().map(|call| &call["usage"]["output_tokens"]).collect();
    assert_eq!(calls, [&json!(1024), &json!(9)]);
    // From now on it is known, for whatever it is asked.
    talk.ask("What is the pressure of the P4 pump?").await;
    assert_eq!(rooms(&talk).len(), 3, "{:?}", rooms(&talk));
    let titles = talk.model.bodies(Task::Title);
    assert!(titles.iter().all(|body| body["max_tokens"].as_u64() > Some(4_000)), "{titles:?}");
    talk.stop().await;
}

#[tokio::test]
async fn whoever_asks_for_a_number_of_tokens_gets_that_number() {
    let talk = thinker().await;
    let answer = talk.ask_with(&json!({ "content": PRESSURE, "max_tokens": 50 })).await;
    assert!(notices(&answer).contains("limit of tokens"), "{answer}");
    assert_eq!(talk.model.bodies(Task::Answer).len(), 1);
    talk.stop().await;
}

#[tokio::test]
async fn an_answer_without_a_word_is_none() {
    let talk = Talk::start(Conversing::start(|_| Reply::says(" \n")).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let answer = talk.ask(PRESSURE).await;
    assert_eq!(answer["receipt"]["fallback"], "blank", "{answer}");
    assert!(answer.to_string().contains("4 bar") && answer["grounded"] == true, "{answer}");
    talk.stop().await;
}

#[tokio::test]
async fn an_answer_that_ends_for_an_odd_reason_says_so_and_is_not_given_again() {
    let talk = Talk::start(Conversing::start(|_| Reply::says(ANSWER).ending("recitation")).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    for asked in 1..=2 {
        let messages = talk.app.conversation().await;
        let answer = talk.post(&messages, &json!({ "content": PRESSURE })).await;
        assert!(notices(&answer).contains("a reason of its own"), "{answer}");
        assert_eq!(talk.model.bodies(Task::Answer).len(), asked);
    }
    talk.stop().await;
}

#[tokio::test]
async fn a_server_without_templates_for_tools_is_asked_without_them() {
    let mind = |body: &Value| match body.get("tools") {
        Some(_) => Reply::refuses("tools param requires --jinja flag"),
        None => Reply::says(ANSWER),
    };
    let talk = Talk::start(Conversing::start(mind).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let answer = talk.ask(PRESSURE).await;
    assert!(notices(&answer).contains("cannot call tools") && answer["receipt"]["fallback"].is_null(), "{answer}");
    talk.stop().await;
}

/// Whether tools were called already.
fn is_told(body: &Value) -> bool {
    body["messages"].as_array().unwrap().iter().any(|message| message["role"] == "tool")
}

#[tokio::test]
async fn a_model_that_may_not_write_so_much_is_not_asked_for_it_again() {
    let mind = |body: &Value| match body["max_tokens"].as_u64().unwrap() {
        4_097.. => Reply::refuses("max_tokens is too large: at most 4096 are supported"),
        _ if body.to_string().contains(PRESSURE) => Reply::says("").ending("length"),
        _ => Reply::says("The pump P4 weighs 3 kg [1]."),
    };
    let talk = Talk::start(Conversing::start(mind).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let messages = talk.app.conversation().await;
    let answer = talk.post(&messages, &json!({ "content": PRESSURE })).await;
    assert_eq!(answer["receipt"]["fallback"], "spent", "{answer}");
    let messages = talk.app.conversation().await;
    let answer = talk.post(&messages, &json!({ "content": "How heavy is the P4 pump?" })).await;
    assert!(answer.to_string().contains("weighs 3 kg") && answer["receipt"]["fallback"].is_null(), "{answer}");
    assert_eq!(talk.model.bodies(Task::Answer).last().unwrap()["max_tokens"], 1024);
    talk.stop().await;
}

#[tokio::test]
async fn who_falls_silent_after_looking_something_up_is_spoken_for_by_the_documents() {
    let looks = [("search_documents", json!({ "query": "pressure" })), ("calculate", json!({ "expression": "2 * 2" }))];
    for ((tool, arguments), ending) in looks.into_iter().flat_map(|look| [(look.clone(), "stop"), (look, "length")]) {
        let mind = move |body: &Value| match is_told(body) {
            true => Reply::says(" \n").ending(ending),
            false => Reply::calls(tool, &arguments),
        };
        let talk = Talk::start(Conversing::start(mind).await).await;
        talk.read(&[("p4.txt", MANUAL)]).await;
        let answer = talk.ask(PRESSURE).await;
        assert_eq!(answer["status"], "completed", "{answer}");
        assert!(answer["grounded"] == true && notices(&answer).contains("without an answer of its own"), "{answer}");
        assert!(parts(&answer, "text")[0]["text"].as_str().unwrap().contains("4 bar"), "{answer}");
        // It was the model that came to its limit, not the answer.
        assert!(!notices(&answer).contains("limit of tokens"), "{answer}");
        talk.stop().await;
    }
}

#[tokio::test]
async fn who_spoke_before_a_look_and_may_not_think_longer_is_spoken_for_too() {
    let mind = |body: &Value| match (is_told(body), body["max_tokens"].as_u64().unwrap()) {
        (_, 4_097..) => Reply::refuses("max_tokens is too large: at most 4096 are supported"),
        (true, _) => Reply::says("").ending("length"),
        (false, _) => {
            Reply::says("Let me look that up.").and_calls("search_documents", json!({ "query": "pump" }).to_string())
        }
    };
    let talk = Talk::start(Conversing::start(mind).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let answer = talk.ask(PRESSURE).await;
    assert_eq!(answer["status"], "completed", "{answer}");
    assert!(answer["grounded"] == true && answer.to_string().contains("4 bar"), "{answer}");
    talk.stop().await;
}

#[tokio::test]
async fn who_falls_silent_when_all_is_done_has_answered() {
    let mind = |body: &Value| match is_told(body) {
        true => Reply::says(""),
        false => {
            Reply::calls("create_artifact", &json!({ "kind": "text", "title": "Notes", "content": "The P4: 4 bar." }))
        }
    };
    let talk = Talk::start(Conversing::start(mind).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let answer = talk.ask("Write notes on the pump P4.").await;
    assert_eq!(answer["status"], "completed", "{answer}");
    assert_eq!(parts(&answer, "artifact")[0]["title"], "Notes", "{answer}");
    assert!(notices(&answer).contains("said nothing beside them"), "{answer}");
    talk.stop().await;
}

#[tokio::test]
async fn who_is_too_slow_for_a_word_beside_the_answer_is_not_asked_for_it_each_time() {
    let mind = |task, _: &Value| match task {
        Task::Rewrite => Reply::says("What is it?").slowly(Duration::from_mins(1)),
        _ => Reply::says(ANSWER),
    };
    let talk = Talk::start(Conversing::with_asides(mind).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    for question in [PRESSURE, "And its weight?", "And its oil?"] {
        let answer = talk.ask(question).await;
        assert_eq!(answer["status"], "completed", "{answer}");
    }
    assert_eq!(talk.model.bodies(Task::Rewrite).len(), 1);
    talk.stop().await;
}
