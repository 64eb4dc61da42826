//! Documents are deleted while others search, ask, list and read: whatever is
//! begun after a DELETE has returned shows nothing of that document.
//!
//! `FOOTNOTE_DELETIONS` sets how many documents there are (40 unless set).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use footnote::client::Client;
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::canaries::{Canary, purged, search, settled, upload};
use crate::harness::TestApp;
use crate::random::{Random, number};

/// Of so many documents, one stays.
const STAYS: usize = 8;
/// Replies that come between two deletions, at least.
const BETWEEN: usize = 4;
/// How far from the last deletion those look who look at single documents.
const NEAR: usize = 6;

/// Documents, and what their readers saw of them.
struct Shelf {
    client: Client,
    canaries: Vec<Canary>,
    /// How many of them were passed by the one who deletes.
    passed: AtomicUsize,
    replies: AtomicUsize,
    /// Documents that were rightly shown.
    shown: AtomicUsize,
    /// Requests that aimed at a document that was gone before they began.
    too_late: AtomicUsize,
    over: AtomicBool,
}

impl Shelf {
    /// A document that was deleted lately, or will be soon.
    fn near(&self, random: &mut Random) -> &Canary {
        let passed = self.passed.load(Ordering::Acquire);
        let first = passed.saturating_sub(NEAR);
        let last = (passed + NEAR).min(self.canaries.len());
        &self.canaries[first + random.index(last - first)]
    }

    /// Nothing that was gone when a request began may be in its reply.
    fn check(&self, began: Instant, what: &str, reply: &str) {
        self.replies.fetch_add(1, Ordering::AcqRel);
        for canary in self.canaries.iter().filter(|canary| reply.contains(&canary.word)) {
            assert!(!canary.is_gone_since(began), "{what} shows the deleted {}: {reply}", canary.word);
            self.shown.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn aim(&self, began: Instant, at: &Canary) {
        self.too_late.fetch_add(usize::from(at.is_gone_since(began)), Ordering::AcqRel);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    async fn search(&self, canary: &Canary, mode: &str) {
        let began = Instant::now();
        self.aim(began, canary);
        let found = search(&self.client, &canary.word, mode).await.unwrap();
        self.check(began, mode, &found.to_string());
    }

    /// Asks, by a stream or whole.
    async fn ask(&self, messages: &str, canary: &Canary, stream: bool) {
        let began = Instant::now();
        self.aim(began, canary);
        let question = json!({ "content": canary.question(), "stream": stream });
        if stream {
            let events = self.client.events(messages, &question).await.unwrap();
            let events: Vec<_> = events.try_collect().await.unwrap();
            assert_eq!(events.last().unwrap().name, "message.completed", "{events:?}");
            let told: String = events.iter().map(|event| event.data.to_string()).collect();
            // What was asked is no secret of the document's.
            self.check(began, "a stream", &told.replace(&canary.question(), ""));
        } else {
            let answer: Value = self.client.post(messages, &question).await.unwrap();
            assert_eq!(answer["status"], "completed", "{answer}");
            self.check(began, "an answer", &answer.to_string().replace(&canary.question(), ""));
        }
    }

    async fn list(&self) {
        let began = Instant::now();
        let listed: Vec<Value> = self.client.all("/api/v1/documents").await.unwrap();
        self.check(began, "a list", &json!(listed).to_string());
    }

    /// Reads a document, its bytes and its text by their ids.
    async fn read(&self, canary: &Canary) {
        let began = Instant::now();
        self.aim(began, canary);
        for (what, answered) in canary.doors(&self.client).await {
            assert!(!(answered && canary.is_gone_since(began)), "the {what} of the deleted {}", canary.word);
            self.replies.fetch_add(1, Ordering::AcqRel);
        }
    }
}

fn watch(shelf: &Arc<Shelf>, random: &mut Random) -> tokio::task::JoinSet<()> {
    let mut watchers = tokio::task::JoinSet::new();
    for modes in [&["sparse"][..], &["dense", "hybrid"]] {
        let (shelf, mut random) = (Arc::clone(shelf), random.branch());
        watchers.spawn(async move {
            for mode in modes.iter().cycle().take_while(|_| !shelf.is_over()) {
                shelf.search(shelf.near(&mut random), mode).await;
            }
        });
    }
    let (asks, mut aim) = (Arc::clone(shelf), random.branch());
    watchers.spawn(async move {
        let begun: Value = asks.client.post("/api/v1/conversations", &json!({})).await.unwrap();
        let messages = format!("/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
        for stream in [true, false].into_iter().cycle().take_while(|_| !asks.is_over()) {
            asks.ask(&messages, asks.near(&mut aim), stream).await;
        }
    });
    let (reads, mut aim) = (Arc::clone(shelf), random.branch());
    watchers.spawn(async move {
        while !reads.is_over() {
            reads.list().await;
            reads.read(reads.near(&mut aim)).await;
        }
    });
    watchers
}

/// Deletes all but those that stay, and looks for each at once.
async fn delete(shelf: &Shelf) {
    for (place, canary) in shelf.canaries.iter().enumerate() {
        let before = shelf.replies.load(Ordering::Acquire);
        while shelf.replies.load(Ordering::Acquire) < before + BETWEEN {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        shelf.passed.store(place + 1, Ordering::Release);
        if place % STAYS == 0 {
            continue;
        }
        shelf.client.delete(&canary.path()).await.unwrap();
        canary.is_gone();
        shelf.search(canary, "sparse").await;
        shelf.read(canary).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_in_nothing_that_is_begun_later() {
    let documents = usize::try_from(number("FOOTNOTE_DELETIONS", 40)).unwrap();
    let mut random = Random::seeded();
    let app = TestApp::start().await;
    let client = Client::new(app.transport());
    let collection = app.collection("shelf").await;
    let canaries = upload(&client, &collection, documents, &mut random).await;
    settled(&client, &collection).await;
    let shelf = Arc::new(Shelf {
        client,
        canaries,
        passed: AtomicUsize::new(0),
        replies: AtomicUsize::new(0),
        shown: AtomicUsize::new(0),
        too_late: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let mut watchers = watch(&shelf, &mut random);
    tokio::select! {
        () = delete(&shelf) => {}
        // None of them ends by itself.
        ended = watchers.join_next() => ended.unwrap().unwrap(),
    }
    shelf.over.store(true, Ordering::Release);
    while let Some(ended) = watchers.join_next().await {
        ended.unwrap();
    }
    let [replies, shown, too_late] = [&shelf.replies, &shelf.shown, &shelf.too_late].map(|n| n.load(Ordering::Acquire));
    eprintln!(
        "{documents} documents, {replies} replies showed {shown} that were there; {too_late} requests were for one \
         that was gone, and showed nothing of it"
    );
    assert!(shown > documents && too_late > documents, "the readers hardly read");
    for canary in shelf.canaries.iter().step_by(STAYS) {
        let found = search(&shelf.client, &canary.word, "sparse").await.unwrap();
        assert!(found.to_string().contains(&canary.word), "{} stays", canary.word);
    }
    let drift = purged(&shelf.client).await;
    assert_eq!(drift["points"], documents.div_ceil(STAYS), "{drift}");
    drop(shelf);
    app.stop().await;
}
