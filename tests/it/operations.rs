//! Random operations against a model: uploads, replacements, deletions,
//! renamings, restarts and kills; what lists, searches and revisions show is
//! what a map in memory says.
//!
//! `FOOTNOTE_OPERATIONS` sets how many operations there are (150 unless set),
//! `FOOTNOTE_RESTARTS` how often the server ends among them (3 unless set), every
//! second time by kill -9 with an operation under way.

mod checks;
mod model;

use std::time::Duration;

use footnote::client::{Client, ClientError};
use serde_json::{Value, json};

use crate::canaries::{purged, settled};
use crate::command::{Footnote, Server};
use crate::counting::{Counting, Faults};
use crate::random::{Random, number};
use checks::{check_all, check_touched};
use model::{Change, Model};

/// Documents at once, at most.
const DOCUMENTS: usize = 60;
/// Operations between two looks, at most.
const BATCH: u64 = 12;
/// Batches after which everything is looked at.
const ALL_AFTER: u64 = 20;
/// Milliseconds of an operation after which the server dies at the latest.
const UNDER_WAY: u64 = 25;
/// Operations that are printed when the test fails.
const SHOWN: usize = 3_000;

/// What was done, printed if the test fails.
#[derive(Default)]
struct Log(Vec<String>);

impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.0.len().saturating_sub(SHOWN);
            eprintln!("operations from {from} on:\n{}", self.0[from..].join("\n"));
        }
    }
}

/// How often each thing was done.
#[derive(Debug, Default)]
struct Tally {
    changes: u64,
    refused: u64,
    stopped: u64,
    killed: u64,
    done_when_killed: u64,
    all_checked: u64,
}

struct Run {
    footnote: Footnote,
    provider: Counting,
    server: Option<Server>,
    client: Client,
    collection: String,
    model: Model,
    random: Random,
    log: Log,
    tally: Tally,
}

fn client(server: &Server) -> Client {
    Client::new(server.transport())
}

impl Run {
    async fn start() -> Self {
        let random = Random::seeded();
        let provider = Counting::start(Faults::default()).await;
        let footnote = Footnote::new();
        let server = footnote.serve_with(provider.environment());
        let client = client(&server);
        let made: Value = client.post("/api/v1/collections", &json!({ "name": "shelf" })).await.unwrap();
        let collection = made["id"].as_str().unwrap().to_owned();
        let (model, log, tally) = (Model::default(), Log::default(), Tally::default());
        Self { footnote, provider, server: Some(server), client, collection, model, random, log, tally }
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        let n = self.log.0.len();
        self.log.0.push(format!("{n} {what}"));
    }

    /// A change that suits what there is.
    fn choose(&mut self) -> Change {
        let live: Vec<String> = self.model.documents.keys().cloned().collect();
        let die = if live.is_empty() { 0 } else { self.random.below(100) };
        let key = |random: &mut Random| live[random.index(live.len())].clone();
        match die {
            0..35 if live.len() < DOCUMENTS => {
                let key = model::key(&mut self.random);
                Change::put(key, &mut self.random)
            }
            0..60 => Change::put(key(&mut self.random), &mut self.random),
            60..70 => {
                let key = key(&mut self.random);
                let same = &self.model.documents[&key];
                Change::Put { text: same.text.clone(), word: same.word.clone(), key }
            }
            70..82 => Change::Delete { key: key(&mut self.random) },
            82..96 => {
                let from = key(&mut self.random);
                Change::Rename { from, to: model::key(&mut self.random) }
            }
            _ => Change::Rename { from: key(&mut self.random), to: key(&mut self.random) },
        }
    }

    /// Does a change and holds the reply against the model.
    async fn change(&mut self) {
        let change = self.choose();
        self.note(&change);
        let sent = change.send(&self.client, &self.collection, &self.model).await;
        if self.model.refuses(&change) {
            let refused = sent.expect_err("a key that is taken");
            assert!(matches!(refused, ClientError::Refused { status: 409, .. }), "{change}: {refused}");
            self.tally.refused += 1;
            return;
        }
        let reply = sent.unwrap_or_else(|error| panic!("{change}: {error}"));
        self.model.expect(&change, &reply);
        self.model.apply(&change, reply["id"].as_str());
        self.tally.changes += 1;
    }

    async fn batch(&mut self, operations: u64) {
        for _ in 0..operations {
            self.change().await;
        }
    }

    async fn look(&mut self, at_all: bool) {
        settled(&self.client, &self.collection).await;
        check_touched(&self.client, &mut self.model).await;
        if at_all {
            check_all(&self.client, &mut self.model).await;
            self.tally.all_checked += 1;
        }
    }

    /// Ends the server gently while there is work, and starts it again.
    async fn restart(&mut self) {
        self.note("stop");
        assert_eq!(self.server.take().unwrap().stop(), Some(0));
        self.tally.stopped += 1;
        self.serve();
    }

    /// Kills the server with a change under way, which is done or is not.
    async fn kill(&mut self) {
        let change = self.choose();
        let after = Duration::from_millis(self.random.below(UNDER_WAY));
        self.note(format!("kill after {after:?} in: {change}"));
        let mut server = self.server.take().unwrap();
        let (sent, ()) = tokio::join!(change.send(&self.client, &self.collection, &self.model), async {
            tokio::time::sleep(after).await;
            server.child.kill().unwrap();
        });
        server.child.wait().unwrap();
        self.tally.killed += 1;
        self.serve();
        if self.model.refuses(&change) {
            return;
        }
        let id = match sent {
            Ok(reply) => reply["id"].as_str().map(str::to_owned),
            Err(ClientError::Refused { status, message, .. }) if status < 500 => panic!("{change}: {message}"),
            // Nobody was told: either is right, half of it is not.
            Err(_) => match change.is_done(&self.client, &self.collection, &self.model).await {
                Some(id) => id,
                None => return self.note("it was not done"),
            },
        };
        self.model.apply(&change, id.as_deref());
        self.tally.done_when_killed += 1;
        self.note("it was done");
    }

    fn serve(&mut self) {
        let server = self.footnote.serve_with(self.provider.environment());
        self.client = client(&server);
        self.server = Some(server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_operations_killed_or_not_the_documents_are_those_of_the_model() {
    let operations = number("FOOTNOTE_OPERATIONS", 150);
    let restarts = number("FOOTNOTE_RESTARTS", 3);
    let mut run = Run::start().await;
    let (mut done, mut batches) = (0, 0);
    while done < operations {
        let batch = (1 + run.random.below(BATCH)).min(operations - done);
        run.batch(batch).await;
        done += batch;
        batches += 1;
        let ends = run.tally.stopped + run.tally.killed;
        let is_due = ends < restarts && done * restarts >= (ends + 1) * operations - operations / 2;
        match is_due {
            true if ends.is_multiple_of(2) => run.kill().await,
            true => run.restart().await,
            false => {}
        }
        run.look(is_due || batches % ALL_AFTER == 0).await;
    }
    run.look(true).await;
    let drift = purged(&run.client).await;
    let (live, revisions) = (run.model.documents.len(), run.model.revisions());
    eprintln!("{done} operations, {:?}; {live} documents with {revisions} revisions are left; {drift}", run.tally);
    assert_eq!(run.tally.stopped + run.tally.killed, restarts);
    assert_eq!(run.server.take().unwrap().stop(), Some(0));
}
