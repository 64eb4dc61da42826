//! What is kept once however many documents hold it: vectors and bytes.

use std::time::Duration;

use footnote_ingest::corpus::Incoming;
use footnote_ingest::pipeline::Workers;
use footnote_ingest::store::documents::Stage;
use footnote_ingest::store::{collections, originals};
use sqlx::PgPool;

use crate::harness::Rig;
use crate::submitted::{incoming, stranger};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_text_is_embedded_once_however_often_it_comes() {
    let rig = Rig::start().await;
    let owner = stranger(&rig.corpus.db).await;
    let text = "The gauge shows 4 bar when the boiler is cold.";
    let first = rig.submit(owner, "a.txt", text.as_bytes()).await;
    let second = rig.submit(owner, "b.txt", text.as_bytes()).await;
    let workers = Workers::start(&rig.corpus).await.unwrap();
    for document in [first, second] {
        rig.until(async || rig.stage(owner, document).await == Stage::Done).await;
    }
    let kept = async || -> i64 {
        sqlx::query_scalar("select count(*) from embeddings").fetch_one(&rig.corpus.db).await.unwrap()
    };
    assert_eq!(kept().await, 1);
    // With the last document that says it, its vector goes.
    rig.corpus.delete(owner, None, Some(&[first])).await.unwrap();
    rig.until(async || purged(&rig.corpus.db).await).await;
    assert_eq!(kept().await, 1);
    rig.corpus.delete(owner, None, Some(&[second])).await.unwrap();
    rig.until(async || purged(&rig.corpus.db).await).await;
    assert_eq!(kept().await, 0);
    workers.stop().await;
    rig.stop().await;
}

#[tokio::test]
async fn bytes_that_come_again_while_they_are_dropped_are_kept() {
    let rig = Rig::start().await;
    let (db, owner) = (rig.corpus.db.clone(), stranger(&rig.corpus.db).await);
    let old = rig.submit(owner, "old.txt", b"The same.").await;
    let sha256: Vec<u8> = sqlx::query_scalar("select sha256 from originals where owner_id = $1")
        .bind(owner.owner())
        .fetch_one(&db)
        .await
        .unwrap();
    rig.corpus.delete(owner, None, Some(&[old])).await.unwrap();
    // Another document of the same bytes is on its way, and not committed yet.
    let mut coming = db.begin().await.unwrap();
    originals::keep(&mut coming, owner, &sha256, b"The same.").await.unwrap();
    let mut dropping = db.begin().await.unwrap();
    assert_eq!(originals::drop_unreferenced(&mut dropping, owner).await.unwrap(), 0);
    dropping.commit().await.unwrap();
    coming.commit().await.unwrap();
    // Who comes when they are about to go brings them anew.
    let mut dropping = db.begin().await.unwrap();
    assert_eq!(originals::drop_unreferenced(&mut dropping, owner).await.unwrap(), 1);
    let corpus = rig.corpus.clone();
    let collection = collections::ensure(&db, owner, "main").await.unwrap();
    let coming = tokio::spawn(async move {
        corpus.submit(owner, &Incoming { key: "new.txt", bytes: b"The same.", ..incoming(collection) }).await.unwrap().0
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    dropping.commit().await.unwrap();
    let new = coming.await.unwrap();
    assert_eq!(originals::of_document(&db, owner, new).await.unwrap().unwrap().bytes, b"The same.");
    rig.stop().await;
}

async fn purged(db: &PgPool) -> bool {
    sqlx::query_scalar::<_, i64>("select count(*) from purges").fetch_one(db).await.unwrap() == 0
}
