//! The index writes into files that are mapped. A disk without room would end the
//! process there; instead a write finds what was held for it, or waits.

use std::path::Path;
use std::time::Duration;

use footnote_ingest::disk::DiskGuard;
use footnote_ingest::embed::HashEmbedder;
use footnote_ingest::ids::{CollectionId, DocumentId, RevisionId, UserId};
use footnote_ingest::index::bm25::Bm25;
use footnote_ingest::index::{EdgeIndex, Index, Point, point_id};
use footnote_ingest::scope::Scope;

use super::disk::{Disk, Kind};
use crate::harness::folder;
use crate::random::Random;

/// Writes that are tried.
const ROUNDS: usize = 20;
/// Points of one write.
const POINTS: usize = 2_048;

async fn open(folder: &Path, reserve: u64) -> Index {
    let folder = folder.join("index");
    let disk = DiskGuard::new(&folder, reserve);
    Index::Edge(EdgeIndex::open(&folder, HashEmbedder::default().dimensions(), disk).await.unwrap())
}

/// Points that no index has yet.
fn points(random: &mut Random) -> Vec<Point> {
    let (scope, collection, bm25) = (Scope::stored(UserId::new()), CollectionId::new(), Bm25::new().unwrap());
    let point = |_| {
        let text: Vec<String> = (0..20).map(|_| random.word()).collect();
        let (text, revision) = (text.join(" "), RevisionId::new());
        Point {
            id: point_id(revision, 0, "hash"),
            scope,
            collection,
            document: DocumentId::new(),
            revision,
            ordinal: 0,
            meta: serde_json::Map::default(),
            sparse: bm25.document(&text),
            dense: Some(HashEmbedder::default().embed(&text)),
        }
    };
    (0..POINTS).map(point).collect()
}

/// Nothing is held: a write that meets a full disk waits for room, or is refused.
async fn waits(kind: Kind) {
    let (folder, mut random) = (folder(), Random::seeded());
    let Some(disk) = Disk::mount(kind, folder.path()) else { return };
    let index = open(folder.path(), 0).await;
    index.upsert(points(&mut random)).await.unwrap();
    let late = points(&mut random);
    disk.fill(0);
    let (writing, batch) = (index.clone(), late.clone());
    let mut writing = tokio::spawn(async move { writing.upsert(batch).await });
    // Not for readiness: so long at least there is no room.
    let early = tokio::time::timeout(Duration::from_secs(2), &mut writing).await;
    disk.clear();
    let written = match early {
        Ok(refused) => refused.unwrap(),
        Err(_) => writing.await.unwrap(),
    };
    eprintln!("{kind:?}: {written:?}");
    index.upsert(late).await.unwrap();
    assert_eq!(index.info().await.unwrap().points, 2 * POINTS);
}

/// Somebody fills the disk at once while points are written, at any moment.
async fn races(kind: Kind) {
    let (folder, mut random) = (folder(), Random::seeded());
    let Some(disk) = Disk::mount(kind, folder.path()) else { return };
    let index = open(folder.path(), 128 * 1024 * 1024).await;
    let mut used = 0;
    for n in 1..=ROUNDS {
        let batch = points(&mut random);
        let (writing, again) = (index.clone(), batch.clone());
        let mut writing = tokio::spawn(async move { writing.upsert(batch).await });
        // Not for readiness: each wait strikes another moment.
        tokio::time::sleep(Duration::from_millis(random.below(100))).await;
        disk.fill(0);
        // It need not wait, for room was held, unless what it was given is taken too.
        let early = tokio::time::timeout(Duration::from_secs(2), &mut writing).await;
        used += usize::from(disk.free() > 0);
        disk.clear();
        let _ = match early {
            Ok(written) => written.unwrap(),
            Err(_) => writing.await.unwrap(),
        };
        index.upsert(again).await.unwrap();
        assert_eq!(index.info().await.unwrap().points, n * POINTS);
    }
    eprintln!("{kind:?}: what was held was used {used} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_the_index_waits_for_room_in_memory() {
    waits(Kind::Tmpfs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_the_index_waits_for_room_in_an_image() {
    waits(Kind::Ext4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_in_memory_that_fills_during_a_write_ends_nothing() {
    races(Kind::Tmpfs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_in_an_image_that_fills_during_a_write_ends_nothing() {
    races(Kind::Ext4).await;
}
