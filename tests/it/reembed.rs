//! Changing the embedding model while searches go on, and going back.
//!
//! The new model has as many dimensions as the old one and sees nothing but the
//! topic's number: a search that mixed the two would not be refused, it would
//! find the wrong document. `FOOTNOTE_KILLS` sets how often the command is
//! killed on its way (3 unless set), `FOOTNOTE_REINDEXES` how often the model changes
//! under searches (2 unless set), and `FOOTNOTE_SEARCHES` how many searches there are
//! in a second meanwhile (20 unless set).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::canaries::until;
use crate::command::{Footnote, write};
use crate::counting::{Counting, Faults};
use crate::harness::{TestApp, folder};
use crate::random::number;

/// As the default model has.
const DIMENSIONS: usize = 384;
/// Of which there is one document each.
const TOPICS: usize = 60;
/// Who search at once.
const SEARCHERS: u32 = 4;

/// A text that the new model's provider refuses.
const REFUSED: &str = "the sentence that nobody may embed";

/// What makes a topic known to a model of words.
const THINGS: [&str; 12] = [
    "pumps",
    "bridges",
    "violins",
    "glaciers",
    "orchids",
    "tractors",
    "lanterns",
    "harbours",
    "cheeses",
    "telescopes",
    "beavers",
    "carpets",
];

async fn embeddings(Json(body): Json<Value>) -> Json<Value> {
    let texts: Vec<String> = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        texts => serde_json::from_value(texts.clone()).unwrap(),
    };
    let row =
        |(index, text): (usize, &String)| json!({ "object": "embedding", "index": index, "embedding": topic(text) });
    let data: Vec<Value> = texts.iter().enumerate().map(row).collect();
    let usage = json!({ "prompt_tokens": 1, "total_tokens": 1 });
    Json(json!({ "object": "list", "model": body["model"], "data": data, "usage": usage }))
}

/// One for the number in the text, nothing else.
fn topic(text: &str) -> Vec<f32> {
    let number = text.split(|c: char| !c.is_ascii_digit()).find_map(|number| number.parse::<usize>().ok());
    let mut vector = vec![0.0; DIMENSIONS];
    vector[number.map_or(0, |number| number % DIMENSIONS)] = 1.0;
    vector
}

async fn provider() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/embeddings", post(embeddings))).await });
    address
}

fn text(number: usize) -> String {
    format!("Topic {number} is about {} and nothing else.", THINGS[number % THINGS.len()])
}

/// Finds topics by their meaning, again and again, until told to stop. Returns
/// how many searches there were; panics at one that fails or finds another.
async fn search_on(app: Router, pause: Duration, stop: Arc<AtomicBool>, searches: Arc<AtomicUsize>) {
    use tower::ServiceExt;
    let mut ticks = tokio::time::interval(pause);
    for number in (10..TOPICS).cycle() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        ticks.tick().await;
        let body = json!({ "query": text(number), "mode": "dense", "limit": 1 });
        let request = crate::harness::request("POST", "/api/v1/search").header("content-type", "application/json");
        let reply = app.clone().oneshot(request.body(axum::body::Body::from(body.to_string())).unwrap()).await.unwrap();
        let status = reply.status();
        let bytes = axum::body::to_bytes(reply.into_body(), usize::MAX).await.unwrap();
        let found: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(status, 200, "{found}");
        assert_eq!(found["passages"][0]["key"], format!("topic-{number}"), "{found}");
        assert!(found["passages"][0]["score"].as_f64().unwrap() > 0.9, "{found}");
        searches.fetch_add(1, Ordering::Relaxed);
    }
}

async fn step(app: &TestApp, action: &str) -> Value {
    let reply = app.post("/api/v1/admin/reembed", &json!({ "action": action })).await;
    assert_eq!(reply.status, 200, "{action}: {}", reply.text());
    reply.json()
}

async fn built(app: &TestApp) {
    let ready = async {
        while app.get("/api/v1/admin/reembed").await.json()["beside"]["ready"] != true {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), ready).await.expect("the index is built");
}

async fn model(app: &TestApp) -> String {
    app.get("/health/ready").await.json()["embedding_model"].as_str().unwrap().to_owned()
}

