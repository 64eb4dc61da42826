//! What an archive holds: documents of their own, that go with it.

use std::io::Write as _;

use footnote_ingest::corpus::Incoming;
use footnote_ingest::pipeline::Workers;
use footnote_ingest::store::documents::{self, Stage};
use serde_json::json;

use crate::harness::{Rig, TestApp, operator};
use crate::submitted::{incoming, stranger};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_archive_holds_is_found_and_goes_with_it() {
    let app = TestApp::start().await;
    let collection = app.collection("archive").await;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in [("a.md", "# Valve\n\nThe valve opens at 3 bar."), ("deep/b.csv", "part,price\nbolt,5\n")] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    let corpus = &app.corpus();
    let scope = operator(&corpus.db).await;
    let incoming = Incoming { bytes: &bytes, key: "all.zip", ..incoming(collection.parse().unwrap()) };
    let archive = corpus.submit(scope, &incoming).await.unwrap().0;
    app.settled(&collection).await;
    let found = app.post("/api/v1/search", &json!({ "query": "bolt price", "limit": 1 })).await.json();
    assert_eq!(found["passages"][0]["key"], "all.zip/deep/b.csv", "{found}");
    assert_eq!(app.delete(&format!("/api/v1/documents/{archive}")).await.status, 204);
    let found = app.post("/api/v1/search", &json!({ "query": "bolt price valve" })).await.json();
    assert_eq!(found["passages"], json!([]));
    let left = documents::list(&corpus.db, scope, &documents::Filter::default(), 10).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_within_archives_come_to_an_end() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let mut bytes = b"The innermost note.".to_vec();
    let mut name = "note.txt".to_owned();
    for level in 0..8 {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(&name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
        (bytes, name) = (zip.finish().unwrap().into_inner(), format!("{level}.zip"));
    }
    rig.submit(owner, "all.zip", &bytes).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    let deepest = async || {
        let filter = documents::Filter { stage: Some(Stage::Failed), ..documents::Filter::default() };
        documents::list(&rig.corpus.db, owner, &filter, 10).await.unwrap()
    };
    rig.until(async || !deepest().await.is_empty()).await;
    assert_eq!(deepest().await[0].failure_code.as_deref(), Some("too_deep"));
    let all = documents::list(&rig.corpus.db, owner, &documents::Filter::default(), 20).await.unwrap();
    assert_eq!(all.len(), 1 + footnote_ingest::parse::MAX_DEPTH);
    workers.stop().await;
    rig.stop().await;
}
