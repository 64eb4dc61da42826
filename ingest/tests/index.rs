//! The vector index through its one face. Each test runs on the embedded store
//! and, where `QDRANT_URL` names a server's gRPC address, on that server too.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};

use footnote_ingest::Error;
use footnote_ingest::disk::DiskGuard;
use footnote_ingest::embed::HashEmbedder;
use footnote_ingest::ids::{CollectionId, DocumentId, RevisionId, UserId};
use footnote_ingest::index::bm25::Bm25;
use footnote_ingest::index::{
    EdgeIndex, FilterValue, Fusion, Index, MetaFilter, Mode, Point, Search, ServerConfig, ServerIndex, point_id,
};
use footnote_ingest::scope::Scope;
use serde_json::{Value, json};
use uuid::Uuid;

const MODEL: &str = "hash";

/// An index, and what it stands on.
struct Rig {
    index: Index,
    name: &'static str,
    _folder: tempfile::TempDir,
}

/// The backends that can be tested here.
async fn backends() -> Vec<Rig> {
    let mut backends = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    let edge = open(folder.path(), 0).await.expect("the embedded store opens");
    backends.push(Rig { index: edge, name: "edge", _folder: folder });
    if let Ok(url) = std::env::var("QDRANT_URL") {
        let collection = format!("test-{}", Uuid::now_v7());
        let config = ServerConfig { collection, ..ServerConfig::new(url) };
        let server = ServerIndex::open(&config, dimensions()).await.expect("the server answers");
        backends.push(Rig { index: Index::Server(server), name: "server", _folder: tempfile::tempdir().unwrap() });
    }
    backends
}

async fn open(folder: &std::path::Path, reserve: u64) -> Result<Index, Error> {
    let disk = DiskGuard::new(folder, reserve);
    EdgeIndex::open(folder, dimensions(), disk).await.map(Index::Edge)
}

fn dimensions() -> usize {
    HashEmbedder::default().dimensions()
}

fn scope() -> Scope {
    Scope::stored(UserId::new())
}

/// A point of its own revision.
fn point(scope: Scope, collection: CollectionId, text: &str, meta: &Value) -> Point {
    let revision = RevisionId::new();
    Point {
        id: point_id(revision, 0, MODEL),
        scope,
        collection,
        document: DocumentId::new(),
        revision,
        ordinal: 0,
        meta: meta.as_object().cloned().unwrap_or_default(),
        sparse: Bm25::new().unwrap().document(text),
        dense: Some(HashEmbedder::default().embed(text)),
    }
}

fn search(text: &str, mode: Mode) -> Search {
    Search {
        shared: Vec::new(),
        mode,
        dense: (mode != Mode::Sparse).then(|| HashEmbedder::default().embed(text)),
        sparse: (mode != Mode::Dense).then(|| Bm25::new().unwrap().query(text)),
        collections: None,
        revisions: None,
        filter: MetaFilter::default(),
        prefetch: 100,
        limit: 10,
        fusion: Fusion::default(),
    }
}

async fn found(index: &Index, scope: Scope, search: &Search) -> Vec<RevisionId> {
    index.search(scope, search).await.expect("found").into_iter().map(|hit| hit.revision).collect()
}

#[tokio::test]
async fn every_mode_finds_the_nearest_first_and_tells_its_scores() {
    for Rig { _folder, index, name } in backends().await {
        let (scope, collection) = (scope(), CollectionId::new());
        let pump = point(scope, collection, "the pump holds a pressure of four bar", &json!({}));
        let heron = point(scope, collection, "the heron stands in the pond", &json!({}));
        let wanted = pump.revision;
        index.upsert(vec![heron, pump]).await.expect("written");
        for mode in [Mode::Hybrid, Mode::Dense, Mode::Sparse] {
            let hits = index.search(scope, &search("pressure of the pump", mode)).await.expect("found");
            assert_eq!(hits[0].revision, wanted, "{name} {mode:?}");
            assert_eq!(hits[0].dense.is_some(), mode != Mode::Sparse, "{name} {mode:?}");
            assert_eq!(hits[0].sparse.is_some(), mode != Mode::Dense, "{name} {mode:?}");
            assert!(hits.is_sorted_by(|a, b| a.score >= b.score), "{name} {mode:?}");
        }
    }
}

