//! Answers while they are made, and what somebody else can do with their ids:
//! nothing.
//!
//! `FOOTNOTE_FOREIGN_STREAMS` sets how many are tried (5 unless set; 100 in
//! `make soak`).

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::harness::{TestApp, request};
use crate::people::{Person, whole};
use crate::reading::{Reading, amount, assert_whole, frames, numbered, question, said, talking, varying, words};

/// Answers that are made at once.
const AT_ONCE: usize = 10;
/// Pieces of each.
const PIECES: usize = 120;
/// Milliseconds before each piece: what is tried comes in between.
const PAUSE: u64 = 50;

/// A request of somebody's.
fn by(person: &Person, method: &Method, path: &str, body: &Value, after: Option<&str>) -> Request<Body> {
    let mut request = request(method.as_str(), path)
        .header("authorization", format!("Bearer {}", person.access))
        .header("content-type", "application/json");
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    request.body(if body.is_null() { Body::empty() } else { body.to_string().into() }).unwrap()
}

/// What a stranger tries on an answer: to read it, to read on in it, to stop it,
/// to go on from it, to have it made again, and to rate it.
fn tries(messages: &str, answer: &str) -> [(Method, String, Value, Option<&'static str>); 6] {
    let path = format!("{messages}/{answer}");
    let onward = json!({ "content": "And what else?", "parent_id": answer });
    [
        (Method::GET, path.clone(), Value::Null, None),
        (Method::GET, format!("{path}/stream"), Value::Null, Some("1")),
        (Method::POST, format!("{path}/cancel"), json!({}), None),
        (Method::POST, messages.to_owned(), onward, None),
        (Method::POST, format!("{path}/regenerate"), json!({}), None),
        (Method::POST, format!("{path}/feedback"), json!({ "vote": "down" }), None),
    ]
}

/// Has an answer made, lets the stranger try, and reads the rest. How many of the
/// tries found nothing.
async fn tried(app: &TestApp, owner: &Person, stranger: &Person, n: usize) -> (usize, String) {
    let doors = app.doors();
    let messages = owner.conversation().await;
    let asked = json!({ "content": question(n), "stream": true });
    let mut reading = Reading::open(&doors, by(owner, &Method::POST, &messages, &asked, None)).await;
    let started = reading.until("message.started").await.json();
    reading.until("text.delta").await;
    let answer = started["message_id"].as_str().unwrap();
    let mut missed = 0;
    for (method, path, body, after) in tries(&messages, answer) {
        let reply = whole(&doors, by(stranger, &method, &path, &body, after)).await;
        assert!(!reply.text().contains("Text "), "{method} {path}: {}", reply.text());
        if reply.status == StatusCode::NOT_FOUND {
            missed += 1;
        } else {
            eprintln!("{method} {path}: {} {}", reply.status, reply.text());
        }
    }
    let running = owner.get(&format!("{messages}/{answer}")).await.json();
    assert_eq!(running["status"], "running", "the tries came while it was made: {running}");
    let bytes = reading.rest().await;
    let read = frames(&bytes);
    assert_whole(&read, "message.completed");
    let kept = owner.get(&format!("{messages}/{answer}")).await.json();
    assert_eq!((&read.last().unwrap().json()["message"], said(&read)), (&kept, words(&kept)));
    assert_eq!((&kept["status"], &kept["feedback"]), (&json!("completed"), &running["feedback"]));
    // What is read again is what was read.
    let again = by(owner, &Method::GET, &format!("{messages}/{answer}/stream"), &Value::Null, Some("0"));
    assert!(Reading::open(&doors, again).await.rest().await == bytes);
    let all = owner.get(&messages).await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 2, "a question and its answer: {all}");
    (missed, said(&read))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_finds_no_answer_by_its_id_and_changes_none_while_it_is_made() {
    let answers = amount("FOOTNOTE_FOREIGN_STREAMS", 5);
    let texts = numbered(answers, PIECES);
    let (app, provider) = talking(varying(&texts, PAUSE), |_| {}).await;
    let (owner, stranger) = (Person::new(&app, "owner").await, Person::new(&app, "stranger").await);
    let all = stream::iter(0..answers).map(|n| tried(&app, &owner, &stranger, n));
    let ends: Vec<(usize, String)> = all.buffer_unordered(AT_ONCE).collect().await;
    let missed: usize = ends.iter().map(|(missed, _)| missed).sum();
    eprintln!("{missed} of {} tries on {answers} foreign streams answer 404", 6 * answers);
    assert_eq!(missed, 6 * answers);
    // Each text was said once, to its end, and the model was asked for no other.
    let (mut heard, mut given): (Vec<String>, Vec<String>) =
        (ends.into_iter().map(|(_, said)| said).collect(), texts.iter().map(|text| text.concat()).collect());
    heard.iter_mut().chain(&mut given).for_each(|text| *text = text.trim_end().to_owned());
    heard.sort();
    given.sort();
    assert!(heard == given, "{heard:?}");
    assert_eq!(provider.calls().len(), answers);
    let rated = crate::reading::count(&app, "select count(*) from message_feedback").await;
    let of_stranger = stranger.get("/api/v1/conversations").await.json();
    assert_eq!((rated, &of_stranger["items"]), (0, &json!([])));
    app.stop().await;
}
