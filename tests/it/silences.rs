//! What the service stands on falls silent, without a word and without an end:
//! whoever waits is told, nothing stays behind, and all is as before once it
//! speaks again.
//!
//! `FOOTNOTE_SILENCES` sets how many wait for each (32 unless set; 1,000 in
//! `make soak`).

use std::path::PathBuf;
use std::time::Duration;

use axum::http::StatusCode;
use futures::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;

use crate::canaries::until;
use crate::counting::{Counting, Faults};
use crate::harness::{Reply, TestApp};
use crate::plant::Plant;
use crate::reading::{amount, asked, frames, question, words};
use crate::relay::{End, Relay};
use crate::scripted::{Script, Scripted, pieces};

/// Those who wait at once.
const AT_ONCE: usize = 16;
/// Seconds after which what is silent is given up, in these tests.
const LIMIT: u64 = 1;
/// However busy the machine is, an end comes before.
const TOLD: Duration = Duration::from_mins(1);

/// What came of as many as there are to be.
async fn all<T, F: Future<Output = T>>(wait: impl Fn(usize) -> F) -> Vec<T> {
    let waiting = stream::iter(0..amount("FOOTNOTE_SILENCES", 32)).map(|n| tokio::time::timeout(TOLD, wait(n)));
    let told: Vec<_> = waiting.buffer_unordered(AT_ONCE).collect().await;
    told.into_iter().map(|told| told.expect("each is told")).collect()
}

/// Waits until those who were given up have left the wire.
async fn assert_left(relay: &Relay) {
    until("end of what was given up", async || (relay.connections() <= AT_ONCE).then_some(())).await;
}

async fn search(app: &TestApp, query: &str, mode: &str) -> Reply {
    app.post("/api/v1/search", &json!({ "query": query, "mode": mode })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_does_not_wait_for_an_embedder_that_says_nothing() {
    let embedder = Counting::start(Faults::default()).await;
    let (relay, url) = Relay::before(&embedder.url).await;
    let app = TestApp::with(|settings| {
        settings.embedding_base_url = Some(url);
        settings.embedding_model = Some("counting".into());
        settings.embedding_timeout = LIMIT;
    })
    .await;
    let collection = app.collection("c").await;
    app.text(&collection, "gauge.txt", "The gauge shows 4 bar.").await;
    app.settled(&collection).await;
    assert_eq!(search(&app, "gauge", "hybrid").await.status, StatusCode::OK);
    relay.cut();
    let told = all(async |n| search(&app, &question(n), "hybrid").await).await;
    assert!(told.iter().all(|reply| reply.status == StatusCode::BAD_GATEWAY), "{}", told[0].text());
    assert!(told.iter().all(|reply| reply.code() == "upstream:embedder"), "{}", told[0].text());
    // Words are found without it.
    assert_eq!(search(&app, "gauge", "sparse").await.json()["passages"].as_array().unwrap().len(), 1);
    relay.mend();
    assert_eq!(search(&app, "another gauge", "hybrid").await.status, StatusCode::OK);
    assert_left(&relay).await;
    app.stop().await;
}

/// A service whose model is behind a wire.
async fn talking_over(script: Script) -> (TestApp, Relay) {
    let provider = Scripted::start(script).await;
    let (relay, url) = Relay::before(&provider.url).await;
    let embedder = Counting::start(Faults::default()).await;
    let app = TestApp::with(|settings| {
        provider.configure(settings);
        settings.openai_base_url = Some(url);
        settings.embedding_base_url = Some(embedder.url.clone());
        settings.embedding_model = Some("counting".into());
        settings.rewrite_questions = false;
        settings.first_token_timeout = LIMIT;
        settings.idle_timeout = LIMIT;
    })
    .await;
    (app, relay)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_wait_for_a_model_that_says_nothing() {
    let (app, relay) = talking_over(Script::Says(pieces("The gauge shows 4 bar."))).await;
    let answer = async |n: usize| {
        let messages = app.conversation().await;
        let reply = app.post(&messages, &json!({ "content": question(n) })).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.json()
    };
    assert_eq!(words(&answer(0).await), "The gauge shows 4 bar.");
    relay.cut();
    // Another stands in for it, and says so.
    for message in all(&answer).await {
        assert!(message["receipt"]["fallback"].is_string(), "{message}");
    }
    relay.mend();
    until("the model again", async || (words(&answer(0).await) == "The gauge shows 4 bar.").then_some(())).await;
    assert_left(&relay).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_wait_for_a_model_that_falls_silent_within_it() {
    let text = pieces(&"The gauge shows 4 bar. ".repeat(40));
    let (app, relay) = talking_over(Script::SaysSlowly(text, Duration::from_millis(100))).await;
    let (mut reading, path) = asked(&app, &question(0)).await;
    reading.until("text.delta").await;
    relay.cut();
    let bytes = tokio::time::timeout(TOLD, reading.rest()).await.expect("an end");
    let last = frames(&bytes).pop().expect("events");
    assert_eq!(last.name, "message.interrupted");
    assert_eq!(last.json()["error"]["code"], "upstream:timeout", "{}", last.json());
    let kept = app.get(&path).await.json();
    assert!(words(&kept).starts_with("The "), "what was said stays: {kept}");
    relay.mend();
    assert_left(&relay).await;
    app.stop().await;
}

/// What a server says, by status and by the error's code.
async fn told(client: &Client, url: &str, path: &str) -> (StatusCode, String) {
    let reply = client.get(format!("{url}{path}")).send().await.unwrap();
    let status = reply.status();
    let body: Value = reply.json().await.unwrap();
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_database_that_says_nothing() {
    let provider = Scripted::start(Script::Says(pieces("The gauge shows 4 bar."))).await;
    let embedder = Counting::start(Faults::default()).await;
    let mut plant = Plant::start(&provider, &embedder).await;
    let options: PgConnectOptions = plant.db.connect_options().as_ref().clone();
    let folder: PathBuf = options.get_socket().expect("a folder of sockets").clone();
    let socket = folder.join(format!(".s.PGSQL.{}", options.get_port()));
    let relay = Relay::to(End::Socket(socket)).await;
    let (address, user) = (relay.address, options.get_username());
    for (name, value) in &mut plant.environment {
        if *name == "DATABASE_URL" {
            *value = format!("postgres://{user}@{address}/footnote?sslmode=disable");
        }
    }
    plant.environment.push(("FOOTNOTE_REQUEST_TIMEOUT", LIMIT.to_string()));
    let server = plant.serve();
    let client = server.client();
    let collections = async |_| told(&client, &server.url, "/api/v1/collections").await;
    assert_eq!(collections(0).await.0, StatusCode::OK);
    relay.cut();
    for (status, code) in all(&collections).await {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{code}");
        assert!(["busy:service", "busy:database"].contains(&code.as_str()), "{code}");
    }
    assert_eq!(told(&client, &server.url, "/health/live").await.0, StatusCode::OK);
    assert_eq!(told(&client, &server.url, "/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    relay.mend();
    until("the database again", async || (collections(0).await.0 == StatusCode::OK).then_some(())).await;
    // No connection was lost: as many as there are can be had at once.
    for (status, code) in all(&collections).await {
        assert_eq!(status, StatusCode::OK, "{code}");
    }
    assert_eq!(server.stop(), Some(0));
    plant.stop().await;
}