#[tokio::test]
async fn no_owner_sees_another_s_points_whatever_is_asked() {
    for Rig { _folder, index, name } in backends().await {
        let (mine, other, collection) = (scope(), scope(), CollectionId::new());
        let secret = point(other, collection, "the secret of the pump", &json!({ "open": true }));
        let (secret_id, revision) = (secret.id, secret.revision);
        index.upsert(vec![secret, point(mine, collection, "the pump", &json!({}))]).await.expect("written");
        let mut asked = search("the secret of the pump", Mode::Hybrid);
        asked.collections = Some(vec![collection]);
        assert!(!found(&index, mine, &asked).await.contains(&revision), "{name}");
        asked.filter = MetaFilter(BTreeMap::from([(
            "open".to_owned(),
            serde_json::from_value::<FilterValue>(json!(true)).unwrap(),
        )]));
        assert!(found(&index, mine, &asked).await.is_empty(), "{name}");
        assert_eq!(index.list(mine, None, 100).await.expect("listed").len(), 1, "{name}");
        // Nor can one take them away.
        index.purge(mine, &[revision]).await.expect("purged nothing");
        index.delete_points(mine, &[secret_id]).await.expect("deleted nothing");
        assert_eq!(index.list(other, None, 100).await.expect("listed").len(), 1, "{name}");
    }
}

#[tokio::test]
async fn collections_and_metadata_narrow_a_search() {
    for Rig { _folder, index, name } in backends().await {
        let (scope, one, two) = (scope(), CollectionId::new(), CollectionId::new());
        let old = point(scope, one, "rules for travel", &json!({ "year": 2019, "lang": "de" }));
        let new = point(scope, one, "rules for travel", &json!({ "year": 2026, "lang": "en" }));
        let other = point(scope, two, "rules for travel", &json!({ "year": 2026, "lang": "de" }));
        let (old_id, new_id, other_id) = (old.revision, new.revision, other.revision);
        index.upsert(vec![old, new, other]).await.expect("written");
        let asked = async |collections: Option<Vec<CollectionId>>, filter: Value| {
            let filter: MetaFilter = serde_json::from_value(filter).unwrap();
            let search = Search { collections, filter, ..search("rules for travel", Mode::Hybrid) };
            found(&index, scope, &search).await.into_iter().collect::<BTreeSet<_>>()
        };
        assert_eq!(asked(None, json!({})).await.len(), 3, "{name}");
        assert_eq!(asked(Some(vec![two]), json!({})).await, BTreeSet::from([other_id]), "{name}");
        assert!(asked(Some(vec![]), json!({})).await.is_empty(), "no collections are none: {name}");
        assert_eq!(asked(None, json!({ "lang": "en" })).await, BTreeSet::from([new_id]), "{name}");
        assert_eq!(asked(None, json!({ "year": { "lt": 2020 } })).await, BTreeSet::from([old_id]), "{name}");
        let both = asked(None, json!({ "year": [2026, 2027], "lang": ["de", "fr"] })).await;
        assert_eq!(both, BTreeSet::from([other_id]), "{name}");
    }
}

#[tokio::test]
async fn words_are_found_before_vectors_arrive_and_meaning_after() {
    for Rig { _folder, index, name } in backends().await {
        let (scope, collection) = (scope(), CollectionId::new());
        let pump = point(scope, collection, "the pump holds four bar", &json!({}));
        let (id, revision, vector) = (pump.id, pump.revision, pump.dense.clone().unwrap());
        index.upsert(vec![Point { dense: None, ..pump }]).await.expect("written");
        assert_eq!(found(&index, scope, &search("pump", Mode::Sparse)).await, [revision], "{name}");
        assert_eq!(found(&index, scope, &search("pump", Mode::Hybrid)).await, [revision], "{name}");
        assert!(found(&index, scope, &search("pump", Mode::Dense)).await.is_empty(), "{name}");
        assert_eq!(index.list(scope, None, 9).await.expect("listed"), [(id, false)], "{name}");
        // One that is gone does not spoil the rest.
        index.set_dense(vec![(Uuid::now_v7(), vector.clone()), (id, vector)]).await.expect("written");
        assert_eq!(found(&index, scope, &search("pump", Mode::Dense)).await, [revision], "{name}");
        assert_eq!(index.list(scope, None, 9).await.expect("listed"), [(id, true)], "{name}");
        assert_eq!(index.info().await.expect("counted").points, 1, "{name}");
    }
}

