//! Documents that each hold a word of their own, and every way to see them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use footnote::client::{Client, ClientError};
use serde_json::{Value, json};

use crate::random::Random;

/// The ways of searching.
pub const MODES: [&str; 3] = ["sparse", "dense", "hybrid"];
/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(5);

/// A document with a word that no other has.
pub struct Canary {
    pub word: String,
    pub id: String,
    /// Known once it was read.
    revision: OnceLock<String>,
    gone: OnceLock<Instant>,
}

impl Canary {
    pub fn path(&self) -> String {
        format!("/api/v1/documents/{}", self.id)
    }

    pub fn question(&self) -> String {
        format!("On which hook hangs the key of the locker {}?", self.word)
    }

    /// Notes that it was deleted before now.
    pub fn is_gone(&self) {
        self.gone.set(Instant::now()).expect("it is deleted once");
    }

    /// Whether its deletion had returned when something else began.
    pub fn is_gone_since(&self, began: Instant) -> bool {
        self.gone.get().is_some_and(|gone| *gone <= began)
    }

    /// Which of the paths to it and its parts answer.
    pub async fn doors(&self, client: &Client) -> Vec<(&'static str, bool)> {
        let read = client.get::<Value>(&self.path()).await;
        if let Some(revision) = read.as_ref().ok().and_then(|document| document["revision_id"].as_str()) {
            let _ = self.revision.set(revision.to_owned());
        }
        let mut doors = vec![("row", is_there(&read))];
        // What answers with bytes cannot be read as JSON.
        let original = client.get::<Value>(&format!("{}/original", self.path())).await;
        doors.push(("original", !is_missing(&original)));
        if let Some(revision) = self.revision.get() {
            let text = client.get::<Value>(&format!("/api/v1/revisions/{revision}/text")).await;
            doors.push(("text", is_there(&text)));
        }
        doors
    }

    /// Every way of seeing it that a caller has, and whether it is seen.
    pub async fn seen(&self, client: &Client) -> Vec<(&'static str, bool)> {
        let mut seen = self.doors(client).await;
        for mode in MODES {
            let found = search(client, &self.word, mode).await.unwrap();
            seen.push((mode, found.to_string().contains(&self.word)));
        }
        let listed: Vec<Value> = client.all("/api/v1/documents").await.unwrap();
        seen.push(("list", json!(listed).to_string().contains(&self.word)));
        seen
    }
}

fn is_missing<T>(answer: &Result<T, ClientError>) -> bool {
    matches!(answer, Err(ClientError::Refused { status: 404, .. }))
}

fn is_there(answer: &Result<Value, ClientError>) -> bool {
    let missing = is_missing(answer);
    assert!(missing || answer.is_ok(), "{answer:?}");
    !missing
}

/// Uploads so many documents, each with a word of its own in key and text.
pub async fn upload(client: &Client, collection: &str, documents: usize, random: &mut Random) -> Vec<Canary> {
    let path = format!("/api/v1/collections/{collection}/documents");
    let mut canaries = Vec::with_capacity(documents);
    for n in 0..documents {
        let (word, hook) = (random.word(), n % 97);
        let text = format!("The key of the locker {word} hangs on hook {hook}. Locker {word} stands in room {n}.");
        let body = json!({ "key": format!("{word}.txt"), "text": text });
        let taken: Value = client.post(&path, &body).await.unwrap();
        let id = taken["documents"][0]["id"].as_str().unwrap().to_owned();
        canaries.push(Canary { word, id, revision: OnceLock::new(), gone: OnceLock::new() });
    }
    canaries
}

/// What a search finds.
///
/// # Errors
/// As the client.
pub async fn search(client: &Client, query: &str, mode: &str) -> Result<Value, ClientError> {
    client.post("/api/v1/search", &json!({ "query": query, "mode": mode, "limit": 10 })).await
}

/// Waits until a collection's documents are done.
pub async fn settled(client: &Client, collection: &str) {
    let path = format!("/api/v1/collections/{collection}");
    let look = async || {
        let progress = client.get::<Value>(&path).await.unwrap()["progress"].clone();
        assert_eq!(progress["failed"], 0, "{progress}");
        (progress["queued"] == 0 && progress["words"] == 0).then_some(())
    };
    until("end of the queue", look).await;
}

/// Waits until what was deleted has left the index too; then database and index
/// agree in everything.
pub async fn purged(client: &Client) -> Value {
    let examined = async || {
        let drift: Value = client.post("/api/v1/admin/doctor", &json!({})).await.unwrap();
        (drift["orphaned"] == 0).then_some(drift)
    };
    let drift = until("purge", examined).await;
    for finding in ["missing", "without_vector"] {
        assert_eq!(drift[finding], 0, "{drift}");
    }
    assert_eq!(drift["chunks"], drift["points"], "{drift}");
    drift
}

/// Looks again and again until there is something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {what}"))
}
