//! Two replicas of a service over one database: an answer that one of them makes
//! is followed and stopped through the other.

use std::time::Instant;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::canaries::until;
use crate::reading::{
    Reading, asked, assert_whole, following, frames, numbered, post, question, replayed, replica, said, talking,
    varying, words,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_for_a_reader_at_another_replica_who_reads_the_same() {
    let texts = numbered(1, 400);
    // Without that reader it would be stopped long before its end.
    let (app, _provider) = talking(varying(&texts, 10), |settings| settings.abandoned_after = 1).await;
    let other = replica(&app);
    let (mut here, path) = asked(&app, &question(0)).await;
    let mut there = Reading::open(&other, following(&path, "0")).await;
    there.until("text.delta").await;
    here.until("text.delta").await;
    let begun = here.bytes.clone();
    drop(here);
    let bytes = there.rest().await;
    assert!(bytes.starts_with(&begun));
    let read = frames(&bytes);
    assert_whole(&read, "message.completed");
    assert_eq!(said(&read), texts[0].concat());
    assert!(replayed(&app, &path).await == bytes);
    // One who comes after the end finds all of it at either.
    assert!(Reading::open(&other, following(&path, "0")).await.rest().await == bytes);
    let middle = &read[read.len() / 2].id;
    let rest = Reading::open(&other, following(&path, middle)).await.rest().await;
    assert_eq!(frames(&rest), read[read.len() / 2 + 1..]);
    drop(other);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_stopped_through_another_replica() {
    let texts = numbered(1, 1_000);
    let (app, provider) = talking(varying(&texts, 10), |_| {}).await;
    let other = replica(&app);
    let (mut here, path) = asked(&app, &question(0)).await;
    here.until("text.delta").await;
    let there = Reading::open(&other, following(&path, "0")).await;
    assert_eq!(provider.open_streams(), 1);
    let began = Instant::now();
    let stopping = async {
        let reply = other.clone().oneshot(post(&format!("{path}/cancel"), &json!({}))).await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        let bytes = axum::body::to_bytes(reply.into_body(), usize::MAX).await.unwrap();
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        (message, began.elapsed())
    };
    let leaving = async {
        until("end of the provider's stream", async || (provider.open_streams() == 0).then_some(())).await;
        began.elapsed()
    };
    let ((message, told), left, here, there) = tokio::join!(stopping, leaving, here.rest(), there.rest());
    eprintln!("cancelled through another replica: the model was left after {left:?}, the caller told after {told:?}");
    assert_eq!(message["status"], "cancelled", "{message}");
    assert!(here == there);
    let read = frames(&here);
    assert_whole(&read, "message.cancelled");
    assert_eq!(said(&read), words(&message));
    assert!(!words(&message).is_empty() && texts[0].concat().starts_with(&words(&message)), "{message}");
    assert_eq!(app.get(&path).await.json(), message);
    drop(other);
    app.stop().await;
}
