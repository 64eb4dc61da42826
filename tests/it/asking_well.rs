//! Asking well: follow-ups in words that stand alone, several questions in one
//! taken apart, a weak search tried once more.

use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply, Task};
use crate::fences::{content, messages, question};
use crate::harness::Event;
use crate::talk::{Talk, completed, library, told};

const PUMP: &str = "What pressure is the pump P7 of hall 7 rated for?";
const HERON: &str = "What does the grey heron in the pond of the park eat?";

/// A model that rewrites every question to these, and looks for weak ones by
/// other words.
async fn rewriting(rewritten: &'static str) -> Conversing {
    let mind = move |task, _: &Value| match task {
        Task::Answer => Reply::says("Fine."),
        Task::Rewrite => Reply::says(rewritten),
        Task::Rephrase => Reply::says("food of the heron"),
        Task::Summary | Task::Title => Reply::says(""),
    };
    Conversing::with_asides(mind).await
}

/// Keys of the passages that were found, best first.
fn found(events: &[Event]) -> Vec<&str> {
    let passages = told(events, "retrieval.completed")[0]["passages"].as_array().unwrap();
    passages.iter().map(|passage| passage["key"].as_str().unwrap()).collect()
}

/// What models were asked for, as the receipt has it, and how that ended.
fn purposes(message: &Value) -> Vec<(&str, &str)> {
    let calls = message["receipt"]["calls"].as_array().expect("calls").iter();
    calls.map(|call| (call["purpose"].as_str().unwrap(), call["outcome"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_follow_up_is_looked_for_in_words_that_stand_alone() {
    let talk = Talk::start(rewriting(HERON).await).await;
    talk.read(&library()).await;
    let first = "Who lives in the pond of the park?";
    let events = talk.events(first).await;
    assert!(told(&events, "question.rewritten").is_empty() && talk.model.bodies(Task::Rewrite).is_empty());

    let events = talk.events("And what does it eat?").await;
    let names: Vec<&str> = events[..3].iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["message.started", "question.rewritten", "retrieval.completed"]);
    assert_eq!(events[1].data["queries"], json!([HERON]));
    assert_eq!(events[2].data["queries"], json!([HERON]));
    assert_eq!(found(&events)[0], "heron.txt");
    let message = completed(&events);
    assert_eq!(purposes(message), [("rewrite", "ok"), ("answer", "ok")]);
    assert_eq!(message["receipt"]["queries"], json!([HERON]));
    // It was rewritten from what was said, and is answered as it was asked.
    let rewrites = talk.model.bodies(Task::Rewrite);
    assert_eq!(rewrites.len(), 1);
    let told_to_model = content(&messages(&rewrites[0])[0]);
    assert!(told_to_model.contains(first) && told_to_model.contains("And what does it eat?"), "{told_to_model}");
    assert_eq!(question(&talk.model.last()), "And what does it eat?");
    talk.stop().await;
}

#[tokio::test]
async fn two_questions_in_one_are_looked_for_apart() {
    let apart = "1. What pressure is the pump P7 of hall 7 rated for?\n\
                 2. What does the grey heron in the pond of the park eat?";
    let talk = Talk::start(rewriting(apart).await).await;
    talk.read(&library()).await;
    let events = talk.events("What does P7 hold? And what does the heron eat?").await;
    assert_eq!(told(&events, "question.rewritten")[0]["queries"], json!([PUMP, HERON]));
    let found = found(&events);
    assert!(found.contains(&"pump-7.txt") && found.contains(&"heron.txt"), "{found:?}");
    assert_eq!(purposes(completed(&events)), [("rewrite", "ok"), ("answer", "ok")]);
    talk.stop().await;
}

#[tokio::test]
async fn the_best_passage_of_each_of_two_questions_is_kept() {
    let questions = "Who lit the lighthouse of Brest in 1752?\nWhich flour does the bakery of Lyon use?";
    let talk = Talk::start(rewriting(questions).await).await;
    let lamp = "The lighthouse of Brest was first lit in 1752 by the keeper Armand, who had come from Quimper.";
    let flour = "The bakery of Lyon uses rye flour from a mill in the Auvergne, and never any other flour.";
    let others = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let notes = others.map(|day| {
        let text = format!(
            "{day}: a keeper of the lighthouse of Brest and a baker of the bakery of Lyon met on {day} and spoke of \
             lamps and flour."
        );
        (format!("{day}.txt"), text)
    });
    talk.read(&notes).await;
    talk.read(&[("lamp.txt", lamp), ("flour.txt", flour)]).await;
    let events = talk.events("Who lit the lighthouse? And which flour is used?").await;
    let found = found(&events);
    assert!(found.contains(&"lamp.txt") && found.contains(&"flour.txt"), "{found:?}");
    talk.stop().await;
}

#[tokio::test]
async fn a_number_at_the_start_of_a_question_is_a_part_of_it() {
    let rewritten = "4 bar pumps: in which halls are they?";
    let talk = Talk::start(rewriting(rewritten).await).await;
    talk.read(&library()).await;
    let events = talk.events("Which pumps hold 4 bar?\nAnd in which halls are they?").await;
    assert_eq!(told(&events, "question.rewritten")[0]["queries"], json!([rewritten]));
    talk.stop().await;
}

#[tokio::test]
async fn a_weak_search_is_repeated_once_in_other_words() {
    let talk = Talk::with(rewriting("").await, |settings| settings.weak_search = 0.999).await;
    talk.read(&library()).await;
    let asked = "What is eaten there?";
    let events = talk.events(asked).await;
    assert_eq!(told(&events, "search.repeated"), [&json!({ "query": "food of the heron" })]);
    assert!(found(&events).contains(&"heron.txt"), "{events:?}");
    let message = completed(&events);
    assert_eq!(message["receipt"]["queries"], json!([asked, "food of the heron"]));
    assert_eq!(purposes(message), [("rewrite", "ok"), ("answer", "ok")]);
    assert_eq!(talk.model.bodies(Task::Rephrase).len(), 1);
    talk.stop().await;
}

#[tokio::test]
async fn questions_are_left_as_they_are_where_that_is_wanted() {
    let talk = Talk::with(rewriting(HERON).await, |settings| {
        settings.rewrite_questions = false;
        settings.weak_search = 0.999;
    })
    .await;
    talk.read(&library()).await;
    for asked in ["What is P7? And what is P8?", "And the other?"] {
        let events = talk.events(asked).await;
        assert_eq!(told(&events, "retrieval.completed")[0]["queries"], json!([asked]));
        for event in ["question.rewritten", "search.repeated"] {
            assert!(told(&events, event).is_empty(), "{event}");
        }
        assert_eq!(purposes(completed(&events)), [("answer", "ok")]);
    }
    assert!(talk.model.asked().iter().all(|asked| matches!(asked.task, Task::Answer | Task::Title)));
    talk.stop().await;
}

#[tokio::test]
async fn rewriting_that_fails_does_not_fail_the_answer() {
    let grumpy = |task, _: &Value| match task {
        Task::Answer => Reply::says("Fine."),
        _ => Reply::refuses("not that"),
    };
    let model = Conversing::with_asides(grumpy).await;
    let talk = Talk::with(model, |settings| settings.weak_search = 0.999).await;
    talk.read(&library()).await;
    let asked = "What is P7? And what is P8?";
    let events = talk.events(asked).await;
    assert!(told(&events, "question.rewritten").is_empty() && told(&events, "search.repeated").is_empty());
    assert_eq!(told(&events, "retrieval.completed")[0]["queries"], json!([asked]));
    let message = completed(&events);
    assert_eq!(purposes(message), [("rewrite", "refused"), ("rewrite", "refused"), ("answer", "ok")]);
    // What was refused is counted, and costs nothing.
    assert_eq!(message["receipt"]["calls"][0]["usage"]["output_tokens"], 0);
    talk.stop().await;
}
