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
use crate::reading::{amount, assert_whole, frames, last_id, numbered, question, said, varying, words};
use crate::scripted::Scripted;

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

/// What was seen is kept, and said to be broken off.
async fn assert_kept(client: &Client, url: &str, seen: &Seen, text: &str) {
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
