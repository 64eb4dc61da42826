//! Answers that are stopped: by their reader, or because nobody listens any more.
//! The model is left at once, and what was said is kept.
//!
//! `FOOTNOTE_CANCELS` sets how many are stopped at random moments (20 unless set;
//! 500 in `make soak`).

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::canaries::until;
use crate::harness::TestApp;
use crate::random::Random;
use crate::reading::{
    Frame, Reading, amount, asked, assert_whole, count, following, frames, last_id, numbered, question, replayed, said,
    talking, varying, words,
};
use crate::scripted::Scripted;

/// Answers that are made at once.
const AT_ONCE: usize = 20;
/// Pieces of each.
const PIECES: usize = 400;
/// Milliseconds before each piece.
const PAUSE: u64 = 10;
/// Milliseconds after its start at which an answer is stopped at the latest; by
/// then it is far from its end.
const LATEST: u64 = 800;

/// Waits until the provider talks to nobody.
async fn left(provider: &Scripted) {
    until("end of the provider's streams", async || (provider.open_streams() == 0).then_some(())).await;
}

/// Waits until an answer has ended.
async fn ended(app: &TestApp, path: &str) -> Value {
    until("end of the answer", async || {
        let message = app.get(path).await.json();
        (message["status"] != "running").then_some(message)
    })
    .await
}

/// Stops an answer, and again. Returns what is kept of it, and how long stopping
/// took.
async fn cancelled(app: &TestApp, n: usize, delay: u64) -> (usize, String, Duration) {
    let (reading, path) = asked(app, &question(n)).await;
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let began = Instant::now();
    let message = app.post(&format!("{path}/cancel"), &json!({})).await.json();
    let took = began.elapsed();
    assert_eq!(message["status"], "cancelled", "{message}");
    let bytes = reading.rest().await;
    let read = frames(&bytes);
    assert_whole(&read, "message.cancelled");
    assert_eq!(read.last().unwrap().json()["message"], message);
    assert_eq!(said(&read), words(&message));
    let again = app.post(&format!("{path}/cancel"), &json!({})).await.json();
    assert_eq!(again, message);
    assert_eq!(app.get(&path).await.json(), message);
    assert!(replayed(app, &path).await == bytes);
    (n, words(&message), took)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cancelled_leave_the_model_and_keep_what_was_said() {
    let answers = amount("FOOTNOTE_CANCELS", 20);
    let mut random = Random::seeded();
    let texts = numbered(answers, PIECES);
    let (app, provider) = talking(varying(&texts, PAUSE), |_| {}).await;
    let delays: Vec<u64> = (0..answers).map(|_| random.below(LATEST)).collect();
    let all = stream::iter(delays.iter().enumerate()).map(|(n, delay)| cancelled(&app, n, *delay));
    let ends: Vec<_> = all.buffer_unordered(AT_ONCE).collect().await;
    left(&provider).await;
    let calls = provider.calls();
    let (mut kept_any, mut slowest) = (0, Duration::ZERO);
    for (n, kept, took) in ends {
        slowest = slowest.max(took);
        kept_any += usize::from(!kept.is_empty());
        // Not asked yet, it said nothing.
        let text = calls.iter().position(|call| *call == question(n)).map(|turn| texts[turn].concat());
        assert!(text.unwrap_or_default().starts_with(&kept), "{n} kept: {kept}");
    }
    eprintln!("{answers} answers cancelled, {kept_any} of them after they had begun; the slowest took {slowest:?}");
    assert!(kept_any > 0, "each was cancelled before its first word");
    assert_eq!(count(&app, "select count(*) from messages where status = 'running'").await, 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_listens_to_is_stopped() {
    let texts = numbered(1, PIECES);
    let (app, provider) = talking(varying(&texts, PAUSE), |settings| settings.abandoned_after = 1).await;
    let (mut reading, path) = asked(&app, &question(0)).await;
    reading.until("text.delta").await;
    let read = reading.bytes.clone();
    let gone = Instant::now();
    drop(reading);
    left(&provider).await;
    let after = gone.elapsed();
    eprintln!("the model was left {after:?} after the reader");
    assert!(after >= Duration::from_secs(1), "{after:?}");
    let message = ended(&app, &path).await;
    assert_eq!(message["status"], "cancelled", "{message}");
    let parts = message["parts"].as_array().unwrap();
    assert!(parts.iter().any(|part| part["type"] == "notice" && part["code"] == "abandoned"), "{message}");
    assert!(texts[0].concat().starts_with(&words(&message)), "{message}");
    let stored = replayed(&app, &path).await;
    assert!(stored.starts_with(&read));
    let stored = frames(&stored);
    assert_whole(&stored, "message.cancelled");
    assert_eq!(said(&stored), words(&message));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_for_a_reader_that_comes_back_in_time() {
    let texts = numbered(1, PIECES);
    let (app, provider) = talking(varying(&texts, PAUSE), |settings| settings.abandoned_after = 1).await;
    let (mut reading, path) = asked(&app, &question(0)).await;
    let mut read: Vec<Frame> = Vec::new();
    // In all it is away for longer than it may be at a time.
    for _ in 0..5 {
        reading.until("text.delta").await;
        read.extend(frames(&reading.bytes));
        drop(reading);
        tokio::time::sleep(Duration::from_millis(300)).await;
        reading = Reading::open(&app.router, following(&path, &last_id(&read))).await;
    }
    read.extend(frames(&reading.rest().await));
    assert_whole(&read, "message.completed");
    assert_eq!(said(&read), texts[0].concat());
    assert_eq!(words(&ended(&app, &path).await), texts[0].concat());
    assert_eq!(provider.calls().len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_of_the_end_that_another_process_gave_an_answer() {
    let (app, _provider) = talking(varying(&numbered(1, PIECES), PAUSE), |_| {}).await;
    let (mut reading, path) = asked(&app, &question(0)).await;
    reading.until("text.delta").await;
    // What a sweep does that takes this process for dead.
    let end = "with ended as (
                   update messages set status = 'interrupted', lease_until = null where id = $1::uuid returning id
               )
               insert into message_events (message_id, seq, name, data)
               select id, (select max(seq) + 1 from message_events where message_id = id), 'message.interrupted', '{}'
               from ended";
    let id = path.rsplit('/').next().unwrap();
    let ended = async || {
        // Its maker may have said more at the same moment.
        sqlx::query(end).bind(id).execute(&app.db).await.ok().filter(|done| done.rows_affected() == 1).map(drop)
    };
    until("end by another", ended).await;
    let read = reading.rest().await;
    assert_eq!(frames(&read).last().unwrap().name, "message.interrupted");
    assert_eq!(frames(&replayed(&app, &path).await).last().unwrap().name, "message.interrupted");
    app.stop().await;
}
