//! A disk that fills up is an error and no crash: the service says so, goes on
//! reading, and writes again when there is room, without a restart. Nothing that was
//! acknowledged is lost.
//!
//! `FOOTNOTE_DISK_CYCLES` sets how many disks are filled (2 unless set, of two kinds;
//! 20 in `make soak`).

mod disk;
mod writes;

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use footnote::storage::embedded::{PORT, USER};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::canaries::{MODES, until};
use crate::command::{Footnote, Server, errors};
use crate::counting::{Counting, Faults};
use crate::random::{Random, number};
use disk::{Disk, Kind};

/// Bytes that are left to the service, a little more than it keeps free: it soon has
/// taken them.
const LEFT: u64 = 215 * 1024 * 1024;
/// Words of a document.
const WORDS: usize = 6_000;
/// Documents after which the disk is full in any case.
const ENOUGH: usize = 2_000;

/// A service whose data folder lies on a small disk.
struct Cycle {
    server: Option<Server>,
    client: reqwest::Client,
    collection: String,
    /// Words of the documents that were acknowledged, with their ids.
    acknowledged: Vec<(String, String)>,
    /// How often each refusal was seen.
    refusals: BTreeMap<String, usize>,
    random: Random,
    embedder: Counting,
    // Unmounted before the folder that it lies on is removed.
    disk: Disk,
    footnote: Footnote,
}

impl Cycle {
    async fn start(kind: Kind, random: Random) -> Option<Self> {
        let footnote = Footnote::new();
        let disk = Disk::mount(kind, footnote.data.path())?;
        let embedder = Counting::start(Faults::default()).await;
        let server = footnote.serve_with(embedder.environment());
        let client = server.client();
        let mut cycle = Self {
            server: Some(server),
            client,
            collection: String::new(),
            acknowledged: Vec::new(),
            refusals: BTreeMap::new(),
            random,
            embedder,
            disk,
            footnote,
        };
        let (_, made) = cycle.ask(Method::POST, "/api/v1/collections", Some(json!({ "name": "plant" }))).await;
        made["id"].as_str().unwrap().clone_into(&mut cycle.collection);
        Some(cycle)
    }

