//! The same question over the same passages: answered once, and given again to
//! nobody else and for nothing else.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply, Task};
use crate::fences::{results, source_of};
use crate::submitted::stranger;
use crate::talk::{PRESSURE, Talk, citations, completed, notices, text, told};

/// Says how many bars the source tells of.
fn reader(body: &Value) -> Reply {
    let Some(source) = source_of(body, "pressure of") else { return Reply::says("NOT_IN_DOCUMENTS") };
    let bars = source.text.split_once("pressure of ").expect("a pressure").1.split(' ').next().expect("a number");
    Reply::says(format!("The pump is rated for {bars} bar [{}: \"a pressure of {bars} bar\"].", source.n))
}

fn pump(bars: u8) -> [(&'static str, String); 1] {
    [("p4.txt", format!("The pump P4 is rated for a pressure of {bars} bar. It weighs 3 kg."))]
}

/// Asks in a conversation of its own.
async fn ask_anew(talk: &Talk, question: &Value) -> Value {
    let conversation = talk.app.conversation().await;
    talk.post(&conversation, question).await
}

fn is_cached(message: &Value) -> bool {
    notices(message).contains(&"cached")
}

#[tokio::test]
async fn the_same_over_the_same_passages_is_answered_once() {
    let talk = Talk::start(Conversing::start(reader).await).await;
    talk.read(&pump(4)).await;
    let asked = || talk.model.bodies(Task::Answer).len();
    let first = talk.ask(PRESSURE).await;
    assert!(!is_cached(&first) && text(&first).contains("4 bar"), "{first}");

    let conversation = talk.app.conversation().await;
    let events = talk.app.events(&conversation, &json!({ "content": PRESSURE })).await;
    let again = completed(&events);
    assert!(is_cached(again) && asked() == 1, "{again}");
    assert_eq!((text(again), citations(again)), (text(&first), citations(&first)));
    assert_eq!((&again["grounded"], &again["receipt"]["cached_from"]), (&first["grounded"], &first["id"]));
    assert_eq!(again["receipt"]["calls"], json!([]));
    assert_eq!(told(&events, "notice")[0]["code"], "cached");
    let live: String = told(&events, "text.delta").iter().filter_map(|data| data["text"].as_str()).collect();
    assert_eq!(live, text(again));

    // What differs is asked: the model, the words, what was said before.
    let other = ask_anew(&talk, &json!({ "content": PRESSURE, "model": "other" })).await;
    assert!(!is_cached(&other) && asked() == 2, "{other}");
    let other = ask_anew(&talk, &json!({ "content": "What pressure is P4 rated for?" })).await;
    assert!(!is_cached(&other) && asked() == 3, "{other}");
    let other = talk.ask(PRESSURE).await;
    assert!(!is_cached(&other) && asked() == 4, "{other}");
    // Who wants it answered anew has it answered anew.
    let path = format!("{}/{}/regenerate", talk.messages, first["id"].as_str().unwrap());
    let anew = talk.post(&path, &json!({})).await;
    assert!(!is_cached(&anew) && asked() == 5, "{anew}");
    assert_eq!(citations(&anew).len(), 1);
    talk.stop().await;
}

#[tokio::test]
async fn a_document_that_changed_or_went_is_not_answered_from_memory() {
    let talk = Talk::start(Conversing::start(reader).await).await;
    let question = json!({ "content": PRESSURE });
    for (asked, bars) in [(1, 4), (2, 6), (3, 5)] {
        let id = talk.read(&pump(bars)).await.remove(0);
        let message = ask_anew(&talk, &question).await;
        let words = format!("The pump is rated for {bars} bar [1].");
        assert_eq!((text(&message), is_cached(&message)), (words, false));
        assert_eq!(talk.model.bodies(Task::Answer).len(), asked);
        let revision = talk.app.get(&format!("/api/v1/documents/{id}")).await.json()["revision_id"].clone();
        assert_eq!(citations(&message)[0]["revision_id"], revision);
        assert!(is_cached(&ask_anew(&talk, &question).await));
        if asked == 3 {
            assert_eq!(talk.app.delete(&format!("/api/v1/documents/{id}")).await.status, StatusCode::NO_CONTENT);
        }
    }
    let message = ask_anew(&talk, &question).await;
    assert!(!is_cached(&message) && !text(&message).contains("bar"), "{message}");
    assert_eq!((&message["grounded"], citations(&message).len()), (&json!(false), 0));
    talk.stop().await;
}

#[tokio::test]
async fn another_user_s_answer_is_never_given() {
    let talk = Talk::start(Conversing::start(reader).await).await;
    talk.read(&pump(4)).await;
    let question = json!({ "content": PRESSURE });
    ask_anew(&talk, &question).await;
    assert!(is_cached(&ask_anew(&talk, &question).await));
    let db = &talk.app.db;
    let other = stranger(db).await.owner();
    for statement in ["update conversations set owner_id = $1", "update messages set owner_id = $1"] {
        sqlx::query(statement).bind(other).execute(db).await.unwrap();
    }
    assert!(!is_cached(&ask_anew(&talk, &question).await));
    assert_eq!(talk.model.bodies(Task::Answer).len(), 2);
    assert!(is_cached(&ask_anew(&talk, &question).await));
    talk.stop().await;
}

#[tokio::test]
async fn nothing_is_given_again_where_that_is_not_wanted() {
    let talk = Talk::with(Conversing::start(reader).await, |settings| settings.answer_cache = false).await;
    talk.read(&pump(4)).await;
    for asked in 1..=2 {
        assert!(!is_cached(&ask_anew(&talk, &json!({ "content": PRESSURE })).await));
        assert_eq!(talk.model.bodies(Task::Answer).len(), asked);
    }
    talk.stop().await;
}

#[tokio::test]
async fn what_was_made_with_tools_is_made_anew() {
    let counting = |body: &Value| match results(body).len() {
        0 => Reply::calls("current_time", &json!({})),
        _ => reader(body),
    };
    let talk = Talk::start(Conversing::start(counting).await).await;
    talk.read(&pump(4)).await;
    for asked in [2, 4] {
        let message = ask_anew(&talk, &json!({ "content": PRESSURE })).await;
        assert!(!is_cached(&message) && text(&message).contains("4 bar"), "{message}");
        assert_eq!(talk.model.bodies(Task::Answer).len(), asked);
    }
    talk.stop().await;
}
