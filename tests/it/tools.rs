//! Tools: a model calls them, is told what came of it, and cites what they
//! found.

use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply, Task};
use crate::fences::{results, source_of};
use crate::talk::{
    MANUAL, PRESSURE, Talk, assert_exact, citations, completed, library, notices, parts, puppet, text, told,
};

const P7: &str = "What pressure is the pump P7 of hall 7 rated for?";
const EATS: &str = "four hundred grams of fish a day";

/// Looks for herons, whatever it is asked.
fn naturalist(body: &Value) -> Reply {
    match source_of(body, "heron") {
        Some(heron) => Reply::says(format!("A grey heron eats a lot of fish every day [{}: \"{EATS}\"].", heron.n)),
        None => Reply::calls("search_documents", &json!({ "query": "What does a grey heron eat?" })),
    }
}

/// Names of the tools of a request.
fn offered(body: &Value) -> Vec<&str> {
    let tools = body["tools"].as_array().into_iter().flatten();
    tools.map(|tool| tool["function"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_a_tool_finds_can_be_cited_to_the_character() {
    let talk = Talk::start(Conversing::start(naturalist).await).await;
    let ids = talk.read(&library()).await;
    let events = talk.events(P7).await;
    let names: Vec<&str> =
        events.iter().map(|event| event.name.as_str()).filter(|name| *name != "text.delta").collect();
    let expected = ["message.started", "retrieval.completed", "tool.called", "tool.completed", "citation", "usage"];
    assert_eq!(names, [&expected[..], &["message.completed"]].concat());
    // The first search does not find it: it gives eight others.
    let first = told(&events, "retrieval.completed")[0]["passages"].to_string();
    assert!(!first.contains("heron"), "{first}");
    let (called, done) = (told(&events, "tool.called")[0], told(&events, "tool.completed")[0]);
    let arguments: Value = serde_json::from_str(called["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({ "query": "What does a grey heron eat?" }));
    assert_eq!(
        (&done["id"], &done["name"], &done["failed"]),
        (&called["id"], &json!("search_documents"), &json!(false))
    );
    let found = &done["data"]["passages"][0];
    assert_eq!((&found["n"], &found["key"]), (&json!(9), &json!("heron.txt")), "{done}");

    // What the model was told of it, under the id that it gave the call.
    let asked = talk.model.bodies(Task::Answer);
    assert_eq!(asked.len(), 2);
    let [.., call, result] = asked[1]["messages"].as_array().unwrap().as_slice() else { panic!("{}", asked[1]) };
    assert_eq!(call["tool_calls"][0]["id"], called["id"]);
    assert_eq!(call["tool_calls"][0]["function"]["arguments"], called["arguments"]);
    assert_eq!((&result["role"], &result["tool_call_id"]), (&json!("tool"), &called["id"]));

    let message = completed(&events);
    let kinds: Vec<&Value> = message["parts"].as_array().unwrap().iter().map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["tool_call", "tool_result", "text", "citation"], "{message}");
    assert!(parts(message, "tool_result")[0]["text"].as_str().unwrap().contains("[9]"), "{message}");
    assert_eq!(
        (text(message).as_str(), &message["grounded"]),
        ("A grey heron eats a lot of fish every day [1].", &json!(true))
    );
    let cited = citations(message)[0];
    assert_eq!(told(&events, "citation")[0]["citation"], *cited);
    assert_eq!((cited["document_id"].as_str(), &cited["quote"]), (ids.last().map(String::as_str), &json!(EATS)));
    assert_exact(&talk.app, cited).await;
    assert_eq!(message["receipt"]["calls"].as_array().map(Vec::len), Some(2), "{message}");
    talk.stop().await;
}

#[tokio::test]
async fn calls_of_one_step_are_all_made_but_for_those_that_are_too_many() {
    let talk = Talk::start(Conversing::start(puppet).await).await;
    talk.read(&library()).await;
    let two =
        "CALL calculate {\"expression\": \"6*7\"}\nCALL search_documents {\"query\": \"grey heron\"}\nSAY It is 42.";
    let events = talk.events(two).await;
    let names: Vec<&str> =
        events.iter().map(|event| event.name.as_str()).filter(|name| name.starts_with("tool.")).collect();
    assert_eq!(names, ["tool.called", "tool.called", "tool.completed", "tool.completed"]);
    let ids = |name| told(&events, name).into_iter().map(|data| &data["id"]).collect::<Vec<_>>();
    assert_eq!(ids("tool.called"), ids("tool.completed"));
    let told_to_model = results(&talk.model.last());
    assert!(told_to_model[0].contains("42") && told_to_model[1].contains("heron"), "{told_to_model:?}");
    assert_eq!(text(completed(&events)), "It is 42.");

    let many: Vec<String> = (0..20).map(|n| format!("CALL calculate {{\"expression\": \"{n}+1\"}}")).collect();
    let message = talk.ask(&many.join("\n")).await;
    let failed: Vec<bool> = parts(&message, "tool_result").iter().map(|part| part["failed"] == true).collect();
    assert_eq!(failed, [[false; 16].as_slice(), &[true; 4]].concat(), "{message}");
    talk.stop().await;
}

#[tokio::test]
async fn calls_that_cannot_be_made_are_told_to_the_model_and_the_answer_goes_on() {
    let talk = Talk::start(Conversing::start(puppet).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let question = "CALL fly {\"to\": \"the moon\"}\n\
                    CALL search_documents {\"question\": \"pump\"}\n\
                    CALL calculate {\"expression\": \n\
                    CALL calculate [\"1+1\"]\n\
                    CALL current_time\n\
                    SAY The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"].";
    let message = talk.ask(question).await;
    let told_to_model = results(&talk.model.last());
    let expected = ["there is no tool `fly`; the tools are", "are not valid", "no JSON", "no JSON object", "utc"];
    for (told, expected) in told_to_model.iter().zip(expected) {
        assert!(told.contains(expected), "{told}");
    }
    let failed: Vec<&Value> = parts(&message, "tool_result").into_iter().map(|part| &part["failed"]).collect();
    assert_eq!(failed, [true, true, true, true, false], "{message}");
    assert_eq!(text(&message), "The pump P4 is rated for 4 bar [1].");
    assert_eq!(message["grounded"], true);
    talk.stop().await;
}

#[tokio::test]
async fn a_question_or_its_conversation_says_which_tools_may_be_called() {
    let eager = |body: &Value| match (&body["tool_choice"], results(body).is_empty()) {
        (Value::String(choice), true) if choice == "required" => {
            Reply::calls("calculate", &json!({ "expression": "1+1" }))
        }
        _ => Reply::says("Fine."),
    };
    let talk = Talk::with(Conversing::start(eager).await, |settings| settings.answer_cache = false).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let ask = async |more: Value| {
        let mut question = json!({ "content": PRESSURE, "parent_id": null });
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        talk.ask_with(&question).await;
        talk.model.last()
    };
    let all = ["calculate", "create_artifact", "current_time", "get_document", "search_documents", "update_artifact"];
    let usual = ask(json!({})).await;
    assert_eq!((offered(&usual), usual.get("tool_choice")), (all.to_vec(), None));
    assert_eq!(offered(&ask(json!({ "tools": ["calculate"] })).await), ["calculate"]);
    for none in [json!({ "tools": [] }), json!({ "tool_choice": "none" })] {
        assert_eq!(ask(none).await.get("tools"), None);
    }
    let named = ask(json!({ "tool_choice": { "name": "calculate" } })).await;
    assert_eq!(named["tool_choice"], json!({ "type": "function", "function": { "name": "calculate" } }));
    // It must call one, and need not call another.
    let after = ask(json!({ "tool_choice": "required" })).await;
    assert_eq!((results(&after).len(), after.get("tool_choice")), (1, None));
    let asked = talk.model.bodies(Task::Answer);
    assert_eq!(asked[asked.len() - 2]["tool_choice"], "required");

    let conversation = talk.messages.trim_end_matches("/messages");
    let changed = talk.app.send("PATCH", conversation, &json!({ "tools": ["current_time"] })).await;
    assert!(changed.status.is_success(), "{}", changed.text());
    assert_eq!(offered(&ask(json!({})).await), ["current_time"]);
    assert_eq!(offered(&ask(json!({ "tools": ["calculate"] })).await), ["calculate"]);
    talk.stop().await;
}

#[tokio::test]
async fn a_provider_that_takes_no_tools_is_asked_without_them() {
    let plain = |body: &Value| match body.get("tools") {
        Some(_) => Reply::refuses("registry.test/conversing does not support tools"),
        None => Reply::says("The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"]."),
    };
    let talk = Talk::start(Conversing::start(plain).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let events = talk.events(PRESSURE).await;
    let message = completed(&events);
    assert_eq!((text(message).as_str(), notices(message)), ("The pump P4 is rated for 4 bar [1].", vec!["no_tools"]));
    assert_eq!(talk.model.bodies(Task::Answer).len(), 2);
    assert_eq!(told(&events, "retrieval.completed").len(), 1);
    // The instructions speak of no tools then.
    let instructions = talk.model.last()["messages"][0]["content"].to_string();
    assert!(!instructions.contains("tools"), "{instructions}");
    talk.stop().await;
}

#[tokio::test]
async fn the_sign_of_refusal_is_not_shown_after_a_call_either() {
    let talkative = |body: &Value| match results(body).len() {
        0 => Reply::says("Let me look that up.").and_calls("search_documents", "{\"query\": \"opera\"}"),
        _ => Reply::says("NOT_IN_DOCUMENTS"),
    };
    let talk = Talk::start(Conversing::start(talkative).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let events = talk.events("Who sang at the opera in Parma?").await;
    let message = completed(&events);
    assert!(events.iter().all(|event| !event.data.to_string().contains("NOT_IN_DOCUMENTS")), "{events:?}");
    assert_eq!(message["grounded"], false);
    assert!(notices(message).contains(&"not_in_documents"), "{message}");
    assert!(text(message).starts_with("Let me look that up.") && !text(message).contains("up.The"), "{message}");
    talk.stop().await;
}

#[tokio::test]
async fn what_is_said_before_and_after_a_call_is_not_run_together() {
    let talkative = |body: &Value| match results(body).len() {
        0 => Reply::says("Let me look.").and_calls("search_documents", "{\"query\": \"pump\"}"),
        _ => Reply::says("The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"]."),
    };
    let talk = Talk::start(Conversing::start(talkative).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let message = talk.ask(PRESSURE).await;
    let words: Vec<String> = text(&message).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words.join(" "), "Let me look. The pump P4 is rated for 4 bar [1].");
    // The model is given its own words back with its calls.
    let sent = talk.model.last();
    assert!(sent["messages"].to_string().contains("Let me look."), "{sent}");
    talk.stop().await;
}
