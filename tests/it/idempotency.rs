//! A caller that does not know whether its question arrived sends it again under
//! the same key: it is asked once, and every reply is the same.
//!
//! `FOOTNOTE_KEYS` sets how many keys there are (20 unless set; 1,000 in
//! `make soak`), `FOOTNOTE_REPEATS` how often each is sent at once (10 unless set;
//! 50 in `make soak`).

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::future::join_all;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::harness::{TestApp, request};
use crate::reading::{
    Reading, amount, assert_whole, count, frames, numbered, question, replica, said, talking, varying, words,
};

/// Keys that are sent at once.
const AT_ONCE: usize = 4;

/// What was sent under a key, and the reply.
struct Sent {
    path: String,
    key: String,
    question: String,
    reply: Value,
}

impl Sent {
    fn request(&self) -> Request<Body> {
        keyed(&self.path, &self.key, &json!({ "content": self.question }))
    }
}

fn keyed(path: &str, key: &str, body: &Value) -> Request<Body> {
    let request = request("POST", path).header("content-type", "application/json").header("idempotency-key", key);
    request.body(body.to_string().into()).unwrap()
}

/// Sends a question several times at once under one key.
async fn sent(app: &TestApp, n: usize, repeats: usize) -> Sent {
    let (path, key, question) = (app.conversation().await, format!("key {n}"), question(n));
    let mut sent = Sent { path, key, question, reply: Value::Null };
    let replies = join_all((0..repeats).map(|_| app.request(sent.request()))).await;
    for reply in &replies {
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(reply.json(), replies[0].json());
    }
    sent.reply = replies[0].json();
    assert_eq!(sent.reply["status"], "completed", "{}", sent.reply);
    sent
}

/// The key is taken for this request and for no other.
async fn refused_for_others(app: &TestApp, sent: &Sent) {
    let (path, key) = (&sent.path, &sent.key);
    let answer = sent.reply["id"].as_str().unwrap();
    let others = [
        keyed(path, key, &json!({ "content": "What else?" })),
        keyed(path, key, &json!({ "content": sent.question, "max_tokens": 9 })),
        keyed(&app.conversation().await, key, &json!({ "content": sent.question })),
        keyed(&format!("{path}/{answer}/regenerate"), key, &json!({})),
    ];
    for other in others {
        let reply = app.request(other).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", reply.text());
        assert_eq!(reply.code(), "unprocessable:idempotency_key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_sent_again_and_again_is_asked_once() {
    let (keys, repeats) = (amount("FOOTNOTE_KEYS", 20), amount("FOOTNOTE_REPEATS", 10));
    let texts = numbered(keys, 12);
    let (app, provider) = talking(varying(&texts, 5), |_| {}).await;
    let all = stream::iter(0..keys).map(|n| sent(&app, n, repeats));
    let all: Vec<Sent> = all.buffer_unordered(AT_ONCE).collect().await;
    let calls = provider.calls();
    assert_eq!(calls.len(), keys);
    for sent in &all {
        let turn = calls.iter().position(|call| *call == sent.question).unwrap();
        assert_eq!(words(&sent.reply), texts[turn].concat());
    }
    refused_for_others(&app, &all[0]).await;
    let app = app.restarted().await;
    for sent in &all {
        let reply = app.request(sent.request()).await;
        assert_eq!((reply.status, reply.json()), (StatusCode::OK, sent.reply.clone()));
    }
    refused_for_others(&app, &all[0]).await;
    let asked = i64::try_from(keys).unwrap();
    assert_eq!(count(&app, "select count(*) from messages where role = 'user'").await, asked);
    assert_eq!(count(&app, "select count(*) from messages where role = 'assistant'").await, asked);
    assert_eq!(provider.calls().len(), keys);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_it_again_while_it_is_answered_reads_all_of_it() {
    let texts = numbered(1, 100);
    let (app, provider) = talking(varying(&texts, 10), |_| {}).await;
    let messages = app.conversation().await;
    let again = || keyed(&messages, "k", &json!({ "content": question(0), "stream": true }));
    let mut first = Reading::open(&app.router, again()).await;
    first.until("text.delta").await;
    let second = Reading::open(&app.router, again()).await;
    let other = replica(&app);
    let elsewhere = Reading::open(&other, again()).await;
    let (first, second, elsewhere) = tokio::join!(first.rest(), second.rest(), elsewhere.rest());
    let read = frames(&first);
    assert_whole(&read, "message.completed");
    assert_eq!(said(&read), texts[0].concat());
    assert!(second == first && elsewhere == first);
    drop(other);
    let app = app.restarted().await;
    assert!(Reading::open(&app.router, again()).await.rest().await == first);
    assert_eq!(provider.calls().len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_one_to_255_characters() {
    let (app, provider) = talking(varying(&numbered(1, 2), 0), |_| {}).await;
    let messages = app.conversation().await;
    for key in ["", &"k".repeat(256)] {
        let reply = app.request(keyed(&messages, key, &json!({ "content": question(0) }))).await;
        assert_eq!(
            (reply.status, reply.code()),
            (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:idempotency_key".to_owned())
        );
    }
    let reply = app.request(keyed(&messages, &"k".repeat(255), &json!({ "content": question(0) }))).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(provider.calls().len(), 1);
    app.stop().await;
}
