//! Quotas: the limit is taken and one more is refused, however many come at
//! once and by whichever door; what is deleted or replaced makes room again.

use std::io::Write as _;

use axum::body::Body;
use axum::http::StatusCode;
use footnote_ingest::corpus::Incoming;
use footnote_ingest::doctor;
use footnote_ingest::error::Error;
use footnote_ingest::parse::{Source, parse};
use footnote_ingest::pipeline::Workers;
use footnote_ingest::quota::Quota;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents::{self, Document, Stage};
use footnote_ingest::store::{collections, usage};
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::command::{Footnote, errors, parsed, write};
use crate::harness::{Reply, Rig, TestApp, folder};
use crate::submitted::{incoming, stranger};

async fn add(app: &TestApp, collection: &str, key: &str, text: &str) -> Reply {
    app.post(&format!("/api/v1/collections/{collection}/documents"), &json!({ "key": key, "text": text })).await
}

pub async fn used(app: &TestApp, quota: &str) -> i64 {
    let stats = app.get("/api/v1/admin/stats").await.json();
    let standing = stats["quotas"].as_array().unwrap().iter().find(|standing| standing["quota"] == quota).cloned();
    standing.unwrap()["used"].as_i64().unwrap()
}

async fn document(app: &TestApp, key: &str) -> Value {
    let all = app.get("/api/v1/documents").await.json();
    all["items"].as_array().unwrap().iter().find(|document| document["key"] == key).unwrap().clone()
}

async fn delete(app: &TestApp, key: &str) {
    let id = document(app, key).await["id"].as_str().unwrap().to_owned();
    assert_eq!(app.delete(&format!("/api/v1/documents/{id}")).await.status, StatusCode::NO_CONTENT);
}

pub fn assert_refused(reply: &Reply, code: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::FORBIDDEN, code), "{}", reply.text());
    // It is no use to come back.
    assert!(!reply.headers.contains_key("retry-after"));
    assert_eq!(reply.headers["x-should-retry"], "false");
}

