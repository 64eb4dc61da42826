//! What one document, one crash or one look at the wrong moment must not do: stop
//! the line for everybody, or leave something behind.

use axum::http::StatusCode;
use footnote_ingest::doctor::examine;
use footnote_ingest::ids::{CollectionId, DocumentId, RevisionId, WorkerId};
use footnote_ingest::index::{Point, point_id};
use footnote_ingest::pipeline::Workers;
use footnote_ingest::store::collections;
use footnote_ingest::store::documents::{self, Stage};
use footnote_ingest::store::jobs::{self, Step};
use footnote_ingest::store::purges;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::canaries::until;
use crate::counting::{Counting, Faults};
use crate::harness::{Rig, TestApp};
use crate::lock_order::zip;
use crate::people::Person;
use crate::submitted::stranger;

/// A text that the provider refuses.
const REFUSED: &str = "the sentence that nobody may embed";

/// A part of a path that does not get shorter when it is packed.
fn part(n: usize) -> String {
    let hash = |n: usize| -> String { Sha256::digest(n.to_le_bytes()).iter().map(|b| format!("{b:02x}")).collect() };
    format!("{}{}", hash(n), hash(n + 1_000))
}

async fn count(rig: &Rig, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&rig.corpus.db).await.unwrap()
}

async fn points(rig: &Rig) -> usize {
    rig.corpus.live().index.info().await.unwrap().points
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_too_long_for_a_key_stop_nothing() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let deep: Vec<String> = (0..16).map(part).collect();
    let long = |last: &str| (format!("{}/{last}.txt", deep.join("/")), format!("The heron {last} eats fish."));
    let archive = rig.submit(owner, "birds.zip", &zip(&[long("one"), long("two")])).await;
    let other = rig.submit(owner, "pump.txt", b"The pump holds 4 bar.").await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    let done = "select count(*) from documents where stage = 'done'";
    rig.until(async || count(&rig, done).await == 4).await;
    workers.stop().await;
    for document in [archive, other] {
        let found = documents::find(&rig.corpus.db, owner, document).await.unwrap().unwrap();
        assert_eq!(found.stage, Stage::Done, "{found:?}");
    }
    let keys: Vec<String> = sqlx::query_scalar("select key from documents where parent_id is not null order by key")
        .fetch_all(&rig.corpus.db)
        .await
        .unwrap();
    assert!(keys[0].starts_with("birds.zip/") && keys[0].ends_with("one.txt") && keys[1].ends_with("two.txt"));
    rig.stop().await;
}