/// The keys that the words of a topic find.
async fn found(app: &TestApp, number: usize) -> Vec<String> {
    let body = json!({ "query": text(number), "limit": 1 });
    let found = app.post("/api/v1/search", &body).await.json();
    let passages = found["passages"].as_array().unwrap();
    passages.iter().map(|passage| passage["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_changes_under_searches_and_goes_back() {
    let mut app = TestApp::start().await;
    let collection = app.collection("topics").await;
    let mut ids = Vec::new();
    for number in 0..TOPICS {
        ids.push(app.text(&collection, &format!("topic-{number}"), &text(number)).await);
    }
    app.settled(&collection).await;
    let old = model(&app).await;
    app.settings.embedding_base_url = Some(format!("http://{}/v1", provider().await));
    app.settings.embedding_model = Some("topics".into());
    let left = app.settings.data_dir.join("index-0123456789abcdef0123456789abcdef");
    std::fs::create_dir_all(&left).unwrap();
    let app = app.restarted().await;
    assert!(!left.exists(), "an index that nobody knows of leaves the disk");
    assert_eq!(model(&app).await, old, "the index goes on with the model that it was built with");

    let (stop, searches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (changes, rate) = (number("FOOTNOTE_REINDEXES", 2), number("FOOTNOTE_SEARCHES", 20));
    let pause = SEARCHERS * Duration::from_secs(1) / u32::try_from(rate).unwrap();
    let mut searching = JoinSet::new();
    for _ in 0..SEARCHERS {
        searching.spawn(search_on(app.router.clone(), pause, Arc::clone(&stop), Arc::clone(&searches)));
    }
    let began = Instant::now();
    step(&app, "begin").await;
    // What changes while it is built.
    app.delete(&format!("/api/v1/documents/{}", ids[3])).await;
    app.text(&collection, "topic-200", &text(200)).await;
    app.text(&collection, "topic-5", &format!("{} Revised.", text(5))).await;
    built(&app).await;
    let questions: Vec<Value> =
        (10..20).map(|n| json!({ "text": text(n), "documents": [format!("topic-{n}")] })).collect();
    let compared = app.post("/api/v1/admin/reembed/compare", &json!({ "questions": questions })).await.json();
    assert_eq!((&compared["live"]["mrr"], &compared["new"]["mrr"]), (&json!(1.0), &json!(1.0)), "{compared}");
    assert_eq!(compared["same_first"], 1.0, "{compared}");
    step(&app, "switch").await;
    assert_eq!(model(&app).await, "topics");
    app.settled(&collection).await;
    assert_eq!(
        (found(&app, 200).await, found(&app, 5).await),
        (vec!["topic-200".to_owned()], vec!["topic-5".to_owned()])
    );
    assert_ne!(found(&app, 3).await, ["topic-3"], "it was deleted");

    // What changes before it is gone back.
    app.text(&collection, "topic-201", &text(201)).await;
    app.delete(&format!("/api/v1/documents/{}", ids[4])).await;
    app.settled(&collection).await;
    step(&app, "back").await;
    built(&app).await;
    step(&app, "switch").await;
    assert_eq!(model(&app).await, old);
    app.settled(&collection).await;
    assert_eq!(found(&app, 201).await, ["topic-201"]);
    assert_ne!(found(&app, 4).await, ["topic-4"], "it was deleted");
    for change in 2..changes {
        // Somebody writes meanwhile.
        let number = 202 + usize::try_from(change).unwrap();
        app.text(&collection, &format!("topic-{number}"), &text(number)).await;
        step(&app, "back").await;
        built(&app).await;
        step(&app, "switch").await;
        app.settled(&collection).await;
        assert_eq!(found(&app, number).await, [format!("topic-{number}")]);
    }
    stop.store(true, Ordering::Release);
    while let Some(searched) = searching.join_next().await {
        searched.expect("no search failed, none mixed the models");
    }
    eprintln!(
        "{} searches in {:?} while the model changed {} times",
        searches.load(Ordering::Relaxed),
        began.elapsed(),
        changes.max(2)
    );
    agrees_and_is_discarded(&app).await;
    app.stop().await;
}

/// Nothing of the changes is left over.
async fn agrees_and_is_discarded(app: &TestApp) {
    let tidy = async {
        loop {
            let drift = app.post("/api/v1/admin/doctor", &json!({})).await.json();
            if ["missing", "orphaned", "without_vector"].iter().all(|finding| drift[finding] == 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tidy).await.expect("the index agrees with the database");
    let folders = || {
        let entries = std::fs::read_dir(&app.settings.data_dir).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("index")).count()
    };
    assert_eq!(folders(), 2);
    step(app, "discard").await;
    let removed = async {
        while folders() > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("the other index leaves the disk");
    let again = app.post("/api/v1/admin/reembed", &json!({ "action": "discard" })).await;
    assert_eq!((again.status.as_u16(), again.code()), (404, "not_found:index".to_owned()));
}

/// What the doctor finds while no document comes or goes. A process hears of a
/// change-over a moment after it: until then it looks into the other index.
async fn assert_agrees(app: &TestApp) {
    until("index that agrees with the database", async || {
        let drift = app.post("/api/v1/admin/doctor", &json!({})).await.json();
        ["missing", "orphaned", "without_vector"].iter().all(|finding| drift[finding] == 0).then_some(())
    })
    .await;
}

/// Waits until the build beside the one in use has come past every document.
async fn come_past_all(app: &TestApp) -> Value {
    until("build of all documents", async || {
        let beside = app.get("/api/v1/admin/reembed").await.json()["beside"].clone();
        (beside["coverage"]["vectors"] == beside["coverage"]["documents"]).then_some(beside)
    })
    .await
}

async fn document(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/v1/documents/{id}")).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_new_model_refuses_stops_nothing_and_is_found_by_its_words() {
    let mut app = TestApp::start().await;
    let collection = app.collection("topics").await;
    for number in 0..20 {
        app.text(&collection, &format!("topic-{number}"), &text(number)).await;
    }
    let around: Vec<String> = (0..40).map(text).collect();
    let refused = format!("{}\n\nThis is {REFUSED}, about herons.", around.join("\n\n"));
    let refused = app.text(&collection, "refused", &refused).await;
    app.settled(&collection).await;
    let before = document(&app, &refused).await;
    let chunks = before["chunks"].as_i64().unwrap();
    assert!(chunks > 1 && before["embedded"] == chunks, "{before}");
    let old = model(&app).await;
    let provider = Counting::start(Faults { refused: Some(REFUSED), ..Faults::default() }).await;
    app.settings.embedding_base_url = Some(provider.url.clone());
    app.settings.embedding_model = Some("counting".into());
    let app = app.restarted().await;

    step(&app, "begin").await;
    let beside = come_past_all(&app).await;
    assert_eq!((&beside["coverage"]["refused"], &beside["ready"]), (&json!(1), &json!(true)), "{beside}");
    assert_eq!(beside["refusal"]["key"], "refused", "{beside}");
    assert!(beside["refusal"]["reason"].as_str().unwrap().contains("this text is not embedded"), "{beside}");
    step(&app, "switch").await;
    assert_eq!(model(&app).await, "counting");
    app.settled(&collection).await;
    // Its document says so; all else of it has its vector.
    let after = document(&app, &refused).await;
    assert_eq!((&after["stage"], &after["failure_code"]), (&json!("failed"), &json!("embedding_refused")), "{after}");
    assert_eq!((&after["chunks"], &after["embedded"]), (&json!(chunks), &json!(chunks - 1)), "{after}");
    for mode in ["sparse", "hybrid"] {
        let search = json!({ "query": "herons", "mode": mode, "limit": 5 });
        let found = app.post("/api/v1/search", &search).await.json();
        let is_it = |passage: &Value| passage["text"].as_str().unwrap().contains(REFUSED);
        assert!(found["passages"].as_array().unwrap().iter().any(is_it), "{mode}: {found}");
    }
    assert_agrees(&app).await;

    // The model before took it.
    step(&app, "back").await;
    come_past_all(&app).await;
    step(&app, "switch").await;
    assert_eq!(model(&app).await, old);
    app.settled(&collection).await;
    let back = document(&app, &refused).await;
    assert_eq!((&back["stage"], &back["failure_code"]), (&json!("done"), &json!(null)), "{back}");
    assert_eq!(back["embedded"], chunks, "{back}");
    assert_agrees(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_the_way_to_another_model_the_old_one_serves_and_the_way_goes_on() {
    let kills = number("FOOTNOTE_KILLS", 3);
    let url = format!("http://{}/v1", provider().await);
    let done = tokio::task::spawn_blocking(move || {
        let (footnote, files) = (Footnote::new(), folder());
        for number in 0..TOPICS {
            write(files.path(), &format!("topic-{number}.txt"), text(number));
        }
        footnote.json(&["ingest", files.path().to_str().unwrap()]);
        let with_new = |arguments: &[&str]| {
            let mut command = footnote.command(arguments);
            command.env("FOOTNOTE_EMBEDDING_BASE_URL", &url).env("FOOTNOTE_EMBEDDING_MODEL", "topics");
            command
        };
        for kill in 0..kills {
            let mut child = with_new(&["reembed", "--quiet"]).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(400 + 150 * (kill % 12)));
            child.kill().unwrap();
            child.wait().unwrap();
            let found =
                crate::command::parsed(&with_new(&["search", &text(7), "--limit", "1", "--json"]).output().unwrap());
            assert_eq!(found["passages"][0]["key"], "topic-7.txt", "{found}");
        }
        // It may have come through before the last kill.
        let status = crate::command::parsed(&with_new(&["reembed", "status", "--json"]).output().unwrap());
        if status["live"]["model"] != "topics" {
            let output = with_new(&["reembed"]).output().unwrap();
            assert!(output.status.success(), "{}", crate::command::errors(&output));
        }
        let found = with_new(&["search", &text(7), "--limit", "1", "--mode", "dense", "--json"]).output().unwrap();
        let found = crate::command::parsed(&found);
        assert_eq!(found["passages"][0]["key"], "topic-7.txt", "{found}");
        let drift = crate::command::parsed(&with_new(&["doctor", "--json"]).output().unwrap());
        assert_eq!((&drift["missing"], &drift["without_vector"]), (&json!(0), &json!(0)), "{drift}");
    });
    done.await.unwrap();
}