#[tokio::test]
async fn documents_are_taken_up_to_the_limit_and_make_room_when_they_are_deleted() {
    let app = TestApp::with(|settings| settings.quota.documents = 3).await;
    let (one, other) = (app.collection("one").await, app.collection("other").await);
    for key in ["a", "b", "c"] {
        assert_eq!(add(&app, &one, key, "The pump holds 4 bar.").await.status, StatusCode::ACCEPTED);
    }
    let refused = add(&app, &other, "d", "The pump holds 4 bar.").await;
    assert_refused(&refused, "quota_exceeded:documents");
    assert_json_snapshot!(refused.json(), { ".error.request_id" => "[id]" }, @r#"
    {
      "error": {
        "code": "quota_exceeded:documents",
        "message": "3 of 3 documents are taken and this adds 1; delete some documents, or have FOOTNOTE_QUOTA_DOCUMENTS raised",
        "request_id": "[id]"
      }
    }
    "#);
    app.settled(&one).await;
    // Neither another version nor the same once more is one more.
    assert_eq!(add(&app, &one, "a", "The pump holds 5 bar.").await.status, StatusCode::ACCEPTED);
    assert_eq!(add(&app, &one, "a", "The pump holds 5 bar.").await.json()["documents"][0]["outcome"], "unchanged");
    assert_eq!(used(&app, "documents").await, 3);
    delete(&app, "b").await;
    assert_eq!(add(&app, &other, "d", "The valve opens at 3 bar.").await.status, StatusCode::ACCEPTED);
    // With a collection all that is in it goes.
    assert_eq!(app.delete(&format!("/api/v1/collections/{one}")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(used(&app, "documents").await, 1);
    app.stop().await;
}

#[tokio::test]
async fn bytes_count_by_the_difference_when_a_document_is_replaced() {
    let app = TestApp::with(|settings| settings.quota.bytes = 100).await;
    let collection = app.collection("c").await;
    let text = |bytes: usize| "x".repeat(bytes);
    assert_eq!(add(&app, &collection, "a", &text(60)).await.status, StatusCode::ACCEPTED);
    assert_eq!(add(&app, &collection, "b", &text(40)).await.status, StatusCode::ACCEPTED);
    let refused = add(&app, &collection, "c", "x").await;
    assert_refused(&refused, "quota_exceeded:bytes");
    assert_json_snapshot!(refused.json()["error"]["message"], @r#""100 of 100 bytes are taken and this adds 1; delete some documents, or conversations with pictures, or have FOOTNOTE_QUOTA_BYTES raised""#);
    app.settled(&collection).await;
    assert_eq!(add(&app, &collection, "a", &text(50)).await.status, StatusCode::ACCEPTED);
    assert_refused(&add(&app, &collection, "a", &text(61)).await, "quota_exceeded:bytes");
    assert_eq!(document(&app, "a").await["bytes"], 50, "what was there stays");
    app.settled(&collection).await;
    assert_eq!(add(&app, &collection, "a", &text(60)).await.status, StatusCode::ACCEPTED);
    assert_eq!(used(&app, "bytes").await, 100);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_over_the_limit_are_not_shown_and_what_was_shown_before_stays() {
    let app = TestApp::with(|settings| settings.quota.chunks = 2).await;
    let collection = app.collection("c").await;
    for (key, text) in [("heron", "Herons stand in ponds."), ("pump", "The pump holds 4 bar.")] {
        add(&app, &collection, key, text).await;
        app.settled(&collection).await;
    }
    let long = (0..200).map(|n| format!("Owls hunt mice in field {n}.\n\n")).collect::<String>();
    for (key, text) in [("owl", "Owls hunt mice."), ("pump", &long)] {
        add(&app, &collection, key, text).await;
        app.settled(&collection).await;
        let failed = document(&app, key).await;
        assert_eq!((&failed["stage"], &failed["failure_code"]), (&json!("failed"), &json!("quota_exceeded")));
        assert!(failed["failure_message"].as_str().unwrap().contains("2 of 2 chunks"), "{failed}");
    }
    let dead = app.get("/api/v1/admin/jobs?state=dead").await.json();
    assert_eq!(dead["items"][0]["attempts"], 1, "it is not tried again: {dead}");
    let found = app.post("/api/v1/search", &json!({ "query": "owls hunt mice" })).await.json();
    assert!(!found.to_string().contains("Owls"), "{found}");
    let found = app.post("/api/v1/search", &json!({ "query": "pump", "limit": 1 })).await.json();
    assert_eq!(found["passages"][0]["text"], "The pump holds 4 bar.");

    add(&app, &collection, "heron", "Herons stand in rivers.").await;
    app.settled(&collection).await;
    assert_eq!(document(&app, "heron").await["stage"], "done", "it takes no more than before");
    delete(&app, "pump").await;
    app.post("/api/v1/admin/jobs/retry", &json!({})).await;
    app.settled(&collection).await;
    assert_eq!((document(&app, "owl").await["stage"].clone(), used(&app, "chunks").await), (json!("done"), 2));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_held_to_their_limit() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kb/manuals/melange-3.pdf");
    let bytes = std::fs::read(manual).unwrap();
    let parsed = parse(&Source { bytes: &bytes, name: Some("a.pdf"), media_type: None }).unwrap();
    let pages = parsed.map.pages.len();
    assert!(pages > 0);
    let rig = Rig::with(|config| config.quotas.regular.pages = 2 * pages as u64).await;
    let owner = stranger(&rig.corpus.db).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    for key in ["a.pdf", "b.pdf", "c.pdf", "b.pdf"] {
        rig.submit(owner, key, &bytes).await;
        settled(&rig, owner).await;
    }
    let all = list(&rig, owner).await;
    let codes: Vec<_> = all.iter().map(|document| document.failure_code.as_deref()).collect();
    assert_eq!(codes, [None, None, Some("quota_exceeded")]);
    assert!(all[2].failure_message.as_ref().unwrap().contains("pages"), "{all:?}");
    let usage = usage::of(&rig.corpus.db, &[owner.owner()]).await.unwrap()[&owner.owner()];
    assert_eq!(usage.usage.pages, 2 * i64::try_from(pages).unwrap());
    workers.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_uploads_at_once_do_not_pass_the_limit() {
    let app = TestApp::with(|settings| {
        settings.quota.documents = 21;
        settings.quota.bytes = 20 * 10;
    })
    .await;
    let collection = app.collection("c").await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let mut uploads = JoinSet::new();
    for n in 0..50 {
        let (router, path) = (app.router.clone(), path.clone());
        uploads.spawn(async move {
            let body = json!({ "key": n.to_string(), "text": format!("number {n:03}") }).to_string();
            let request = crate::harness::request("POST", &path).header("content-type", "application/json");
            tower::ServiceExt::oneshot(router, request.body(Body::from(body)).unwrap()).await.unwrap().status()
        });
    }
    let statuses = uploads.join_all().await;
    let count = |status| statuses.iter().filter(|got| **got == status).count();
    assert_eq!((count(StatusCode::ACCEPTED), count(StatusCode::FORBIDDEN)), (20, 30), "{statuses:?}");
    assert_eq!((used(&app, "documents").await, used(&app, "bytes").await), (20, 200));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_do_not_show_more_chunks_than_the_limit() {
    let rig = Rig::with(|config| config.quotas.regular.chunks = 20).await;
    let (db, owner, other) = (rig.corpus.db.clone(), stranger(&rig.corpus.db).await, stranger(&rig.corpus.db).await);
    let workers = [
        Workers::start(&rig.corpus).await.unwrap(),
        Workers::start(&rig.corpus).await.unwrap(),
        Workers::start(&rig.corpus).await.unwrap(),
    ];
    let collection = collections::ensure(&db, owner, "main").await.unwrap();
    let mut uploads = JoinSet::new();
    for n in 0..50 {
        let corpus = rig.corpus.clone();
        uploads.spawn(async move {
            let (key, text) = (n.to_string(), format!("Report {n}."));
            let incoming = Incoming { key: &key, bytes: text.as_bytes(), ..incoming(collection) };
            corpus.submit(owner, &incoming).await.unwrap()
        });
    }
    uploads.join_all().await;
    // Who has all of one quota takes nothing from others.
    let free = rig.submit(other, "free.txt", b"Another's report.").await;
    settled(&rig, owner).await;
    settled(&rig, other).await;
    let shown = |all: &[Document]| all.iter().filter(|document| document.stage == Stage::Done).count();
    let all = list(&rig, owner).await;
    assert_eq!((all.len(), shown(&all)), (50, 20));
    assert_eq!(list(&rig, other).await[0].id, free);
    assert_eq!(shown(&list(&rig, other).await), 1);
    let usage = usage::of(&db, &[owner.owner(), other.owner()]).await.unwrap();
    assert_eq!((usage[&owner.owner()].usage.chunks, usage[&other.owner()].usage.chunks), (20, 1));
    for workers in workers {
        workers.stop().await;
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owner_has_counts_once_for_all_documents_that_are_read_together() {
    let rig = Rig::with(|config| config.quotas.regular.chunks = 4).await;
    let owner = stranger(&rig.corpus.db).await;
    for keys in [&["a", "b"][..], &["c", "d", "e"][..]] {
        for key in keys {
            rig.submit(owner, key, b"One chunk.").await;
        }
        // Only now, so that they are claimed together.
        let workers = Workers::start(&rig.corpus).await.unwrap();
        settled(&rig, owner).await;
        workers.stop().await;
    }
    let all = list(&rig, owner).await;
    assert_eq!(all.iter().filter(|document| document.stage == Stage::Done).count(), 4, "{all:?}");
    let twice = usage::of(&rig.corpus.db, &[owner.owner(), owner.owner()]).await.unwrap();
    assert_eq!(twice[&owner.owner()].usage.chunks, 4);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_holds_counts_and_is_taken_as_a_whole_or_not_at_all() {
    let rig = Rig::with(|config| config.quotas.regular.documents = 5).await;
    let owner = stranger(&rig.corpus.db).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    let files = |count: usize| zip(&(0..count).map(|n| (format!("{n}.txt"), b"Text.".to_vec())).collect::<Vec<_>>());
    let large = rig.submit(owner, "large.zip", &files(5)).await;
    settled(&rig, owner).await;
    let all = list(&rig, owner).await;
    assert_eq!((all.len(), all[0].failure_code.as_deref()), (1, Some("quota_exceeded")), "{all:?}");
    rig.submit(owner, "large.zip", &files(4)).await;
    settled(&rig, owner).await;
    assert_eq!(list(&rig, owner).await.iter().filter(|document| document.stage == Stage::Done).count(), 5);
    let collection = all[0].collection_id;
    let one_more = rig.corpus.submit(owner, &Incoming { key: "b", bytes: b"B.", ..incoming(collection) }).await;
    assert!(matches!(one_more, Err(Error::Quota(exceeded)) if exceeded.quota == Quota::Documents), "{one_more:?}");
    rig.corpus.delete(owner, None, Some(&[large])).await.unwrap();
    assert!(list(&rig, owner).await.is_empty());

    // Three archives in one, of three files each: one of them fits.
    let nested: Vec<_> = (0..3).map(|n| (format!("{n}.zip"), files(3))).collect();
    rig.submit(owner, "all.zip", &zip(&nested[..1])).await;
    settled(&rig, owner).await;
    assert_eq!(list(&rig, owner).await.len(), 5);
    rig.submit(owner, "all.zip", &zip(&nested)).await;
    settled(&rig, owner).await;
    assert_eq!(list(&rig, owner).await.len(), 5, "{:?}", list(&rig, owner).await);
    workers.stop().await;
    rig.stop().await;
}

const MAIL: &str = "From: a@example.com\r\nTo: b@example.com\r\nSubject: Boilers\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\n\
    The boiler needs a new gauge.\r\n--x\r\nContent-Type: text/plain\r\n\
    Content-Disposition: attachment; filename=a.txt\r\n\r\nThe first note.\r\n--x\r\nContent-Type: text/plain\r\n\
    Content-Disposition: attachment; filename=b.txt\r\n\r\nThe second note.\r\n--x--\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_at_last_leaves_nothing_behind_and_can_be_tried_again() {
    let rig = Rig::with(|config| config.quotas.regular.documents = 3).await;
    let owner = stranger(&rig.corpus.db).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    let small = rig.submit(owner, "small.txt", b"Herons stand in ponds.").await;
    settled(&rig, owner).await;
    let mail = rig.submit(owner, "mail.eml", MAIL.as_bytes()).await;
    settled(&rig, owner).await;
    let refused = documents::find(&rig.corpus.db, owner, mail).await.unwrap().unwrap();
    assert_eq!((refused.failure_code.as_deref(), refused.revision_id), (Some("quota_exceeded"), None), "{refused:?}");
    rig.until(async || count(&rig, "select count(*) from purges").await == 0).await;
    assert_eq!(count(&rig, "select count(*) from revisions").await, 1);
    let drift = doctor::examine(&rig.corpus, false).await.unwrap();
    assert!(drift.is_none() && drift.points == 1, "{drift:?}");

    rig.corpus.delete(owner, None, Some(&[small])).await.unwrap();
    assert_eq!(rig.corpus.retry_jobs(Some(owner), None).await.unwrap(), 1);
    settled(&rig, owner).await;
    let all = list(&rig, owner).await;
    assert!(all.len() == 3 && all.iter().all(|document| document.stage == Stage::Done), "{all:?}");
    rig.until(async || count(&rig, "select count(*) from purges").await == 0).await;
    let drift = doctor::examine(&rig.corpus, false).await.unwrap();
    assert!(drift.is_none() && drift.points == 3, "{drift:?}");
    workers.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_upload_comes_to_so_many_documents_and_no_more_without_any_quota() {
    let rig = Rig::with(|config| config.max_within = 8).await;
    let owner = stranger(&rig.corpus.db).await;
    let files: Vec<_> = (0..3).map(|n| (format!("{n}.txt"), b"Text.".to_vec())).collect();
    let archives: Vec<_> = (0..3).map(|n| (format!("{n}.zip"), zip(&files))).collect();
    rig.submit(owner, "all.zip", &zip(&archives)).await;
    rig.submit(owner, "beside.txt", b"Something else.").await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    settled(&rig, owner).await;
    let all = list(&rig, owner).await;
    let failed: Vec<_> = all.iter().filter_map(|document| document.failure_code.as_deref()).collect();
    assert_eq!((all.len() - 1, failed), (1 + 3 + 3, vec!["too_many", "too_many"]), "one archive of three: {all:?}");
    workers.stop().await;
    rig.stop().await;
}

#[test]
fn the_command_names_what_was_refused_and_takes_the_rest() {
    for (variable, told) in [("FOOTNOTE_QUOTA_DOCUMENTS", "3 of 3 documents"), ("FOOTNOTE_QUOTA_CHUNKS", "of 3 chunks")]
    {
        let (footnote, files) = (Footnote::new(), folder());
        for n in 0..5 {
            write(files.path(), &format!("{n}.txt"), format!("Report {n} of the many."));
        }
        let run = || {
            let mut command = footnote.command(&["ingest", files.path().to_str().unwrap(), "--json"]);
            command.env(variable, "3").output().unwrap()
        };
        let output = run();
        assert_eq!(output.status.code(), Some(5), "{}", errors(&output));
        let report = parsed(&output);
        let failed = report["failed"].as_array().unwrap();
        assert_eq!((&report["added"], &report["unchanged"], failed.len()), (&json!(3), &json!(0), 2), "{report}");
        assert!(failed.iter().all(|failure| failure["reason"].as_str().unwrap().contains(told)), "{report}");
        let report = parsed(&run());
        assert_eq!((&report["added"], &report["unchanged"]), (&json!(0), &json!(3)), "{report}");
    }
}

async fn list(rig: &Rig, scope: Scope) -> Vec<Document> {
    documents::list(&rig.corpus.db, scope, &documents::Filter::default(), 100).await.unwrap()
}

async fn count(rig: &Rig, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&rig.corpus.db).await.unwrap()
}

async fn settled(rig: &Rig, scope: Scope) {
    let ended = |document: &Document| matches!(document.stage, Stage::Done | Stage::Failed);
    rig.until(async || list(rig, scope).await.iter().all(ended)).await;
}

fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
