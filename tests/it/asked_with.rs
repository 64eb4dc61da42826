//! Questions that are asked again: with what they were asked with, as far as
//! nothing else is wanted.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::conversing::{Conversing, MODEL, Reply, Task};
use crate::fences::{fence, question, source_of};
use crate::people::Person;
use crate::talk::{Talk, notices, text};
use crate::ui_stream::{read, sent, stored, user};

const ASKED: &str = "How long may a pump stand still?";
const WEEKS: &str = "A pump may stand still for three weeks.";
const MONTHS: &str = "Without oil, a pump may stand still for two months.";
const ELSEWHERE: &str = "In the old hall a pump may stand still for nine years.";

/// Texts of two years in `main`, and one in `archive`.
async fn with_rules() -> Talk {
    let talk = Talk::start(Conversing::start(|_| Reply::says("It may.")).await).await;
    let archive = talk.app.collection("archive").await;
    for (collection, key, text, year) in [
        (&talk.collection, "weeks.txt", WEEKS, 2024),
        (&talk.collection, "months.txt", MONTHS, 2026),
        (&archive, "years.txt", ELSEWHERE, 2024),
    ] {
        let path = format!("/api/v1/collections/{collection}/documents");
        let taken = talk.app.post(&path, &json!({ "key": key, "text": text, "meta": { "year": year } })).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
        talk.app.settled(collection).await;
    }
    talk
}

/// A question that is particular in everything.
fn particular() -> Value {
    json!({
        "content": ASKED, "collections": ["main"], "filter": { "year": { "lt": 2025 } }, "model": "other",
        "temperature": 0.5, "max_tokens": 77, "tools": ["calculate"], "tool_choice": "required",
        "hints": { "locale": "de-CH" },
    })
}

/// What the model was asked last, whatever the fence.
fn last(talk: &Talk) -> Value {
    let body = talk.model.last();
    serde_json::from_str(&body.to_string().replace(fence(&body), "the-fence")).unwrap()
}

/// Which of the three texts stand in a request.
fn told_of(body: &Value) -> Vec<&'static str> {
    [WEEKS, MONTHS, ELSEWHERE].into_iter().filter(|text| source_of(body, text).is_some()).collect()
}

fn offered(body: &Value) -> Vec<&str> {
    body["tools"].as_array().into_iter().flatten().map(|tool| tool["function"]["name"].as_str().unwrap()).collect()
}

fn system(body: &Value) -> &str {
    body["messages"][0]["content"].as_str().unwrap()
}

fn to(talk: &Talk, message: &Value, what: &str) -> String {
    format!("{}/{}/{what}", talk.messages, message.as_str().expect("an id"))
}

/// The request that [`particular`] makes of a model.
fn assert_particular(body: &Value) {
    assert_eq!(told_of(body), [WEEKS]);
    assert_eq!((&body["model"], &body["temperature"], &body["max_tokens"]), (&json!("other"), &json!(0.5), &json!(77)));
    assert_eq!((offered(body), &body["tool_choice"]), (vec!["calculate"], &json!("required")));
    assert!(system(body).contains("de-CH"), "{body}");
}

#[tokio::test]
async fn an_answer_is_made_anew_with_what_its_question_was_asked_with() {
    let talk = with_rules().await;
    let answer = talk.ask_with(&particular()).await;
    let first = last(&talk);
    assert_particular(&first);
    let path = to(&talk, &answer["id"], "regenerate");
    let again = talk.post(&path, &json!({})).await;
    assert_eq!((&again["model"], last(&talk)), (&json!("other"), first.clone()));

    // What the request gives comes before it, and holds for this time.
    let other = json!({
        "collections": ["main", "archive"], "filter": {}, "temperature": 1.0, "tools": [], "tool_choice": "auto",
        "hints": { "locale": "fr-CH" },
    });
    talk.post(&path, &other).await;
    let body = last(&talk);
    assert_eq!((told_of(&body), offered(&body)), (vec![WEEKS, MONTHS, ELSEWHERE], vec![]));
    assert_eq!((&body["model"], &body["temperature"], &body["max_tokens"]), (&json!("other"), &json!(1.0), &json!(77)));
    assert!(system(&body).contains("fr-CH") && !system(&body).contains("de-CH"), "{body}");
    talk.post(&to(&talk, &again["id"], "regenerate"), &json!({})).await;
    assert_eq!(last(&talk), first);
    talk.stop().await;
}