async fn with_embedder(embedder: &Counting) -> TestApp {
    TestApp::with(|settings| {
        settings.embedding_base_url = Some(embedder.url.clone());
        settings.embedding_model = Some("counting".into());
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_few_texts_at_once_gets_few() {
    let embedder = Counting::start(Faults { most: Some(10), ..Faults::default() }).await;
    let app = with_embedder(&embedder).await;
    let collection = app.collection("c").await;
    for part in 0..4 {
        let lines: Vec<String> = (0..2_000).map(|n| format!("Gauge {n} of part {part} shows {n} bar.")).collect();
        app.text(&collection, &format!("{part}.txt"), &lines.join("\n\n")).await;
    }
    app.settled(&collection).await;
    let done = app.get(&format!("/api/v1/documents?collection={collection}&status=done")).await.json();
    assert_eq!(done["items"].as_array().unwrap().len(), 4, "{done}");
    let (texts, twice, refused) = embedder.read(|ledger| (ledger.texts(), ledger.twice(), ledger.refused));
    assert!(texts > 200, "{texts} texts");
    assert_eq!(twice, 0);
    // 128, 64, 32 and 16 were too many, in each of four lanes and as plain words; that
    // is remembered.
    assert!((1..=4 * 2 * 4).contains(&refused), "{refused} requests were refused");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_embedder_refuses_stops_nobody_elses() {
    let faults = Faults { refused: Some(REFUSED), ..Faults::default() };
    let embedder = Counting::start(faults).await;
    let app = with_embedder(&embedder).await;
    let collection = app.collection("c").await;
    let (herons, jazz) = ("The heron stands in the water. ".repeat(40), "Jazz zigzags, zebras quiz. ".repeat(40));
    // More between the two than is embedded together.
    let gauges: String = (0..30_000).map(|n| format!("Gauge {n} shows {} bar.\n\n", n % 7)).collect();
    let text = format!("# Herons\n\nThis is {REFUSED}. {herons}\n\n# Gauges\n\n{gauges}# Zoo\n\n{jazz}\n");
    let bad = app.text(&collection, "bad.md", &text).await;
    for n in 0..20 {
        app.text(&collection, &format!("{n}.txt"), &format!("The gauge {n} shows 4 bar.")).await;
    }
    app.settled(&collection).await;
    let found = app.get(&format!("/api/v1/documents/{bad}")).await.json();
    assert_eq!((&found["stage"], &found["failure_code"]), (&json!("failed"), &json!("embedding_refused")), "{found}");
    let (chunks, embedded) = (found["chunks"].as_i64().unwrap(), found["embedded"].as_i64().unwrap());
    assert!(chunks > 600 && embedded == chunks - 1, "{found}");
    let done = app.get(&format!("/api/v1/documents?collection={collection}&status=done")).await.json();
    assert_eq!(done["items"].as_array().unwrap().len(), 20);
    // Its words are found.
    let search = json!({ "query": "herons", "mode": "sparse", "limit": 1 });
    let by_words = app.post("/api/v1/search", &search).await.json();
    assert_eq!(by_words["passages"][0]["document_id"], bad.as_str(), "{by_words}");
    // What else it holds is found by its meaning too.
    let search = json!({ "query": "zebras zigzag, quiz jazz", "mode": "dense", "limit": 1 });
    let by_meaning = app.post("/api/v1/search", &search).await.json();
    assert_eq!(by_meaning["passages"][0]["document_id"], bad.as_str(), "{by_meaning}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_takes_nothing_away_that_is_about_to_be_seen() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    rig.submit(owner, "pump.txt", b"The pump holds 4 bar.").await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    rig.until(async || count(&rig, "select count(*) from documents where stage = 'done'").await == 1).await;
    workers.stop().await;
    // As it is between its points and its publishing.
    let revision: RevisionId =
        sqlx::query_scalar("select revision_id from documents").fetch_one(&rig.corpus.db).await.unwrap();
    sqlx::query("update documents set revision_id = null").execute(&rig.corpus.db).await.unwrap();
    let drift = examine(&rig.corpus, true).await.unwrap();
    assert!(drift.is_none() && (drift.chunks, drift.points) == (0, 1), "{drift:?}");
    sqlx::query("update documents set revision_id = $1").bind(revision).execute(&rig.corpus.db).await.unwrap();
    let drift = examine(&rig.corpus, false).await.unwrap();
    assert!(drift.is_none() && (drift.chunks, drift.points) == (1, 1), "{drift:?}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_puts_back_what_is_seen_of_a_document_whose_newest_version_failed() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let document = rig.submit(owner, "pump.txt", b"The pump holds 4 bar.").await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    rig.until(async || count(&rig, "select count(*) from documents where stage = 'done'").await == 1).await;
    assert_eq!(rig.submit(owner, "pump.txt", b"%PDF-1.7 and nothing else").await, document);
    rig.until(async || count(&rig, "select count(*) from documents where stage = 'failed'").await == 1).await;
    workers.stop().await;

    let space = rig.corpus.live();
    let whole = space.index.list(owner, None, 10).await.unwrap();
    let [(id, true)] = whole.as_slice() else { panic!("one point with a vector: {whole:?}") };
    space.index.delete_points(owner, &[*id]).await.unwrap();
    let drift = examine(&rig.corpus, true).await.unwrap();
    assert_eq!((drift.missing, drift.points), (1, 0), "{drift:?}");
    let drift = examine(&rig.corpus, false).await.unwrap();
    assert!(drift.is_none() && (drift.chunks, drift.points) == (1, 1), "{drift:?}");
    assert_eq!(space.index.list(owner, None, 10).await.unwrap(), whole);

    // The vector alone.
    let seen = "select revision_id, collection_id from documents";
    let (revision, collection): (RevisionId, CollectionId) =
        sqlx::query_as(seen).fetch_one(&rig.corpus.db).await.unwrap();
    let bare = Point {
        id: *id,
        scope: owner,
        collection,
        document,
        revision,
        ordinal: 0,
        meta: serde_json::Map::new(),
        sparse: rig.corpus.bm25.document("The pump holds 4 bar."),
        dense: None,
    };
    space.index.upsert(vec![bare]).await.unwrap();
    let drift = examine(&rig.corpus, true).await.unwrap();
    assert_eq!((drift.missing, drift.without_vector), (0, 1), "{drift:?}");
    assert!(examine(&rig.corpus, false).await.unwrap().is_none());
    assert_eq!(count(&rig, "select count(*) from documents where stage = 'failed'").await, 1);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_come_after_their_document_is_gone_go_too() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let (revision, space) = (RevisionId::new(), rig.corpus.live());
    let late = Point {
        id: point_id(revision, 0, space.embedder.model()),
        scope: owner,
        collection: CollectionId::new(),
        document: DocumentId::new(),
        revision,
        ordinal: 0,
        meta: serde_json::Map::new(),
        sparse: rig.corpus.bm25.document("The pump holds 4 bar."),
        dense: None,
    };
    space.index.upsert(vec![late]).await.unwrap();
    assert_eq!(points(&rig).await, 1);
    let (db, queued) = (&rig.corpus.db, "select count(*) from purges");
    purges::enqueue_late(db, &[revision], &[owner.owner()]).await.unwrap();
    // One more that came while it was purged already: that one is not forgotten.
    let purged = purges::oldest(db, 10).await.unwrap();
    purges::enqueue_late(db, &[revision], &[owner.owner()]).await.unwrap();
    purges::forget(db, &purged).await.unwrap();
    assert_eq!(count(&rig, queued).await, 1);
    let workers = Workers::start(&rig.corpus).await.unwrap();
    rig.until(async || points(&rig).await == 0 && count(&rig, queued).await == 0).await;
    workers.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_document_that_was_never_read_goes_with_it() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let document = rig.submit(owner, "pump.txt", b"The pump holds 4 bar.").await;
    assert_eq!(count(&rig, "select count(*) from originals").await, 1);
    rig.corpus.delete(owner, None, Some(&[document])).await.unwrap();
    let workers = Workers::start(&rig.corpus).await.unwrap();
    let left = "select (select count(*) from originals) + (select count(*) from documents)";
    rig.until(async || count(&rig, left).await == 0).await;
    workers.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_vectors_are_made_is_not_given_up_for_crashes() {
    let rig = Rig::start().await;
    let (db, owner) = (rig.corpus.db.clone(), stranger(&rig.corpus.db).await);
    rig.submit(owner, "pump.txt", b"The pump holds 4 bar.").await;
    for (step, crashes, survives) in [("embed", 30, true), ("read", 30, false)] {
        sqlx::query("update jobs set step = $1").bind(step).execute(&db).await.unwrap();
        let mut alive = true;
        for _ in 0..crashes {
            let kind = if step == "embed" { Step::Embed } else { Step::Read };
            alive &= jobs::claim(&db, WorkerId::new(), kind, 10, 1 << 20, &[]).await.unwrap().len() == 1;
            jobs::recover(&db, true).await.unwrap();
        }
        assert_eq!(alive, survives, "{step}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_were_in_hand_together_are_not_soon_given_up_for_crashes() {
    let rig = Rig::start().await;
    let (db, owner) = (rig.corpus.db.clone(), stranger(&rig.corpus.db).await);
    for n in 0..20 {
        rig.submit(owner, &format!("{n}.txt"), format!("The pump {n} holds 4 bar.").as_bytes()).await;
    }
    let crash = async |most| {
        let held = jobs::claim(&db, WorkerId::new(), Step::Read, most, 1 << 20, &[]).await.unwrap().len();
        jobs::recover(&db, true).await.unwrap();
        held
    };
    for _ in 0..40 {
        assert_eq!(crash(20).await, 20, "one was given up");
    }
    // Of those that are always in hand when a worker ends, few at a time.
    for _ in 0..10 {
        crash(2).await;
    }
    let given_up = "select count(*) from documents where stage = 'failed' and failure_code = 'abandoned'";
    assert_eq!((count(&rig, given_up).await, crash(20).await), (2, 18));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_everybodys_jobs_and_nobody_else_does() {
    let app = TestApp::start().await;
    let ada = Person::new(&app, "ada").await;
    let collection = ada.post("/api/v1/collections", &json!({ "name": "c" })).await.json();
    let path = format!("/api/v1/collections/{}/documents", collection["id"].as_str().unwrap());
    let taken = ada.post(&path, &json!({ "key": "broken.pdf", "text": "%PDF-1.7 and no more" })).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
    let taken = taken.json()["documents"][0].clone();
    let dead = async || app.get("/api/v1/admin/jobs?state=dead").await.json()["items"].as_array().unwrap().clone();
    let jobs = until("a job that was given up", async || Some(dead().await).filter(|jobs| !jobs.is_empty())).await;
    assert_eq!((&jobs[0]["owner_id"], &jobs[0]["id"]), (&json!(ada.id), &taken["job_id"]), "{taken}");
    assert_eq!(ada.get("/api/v1/admin/jobs").await.status, StatusCode::FORBIDDEN);
    let retried = app.post("/api/v1/admin/jobs/retry", &json!({ "ids": [jobs[0]["id"]] })).await;
    assert_eq!(retried.json(), json!({ "jobs": 1 }));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_deleted_while_their_documents_are_purged() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    for round in 0..20 {
        let collection = collections::ensure(&rig.corpus.db, owner, "main").await.unwrap();
        for n in 0..4 {
            rig.submit(owner, &format!("{n}.txt"), format!("Gauge {n} shows {round} bar.").as_bytes()).await;
        }
        let done = "select count(*) from documents where stage = 'done' and deleted_at is null";
        rig.until(async || count(&rig, done).await == 4).await;
        // What this replaces is purged, while all of it goes.
        for n in 0..4 {
            rig.submit(owner, &format!("{n}.txt"), format!("Gauge {n} shows {round} psi.").as_bytes()).await;
        }
        tokio::task::yield_now().await;
        assert!(rig.corpus.delete_collection(owner, collection).await.unwrap());
    }
    let left =
        "select (select count(*) from documents) + (select count(*) from originals) + (select count(*) from chunks)";
    rig.until(async || count(&rig, left).await == 0 && points(&rig).await == 0).await;
    workers.stop().await;
    assert_eq!(rig.deadlocks().await, 0);
    rig.stop().await;
}
