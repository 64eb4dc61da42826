//! A service with a model that converses, and what tests look at in answers.

use axum::http::StatusCode;
use footnote::config::Settings;
use footnote_ingest::corpus::Incoming;
use footnote_ingest::ids::DocumentId;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use footnote_ingest::store::documents::{self, Stage};
use serde_json::{Value, json};

use crate::canaries::until;
use crate::conversing::{Conversing, Reply};
use crate::fences;
use crate::harness::{Event, TestApp};
use crate::submitted::{incoming, stranger};

pub const MANUAL: &str = "The pump P4 is rated for a pressure of 4 bar. It weighs 3 kg. Oil it every six months.";
/// What [`MANUAL`] answers.
pub const PRESSURE: &str = "What pressure is the pump P4 rated for?";

/// A service, the model behind it, and a conversation.
pub struct Talk {
    pub app: TestApp,
    pub model: Conversing,
    /// The collection `main`.
    pub collection: String,
    /// The path of the conversation's messages.
    pub messages: String,
}

impl Talk {
    pub async fn start(model: Conversing) -> Self {
        Self::with(model, |_| {}).await
    }

    /// With settings that were changed before the start.
    pub async fn with(model: Conversing, change: impl FnOnce(&mut Settings)) -> Self {
        let app = TestApp::with(|settings| {
            model.configure(settings);
            change(settings);
        })
        .await;
        let (collection, messages) = (app.collection("main").await, app.conversation().await);
        Self { app, model, collection, messages }
    }

    /// Takes texts in by their keys, waits until they can be found, and returns
    /// the documents' ids.
    pub async fn read(&self, texts: &[(impl AsRef<str>, impl AsRef<str>)]) -> Vec<String> {
        let mut ids = Vec::with_capacity(texts.len());
        for (key, text) in texts {
            ids.push(self.app.text(&self.collection, key.as_ref(), text.as_ref()).await);
        }
        self.app.settled(&self.collection).await;
        ids
    }

    /// The whole answer to a question.
    pub async fn ask(&self, content: &str) -> Value {
        self.ask_with(&json!({ "content": content })).await
    }

    pub async fn ask_with(&self, question: &Value) -> Value {
        self.post(&self.messages, question).await
    }

    /// What a request returns that is done.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let reply = self.app.post(path, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.json()
    }

    /// The events of an answer.
    pub async fn events(&self, content: &str) -> Vec<Event> {
        self.app.events(&self.messages, &json!({ "content": content })).await
    }

    /// How many rows a query counts.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.app.db).await.unwrap()
    }

    pub async fn stop(self) {
        self.app.stop().await;
    }
}

/// More documents about pumps than a search returns, and one about a heron.
pub fn library() -> Vec<(String, String)> {
    let pumps = (1..=12).map(|n| {
        let text =
            format!("The pump P{n} of hall {n} is rated for a pressure of {n} bar. It is oiled every {n} weeks.");
        (format!("pump-{n}.txt"), text)
    });
    let heron = "A grey heron in the pond of the park eats about four hundred grams of fish a day.";
    pumps.chain([("heron.txt".to_owned(), heron.to_owned())]).collect()
}

/// A model that makes the calls that the question spells out, one a line as
/// `CALL tool arguments`, and then says what stands behind `SAY`.
pub fn puppet(body: &Value) -> Reply {
    let question = fences::question(body);
    let calls: Vec<&str> = question.lines().filter_map(|line| line.strip_prefix("CALL ")).collect();
    if calls.is_empty() || !fences::results(body).is_empty() {
        return Reply::says(question.lines().find_map(|line| line.strip_prefix("SAY ")).unwrap_or("Done."));
    }
    calls.into_iter().fold(Reply::says(""), |reply, call| {
        let (tool, arguments) = call.split_once(' ').unwrap_or((call, ""));
        reply.and_calls(tool, arguments)
    })
}

/// A document of another account, which nobody else may see.
pub async fn of_a_stranger(app: &TestApp, text: &str) -> (Scope, DocumentId) {
    let corpus = &app.corpus();
    let owner = stranger(&corpus.db).await;
    let collection = collections::ensure(&corpus.db, owner, "main").await.unwrap();
    let incoming = Incoming { key: "secret.txt", bytes: text.as_bytes(), ..incoming(collection) };
    let (document, _) = corpus.submit(owner, &incoming).await.unwrap();
    let is_done = async || {
        let found = documents::find(&corpus.db, owner, document).await.unwrap().unwrap();
        (found.stage == Stage::Done).then_some(())
    };
    until("document of a stranger", is_done).await;
    (owner, document)
}

/// The parts of a message that are of a kind.
pub fn parts<'m>(message: &'m Value, kind: &str) -> Vec<&'m Value> {
    let parts = message["parts"].as_array().expect("parts").iter();
    parts.filter(|part| part["type"] == kind).collect()
}

/// The words of a message.
pub fn text(message: &Value) -> String {
    parts(message, "text").iter().filter_map(|part| part["text"].as_str()).collect()
}

pub fn citations(message: &Value) -> Vec<&Value> {
    parts(message, "citation").into_iter().map(|part| &part["citation"]).collect()
}

/// The codes of a message's notices.
pub fn notices(message: &Value) -> Vec<&str> {
    parts(message, "notice").into_iter().filter_map(|notice| notice["code"].as_str()).collect()
}

/// What the events of a name tell.
pub fn told<'e>(events: &'e [Event], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event.name == name).map(|event| &event.data).collect()
}

/// The stored message with which an answer ended well.
pub fn completed(events: &[Event]) -> &Value {
    let last = events.last().expect("an event");
    assert_eq!(last.name, "message.completed", "{last:?}");
    &last.data["message"]
}

/// What a citation quotes is what stands in the revision at its range.
pub async fn assert_exact(app: &TestApp, citation: &Value) {
    let revision = citation["revision_id"].as_str().expect("a revision");
    let path = format!("/api/v1/revisions/{revision}/text?start={}&end={}", citation["start"], citation["end"]);
    assert_eq!(app.get(&path).await.json()["text"], citation["quote"], "{citation}");
}