#[tokio::test]
async fn a_question_in_other_words_is_asked_with_what_it_was_asked_with() {
    let talk = with_rules().await;
    let answer = talk.ask_with(&particular()).await;
    let edit = |message: &Value| to(&talk, message, "edit");
    let words = "For how long may pumps stand still?";
    let edited = talk.post(&edit(&answer["parent_id"]), &json!({ "content": words })).await;
    assert_eq!(question(&last(&talk)), words);
    assert_particular(&last(&talk));

    // Those of an edited question are its own from then on.
    let newer = json!({ "content": words, "filter": { "year": { "gte": 2025 } }, "tool_choice": "none" });
    let newer = talk.post(&edit(&edited["parent_id"]), &newer).await;
    for again in [false, true] {
        if again {
            talk.post(&to(&talk, &newer["id"], "regenerate"), &json!({})).await;
        }
        let body = last(&talk);
        assert_eq!((told_of(&body), offered(&body), &body["max_tokens"]), (vec![MONTHS], vec![], &json!(77)));
    }
    // A question that follows is not asked with them.
    talk.ask(ASKED).await;
    let body = last(&talk);
    assert_eq!(told_of(&body), [WEEKS, MONTHS, ELSEWHERE]);
    assert_eq!(body["model"], MODEL);
    assert_ne!(body["max_tokens"], 77);
    talk.stop().await;
}

#[tokio::test]
async fn a_question_of_which_nothing_is_known_is_asked_as_it_is() {
    let talk = with_rules().await;
    let answer = talk.ask_with(&particular()).await;
    assert_eq!(talk.count("select count(*) from messages where asked_with is not null").await, 1);
    sqlx::query("update messages set asked_with = null").execute(&talk.app.db).await.unwrap();
    talk.post(&to(&talk, &answer["id"], "regenerate"), &json!({})).await;
    let body = last(&talk);
    assert_eq!((told_of(&body).len(), body.get("temperature")), (3, None));
    talk.stop().await;
}

#[tokio::test]
async fn a_front_end_s_question_is_answered_anew_over_its_collections() {
    let talk = with_rules().await;
    let mut asked = sent("c", &[user("u1", ASKED)]);
    asked["collections"] = json!(["archive"]);
    let first = read(&talk.app.post("/api/chat", &asked).await);
    assert_eq!(told_of(&last(&talk)), [ELSEWHERE]);
    let again = json!({ "id": "c", "trigger": "regenerate-message", "messageId": "u1" });
    let second = read(&talk.app.post("/api/chat", &again).await);
    assert_eq!(told_of(&last(&talk)), [ELSEWHERE]);
    assert_ne!(stored(&talk.app, &first).await["id"], stored(&talk.app, &second).await["id"]);
    talk.stop().await;
}

#[tokio::test]
async fn what_may_no_longer_be_read_is_not_read_for_an_old_question() {
    let talk = with_rules().await;
    let (owner, other) = (Person::new(&talk.app, "owner").await, Person::new(&talk.app, "other").await);
    let (collection, _) = owner.collection_with("rules", "weeks.txt", WEEKS).await;
    let members = format!("/api/v1/collections/{collection}/members");
    owner.post(&members, &json!({ "name": "other", "role": "reader" })).await;
    other.accept(&collection).await;
    let messages = other.conversation().await;
    let asked = other.post(&messages, &json!({ "content": ASKED, "collections": [collection], "tools": [] })).await;
    let asked = asked.json();
    assert_eq!((text(&asked).as_str(), told_of(&last(&talk))), ("It may.", vec![WEEKS]));
    let before = talk.model.bodies(Task::Answer).len();
    assert_eq!(owner.delete(&format!("{members}/{}", other.id)).await.status, StatusCode::NO_CONTENT);
    let path = format!("{messages}/{}/regenerate", asked["id"].as_str().unwrap());
    // There is nothing that a model could be asked about.
    let again = other.post(&path, &json!({})).await.json();
    assert_eq!(notices(&again), ["not_in_documents"]);
    assert_eq!(talk.model.bodies(Task::Answer).len(), before);
    talk.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_with_is_refused_again() {
    let talk = with_rules().await;
    let answer = talk.ask(ASKED).await;
    let (edit, again) = (to(&talk, &answer["parent_id"], "edit"), to(&talk, &answer["id"], "regenerate"));
    for (wrong, code) in [
        (json!({ "temperature": 3 }), "unprocessable:temperature"),
        (json!({ "max_tokens": 0 }), "unprocessable:max_tokens"),
        (json!({ "tools": vec!["x"; 257] }), "unprocessable:tools"),
        (json!({ "hints": { "time_zone": "Mars" } }), "unprocessable:hints"),
        (json!({ "collections": ["none"] }), "not_found:collection"),
        (json!({ "filter": { "year": { "above": 1 } } }), "unprocessable:body"),
        (json!({ "filter": { "note": "x".repeat(70_000) } }), "unprocessable:filter"),
        (json!({ "tool_choice": "sometimes" }), "unprocessable:body"),
    ] {
        let reply = talk.app.post(&again, &wrong).await;
        assert_eq!(reply.code(), code, "{}", reply.text());
        for path in [&edit, &talk.messages] {
            let mut question = wrong.clone();
            question["content"] = json!(ASKED);
            let reply = talk.app.post(path, &question).await;
            assert_eq!(reply.code(), code, "{path}: {}", reply.text());
        }
    }
    assert_eq!(talk.count("select count(*) from messages").await, 2);
    talk.stop().await;
}
