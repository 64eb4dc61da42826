//! Limits towards callers, through the doors: what is told, what is refused, and
//! who shares.
//!
//! `FOOTNOTE_EDGES` sets how often fifty come at once at the edge of a day (5 times
//! unless set; 100 in `make soak`).

use std::time::Duration;

use axum::http::StatusCode;
use footnote::config::Settings;
use futures::future::join_all;
use serde_json::json;

use crate::harness::Reply;
use crate::harness::TestApp;
use crate::live::{Live, OPEN};
use crate::people::Person;
use crate::random::Random;
use crate::reading::{amount, question, talking};
use crate::scripted::{Script, pieces};

async fn live(change: impl FnOnce(&mut Settings)) -> (TestApp, Live) {
    let app = TestApp::with(change).await;
    let live = Live::start(app.keyed().await, OPEN).await;
    (app, live)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_told_and_refused() {
    let (app, live) = live(|settings| settings.limits.address_requests = 3).await;
    for left in ["2", "1", "0"] {
        let answer = live.get("/api/v1/collections", "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("3"));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(left));
        assert!(answer.header("x-ratelimit-reset-requests").is_some_and(|reset| reset.ends_with('s')));
    }
    let refused = live.get("/api/v1/collections", "").await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.body.contains("\"rate_limited:requests\""), "{refused:?}");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("x-should-retry"), None);
    live.health().await;
    assert!(app.get("/metrics").await.text().contains("footnote_limited_total{what=\"requests\"} 1\n"));
    live.ended().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_addresses_do_not_help() {
    let (app, live) = live(|settings| settings.limits.address_requests = 3).await;
    let mut statuses = Vec::new();
    for n in 0..50 {
        let forged = format!("x-forwarded-for: 203.0.113.{n}\r\nforwarded: for=203.0.113.{n}\r\n");
        statuses.push(live.get("/api/v1/collections", &forged).await.status);
    }
    assert!(statuses.iter().filter(|status| **status == 200).count() <= 4, "{statuses:?}");
    live.ended().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_each_address_counts_by_itself() {
    let (app, live) = live(|settings| {
        settings.limits.address_requests = 1;
        settings.trusted_proxies = vec!["127.0.0.0/8".into()];
    })
    .await;
    let asked = async |client: &str| live.get("/api/v1/collections", &format!("x-forwarded-for: {client}\r\n")).await;
    assert_eq!(asked("203.0.113.1").await.status, 200);
    assert_eq!(asked("203.0.113.1").await.status, 429);
    assert_eq!(asked("203.0.113.2").await.status, 200);
    assert_eq!(asked("1.1.1.1, 203.0.113.2").await.status, 429, "what a client wrote before the proxy is nothing");
    live.ended().await;
    app.stop().await;
}

fn assert_used_up(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::FORBIDDEN, "quota_exceeded:tokens"));
    assert_eq!(reply.headers["x-should-retry"], "false");
    assert!(!reply.headers.contains_key("retry-after"), "tomorrow is not soon");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_questions_at_the_edge_of_a_day_go_beyond_it_by_one_at_most() {
    let script = Script::Says(pieces("The pump holds 4 bar."));
    let (app, provider) = talking(script, |settings| settings.limits.tokens = 100).await;
    let mut conversations = vec![];
    for _ in 0..50 {
        conversations.push(app.conversation().await);
    }
    let question = json!({ "content": "What does the pump hold?" });
    let replies = join_all(conversations.iter().map(|messages| app.post(messages, &question))).await;
    let through = replies.iter().filter(|reply| reply.status == StatusCode::OK).count();
    // One answer takes 129 tokens, and so goes beyond the day.
    assert_eq!((through, provider.calls().len()), (1, 1));
    for reply in replies.iter().filter(|reply| reply.status != StatusCode::OK) {
        assert!(["rate_limited:tokens", "quota_exceeded:tokens"].contains(&reply.code().as_str()), "{}", reply.text());
    }
    assert_used_up(&app.post(&conversations[0], &question).await);
    app.stop().await;
}

/// Tokens that the scripted model says each answer took.
const ANSWER: u64 = 129;
/// Those who come at once.
const AT_ONCE: usize = 50;

/// Lets somebody spend some of a day, then come fifty times at once, then go on
/// until nothing is left. Returns how many answers there were at once, and in all.
async fn edge(person: &Person, spent: usize, pause: Duration) -> (usize, usize) {
    let mut conversations = vec![];
    for _ in 0..AT_ONCE {
        conversations.push(person.conversation().await);
    }
    let ask = async |n: usize| person.post(&conversations[n % AT_ONCE], &json!({ "content": question(n) })).await;
    for n in 0..spent {
        let reply = ask(n).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
    let replies = join_all((0..AT_ONCE).map(async |n| {
        tokio::time::sleep(pause * u32::try_from(n % 5).unwrap()).await;
        ask(spent + n).await
    }))
    .await;
    let through = replies.iter().filter(|reply| reply.status == StatusCode::OK).count();
    for reply in replies.iter().filter(|reply| reply.status != StatusCode::OK) {
        assert!(["rate_limited:tokens", "quota_exceeded:tokens"].contains(&reply.code().as_str()), "{}", reply.text());
    }
    let mut all = spent + through;
    for n in 0..AT_ONCE {
        let reply = ask(spent + AT_ONCE + n).await;
        if reply.status != StatusCode::OK {
            assert_used_up(&reply);
            return (through, all);
        }
        all += 1;
    }
    panic!("a day has no end: {all} answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_fifty_come_at_the_edge_of_a_day_it_is_crossed_by_one_at_most() {
    const LIMIT: u64 = 4 * ANSWER - 50;
    let edges = amount("FOOTNOTE_EDGES", 5);
    let mut random = Random::seeded();
    let script = Script::SaysSlowly(pieces("The pump holds 4 bar."), Duration::from_millis(1));
    let (app, provider) = talking(script, |settings| settings.limits.tokens = LIMIT).await;
    let (mut at_once, mut before) = (vec![], 0);
    for n in 0..edges {
        let person = Person::new(&app, &format!("person-{n}")).await;
        let pause = Duration::from_millis(random.below(20));
        let (through, all) = edge(&person, random.index(4), pause).await;
        at_once.push(through);
        // So many answers take less than the day, and one more crosses its edge.
        assert_eq!(all as u64, LIMIT.div_ceil(ANSWER), "in round {n}");
        let asked = provider.calls().len();
        assert_eq!(asked - before, all, "the model was asked for what was refused, in round {n}");
        before = asked;
    }
    eprintln!("{edges} times {AT_ONCE} at once at the edge: {at_once:?} went through, none beyond the one allowed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_counted_while_they_are_open() {
    let (app, _provider) = talking(Script::IsSilent, |settings| settings.limits.address_streams = 2).await;
    let live = Live::start(app.keyed().await, OPEN).await;
    let mut open = vec![];
    for _ in 0..2 {
        let messages = app.conversation().await;
        let body = json!({ "content": "Anything?", "stream": true }).to_string();
        let mut socket = live.connect().await;
        let request = crate::live::posting(&messages, &body, "");
        tokio::io::AsyncWriteExt::write_all(&mut socket, request.as_bytes()).await.unwrap();
        crate::live::until(&mut socket, "message.started").await;
        open.push(socket);
    }
    assert!(app.get("/metrics").await.text().contains("footnote_open_streams 2\n"));
    let messages = app.conversation().await;
    let body = json!({ "content": " " }).to_string();
    let refused = live.post(&messages, &body, "").await;
    assert!(refused.status == 429 && refused.body.contains("\"rate_limited:streams\""), "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    drop(open.pop());
    let freed = async {
        while live.post(&messages, &body, "").await.status == 429 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), freed).await.expect("there is a place again");
    drop(open);
    live.ended().await;
    app.stop().await;
}
