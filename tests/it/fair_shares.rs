//! One document does not wait behind the thousands of another collection.
//!
//! `FOOTNOTE_QUEUED` sets how many thousands those are (300 documents unless
//! set).

use footnote::client::Client;
use footnote_ingest::config::{Config, EmbedderConfig, IndexConfig};
use footnote_ingest::corpus::{Corpus, Incoming};
use footnote_ingest::ids::CollectionId;
use secrecy::ExposeSecret;
use serde_json::Value;
use sqlx::PgPool;

use crate::canaries::{settled, until};
use crate::counting::{Counting, Faults};
use crate::harness::{TestApp, folder, operator};
use crate::random::number;

/// Bytes of each of the many, nearly all of them blanks: a worker claims 2 MiB
/// of them at once.
const BYTES: usize = 64 * 1024;
/// Documents in one claim, then.
const CLAIM: usize = 2 * 1024 * 1024 / BYTES;
/// Claims of the many that may end between the upload of the one and its end:
/// one that is stored, one that is read, and the one that the one is in.
const CLAIMS: usize = 3;

/// Queues documents while nobody works.
async fn queue(url: &str, collection: CollectionId, documents: u64) {
    let elsewhere = folder();
    let db = PgPool::connect(url).await.unwrap();
    let index = IndexConfig::Edge(elsewhere.path().join("index"));
    let corpus = Corpus::open(db.clone(), Config::new(EmbedderConfig::Hash, index)).await.unwrap();
    let scope = operator(&db).await;
    for n in 0..documents {
        let mut text = format!("Report {n} of the many.");
        text.push_str(&" ".repeat(BYTES - text.len()));
        let incoming = Incoming {
            collection,
            key: &format!("{n}.txt"),
            title: None,
            uri: None,
            media_type: None,
            meta: None,
            bytes: text.as_bytes(),
            version: None,
            force: false,
            priority: 0,
        };
        corpus.submit(scope, &incoming).await.unwrap();
    }
    db.close().await;
}

/// Documents of a collection that reached a stage in the time from `after` to
/// before `until`, both of another document.
async fn meanwhile(app: &TestApp, collection: &str, stage: &'static str, one: &str, after: &'static str) -> usize {
    let query = format!(
        "select count(*) from documents many, documents one \
         where many.collection_id = $1::uuid and one.id = $2::uuid \
           and many.{stage}_at > one.{after}_at and many.{stage}_at < one.{stage}_at"
    );
    let count: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(collection).bind(one).fetch_one(&app.db).await.unwrap();
    usize::try_from(count).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_document_does_not_wait_behind_another_collection() {
    let documents = number("FOOTNOTE_QUEUED", 300);
    let provider = Counting::start(Faults::default()).await;
    let app = TestApp::with(|settings| {
        settings.embedding_base_url = Some(provider.url.clone());
        settings.embedding_model = Some("counting".into());
    })
    .await;
    let (many, one) = (app.collection("many").await, app.collection("one").await);
    let id: CollectionId = many.parse().unwrap();
    let app = app
        .restarted_after(async |settings| {
            queue(settings.database_url.as_ref().unwrap().expose_secret(), id, documents).await;
        })
        .await;
    let progress = async |collection: &str| -> Value {
        app.get(&format!("/api/v1/collections/{collection}")).await.json()["progress"].clone()
    };
    until("first of the many", async || (progress(&many).await["words"] != 0).then_some(())).await;
    let single = app.text(&one, "single.txt", "The only report of this collection.").await;
    let left = progress(&many).await["queued"].as_u64().unwrap();
    until("words of the one", async || (progress(&one).await["queued"] == 0).then_some(())).await;
    let unread = progress(&many).await["queued"].as_u64().unwrap();
    until("vectors of the one", async || (progress(&one).await["done"] == 1).then_some(())).await;
    settled(&Client::new(app.transport()), &many).await;
    let read = meanwhile(&app, &many, "words", &single, "queued").await;
    let embedded = meanwhile(&app, &many, "done", &single, "words").await;
    let document = app.get(&format!("/api/v1/documents/{single}")).await.json();
    eprintln!(
        "{documents} documents, {left} of them queued before the one: {read} were read before it and {unread} after \
         it, {embedded} were embedded before it; queued {}, found by words {}, by meaning {}",
        document["queued_at"], document["words_at"], document["done_at"]
    );
    assert!(left > 0, "the many were done already");
    assert!(read <= CLAIMS * CLAIM, "{read} were read before it");
    assert!(unread > 0 || left <= u64::try_from(CLAIMS * CLAIM).unwrap());
    // Those that the line of vectors had in hand when it came, and a window.
    assert!(embedded <= 256 + 512, "{embedded} were embedded before it");
    let progress = progress(&many).await;
    assert_eq!((&progress["done"], &progress["chunks"]), (&documents.into(), &documents.into()), "{progress}");
    app.stop().await;
}
