//! Pictures in a question: shown to a model that looks at them, refused where
//! they are none, or nobody can look.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply, Task};
use crate::fences::{messages, question};
use crate::talk::{MANUAL, Talk, parts, text};

const WORDS: &str = "Is this the pump P4?";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

fn picture(data: &str) -> Value {
    json!({ "type": "image", "data": data })
}

fn with_words(part: &Value) -> Value {
    json!([{ "type": "text", "text": WORDS }, part])
}

async fn with_eyes() -> Talk {
    let talk = Talk::start(Conversing::start(|_| Reply::says("It is.")).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    talk
}

/// The pictures of the latest request.
fn shown(talk: &Talk) -> Vec<String> {
    let sent = talk.model.last();
    let asked = messages(&sent).last().unwrap()["content"].as_array().cloned().unwrap_or_default();
    asked.iter().filter_map(|part| part["image_url"]["url"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_picture_reaches_the_model_and_stays_with_its_question() {
    let talk = with_eyes().await;
    let encoded = STANDARD.encode(PNG);
    // What it is counts, not what it is said to be.
    let data = format!("data:image/jpeg;base64,{encoded}");
    let answer = talk.ask_with(&json!({ "parts": with_words(&picture(&data)) })).await;
    assert_eq!(text(&answer), "It is.");
    let expected = [format!("data:image/png;base64,{encoded}")];
    assert_eq!(shown(&talk), expected);
    assert_eq!(question(&talk.model.last()), WORDS);

    let asked = talk.app.get(&format!("{}/{}", talk.messages, answer["parent_id"].as_str().unwrap())).await.json();
    assert_eq!((parts(&asked, "image")[0]["base64"].as_str(), text(&asked).as_str()), (Some(encoded.as_str()), WORDS));
    // Made anew, it is answered with the picture.
    let path = format!("{}/{}/regenerate", talk.messages, answer["id"].as_str().unwrap());
    talk.post(&path, &json!({})).await;
    assert_eq!(shown(&talk), expected);
    // Nobody has asked about it any more.
    talk.ask("How heavy is the pump P4?").await;
    assert!(shown(&talk).is_empty());
    talk.stop().await;
}

#[tokio::test]
async fn what_is_no_picture_is_refused_before_anybody_is_asked() {
    let talk = with_eyes().await;
    let encoded = STANDARD.encode(PNG);
    let many: Vec<Value> = std::iter::repeat_with(|| picture(&encoded)).take(9).collect();
    let file = json!({ "type": "file", "name": "a.pdf", "data": encoded });
    for (what, question, code) in [
        ("an address", json!({ "parts": with_words(&picture("http://evil.test/p.png")) }), "unprocessable:parts"),
        ("no base64", json!({ "parts": with_words(&picture("%%%")) }), "unprocessable:parts"),
        ("a drawing", json!({ "parts": with_words(&picture(&STANDARD.encode("<svg/>"))) }), "unprocessable:parts"),
        ("an odd URL", json!({ "parts": with_words(&picture("data:image/png,abc")) }), "unprocessable:parts"),
        ("nine", json!({ "parts": many }), "unprocessable:parts"),
        ("a file", json!({ "parts": with_words(&file) }), "unprocessable:body"),
        ("a sound", json!({ "parts": with_words(&json!({ "type": "audio" })) }), "unprocessable:parts"),
        ("twice", json!({ "content": WORDS, "parts": with_words(&picture(&encoded)) }), "unprocessable:content"),
        ("nothing", json!({}), "unprocessable:content"),
        ("no words", json!({ "parts": [picture(&encoded)] }), "unprocessable:content"),
    ] {
        let reply = talk.app.post(&talk.messages, &question).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, code), "{what}");
    }
    assert_eq!(talk.model.bodies(Task::Answer).len(), 0);
    assert_eq!(talk.count("select count(*) from messages").await, 0);
    talk.stop().await;
}

#[tokio::test]
async fn an_answerer_that_cannot_look_says_so() {
    let talk = with_eyes().await;
    let parts = with_words(&picture(&STANDARD.encode(PNG)));
    let reply = talk.app.post(&talk.messages, &json!({ "parts": parts, "model": "extractive" })).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:parts"));
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("extractive") && message.contains("choose another"), "{message}");
    assert_eq!(talk.count("select count(*) from messages").await, 0);
    talk.stop().await;
}
