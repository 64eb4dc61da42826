//! A model that others serve: what it says is streamed, kept, stopped and asked
//! again as what a scripted one says, whatever that is.
//!
//! `OPENAI_BASE_URL` names its server, such as llama.cpp's or Ollama's, with
//! `OPENAI_API_KEY` where it wants one; `FOOTNOTE_MODEL` the model, unless it is the
//! first that the server names. Unless it is set there is nothing to try, and the
//! tests say so.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::reading::{Frame, Reading, post};
use crate::reading::{asked, assert_whole, following, frames, last_id, replayed, said, words};

/// Sentences of the document that is asked about.
const TEXT: &str = "The valve opens at 4 bar. It is checked once a year. A worn seal is replaced.";
/// The most tokens of an answer: a small model may not end by itself.
const MOST: u32 = 200;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A service whose model is the one of that server, with a document.
async fn served() -> Option<TestApp> {
    let Some(base) = variable("OPENAI_BASE_URL") else {
        eprintln!("not tested: OPENAI_BASE_URL names no server of models");
        return None;
    };
    let key = variable("OPENAI_API_KEY");
    let model = match variable("FOOTNOTE_MODEL") {
        Some(model) => model,
        None => first_model(&base, key.as_deref()).await,
    };
    let app = TestApp::with(|settings| {
        settings.openai_base_url = Some(base);
        settings.openai_api_key = key.map(Into::into);
        settings.model = model;
        settings.max_answer_tokens = MOST;
    })
    .await;
    let collection = app.collection("valves").await;
    app.text(&collection, "valve.md", TEXT).await;
    app.settled(&collection).await;
    Some(app)
}

async fn first_model(base: &str, key: Option<&str>) -> String {
    let mut request = reqwest::Client::new().get(format!("{}/models", base.trim_end_matches('/')));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let models: Value = request.send().await.unwrap().json().await.unwrap();
    models["data"][0]["id"].as_str().unwrap_or_else(|| panic!("no model in {models}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_is_streamed_and_kept() {
    let Some(app) = served().await else { return };
    let (reading, path) = asked(&app, "At how many bar does the valve open?").await;
    let bytes = reading.rest().await;
    let read = frames(&bytes);
    assert_whole(&read, "message.completed");
    let message = app.get(&path).await.json();
    assert_eq!(message["status"], "completed", "{message}");
    assert!(!words(&message).is_empty(), "{message}");
    assert_eq!(said(&read), words(&message));
    assert!(replayed(&app, &path).await == bytes, "what is stored is what was shown");
    let usage = &message["receipt"]["usage"];
    assert!(usage["input_tokens"].as_u64().unwrap() > 0 && usage["output_tokens"].as_u64().unwrap() > 0, "{message}");
    eprintln!("it says {:?}, takes {usage}", words(&message));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_cut_off_reads_on() {
    let Some(app) = served().await else { return };
    let (mut reading, path) = asked(&app, "How often is the valve checked?").await;
    let mut read: Vec<Frame> = Vec::new();
    while reading.more().await {
        read.extend(frames(&reading.bytes));
        drop(reading);
        reading = Reading::open(&app.router, following(&path, &last_id(&read))).await;
    }
    assert_whole(&read, "message.completed");
    assert_eq!(said(&read), words(&app.get(&path).await.json()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_left_when_an_answer_is_stopped_and_asked_again() {
    let Some(app) = served().await else { return };
    let (mut reading, path) = asked(&app, "What is replaced?").await;
    reading.until("message.started").await;
    let message = app.post(&format!("{path}/cancel"), &json!({})).await.json();
    assert!(["cancelled", "completed"].contains(&message["status"].as_str().unwrap()), "{message}");
    let read = frames(&reading.rest().await);
    assert_eq!(said(&read), words(&message));
    // The next question of the same conversation, and the same made anew.
    let messages = path.rsplit_once('/').unwrap().0;
    let question = json!({ "content": "And how often is it checked?", "stream": true });
    let second = Reading::open(&app.router, post(messages, &question)).await.rest().await;
    let second = frames(&second);
    assert_whole(&second, "message.completed");
    let id = second[0].json()["message_id"].as_str().unwrap().to_owned();
    let anew = post(&format!("{messages}/{id}/regenerate"), &json!({ "stream": true }));
    let anew = frames(&Reading::open(&app.router, anew).await.rest().await);
    assert_whole(&anew, "message.completed");
    assert_ne!(anew[0].json()["message_id"], id.as_str());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_through_the_face_of_openai() {
    let Some(app) = served().await else { return };
    let doors = app.keyed().await;
    for stream in [false, true] {
        let body = json!({
            "model": "footnote",
            "messages": [{ "role": "user", "content": "At how many bar does the valve open?" }],
            "stream": stream,
        });
        let reply = crate::people::whole(&doors, post(crate::conversing::PATH, &body)).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        let text = reply.text();
        if stream {
            assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
        } else {
            let reply = reply.json();
            assert!(!reply["choices"][0]["message"]["content"].as_str().unwrap().is_empty(), "{reply}");
        }
    }
    app.stop().await;
}
