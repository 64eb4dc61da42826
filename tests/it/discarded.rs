//! Indexes that were discarded by a process that ended before it removed them.

use footnote_ingest::config::IndexConfig;
use footnote_ingest::ids::GenerationId;
use footnote_ingest::index::{ServerConfig, ServerIndex};
use footnote_ingest::store::generations::{self, Generation, State};
use sqlx::PgPool;

use crate::fleet::qdrant;
use crate::harness::Rig;

/// A generation that is recorded and forgotten again.
async fn forgotten(db: &PgPool) -> Generation {
    let id = GenerationId::new();
    let suffix = id.0.simple().to_string();
    let generation = Generation { id, model: "old".into(), dimensions: 3, setup: None, suffix, state: State::Previous };
    assert!(generations::insert(db, &generation).await.unwrap());
    assert!(generations::delete(db, &generation).await.unwrap());
    generation
}

async fn a_while_later(db: &PgPool) {
    sqlx::query("update discarded_indexes set due_at = now()").execute(db).await.unwrap();
}

#[tokio::test]
async fn what_is_discarded_is_taken_until_somebody_has_removed_it() {
    let rig = Rig::start().await;
    let db = &rig.corpus.db;
    let generation = forgotten(db).await;
    assert!(!generations::delete(db, &generation).await.unwrap());
    let taken = async || generations::take_discarded(db).await.unwrap();
    // Others may not have heard.
    assert!(taken().await.is_empty());
    a_while_later(db).await;
    assert_eq!(taken().await, [generation.suffix.as_str()]);
    // Somebody is at it,
    assert!(taken().await.is_empty());
    // and has ended.
    a_while_later(db).await;
    assert_eq!(taken().await, [generation.suffix.as_str()]);
    generations::removed(db, &generation.suffix).await.unwrap();
    a_while_later(db).await;
    assert!(taken().await.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_collection_that_was_discarded_elsewhere_leaves_the_server() {
    let Some(url) = qdrant() else { return };
    let base = ServerConfig { collection: format!("test-{}", uuid::Uuid::now_v7()), ..ServerConfig::new(url) };
    let rig = Rig::with(|config| config.index = IndexConfig::Server(base.clone())).await;
    let generation = forgotten(&rig.corpus.db).await;
    let IndexConfig::Server(left) = rig.corpus.config.index.named(&generation.suffix) else { unreachable!() };
    ServerIndex::open(&left, 3).await.unwrap();
    rig.corpus.refresh().await.unwrap();
    // Opening checks that it has vectors of that size, or makes it: it has stayed.
    assert!(ServerIndex::open(&left, 4).await.is_err());
    a_while_later(&rig.corpus.db).await;
    rig.corpus.refresh().await.unwrap();
    assert!(!ServerIndex::remove(&left).await.unwrap());
    assert!(ServerIndex::remove(&base).await.unwrap(), "the one in use stays");
    rig.stop().await;
}
