//! Kill -9 of a server while documents are handed in over HTTP: what it said it
//! had taken is there in the end, each document once and in the version that was
//! handed in last.
//!
//! `FOOTNOTE_ACKNOWLEDGED` sets how many documents there are (40 unless set), of
//! ten chunks or more each, and `FOOTNOTE_ACKNOWLEDGED_KILLS` how often the server
//! is killed (4 unless set). The index is that of the Qdrant server which
//! `QDRANT_URL` names, if it names one, and the embedded one otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use footnote::client::Client;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::canaries::{purged, settled};
use crate::command::{Footnote, Server};
use crate::counting::{Counting, Faults};
use crate::random::{Random, number};

/// Documents that are handed in at once.
const AT_ONCE: usize = 8;
/// Paragraphs of a document, each a chunk or more.
const PARAGRAPHS: usize = 10;
/// Words of a paragraph: two of them are too long for one chunk.
const WORDS: usize = 160;
/// Milliseconds after its start in which a server dies.
const LIFE: u64 = 2_500;
/// How long the provider of embeddings takes for each request.
const DELAY: Duration = Duration::from_millis(40);

/// The text of a version of a document; no two chunks of all are the same.
fn text(n: usize, version: usize) -> String {
    let paragraph = |paragraph: usize| {
        let mark = format!("report{n}version{version}part{paragraph}");
        let words = (0..WORDS).map(|word| format!("w{}", (word * (paragraph + 3) + n) % 997));
        let words: Vec<String> = words.collect();
        format!("The {mark} begins. {}. The {mark} ends.", words.join(" "))
    };
    (0..PARAGRAPHS).map(paragraph).collect::<Vec<_>>().join("\n\n")
}

struct Run {
    footnote: Footnote,
    environment: Vec<(&'static str, String)>,
    /// The version that each document was handed in with last.
    versions: BTreeMap<usize, usize>,
}

impl Run {
    async fn serve(&self) -> (Server, Client) {
        let (footnote, environment) = (&self.footnote, self.environment.clone());
        let server = tokio::task::block_in_place(|| footnote.serve_with(environment));
        let client = Client::new(server.transport());
        (server, client)
    }

    /// Hands in what was not taken yet; returns what is left when the server dies.
    async fn hand_in(&self, client: &Client, collection: &str, mut left: Vec<usize>) -> Vec<usize> {
        let path = &format!("/api/v1/collections/{collection}/documents");
        let send = |n: usize| async move {
            let body = json!({ "key": format!("report-{n}.txt"), "text": text(n, self.versions[&n]) });
            (n, client.post::<Value>(path, &body).await)
        };
        let sent: Vec<(usize, Result<Value, _>)> =
            stream::iter(left.clone()).map(send).buffer_unordered(AT_ONCE).collect().await;
        for (n, reply) in sent {
            match reply {
                Ok(_) => left.retain(|other| *other != n),
                Err(footnote::client::ClientError::Refused { status, message, .. }) if status < 500 => {
                    panic!("{n}: {message}")
                }
                Err(_) => {}
            }
        }
        left
    }

    /// Every document has the text of the version that was handed in last.
    async fn assert_texts(&self, client: &Client) {
        let listed: Vec<Value> = client.all("/api/v1/documents").await.unwrap();
        assert_eq!(listed.len(), self.versions.len(), "each document once");
        let listed: BTreeMap<&str, &Value> =
            listed.iter().map(|document| (document["key"].as_str().unwrap(), document)).collect();
        for (n, version) in &self.versions {
            let document = listed[format!("report-{n}.txt").as_str()];
            let path = format!("/api/v1/revisions/{}/text", document["revision_id"].as_str().unwrap());
            let read: Value = client.get(&path).await.unwrap();
            assert_eq!(read["text"], text(*n, *version), "{document}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_however_often_the_server_is_killed() {
    let documents = usize::try_from(number("FOOTNOTE_ACKNOWLEDGED", 40)).unwrap();
    let kills = usize::try_from(number("FOOTNOTE_ACKNOWLEDGED_KILLS", 4)).unwrap().max(1);
    let mut random = Random::seeded();
    let provider = Counting::start(Faults { delay: DELAY, ..Faults::default() }).await;
    let mut environment = provider.environment().to_vec();
    if let Ok(url) = std::env::var("QDRANT_URL") {
        environment.push(("FOOTNOTE_QDRANT_COLLECTION", format!("test-{}", uuid::Uuid::now_v7())));
        environment.push(("QDRANT_URL", url));
    }
    let mut run = Run { footnote: Footnote::new(), environment, versions: BTreeMap::new() };
    let (first, client) = run.serve().await;
    let made: Value = client.post("/api/v1/collections", &json!({ "name": "reports" })).await.unwrap();
    let collection = made["id"].as_str().unwrap().to_owned();
    assert_eq!(first.stop(), Some(0));

    let share = documents.div_ceil(kills);
    let mut left: Vec<usize> = Vec::new();
    for kill in 0..kills {
        // New ones, and a third as many that are there already.
        for n in kill * share..((kill + 1) * share).min(documents) {
            run.versions.insert(n, 0);
            left.push(n);
        }
        for _ in 0..share.div_ceil(3) {
            let n = random.index(run.versions.len());
            *run.versions.get_mut(&n).unwrap() += 1;
            if !left.contains(&n) {
                left.push(n);
            }
        }
        let (mut server, client) = run.serve().await;
        let life = Duration::from_millis(random.below(LIFE));
        let killing = tokio::spawn(async move {
            tokio::time::sleep(life).await;
            server.child.kill().unwrap();
            server.child.wait().unwrap();
        });
        left = run.hand_in(&client, &collection, left).await;
        killing.await.unwrap();
    }

    let (server, client) = run.serve().await;
    let left = run.hand_in(&client, &collection, left).await;
    assert!(left.is_empty(), "nobody kills it now: {left:?}");
    settled(&client, &collection).await;
    let drift = purged(&client).await;
    let (paid, twice) = provider.read(|ledger| (ledger.texts(), ledger.twice()));
    eprintln!("{documents} documents, {kills} kills: {drift}; {paid} texts paid for, {twice} twice");
    assert_eq!(drift["chunks"], drift["points"], "{drift}");
    assert!(drift["chunks"].as_u64().unwrap() >= (documents * PARAGRAPHS) as u64, "{drift}");
    run.assert_texts(&client).await;
    assert_eq!(server.stop(), Some(0));
}