#[tokio::test]
async fn writing_again_changes_nothing_and_purging_takes_all_of_a_revision() {
    for Rig { _folder, index, name } in backends().await {
        let (scope, collection) = (scope(), CollectionId::new());
        let first = point(scope, collection, "chunk number zero", &json!({}));
        let points: Vec<Point> = (0..5)
            .map(|ordinal| Point { id: point_id(first.revision, ordinal, MODEL), ordinal, ..first.clone() })
            .collect();
        let other = point(scope, collection, "another revision", &json!({}));
        for _ in 0..2 {
            index.upsert(points.clone()).await.expect("written");
        }
        index.upsert(vec![other.clone()]).await.expect("written");
        assert_eq!(index.info().await.expect("counted").points, 6, "{name}");
        index.purge(scope, &[first.revision]).await.expect("purged");
        assert_eq!(index.list(scope, None, 9).await.expect("listed"), [(other.id, true)], "{name}");
    }
}

#[tokio::test]
async fn a_list_comes_in_pages_in_the_order_of_ids() {
    for Rig { _folder, index, name } in backends().await {
        let (scope, collection) = (scope(), CollectionId::new());
        let points: Vec<Point> = (0..25).map(|n| point(scope, collection, &format!("text {n}"), &json!({}))).collect();
        let mut wanted: Vec<Uuid> = points.iter().map(|point| point.id).collect();
        wanted.sort();
        index.upsert(points).await.expect("written");
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = index.list(scope, after, 10).await.expect("listed");
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            listed.extend(page.into_iter().map(|(id, _)| id));
        }
        assert_eq!(listed, wanted, "{name}");
    }
}

#[tokio::test]
async fn searches_go_on_while_the_index_is_written_and_optimised() {
    for Rig { _folder, index, name } in backends().await {
        let (scope, collection) = (scope(), CollectionId::new());
        index.upsert(vec![point(scope, collection, "the pump", &json!({}))]).await.expect("written");
        let writing = async {
            for n in 0..20 {
                index
                    .upsert(vec![point(scope, collection, &format!("the valve {n}"), &json!({}))])
                    .await
                    .expect("written");
            }
            index.optimize().await.expect("optimised");
        };
        let searching = async {
            for _ in 0..50 {
                assert!(!found(&index, scope, &search("pump", Mode::Hybrid)).await.is_empty(), "{name}");
            }
        };
        tokio::join!(writing, searching);
        assert_eq!(index.info().await.expect("counted").points, 21, "{name}");
    }
}

#[tokio::test]
async fn what_a_write_returned_for_is_there_after_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (scope, collection) = (scope(), CollectionId::new());
    let pump = point(scope, collection, "the pump", &json!({}));
    let wanted = pump.revision;
    let index = open(folder.path(), 0).await.expect("opened");
    index.upsert(vec![pump]).await.expect("written");
    drop(index);
    let index = open(folder.path(), 0).await.expect("opened again");
    assert_eq!(found(&index, scope, &search("pump", Mode::Hybrid)).await, [wanted]);
    drop(index);
}

#[tokio::test]
async fn without_free_space_nothing_is_opened_or_written() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open(folder.path(), u64::MAX / 2).await, Err(Error::DiskFull { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

#[tokio::test]
async fn vectors_of_another_size_are_refused() {
    for Rig { _folder, index, name } in backends().await {
        let wrong = Point { dense: Some(vec![1.0; 3]), ..point(scope(), CollectionId::new(), "x", &json!({})) };
        assert!(matches!(index.upsert(vec![wrong]).await, Err(Error::IndexMismatch(_))), "{name}");
    }
}
