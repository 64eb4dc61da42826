//! A provider of embeddings that counts: what was paid for is not paid for
//! again, though the worker is killed and the provider refuses for a while.
//!
//! `FOOTNOTE_SOAK_DOCUMENTS` sets how many documents there are (120 unless set),
//! `FOOTNOTE_KILLS` how often the worker is killed (3 unless set), and
//! `FOOTNOTE_KILL_AFTER_MS` how long it lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

use crate::command::{Footnote, write};
use crate::harness::folder;

/// Numbers in its vectors.
const DIMENSIONS: usize = 32;
/// Requests under way at once and texts in each: what one kill can waste.
const UNDER_WAY: usize = 4 * 128;

/// What the provider was asked for.
#[derive(Default)]
struct Ledger {
    paid: HashMap<String, usize>,
    requests: usize,
    refused: usize,
}

#[derive(Clone, Default)]
struct Provider(Arc<Mutex<Ledger>>);

/// Refuses the first batch of texts and every fifth request, and says when to
/// come back.
async fn embeddings(State(provider): State<Provider>, Json(body): Json<Value>) -> Response {
    let texts: Vec<String> = match &body["input"] {
        Value::String(text) => vec![text.clone()],
        texts => serde_json::from_value(texts.clone()).unwrap(),
    };
    let mut ledger = provider.0.lock().unwrap();
    ledger.requests += 1;
    let first = ledger.refused == 0 && !texts.iter().any(|text| text == "probe");
    if first || ledger.requests.is_multiple_of(5) {
        ledger.refused += 1;
        let error = json!({ "error": { "message": "too many requests", "type": "rate_limit_error" } });
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], Json(error)).into_response();
    }
    let row =
        |(index, text): (usize, &String)| json!({ "object": "embedding", "index": index, "embedding": vector(text) });
    let data: Vec<Value> = texts.iter().enumerate().map(row).collect();
    for text in texts {
        *ledger.paid.entry(text).or_default() += 1;
    }
    let usage = json!({ "prompt_tokens": 1, "total_tokens": 1 });
    Json(json!({ "object": "list", "model": body["model"], "data": data, "usage": usage })).into_response()
}

/// Letters counted by their place in the alphabet.
fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.01_f32; DIMENSIONS];
    for byte in text.bytes() {
        vector[usize::from(byte) % DIMENSIONS] += 1.0;
    }
    vector
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_for_is_not_paid_for_again() {
    let documents = number("FOOTNOTE_SOAK_DOCUMENTS", 120);
    let kills = number("FOOTNOTE_KILLS", 3);
    let life = Duration::from_millis(number("FOOTNOTE_KILL_AFTER_MS", 1_500));
    let provider = Provider::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/embeddings", post(embeddings)).with_state(provider.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let ledger = provider.0;

    let counted = tokio::task::spawn_blocking(move || {
        let (footnote, files) = (Footnote::new(), folder());
        for n in 0..documents {
            let text = format!("Report {n} of the plant.\n\nThe gauge {n} shows {} bar.\n", n % 7);
            write(files.path(), &format!("report-{n}.txt"), text);
        }
        let path = files.path().to_str().unwrap();
        let command = |arguments: &[&str]| {
            let mut command = footnote.command(arguments);
            command.env("FOOTNOTE_EMBEDDING_BASE_URL", &url).env("FOOTNOTE_EMBEDDING_MODEL", "counting");
            command
        };
        for _ in 0..kills {
            let mut child = command(&["ingest", path, "--quiet"]).spawn().unwrap();
            std::thread::sleep(life);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let report = command(&["ingest", path, "--json"]).output().unwrap();
        let report = crate::command::parsed(&report);
        assert_eq!(report["failed"], json!([]), "{report}");
        let drift = crate::command::parsed(&command(&["doctor", "--json"]).output().unwrap());
        for finding in ["missing", "orphaned", "without_vector"] {
            assert_eq!(drift[finding], 0, "{drift}");
        }
        let listed = crate::command::parsed(&command(&["collections", "--json"]).output().unwrap());
        assert_eq!(listed["collections"][0]["documents"], documents, "{listed}");
        report["chunks"].as_u64().unwrap()
    });
    let chunks = usize::try_from(counted.await.unwrap()).unwrap();

    let ledger = ledger.lock().unwrap();
    // Each start asks once to learn the dimensions.
    let paid: Vec<usize> = ledger.paid.iter().filter(|(text, _)| *text != "probe").map(|(_, times)| *times).collect();
    let twice = paid.iter().sum::<usize>() - paid.len();
    eprintln!("{chunks} chunks, {} texts paid for, {twice} of them twice, {} refusals", paid.len(), ledger.refused);
    assert_eq!(paid.len(), chunks);
    // An answer that was under way when the worker died never arrived.
    assert!(twice <= UNDER_WAY * usize::try_from(kills).unwrap(), "{twice} texts were paid for twice");
    assert!(ledger.refused > 0);
}
