//! Kill -9 in the middle of answers: nothing says afterwards that it is still
//! made, and what a reader saw is kept, to the byte.
//!
//! `FOOTNOTE_ANSWER_KILLS` sets how often it kills (3 times unless set; 50 in
//! `make soak`).

use std::ops::Range;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};

use crate::canaries::until;
use crate::counting::{Counting, Faults};
use crate::plant::Plant;
use crate::random::Random;
use crate::reading::{Frame, amount, assert_whole, frames, last_id, numbered, question, said, varying, words};
use crate::scripted::{Script, Scripted, saying};
use crate::talk::parts;

/// Answers that are under way at each kill.
const ANSWERS: usize = 4;
/// Pieces of each answer.
const PIECES: usize = 600;
/// Milliseconds before each piece.
const PAUSE: u64 = 10;
/// Milliseconds after all have begun at which the server is killed: the first
/// words are there, and the last are far.
const KILLED: Range<u64> = 100..2_000;
/// How long after a restart an answer may still be said to be made.
const LIMIT: Duration = Duration::from_secs(10);

/// What a reader of an answer has seen.
struct Seen {
    messages: String,
    question: String,
    bytes: Vec<u8>,
}

/// Asks, and reads until the connection breaks.
async fn ask(client: &Client, url: &str, n: usize) -> Seen {
    let begun = client.post(format!("{url}/api/v1/conversations")).json(&json!({})).send().await.unwrap();
    let begun: Value = begun.json().await.unwrap();
    let messages = format!("/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
    let body = json!({ "content": question(n), "stream": true });
    let mut reply = client.post(format!("{url}{messages}")).json(&body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let mut bytes = Vec::new();
    while let Ok(Some(more)) = reply.chunk().await {
        bytes.extend_from_slice(&more);
    }
    Seen { messages, question: question(n), bytes }
}

/// The events of the answer at `path` after one of them.
async fn following(client: &Client, path: &str, after: &str) -> Vec<u8> {
    let reply = client.get(format!("{path}/stream")).header("last-event-id", after).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    reply.bytes().await.unwrap().to_vec()
}

/// What was seen is kept, and said to be broken off: the message, and its events.
async fn assert_kept(client: &Client, url: &str, seen: &Seen, text: &str) -> (Value, Vec<Frame>) {
    let read = frames(&seen.bytes);
    let started = read.first().expect("the reader saw that it began").json();
    let path = format!("{url}{}/{}", seen.messages, started["message_id"].as_str().unwrap());
    let message: Value = client.get(&path).send().await.unwrap().json().await.unwrap();
    assert_eq!(message["status"], "interrupted", "{message}");
    let stored = following(client, &path, "0").await;
    assert!(stored.starts_with(&seen.bytes), "the reader saw what is not kept");
    let replayed = frames(&stored);
    assert_whole(&replayed, "message.interrupted");
    let kept = words(&message);
    assert!(kept.starts_with(&said(&read)), "{kept}");
    assert_eq!(said(&replayed), kept);
    assert!(text.starts_with(&kept), "{kept}");
    let rest = following(client, &path, &last_id(&read)).await;
    assert_eq!(frames(&rest), replayed[read.len()..]);
    (message, replayed)
}

/// A model that thinks, calls two tools, and then says these pieces.
fn thoughtful(pieces: Vec<String>) -> Script {
    let thoughts = ["The question ", "wants a sum ", "and a note."].map(|words| json!({ "reasoning_content": words }));
    let calls = [
        ("calculate", json!({ "expression": "6*7" })),
        ("create_artifact", json!({ "kind": "text", "title": "The sum", "content": "It is 42." })),
    ];
    let called = calls.iter().enumerate().map(|(index, (tool, arguments))| {
        let function = json!({ "name": tool, "arguments": arguments.to_string() });
        json!({ "tool_calls": [{ "index": index, "id": format!("call-{index}"), "type": "function", "function": function }] })
    });
    let turns = [thoughts.into_iter().chain(called).collect(), saying(pieces)];
    Script::Sends(turns.into(), Duration::from_millis(PAUSE))
}

/// What the events of a name tell, as parts of a kind.
fn told(read: &[Frame], name: &str, kind: &str, fields: &[&str]) -> Vec<Value> {
    let part = |frame: &Frame| -> Value {
        let data = frame.json();
        let told = fields.iter().map(|field| ((*field).to_owned(), data[*field].clone()));
        told.chain([("type".to_owned(), json!(kind))]).collect()
    };
    read.iter().filter(|frame| frame.name == name).map(part).collect()
}

/// The parts of an answer whose last call made something, as its events tell them.
fn all_told(read: &[Frame]) -> Vec<Value> {
    let thoughts = told(read, "reasoning.delta", "reasoning", &["text"]);
    let thought: String = thoughts.iter().filter_map(|part| part["text"].as_str()).collect();
    let mut parts = vec![json!({ "type": "reasoning", "text": thought })];
    parts.extend(told(read, "tool.called", "tool_call", &["id", "name", "arguments"]));
    parts.extend(told(read, "tool.completed", "tool_result", &["id", "name", "text", "failed"]));
    let made = read.iter().filter(|frame| frame.name == "artifact.updated");
    parts.extend(made.map(|frame| frame.json()["artifact"].clone()));
    parts.push(json!({ "type": "text", "text": said(read) }));
    parts.extend(told(read, "claim.unsupported", "unsupported", &["start", "end"]));
    parts
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_whose_server_is_killed_are_kept_and_said_to_be_broken_off() {
    let kills = amount("FOOTNOTE_ANSWER_KILLS", 3);
    let mut random = Random::seeded();
    let texts = numbered(kills * ANSWERS, PIECES);
    let provider = Scripted::start(varying(&texts, PAUSE)).await;
    let embedder = Counting::start(Faults::default()).await;
    let plant = Plant::start(&provider, &embedder).await;
    let mut server = plant.serve();
    let mut client = server.client();
    let (mut slowest, mut words_seen) = (Duration::ZERO, 0);
    for kill in 0..kills {
        let pause = Duration::from_millis(KILLED.start + random.below(KILLED.end - KILLED.start));
        let url = server.url.clone();
        let asking = join_all((0..ANSWERS).map(|n| ask(&client, &url, kill * ANSWERS + n)));
        let killing = async {
            until("answers", async || (provider.open_streams() == ANSWERS).then_some(())).await;
            tokio::time::sleep(pause).await;
            server.child.kill().unwrap();
            server.child.wait().unwrap();
        };
        let (seen, ()) = tokio::join!(asking, killing);
        server = plant.serve();
        client = server.client();
        let restarted = Instant::now();
        tokio::time::timeout(LIMIT, plant.quiet()).await.expect("no answer is said to be made");
        slowest = slowest.max(restarted.elapsed());
        let calls = provider.calls();
        for seen in &seen {
            let turn = calls.iter().position(|call| *call == seen.question).unwrap();
            words_seen += said(&frames(&seen.bytes)).split_whitespace().count();
            assert_kept(&client, &server.url, seen, &texts[turn].concat()).await;
        }
        // Nobody is read whom nobody asks.
        until("end of the provider's streams", async || (provider.open_streams() == 0).then_some(())).await;
    }
    eprintln!("{kills} kills, {words_seen} words seen before; at rest {slowest:?} after a restart at the latest");
    assert!(words_seen > 0, "each was killed before its first word");
    assert_eq!(provider.calls().len(), kills * ANSWERS, "no answer was made twice");
    assert_eq!(server.stop(), Some(0));
    plant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_server_is_killed_keeps_its_reasoning_and_its_calls() {
    let text = numbered(1, PIECES).remove(0);
    let provider = Scripted::start(thoughtful(text.clone())).await;
    let embedder = Counting::start(Faults::default()).await;
    let plant = Plant::start(&provider, &embedder).await;
    let mut server = plant.serve();
    let (client, url) = (server.client(), server.url.clone());
    let killing = async {
        until("words after the calls", async || {
            let query = "select count(*) from message_events where name = 'text.delta'";
            let words: i64 = sqlx::query_scalar(query).fetch_one(&plant.db).await.unwrap();
            (words > 3).then_some(())
        })
        .await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    };
    let (seen, ()) = tokio::join!(ask(&client, &url, 0), killing);
    let server = plant.serve();
    tokio::time::timeout(LIMIT, plant.quiet()).await.expect("no answer is said to be made");
    let (message, read) = assert_kept(&server.client(), &server.url, &seen, &text.concat()).await;
    assert_eq!(message["parts"], json!(all_told(&read)));
    for (kind, count) in [("reasoning", 1), ("tool_call", 2), ("tool_result", 2), ("artifact", 1)] {
        assert_eq!(parts(&message, kind).len(), count, "{message}");
    }
    assert!(parts(&message, "tool_result")[0]["text"].as_str().unwrap().contains("42"), "{message}");
    assert!(!words(&message).is_empty(), "{message}");
    // The call of the model that had ended was paid for; of the other nothing is known.
    let receipt = &message["receipt"];
    assert_eq!((&receipt["model"], &receipt["queries"]), (&json!("scripted"), &json!([question(0)])));
    let [call] = receipt["calls"].as_array().unwrap().as_slice() else { panic!("{receipt}") };
    assert_eq!((&call["purpose"], &call["outcome"]), (&json!("answer"), &json!("ok")));
    assert_eq!((&receipt["usage"], &call["usage"]["input_tokens"]), (&call["usage"], &json!(120)));
    assert_eq!(server.stop(), Some(0));
    plant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_kept_whole_or_not_at_all_is_not_when_its_server_is_killed() {
    let texts = numbered(1, PIECES);
    let provider = Scripted::start(varying(&texts, PAUSE)).await;
    let embedder = Counting::start(Faults::default()).await;
    let plant = Plant::start(&provider, &embedder).await;
    let mut server = plant.serve();
    let client = server.client();
    let me: Value = client.get(format!("{}/api/v1/me", server.url)).send().await.unwrap().json().await.unwrap();
    let path = format!("{}/api/{}/chat", server.url, me["id"].as_str().unwrap());
    let body = json!({ "message": question(0), "stream": true });
    let mut reply = client.post(path).json(&body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert!(reply.chunk().await.unwrap().is_some(), "its first words");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let held = async || -> (i64, i64) {
        let query = "select (select count(*) from messages), (select count(*) from conversations)";
        sqlx::query_as(query).fetch_one(&plant.db).await.unwrap()
    };
    assert_eq!(held().await, (2, 1));
    let server = plant.serve();
    until("neither message nor answer", async || (held().await == (0, 0)).then_some(())).await;
    assert_eq!(server.stop(), Some(0));
    plant.stop().await;
}
