//! Questions in other words and answers made anew: branches, of which the model
//! is told its own only.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply, Task};
use crate::fences::{content, messages, question};
use crate::talk::{Talk, text};

async fn with_echo() -> Talk {
    let echo = |body: &Value| Reply::says(format!("To this: {}", question(body)));
    Talk::with(Conversing::start(echo).await, |settings| settings.rewrite_questions = false).await
}

/// What the model was told of earlier turns, the last time that it was asked.
fn history(talk: &Talk) -> Vec<String> {
    let sent = talk.model.last();
    let (_, earlier) = messages(&sent).split_last().expect("a question");
    earlier.iter().map(content).collect()
}

/// The turns that these questions and their answers make.
fn turns(questions: &[&str]) -> Vec<String> {
    questions.iter().flat_map(|question| [(*question).to_owned(), format!("To this: {question}")]).collect()
}

fn id<'m>(message: &'m Value, field: &str) -> &'m str {
    message[field].as_str().expect("an id")
}

#[tokio::test]
async fn a_question_in_other_words_is_a_branch_of_its_own() {
    let talk = with_echo().await;
    let first = talk.ask("First").await;
    let second = talk.ask("Second").await;
    assert_eq!(history(&talk), turns(&["First"]));

    let asked = id(&first, "parent_id");
    let edited = talk.post(&format!("{}/{asked}/edit", talk.messages), &json!({ "content": "Other" })).await;
    assert_eq!((text(&edited).as_str(), history(&talk)), ("To this: Other", vec![]));
    let other = talk.app.get(&format!("{}/{}", talk.messages, id(&edited, "parent_id"))).await.json();
    assert_eq!((&other["role"], &other["parent_id"]), (&json!("user"), &Value::Null));
    assert_ne!(other["id"], first["parent_id"]);
    let old = talk.app.get(&format!("{}/{asked}", talk.messages)).await.json();
    let places = (&old["siblings"], &other["siblings"]);
    assert_eq!(places, (&json!({ "index": 1, "count": 2 }), &json!({ "index": 2, "count": 2 })));
    // The new branch is the one that is shown, and goes on.
    talk.ask("Third").await;
    assert_eq!(history(&talk), turns(&["Other"]));

    // The old one goes on where that is wanted.
    let back = json!({ "content": "Fourth", "parent_id": id(&second, "id") });
    talk.ask_with(&back).await;
    assert_eq!(history(&talk), turns(&["First", "Second"]));
    let within =
        talk.post(&format!("{}/{}/edit", talk.messages, id(&second, "parent_id")), &json!({ "content": "2nd" })).await;
    assert_eq!(history(&talk), turns(&["First"]));
    assert_eq!(within["siblings"], json!({ "index": 1, "count": 1 }));
    talk.ask_with(&json!({ "content": "Anew", "parent_id": null })).await;
    assert_eq!(history(&talk), Vec::<String>::new());
    talk.stop().await;
}

#[tokio::test]
async fn an_answer_made_anew_is_a_branch_beside_it() {
    let talk = with_echo().await;
    talk.ask("First").await;
    let second = talk.ask("Second").await;
    talk.ask("Third").await;
    let path = format!("{}/{}/regenerate", talk.messages, id(&second, "id"));
    let again = talk.post(&path, &json!({ "temperature": 0.5, "max_tokens": 77 })).await;
    assert_eq!((text(&again), history(&talk)), (text(&second), turns(&["First"])));
    let sent = talk.model.last();
    assert_eq!((&sent["temperature"], &sent["max_tokens"]), (&json!(0.5), &json!(77)));
    assert_eq!(again["parent_id"], second["parent_id"]);
    assert_ne!(again["id"], second["id"]);
    assert_eq!(again["siblings"], json!({ "index": 2, "count": 2 }));
    let old = talk.app.get(&format!("{}/{}", talk.messages, id(&second, "id"))).await.json();
    assert_eq!(old["siblings"], json!({ "index": 1, "count": 2 }));
    // What comes next follows the new answer.
    let next = talk.ask("Fourth").await;
    let asked = talk.app.get(&format!("{}/{}", talk.messages, id(&next, "parent_id"))).await.json();
    assert_eq!((&asked["parent_id"], history(&talk)), (&again["id"], turns(&["First", "Second"])));
    // A stream tells of the new answer, as it does of any.
    let events = talk.app.events(&path, &json!({})).await;
    assert_eq!(events[0].data["question_id"], second["parent_id"]);
    assert_eq!(events.last().unwrap().data["message"]["siblings"], json!({ "index": 3, "count": 3 }));
    talk.stop().await;
}

#[tokio::test]
async fn what_is_no_question_or_no_answer_has_no_branches() {
    let talk = with_echo().await;
    let answer = talk.ask("First").await;
    let (answer, question) = (id(&answer, "id").to_owned(), id(&answer, "parent_id").to_owned());
    let (here, elsewhere) = (talk.messages.clone(), talk.app.conversation().await);
    let nobody = "01990000-0000-7000-8000-000000000000";
    let content = json!({ "content": "Other" });
    let after = |parent: &str| json!({ "content": "Other", "parent_id": parent });
    for (path, body, code) in [
        (format!("{here}/{answer}/edit"), content.clone(), "not_found:message"),
        (format!("{here}/{question}/regenerate"), json!({}), "not_found:message"),
        (format!("{elsewhere}/{question}/edit"), content.clone(), "not_found:message"),
        (format!("{elsewhere}/{answer}/regenerate"), json!({}), "not_found:message"),
        (format!("{here}/{nobody}/edit"), content.clone(), "not_found:message"),
        (here.clone(), after(&question), "not_found:message"),
        (elsewhere.clone(), after(&answer), "not_found:message"),
        (here.clone(), after(nobody), "not_found:message"),
        (format!("{here}/{question}/edit"), after(&answer), "unprocessable:parent_id"),
        (format!("{here}/{question}/edit"), json!({ "content": " " }), "unprocessable:content"),
        (format!("{here}/{answer}/regenerate"), json!({ "max_tokens": 0 }), "unprocessable:max_tokens"),
        (format!("{here}/{answer}/regenerate"), content, "unprocessable:body"),
    ] {
        let reply = talk.app.post(&path, &body).await;
        assert_eq!(reply.code(), code, "{path} {body}");
        let status = if code.starts_with("not") { StatusCode::NOT_FOUND } else { StatusCode::UNPROCESSABLE_ENTITY };
        assert_eq!(reply.status, status, "{path} {body}");
    }
    assert_eq!(talk.model.bodies(Task::Answer).len(), 1);
    assert_eq!(talk.count("select count(*) from messages").await, 2);
    talk.stop().await;
}
