//! The OpenAI face before a provider: what it adds to a chat that is passed on,
//! at a steady rate. Each request is sent twice, to the provider itself and
//! through the face, and the two are compared. Provider and clients share the
//! machine with the service.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use footnote::http::{self, Hosts};
use footnote::startup::{Role, Service};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::first_token::listen;
use crate::rig::{Rig, client};
use crate::{Target, figure, quantile};

/// Pairs that are sent in a second.
const RATE: u32 = 200;
/// Pairs before those that are measured, in which connections are made.
const WARM_UP: u32 = 2 * RATE;
/// Pairs that are measured.
const PAIRS: u32 = 20 * RATE;

const ANSWER: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"The pump\"}}]}\n\n\
                      data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" holds 4 bar.\"}}]}\n\n\
                      data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                      data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":6}}\n\n\
                      data: [DONE]\n\n";

/// When a reply's first words came and when its end, in milliseconds.
#[derive(Clone, Copy)]
struct Times {
    first: f64,
    end: f64,
}

pub async fn measure() {
    let rig = Rig::new().await;
    // It reads what it is sent, as a provider does.
    let answer = async |_: Bytes| ([("content-type", "text/event-stream")], ANSWER);
    let provider = listen(Router::new().route("/v1/chat/completions", post(answer))).await;
    let mut settings = rig.settings.clone();
    settings.openai_base_url = Some(format!("{provider}/v1"));
    settings.model = "scripted".into();
    let service = Service::start(settings, Role::Server).await.expect("the service");
    let face = listen(http::router(service.app.clone(), Hosts::loopback())).await;
    let client = client(&service.app.credentials.local());
    let mut pairs = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    for n in 0..WARM_UP + PAIRS {
        ticks.tick().await;
        pairs.spawn(pair(client.clone(), provider.clone(), face.clone(), n));
    }
    let (mut first, mut end, mut failed) = (Vec::new(), Vec::new(), 0.0);
    while let Some(done) = pairs.join_next().await {
        let (n, times) = done.unwrap();
        match times {
            None => failed += 1.0,
            Some(_) if n < WARM_UP => {}
            Some((direct, through)) => {
                first.push(through.first - direct.first);
                end.push(through.end - direct.end);
            }
        }
    }
    figure("passed on: answers that failed", failed, "", Target::AtMost(0.0));
    figure("passed on: added to the first words, p50", quantile(&mut first, 0.5), "ms", Target::AtMost(1.0));
    figure("passed on: added to the first words, p99", quantile(&mut first, 0.99), "ms", Target::AtMost(10.0));
    figure("passed on: added to the end, p50", quantile(&mut end, 0.5), "ms", Target::None);
    figure("passed on: added to the end, p99", quantile(&mut end, 0.99), "ms", Target::None);
    service.stop().await;
    rig.stop().await;
}

/// The same request to both, in an order that changes.
async fn pair(client: reqwest::Client, provider: String, face: String, n: u32) -> (u32, Option<(Times, Times)>) {
    let turns = json!([
        { "role": "system", "content": "You know pumps." },
        { "role": "user", "content": format!("What is the pressure of valve {n}?") },
    ]);
    let body = json!({ "model": "scripted", "messages": turns, "stream": true, "max_tokens": 100 });
    let (direct, through) = if n.is_multiple_of(2) {
        let direct = ask(&client, &provider, &body).await;
        (direct, ask(&client, &face, &body).await)
    } else {
        let through = ask(&client, &face, &body).await;
        (ask(&client, &provider, &body).await, through)
    };
    (n, direct.zip(through))
}

/// Asks, and reads the answer to its end. None if it has none.
async fn ask(client: &reqwest::Client, url: &str, body: &Value) -> Option<Times> {
    let started = Instant::now();
    let reply = client.post(format!("{url}/v1/chat/completions")).json(body).send().await.ok()?;
    let (mut text, mut first) = (Vec::new(), None);
    let mut bytes = reply.bytes_stream();
    while let Some(Ok(piece)) = bytes.next().await {
        text.extend_from_slice(&piece);
        if first.is_none() && String::from_utf8_lossy(&text).contains("The pump") {
            first = Some(ms(started));
        }
    }
    let end = ms(started);
    let is_whole = String::from_utf8_lossy(&text).contains("[DONE]");
    first.filter(|_| is_whole).map(|first| Times { first, end })
}

fn ms(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}
