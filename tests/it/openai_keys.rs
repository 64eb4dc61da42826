//! Requests to OpenAI's face under a key of the caller's own: sent again, they get
//! the answer of the first, and no model is asked twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use footnote::storage::{hidden, idempotency, kept_replies};
use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::canaries::until;
use crate::conversing::{Conversing, MODEL, Reply as Said, Task};
use crate::harness::{Reply, TestApp, request};
use crate::openai_chat::with_manual;
use crate::talk::{MANUAL, PRESSURE, Talk};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const HIDDEN: &str = "select count(*) from conversations where origin <> 'native'";
const KEPT: &str = "select count(*) from kept_replies";

/// A request with its key.
#[derive(Clone)]
struct Keyed {
    path: &'static str,
    key: String,
    body: Value,
}

impl Keyed {
    fn new(path: &'static str, key: &str, body: Value) -> Self {
        Self { path, key: key.into(), body }
    }

    fn request(&self) -> Request<Body> {
        let request = request("POST", self.path).header("content-type", "application/json");
        request.header("idempotency-key", &self.key).body(self.body.to_string().into()).unwrap()
    }

    async fn send(&self, app: &TestApp) -> Reply {
        app.request(self.request()).await
    }

    /// The body of the reply as it comes.
    async fn open(&self, app: &TestApp) -> BodyDataStream {
        let reply = app.router.clone().oneshot(self.request()).await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        reply.into_body().into_data_stream()
    }

    fn with(&self, field: &str, value: Value) -> Self {
        let mut other = self.clone();
        other.body[field] = value;
        other
    }
}

/// A request of each kind, with a key of its own.
fn of_each_kind(question: &str) -> Vec<Keyed> {
    let said = json!([{ "role": "user", "content": question }]);
    let chat = |key: &str, model: &str, store: bool| {
        Keyed::new(CHAT, key, json!({ "model": model, "messages": said, "store": store }))
    };
    let response = |key: &str, model: &str, store: bool| {
        Keyed::new(RESPONSES, key, json!({ "model": model, "input": question, "store": store }))
    };
    vec![
        chat("c1", "kb/main", false),
        chat("c2", "kb/main", true),
        chat("c3", MODEL, false),
        response("r1", "kb/main", false),
        response("r2", "kb/main", true),
        response("r3", MODEL, false),
    ]
}

fn asked(model: &Conversing) -> usize {
    model.bodies(Task::Answer).len()
}

/// The words of a chat's stream or of a response's.
fn words(stream: &str) -> String {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let events = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
    events
        .filter_map(|event| {
            let delta = &event["choices"][0]["delta"]["content"];
            delta.as_str().or_else(|| event["delta"].as_str()).map(str::to_owned)
        })
        .collect()
}

