//! The model is asked once for each answer: however many read it, and however it
//! ends.
//!
//! `FOOTNOTE_READ_STREAMS` sets how many answers are read by several (20 unless set;
//! 200 in `make soak`).

use std::time::Duration;

use futures::future::join_all;

use crate::harness::TestApp;
use crate::random::Random;
use crate::reading::{
    amount, asked, assert_whole, frames, numbered, question, replayed, said, talking, varying, words,
};
use crate::scripted::{Script, pieces};

/// Readers of each answer.
const READERS: usize = 5;
/// Pieces of each.
const PIECES: usize = 60;
/// Milliseconds before each piece.
const PAUSE: u64 = 15;
/// Milliseconds after which the last reader comes: some come when all is said.
const LATEST: u64 = 1_200;

/// Lets all readers read an answer, and returns what each of them read.
async fn read_by_all(app: &TestApp, n: usize, mut random: Random) -> String {
    let (first, path) = asked(app, &question(n)).await;
    let pauses: Vec<u64> = (1..READERS).map(|_| random.below(LATEST)).collect();
    let others = pauses.into_iter().map(|pause| {
        let path = &path;
        async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            replayed(app, path).await
        }
    });
    let (first, others) = tokio::join!(first.rest(), join_all(others));
    for other in others {
        assert!(other == first, "{} is not {}", String::from_utf8_lossy(&other), String::from_utf8_lossy(&first));
    }
    let read = frames(&first);
    assert_whole(&read, "message.completed");
    said(&read)
}

#[tokio::test(flavor = "multi_thread")]
async fn several_readers_read_the_same_and_the_model_is_asked_once() {
    let streams = amount("FOOTNOTE_READ_STREAMS", 20);
    let mut random = Random::seeded();
    let texts = numbered(streams, PIECES);
    let (app, provider) = talking(varying(&texts, PAUSE), |_| {}).await;
    let all = (0..streams).map(|n| read_by_all(&app, n, random.branch()));
    let mut heard = join_all(all).await;
    assert_eq!(provider.calls().len(), streams);
    let mut texts: Vec<String> = texts.iter().map(|text| text.concat()).collect();
    heard.sort();
    texts.sort();
    assert_eq!(heard, texts);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_breaks_off_is_not_asked_again() {
    const ANSWERS: usize = 4;
    let text = "The pump runs and runs and";
    let (app, provider) = talking(Script::BreaksOff(pieces(text)), |_| {}).await;
    for n in 0..ANSWERS {
        let (reading, path) = asked(&app, &question(n)).await;
        let bytes = reading.rest().await;
        let read = frames(&bytes);
        assert_whole(&read, "message.interrupted");
        assert_eq!(said(&read), text);
        let stored = app.get(&path).await.json();
        assert_eq!(stored["status"], "interrupted", "{stored}");
        assert_eq!(words(&stored), text);
        assert!(replayed(&app, &path).await == bytes);
    }
    // Nor was it asked for anything else.
    assert_eq!(provider.calls(), (0..ANSWERS).map(question).collect::<Vec<_>>());
    assert_eq!(provider.asked().len(), ANSWERS);
    app.stop().await;
}
