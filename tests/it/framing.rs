//! What a model says comes out of the stream as it went in, and the message keeps
//! the same, whatever the characters are.
//!
//! `FOOTNOTE_TEXTS` sets how many random texts are said (50 unless set; 10,000 in
//! `make soak`).

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::random::Random;
use crate::reading::{Frame, amount, asked, assert_whole, frames, odd, question, said, talking, varying, words};
use crate::scripted::Script;

/// Texts that are said at once.
const AT_ONCE: usize = 16;
/// Pieces of a text, at most.
const PIECES: usize = 12;

#[test]
fn this_reader_of_events_goes_by_the_standard() {
    let frame = |id: &str, name: &str, data: &str| Frame { id: id.into(), name: name.into(), data: data.into() };
    let cases: [(&str, &[Frame]); 9] = [
        ("data: a\n\n", &[frame("", "message", "a")]),
        ("\u{feff}id: 1\nevent: x\ndata:a\ndata:  b\n\n", &[frame("1", "x", "a\n b")]),
        ("id: 1\rdata: a\r\rdata: b\r\r", &[frame("1", "message", "a"), frame("1", "message", "b")]),
        ("data: a\r\n\r\n: said\r\n\r\nevent: y\r\n\r\n", &[frame("", "message", "a")]),
        ("data\n\n", &[frame("", "message", "")]),
        ("event: x\n\ndata: a\n\n", &[frame("", "message", "a")]),
        ("data: a\n\ndata: cut\n", &[frame("", "message", "a")]),
        ("data: a\n\ndata: c", &[frame("", "message", "a")]),
        ("id: 1\0\nretry: 5\nother: z\ndata: a\n\n", &[frame("", "message", "a")]),
    ];
    for (text, expected) in cases {
        assert_eq!(frames(text.as_bytes()), expected, "{text:?}");
    }
    // A cut within a character loses that event alone.
    let cut = "data: a\n\ndata: 漢".as_bytes();
    assert_eq!(frames(&cut[..cut.len() - 1]), [frame("", "message", "a")]);
}

/// Asks, and returns the question, what the stream said and what is stored.
async fn answered(app: &TestApp, n: usize) -> (String, String, String) {
    let (reading, path) = asked(app, &question(n)).await;
    let bytes = reading.rest().await;
    let read = frames(&bytes);
    assert_whole(&read, "message.completed");
    // Every line is a field, a comment or nothing: what was said begins none. How
    // soon to come again is said once.
    let bytes = String::from_utf8(bytes).unwrap();
    let (again, bytes) = (bytes.matches("\nretry: 1000\n\n").count(), bytes.replacen("\nretry: 1000\n\n", "\n\n", 1));
    assert_eq!(again, 1, "{bytes:?}");
    let is_field = |line: &str| ["id: ", "event: ", "data: ", ":"].iter().any(|field| line.starts_with(field));
    assert!(!bytes.contains('\r') && bytes.split('\n').all(|line| line.is_empty() || is_field(line)), "{bytes:?}");
    let stored = app.get(&path).await.json();
    assert_eq!(read.last().unwrap().json()["message"], stored);
    (question(n), said(&read), words(&stored))
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_texts_are_streamed_and_kept_as_they_were_said() {
    let count = amount("FOOTNOTE_TEXTS", 50);
    let mut random = Random::seeded();
    let texts: Vec<Vec<String>> = (0..count)
        .map(|_| {
            let pieces = 1 + random.index(PIECES);
            odd(&mut random, pieces)
        })
        .collect();
    let (app, provider) = talking(varying(&texts, 0), |_| {}).await;
    let answers: Vec<_> = stream::iter(0..count).map(|n| answered(&app, n)).buffer_unordered(AT_ONCE).collect().await;
    let calls = provider.calls();
    assert_eq!(calls.len(), count);
    let turns: HashMap<&String, usize> = calls.iter().zip(0..).collect();
    for (question, said, stored) in &answers {
        let text = texts[turns[question]].concat();
        assert_eq!(*said, text);
        assert_eq!(*stored, text);
    }
    app.stop().await;
}

/// Postgres keeps no NUL in a text. What the model says is not ours to choose, so
/// the answer goes without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_nul_of_the_model_does_not_cost_the_answer() {
    let said_by_model: Vec<String> = ["Before ", "a\0b", " after"].map(str::to_owned).into();
    let (app, _provider) = talking(Script::SaysSlowly(said_by_model, Duration::from_millis(5)), |_| {}).await;
    let (_, said, stored) = answered(&app, 0).await;
    assert_eq!(said.replace('\u{fffd}', ""), "Before ab after");
    assert_eq!(said, stored);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nul_in_a_question_is_no_fault_of_the_service() {
    let (app, _provider) = talking(Script::Says(vec!["Nothing.".into()]), |_| {}).await;
    let messages = app.conversation().await;
    let reply = app.post(&messages, &json!({ "content": "What is\0 said?" })).await;
    assert!(!reply.status.is_server_error(), "{}", reply.text());
    // The next one is answered.
    let answer: Value = app.post(&messages, &json!({ "content": "What is said?" })).await.json();
    assert_eq!(answer["status"], "completed", "{answer}");
    app.stop().await;
}