    /// What the service says. It is the same process all the time, it answers all the
    /// time, and what it refuses it refuses for a reason that passes.
    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let server = self.server.as_mut().unwrap();
        let (status, said) = until("reply", async || {
            let mut request = self.client.request(method.clone(), format!("{}{path}", server.url));
            if let Some(body) = &body {
                request = request.json(body);
            }
            // One that is refused before it was read is cut off at times: that is no reply.
            let reply = request.send().await;
            assert!(server.child.try_wait().unwrap().is_none(), "the process lives");
            let reply = reply.ok()?;
            Some((reply.status(), reply.bytes().await.ok()?))
        })
        .await;
        let said: Value = serde_json::from_slice(&said).unwrap_or_default();
        if !status.is_success() {
            let code = said["error"]["code"].as_str().unwrap_or_default().to_owned();
            let is_typed = status == StatusCode::SERVICE_UNAVAILABLE && code.starts_with("busy:");
            assert!(is_typed, "{method} {path}: {status} {said}");
            *self.refusals.entry(format!("{status} {code}")).or_default() += 1;
        }
        (status, said)
    }

    /// Uploads a document; the code of the refusal, if it is refused.
    async fn upload(&mut self) -> Result<(), String> {
        let word = self.random.word();
        let text: Vec<String> = (0..WORDS).map(|_| self.random.word()).collect();
        let text = format!("The locker {word} holds a key. {}", text.join(" "));
        let path = format!("/api/v1/collections/{}/documents", self.collection);
        let (status, said) = self.ask(Method::POST, &path, Some(json!({ "key": word, "text": text }))).await;
        if status != StatusCode::ACCEPTED {
            return Err(said["error"]["code"].as_str().unwrap().to_owned());
        }
        self.acknowledged.push((word, said["documents"][0]["id"].as_str().unwrap().to_owned()));
        Ok(())
    }

    /// Uploads until the disk is said to be full.
    async fn upload_until_refused(&mut self) {
        for _ in 0..ENOUGH {
            if self.upload().await.is_err_and(|code| code == "busy:disk") {
                return;
            }
        }
        panic!("{} bytes are left after all that", self.disk.free());
    }

    /// Uploads until that goes well, as it soon does where there is room.
    async fn upload_again(&mut self) {
        until("upload that is taken", async || self.upload().await.ok()).await;
    }

    async fn finds(&mut self, word: &str, mode: &str) -> bool {
        let query = json!({ "query": format!("locker {word}"), "mode": mode, "limit": 200 });
        let (_, found) = self.ask(Method::POST, "/api/v1/search", Some(query)).await;
        found["passages"].as_array().is_some_and(|passages| passages.iter().any(|passage| passage["key"] == word))
    }

    /// Reads in all ways what was there before the disk was full.
    async fn reads(&mut self) {
        let (word, id) = self.acknowledged[0].clone();
        for path in [
            "/health/live".to_owned(),
            "/health/ready".to_owned(),
            "/api/v1/collections".to_owned(),
            format!("/api/v1/documents?collection={}&limit=5", self.collection),
            format!("/api/v1/documents/{id}"),
            format!("/api/v1/documents/{id}/original"),
        ] {
            // A database that is started again is away for a moment.
            until(&path, async || self.ask(Method::GET, &path, None).await.0.is_success().then_some(())).await;
        }
        for mode in MODES {
            until(mode, async || self.finds(&word, mode).await.then_some(())).await;
        }
    }

    /// Writes what is no document: stored, or refused for a reason that passes.
    async fn writes(&mut self) {
        for n in 0..10 {
            let name = format!("{}-{n}", self.random.word());
            self.ask(Method::POST, "/api/v1/collections", Some(json!({ "name": name }))).await;
            self.ask(Method::POST, "/api/v1/conversations", Some(json!({ "title": name }))).await;
        }
    }

    /// Waits until nothing is queued any more, and finds all that was acknowledged.
    async fn settles(&mut self) {
        let path = format!("/api/v1/collections/{}", self.collection);
        let progress = until("rest", async || {
            let progress = self.ask(Method::GET, &path, None).await.1["progress"].clone();
            (progress["queued"] == 0 && progress["words"] == 0).then_some(progress)
        })
        .await;
        assert_eq!(progress["failed"], 0, "{progress}");
        assert_eq!(progress["chunks"], progress["embedded"], "{progress}");
        assert!(progress["done"].as_u64().unwrap() >= self.acknowledged.len() as u64, "{progress}");
        for (word, _) in self.acknowledged.clone() {
            assert!(self.finds(&word, "sparse").await, "{word} is lost");
        }
    }

    /// Lets Postgres begin new segments of its log of writes, as though much had been
    /// written, on a disk that stays full, until it ends.
    async fn wear_out_the_database(&self) {
        let socket = self.footnote.data.path().join("data/socket");
        let options =
            PgConnectOptions::new_without_pgpass().socket(socket).port(PORT).username(USER).database("footnote");
        for _ in 0..100 {
            self.disk.fill(0);
            let Ok(mut db) = PgConnection::connect_with(&options).await else { return };
            let next = "select txid_current(); select pg_switch_wal()";
            let _ = sqlx::raw_sql(next).execute(&mut db).await;
        }
    }

    /// Starts a server on the full disk, which ends and says why.
    fn does_not_start(&self, data: &str) {
        let mut command = self.footnote.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs(self.embedder.environment()).env("FOOTNOTE_DATA_DIR", self.footnote.data.path().join(data));
        let output = command.output().unwrap();
        let said = errors(&output);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{:?}: {said}", output.status);
        let told = said.lines().last().unwrap_or_default();
        assert!(told.contains("free some space"), "{said}");
        eprintln!("said by a start: {told}");
    }

    /// Ends the service, by a signal of the kind that it obeys or the other.
    fn end(&mut self) {
        let server = self.server.take().unwrap();
        if self.random.below(2) == 0 {
            drop(server);
        } else {
            assert_eq!(server.stop(), Some(0));
        }
    }

    /// The index holds what the database says.
    async fn drifts_nowhere(&mut self) {
        let drift = until("index without leftovers", async || {
            let (_, drift) = self.ask(Method::POST, "/api/v1/admin/doctor", Some(json!({ "fix": false }))).await;
            (drift["orphaned"] == 0).then_some(drift)
        })
        .await;
        assert_eq!((&drift["missing"], &drift["without_vector"]), (&json!(0), &json!(0)), "{drift}");
    }

    fn start_again(&mut self) {
        let server = self.footnote.serve_with(self.embedder.environment());
        self.client = server.client();
        self.server = Some(server);
    }
}

/// Fills a disk in every way, looks what the service does, and makes room again.
/// Whether there was such a disk.
async fn cycle(kind: Kind, random: Random) -> bool {
    let Some(mut cycle) = Cycle::start(kind, random).await else { return false };
    cycle.upload_again().await;
    cycle.settles().await;

    // By what is taken in.
    cycle.disk.fill(LEFT);
    cycle.upload_until_refused().await;
    cycle.reads().await;
    cycle.disk.clear();
    cycle.upload_again().await;
    cycle.settles().await;

    // From outside, while documents are read and indexed.
    for _ in 0..cycle.random.below(30) {
        cycle.upload_again().await;
    }
    cycle.disk.fill(0);
    cycle.upload_until_refused().await;
    for _ in 0..3 {
        cycle.disk.fill(0);
        cycle.reads().await;
        cycle.writes().await;
    }
    cycle.wear_out_the_database().await;
    cycle.writes().await;
    cycle.upload().await.expect_err("there is no room");
    cycle.disk.clear();
    cycle.upload_again().await;
    cycle.settles().await;

    // Before it starts.
    cycle.disk.fill(0);
    cycle.end();
    for data in ["data", "other"] {
        cycle.disk.fill(0);
        cycle.does_not_start(data);
    }
    cycle.disk.clear();
    cycle.start_again();
    cycle.upload_again().await;
    cycle.settles().await;
    cycle.drifts_nowhere().await;
    eprintln!("{kind:?}: {} documents, {:?}", cycle.acknowledged.len(), cycle.refusals);
    true
}

async fn cycles(kind: Kind, count: u64) {
    let mut random = Random::seeded();
    for _ in 0..count {
        if !cycle(kind, random.branch()).await {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_in_memory_loses_nothing_and_ends_nothing() {
    cycles(Kind::Tmpfs, number("FOOTNOTE_DISK_CYCLES", 2).div_ceil(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_in_an_image_loses_nothing_and_ends_nothing() {
    cycles(Kind::Ext4, number("FOOTNOTE_DISK_CYCLES", 2) / 2).await;
}
