//! The first token: what the service adds to a provider that answers at once.

use std::time::Instant;

use axum::Router;
use axum::routing::post;
use footnote::http::{self, Hosts};
use footnote::startup::{self, Doors, Role, Service};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::rig::{Rig, client, samples};
use crate::{Target, figure, quantile};

/// Questions before them, in which connections prepare their statements.
const WARM_UP: usize = 40;
/// Questions that are measured.
const QUESTIONS: usize = 200;

const ANSWER: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"The pump holds 4 bar.\"}}]}\n\n\
                      data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                      data: [DONE]\n\n";

/// Listens on a port of its own and returns its base URL.
pub async fn listen(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(startup::serve(
        listener,
        router,
        Doors { connections: 0, from_one_address: 0 },
        std::future::pending(),
        std::future::ready(()),
    ));
    url
}

pub async fn measure() {
    let rig = Rig::new().await;
    let answer = async || ([("content-type", "text/event-stream")], ANSWER);
    let provider = listen(Router::new().route("/v1/chat/completions", post(answer))).await;
    let mut settings = rig.settings.clone();
    settings.openai_base_url = Some(format!("{provider}/v1"));
    settings.model = "scripted".into();
    let service = Service::start(settings, Role::Server).await.expect("the service");
    let collection = rig.collection("kb").await;
    let mut corpus = service.app.corpus.clone();
    corpus.db = rig.db.clone();
    for (key, bytes) in samples() {
        rig.submit(&corpus, collection, &key, None, &bytes).await;
    }
    corpus.settled(rig.scope, collection).await.expect("settled");
    let url = listen(http::router(service.app.clone(), Hosts::loopback())).await;
    let client = client(&service.app.credentials.local());
    let mut delays = Vec::new();
    let mut first = Vec::new();
    for n in 0..WARM_UP + QUESTIONS {
        let begun: Value = client
            .post(format!("{url}/api/v1/conversations"))
            .json(&json!({}))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let path = format!("{url}/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
        let question = json!({ "content": format!("What is the pressure of valve {n}?"), "stream": true });
        // What the provider takes by itself, asked in the same way.
        let started = Instant::now();
        let direct = client.post(format!("{provider}/v1/chat/completions")).json(&question).send().await.unwrap();
        until(direct, "content").await;
        let alone = started.elapsed();
        let started = Instant::now();
        let reply = client.post(path).json(&question).send().await.unwrap();
        until(reply, "text.delta").await;
        let total = started.elapsed();
        if n < WARM_UP {
            continue;
        }
        first.push(total.as_secs_f64() * 1000.0);
        delays.push(total.saturating_sub(alone).as_secs_f64() * 1000.0);
    }
    figure("first token, question to text, p50", quantile(&mut first, 0.5), "ms", Target::None);
    figure("first-token delay added to the provider, p50", quantile(&mut delays, 0.5), "ms", Target::None);
    figure("first-token delay added to the provider, p99", quantile(&mut delays, 0.99), "ms", Target::AtMost(10.0));
    service.stop().await;
    rig.stop().await;
}

/// Reads a stream until it says `word`, then to its end.
async fn until(reply: reqwest::Response, word: &str) {
    let mut text = String::new();
    let mut body = reply.bytes_stream();
    while let Some(part) = body.next().await {
        text.push_str(&String::from_utf8_lossy(&part.unwrap()));
        if text.contains(word) {
            return;
        }
    }
    unreachable!("the stream ended without `{word}`: {text}");
}
