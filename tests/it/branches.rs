//! Answers that are made anew while others are made: each stream tells of its own
//! answer alone, and all of them stay.
//!
//! `FOOTNOTE_REGENERATES` sets how often an answer is made anew (10 times unless
//! set; 1,000 in `make soak`).

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::TestApp;
use crate::reading::{
    Frame, Reading, amount, asked, assert_whole, count, frames, numbered, post, question, replayed, said, talking,
    varying, words,
};

/// Answers that are made at once.
const AT_ONCE: usize = 50;

/// A branch as it was read.
struct Branch {
    id: String,
    bytes: Vec<u8>,
    said: String,
}

impl Branch {
    /// Of the stream of an answer that tells of no other.
    fn read(bytes: Vec<u8>) -> Self {
        let read = frames(&bytes);
        assert_whole(&read, "message.completed");
        let id = |frame: &Frame| frame.json()["message_id"].as_str().map(str::to_owned);
        let own = id(&read[0]).unwrap();
        assert_eq!(read[0].name, "message.started");
        assert!(read[1..].iter().all(|frame| frame.name != "message.started"));
        assert!(read.iter().filter_map(id).all(|id| id == own));
        let last = read.last().unwrap().json();
        assert_eq!(last["message"]["id"], own);
        let said = said(&read);
        assert_eq!(words(&last["message"]), said);
        Self { id: own, bytes, said }
    }
}

async fn again(app: &TestApp, path: &str) -> Branch {
    let request = post(&format!("{path}/regenerate"), &json!({ "stream": true }));
    Branch::read(Reading::open(&app.router, request).await.rest().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_made_anew_many_times_at_once_is_many_answers() {
    let times = amount("FOOTNOTE_REGENERATES", 10);
    let texts = numbered(times + 1, 40);
    let (app, provider) = talking(varying(&texts, 10), |_| {}).await;
    let (mut first, path) = asked(&app, &question(0)).await;
    let messages = path.rsplit_once('/').unwrap().0;
    // The first is not done when it is asked for anew.
    first.until("text.delta").await;
    let all = stream::iter(0..times).map(|_| again(&app, &path)).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let (first, mut branches) = tokio::join!(first.rest(), all);
    branches.push(Branch::read(first));

    let ids: BTreeSet<&str> = branches.iter().map(|branch| branch.id.as_str()).collect();
    assert_eq!(ids.len(), times + 1);
    // The model said something else each time, and nobody was told it twice.
    assert_eq!(provider.calls(), vec![question(0); times + 1]);
    let heard: BTreeSet<&str> = branches.iter().map(|branch| branch.said.as_str()).collect();
    let texts: Vec<String> = texts.iter().map(|text| text.concat()).collect();
    let texts: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(heard, texts);

    let question = app.get(&path).await.json()["parent_id"].clone();
    let mut places = BTreeSet::new();
    for branch in &branches {
        let path = format!("{messages}/{}", branch.id);
        assert!(replayed(&app, &path).await == branch.bytes, "{}", branch.id);
        let message: Value = app.get(&path).await.json();
        assert_eq!(message["parent_id"], question);
        assert_eq!((&message["role"], &message["status"]), (&json!("assistant"), &json!("completed")));
        assert_eq!(words(&message), branch.said);
        assert_eq!(message["siblings"]["count"], times + 1, "{message}");
        places.insert(message["siblings"]["index"].as_u64().unwrap());
    }
    assert_eq!(places.len(), times + 1, "{places:?}");
    let question: Uuid = question.as_str().unwrap().parse().unwrap();
    let siblings = sqlx::query_scalar::<_, i64>("select count(*) from messages where parent_id = $1").bind(question);
    let siblings = siblings.fetch_one(&app.db).await.unwrap();
    assert_eq!(siblings, i64::try_from(times + 1).unwrap());
    assert_eq!(count(&app, "select count(*) from messages where role = 'user'").await, 1);
    app.stop().await;
}