async fn service(mind: impl Fn(&Value) -> Said + Send + Sync + 'static, abandoned_after: u64) -> Talk {
    let talk = Talk::with(Conversing::start(mind).await, |settings| {
        (settings.answer_cache, settings.abandoned_after) = (false, abandoned_after);
    })
    .await;
    talk.read(&[("docs/p4.md", MANUAL)]).await;
    talk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_and_again_is_asked_once() {
    let talk = with_manual().await;
    let mut sent = Vec::new();
    for (calls, keyed) in of_each_kind(PRESSURE).into_iter().enumerate() {
        let replies = join_all((0..5).map(|_| keyed.send(&talk.app))).await;
        for reply in &replies {
            assert_eq!(reply.status, StatusCode::OK, "{}: {}", keyed.key, reply.text());
            assert_eq!(reply.json(), replies[0].json(), "{}", keyed.key);
        }
        assert!(replies[0].text().contains("4 bar"), "{}", replies[0].text());
        assert_eq!(asked(&talk.model), calls + 1, "{}", keyed.key);
        sent.push((keyed, replies[0].json()));
    }
    let (model, asked_before) = (talk.model.clone(), asked(&talk.model));
    let app = talk.app.restarted().await;
    for (keyed, before) in &sent {
        let reply = keyed.send(&app).await;
        assert_eq!((reply.status, &reply.json()), (StatusCode::OK, before), "{}", keyed.key);
        // Neither spaces nor the order of fields make it another request.
        let mut body: Vec<(String, Value)> = keyed.body.as_object().unwrap().clone().into_iter().collect();
        body.reverse();
        let body: Vec<String> = body.iter().map(|(name, value)| format!("{name:?} : {value}")).collect();
        let same = request("POST", keyed.path).header("content-type", "application/json");
        let same = same.header("idempotency-key", &keyed.key).body(format!("{{{}}}", body.join(" , ")).into());
        assert_eq!(&app.request(same.unwrap()).await.json(), before, "{}", keyed.key);
    }
    assert_eq!(asked(&model), asked_before);
    // With another key or with none it is another request.
    for (keyed, before) in &sent[..1] {
        let other = Keyed { key: "other".into(), ..keyed.clone() }.send(&app).await.json();
        assert_ne!(other["id"], before["id"]);
        assert_ne!(app.post(keyed.path, &keyed.body).await.json()["id"], before["id"]);
    }
    assert_eq!(asked(&model), asked_before + 2);
    app.stop().await;
}

#[tokio::test]
async fn a_key_is_good_for_one_request_alone() {
    let talk = with_manual().await;
    let all = of_each_kind(PRESSURE);
    for keyed in &all {
        assert_eq!(keyed.send(&talk.app).await.status, StatusCode::OK, "{}", keyed.key);
    }
    let calls = asked(&talk.model);
    for keyed in &all {
        for other in &all {
            let other = Keyed { key: keyed.key.clone(), ..other.with("user", json!("somebody else")) };
            let reply = other.send(&talk.app).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}: {}", keyed.key, reply.text());
            let error = &reply.json()["error"];
            assert_eq!(
                (&error["param"], &error["type"]),
                (&json!("idempotency_key"), &json!("invalid_request_error")),
                "{error}"
            );
        }
    }
    // Nor for the service's own routes.
    let messages = talk.app.conversation().await;
    for keyed in &all {
        let asks = request("POST", &messages).header("content-type", "application/json");
        let body = Body::from(json!({ "content": PRESSURE }).to_string());
        let reply = talk.app.request(asks.header("idempotency-key", &keyed.key).body(body).unwrap()).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:idempotency_key")
        );
    }
    for key in ["", &"k".repeat(256)] {
        let reply = Keyed { key: key.into(), ..all[0].clone() }.send(&talk.app).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (StatusCode::BAD_REQUEST, &json!("idempotency_key"))
        );
    }
    assert_eq!(asked(&talk.model), calls);
    talk.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_sent_again_says_the_same() {
    let talk = with_manual().await;
    for (calls, keyed) in of_each_kind(PRESSURE).into_iter().enumerate() {
        let keyed = keyed.with("stream", json!(true));
        let first = keyed.send(&talk.app).await.text();
        let again = keyed.send(&talk.app).await.text();
        assert!(words(&first).contains("4 bar"), "{first}");
        assert_eq!(words(&again), words(&first), "{}", keyed.key);
        // What is passed on may come in larger pieces.
        if keyed.body["model"] != MODEL {
            assert_eq!(again, first, "{}", keyed.key);
        }
        assert_eq!(again.lines().last(), first.lines().last());
        assert_eq!(asked(&talk.model), calls + 1, "{}", keyed.key);
    }
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_was_cut_off_gets_the_whole_answer_when_it_comes_again() {
    let text = "word ".repeat(60);
    let says = text.clone();
    let talk = service(move |_| Said::says(says.clone()).slowly(Duration::from_millis(20)), 120).await;
    for (calls, keyed) in of_each_kind("Tell of the pump P4.").into_iter().enumerate() {
        let keyed = keyed.with("stream", json!(true));
        let mut body = keyed.open(&talk.app).await;
        let mut begun = String::new();
        while !begun.contains("word") {
            begun.push_str(&String::from_utf8_lossy(&body.next().await.expect("more").unwrap()));
        }
        assert!(!begun.contains(&text) && words(&begun).len() < text.len(), "{begun}");
        drop(body);
        let again = keyed.send(&talk.app).await.text();
        assert_eq!(words(&again).trim_end(), text.trim_end(), "{}", keyed.key);
        assert_eq!(asked(&talk.model), calls + 1, "{}", keyed.key);
    }
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_it_again_is_a_reader_as_good_as_the_first() {
    let says = "word ".repeat(60);
    // Without that reader it would be stopped long before its end.
    let talk = service(move |_| Said::says(says.clone()).slowly(Duration::from_millis(60)), 1).await;
    for (calls, keyed) in of_each_kind("Tell of the pump P4.").into_iter().enumerate() {
        let keyed = keyed.with("stream", json!(true));
        let mut body = keyed.open(&talk.app).await;
        body.next().await.expect("a beginning").unwrap();
        let ((), again) = tokio::join!(async { drop(body) }, keyed.send(&talk.app));
        assert_eq!(words(&again.text()).split_whitespace().count(), 60, "{}", keyed.key);
        assert_eq!(asked(&talk.model), calls + 1, "{}", keyed.key);
    }
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_came_back_for_is_given_up_and_made_anew() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // The first of each kind takes for ever.
    let mind = move |_: &Value| match counted.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Said::says("word ".repeat(5_000)).slowly(Duration::from_millis(50)),
        _ => Said::says("It is whole."),
    };
    let talk = service(mind, 1).await;
    for keyed in of_each_kind("Tell of the pump P4.") {
        let keyed = keyed.with("stream", json!(true));
        let mut body = keyed.open(&talk.app).await;
        body.next().await.expect("a beginning").unwrap();
        until("first call", async || (calls.load(Ordering::SeqCst) % 2 == 1).then_some(())).await;
        drop(body);
        let open = "select (select count(*) from messages where status = 'running') + \
                    (select count(*) from kept_replies where said is null)";
        until("end of the answer", async || (talk.count(open).await == 0).then_some(())).await;
        let again = keyed.send(&talk.app).await.text();
        assert!(words(&again).contains("It is whole."), "{}: {again}", keyed.key);
    }
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_unattended_ends_with_the_service_and_is_on_the_bill() {
    let talk = service(|_| Said::says("word ".repeat(5_000)).slowly(Duration::from_millis(50)), 120).await;
    let keyed = of_each_kind("Tell of the pump P4.").remove(2).with("stream", json!(true));
    let mut body = keyed.open(&talk.app).await;
    body.next().await.expect("a beginning").unwrap();
    drop(body);
    let Talk { app, model, .. } = talk;
    let app = app.restarted().await;
    assert_eq!(asked(&model), 1);
    let billed: i64 = sqlx::query_scalar("select count(*) from model_calls").fetch_one(&app.db).await.unwrap();
    let held: i64 = sqlx::query_scalar(KEPT).fetch_one(&app.db).await.unwrap();
    assert_eq!((billed, held), (1, 0), "and its key is free");
    app.stop().await;
}

#[tokio::test]
async fn a_request_that_failed_is_tried_again_under_its_key() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mind = move |_: &Value| match counted.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Said::refuses("no such voice"),
        _ => Said::says("It is whole."),
    };
    let talk = service(mind, 120).await;
    for keyed in of_each_kind("Tell of the pump P4.") {
        let failed = keyed.send(&talk.app).await;
        assert_eq!(failed.status, StatusCode::BAD_REQUEST, "{}: {}", keyed.key, failed.text());
        assert!(failed.text().contains("no such voice"), "{}", failed.text());
        for _ in 0..2 {
            let again = keyed.send(&talk.app).await;
            assert_eq!(again.status, StatusCode::OK, "{}: {}", keyed.key, again.text());
            assert!(again.text().contains("It is whole."), "{}: {}", keyed.key, again.text());
        }
    }
    assert_eq!(calls.load(Ordering::SeqCst), 12);
    // What is refused before anybody is asked takes no key.
    let wrong = Keyed::new(CHAT, "k", json!({ "model": "kb/none", "messages": [{ "role": "user", "content": "a" }] }));
    assert_eq!(wrong.send(&talk.app).await.status, StatusCode::NOT_FOUND);
    assert_eq!(wrong.with("model", json!(MODEL)).send(&talk.app).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(wrong.with("model", json!(MODEL)).send(&talk.app).await.status, StatusCode::OK);
    talk.stop().await;
}

#[tokio::test]
async fn a_reply_whose_maker_is_gone_is_made_anew() {
    let talk = with_manual().await;
    let keyed = of_each_kind(PRESSURE).remove(2);
    let first = keyed.send(&talk.app).await.json();
    let killed = "update kept_replies set said = null, lease_until = now() + interval '2 seconds'";
    assert_eq!(sqlx::query(killed).execute(&talk.app.db).await.unwrap().rows_affected(), 1);
    let replies = join_all((0..3).map(|_| keyed.send(&talk.app))).await;
    for reply in &replies {
        assert_eq!((reply.status, reply.json()), (StatusCode::OK, replies[0].json()));
    }
    assert_ne!(replies[0].json()["id"], first["id"]);
    assert_eq!(asked(&talk.model), 2);
    talk.stop().await;
}

#[tokio::test]
async fn what_a_response_said_is_not_given_again_once_it_is_deleted() {
    let talk = with_manual().await;
    let keyed = of_each_kind(PRESSURE).remove(4);
    let first = keyed.send(&talk.app).await.json();
    // Somebody went on from it, so that what it said is still there.
    let next = json!({ "model": "kb/main", "input": "And its weight?", "previous_response_id": first["id"] });
    talk.post(RESPONSES, &next).await;
    let path = format!("{RESPONSES}/{}", first["id"].as_str().unwrap());
    assert_eq!(talk.app.delete(&path).await.status, StatusCode::OK);
    let again = keyed.send(&talk.app).await.json();
    assert_ne!(again["id"], first["id"]);
    assert_eq!(talk.app.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(asked(&talk.model), 3);
    talk.stop().await;
}

#[tokio::test]
async fn what_is_kept_for_a_key_goes_with_it_after_a_day() {
    let talk = with_manual().await;
    for keyed in of_each_kind(PRESSURE) {
        keyed.send(&talk.app).await;
    }
    let forget = async || {
        idempotency::forget_old(&talk.app.db).await.unwrap();
        kept_replies::forget_old(&talk.app.db).await.unwrap();
        hidden::forget_old(&talk.app.db).await.unwrap();
    };
    let age = async |hours: i32| {
        for aged in [
            "update conversations set updated_at = updated_at - make_interval(hours => $1)",
            "update idempotency_keys set created_at = created_at - make_interval(hours => $1)",
            "update kept_replies set created_at = created_at - make_interval(hours => $1)",
        ] {
            sqlx::query(aged).bind(hours).execute(&talk.app.db).await.unwrap();
        }
    };
    age(20).await;
    forget().await;
    assert_eq!((talk.count(HIDDEN).await, talk.count(KEPT).await), (4, 2));
    age(5).await;
    forget().await;
    // Those that were to be kept are.
    assert_eq!((talk.count(HIDDEN).await, talk.count(KEPT).await), (2, 0));
    // Without a key nothing is kept for one.
    talk.post(CHAT, &json!({ "model": MODEL, "messages": [{ "role": "user", "content": PRESSURE }] })).await;
    assert_eq!(talk.count(KEPT).await, 0);
    talk.stop().await;
}
