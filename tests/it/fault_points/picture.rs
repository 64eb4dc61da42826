//! A corpus as lines that are the same whenever the same documents were taken in:
//! without ids that are drawn, times, and the order of events.

use std::collections::HashMap;

use footnote_ingest::corpus::Corpus;
use footnote_ingest::ids::RevisionId;
use footnote_ingest::index::{Mode, Search, point_id};
use footnote_ingest::scope::Scope;

/// The rows. Ids of embeddings are made from their texts.
const ROWS: [&str; 6] = [
    "select concat('document ', (to_jsonb(d) - array[
         'id', 'owner_id', 'collection_id', 'parent_id', 'revision_id', 'created_at', 'updated_at', 'queued_at',
         'words_at', 'done_at'
     ])::text, ' within ', (select key from documents where id = d.parent_id),
     ' shows ', (select version from revisions where id = d.revision_id))
     from documents d",
    "select concat('revision of ', d.key, ' ', (to_jsonb(r) - array['id', 'owner_id', 'document_id', 'created_at'])::text)
     from revisions r join documents d on d.id = r.document_id",
    "select concat('chunk of ', d.key, ' ', r.version, ' ', (to_jsonb(c) - 'revision_id')::text)
     from chunks c join revisions r on r.id = c.revision_id join documents d on d.id = r.document_id",
    "select concat('embedding ', (to_jsonb(e) - 'owner_id')::text) from embeddings e",
    "select concat('original ', sha256::text) from originals",
    "select concat('job of ', d.key, ' ', j.version, ' ', j.step, ' ', j.state, ' ', j.failure_code)
     from jobs j join documents d on d.id = j.document_id",
];
/// A search for each tells how the vectors lie to each other.
const PROBES: [[f32; 32]; 3] = [ramp(1), ramp(5), ramp(11)];
/// More than there are points.
const ALL: usize = 10_000;

/// Numbers that differ from place to place.
const fn ramp(step: u8) -> [f32; 32] {
    let mut vector = [0.0; 32];
    let (mut place, mut value) = (0, 1_u8);
    while place < vector.len() {
        vector[place] = value as f32;
        value = value.wrapping_mul(3).wrapping_add(step) % 32;
        place += 1;
    }
    vector
}

/// What Postgres and the index hold.
pub async fn of(corpus: &Corpus, scope: Scope) -> Vec<String> {
    let mut lines = Vec::new();
    for rows in ROWS {
        let told: Vec<String> = sqlx::query_scalar(rows).fetch_all(&corpus.db).await.unwrap();
        lines.extend(told);
    }
    lines.extend(index(corpus, scope).await);
    lines.sort();
    lines
}

/// Each point by the chunk that it stands for, and what searches find.
async fn index(corpus: &Corpus, scope: Scope) -> Vec<String> {
    let space = corpus.live();
    let chunks: Vec<(RevisionId, i32, String)> = sqlx::query_as(
        "select r.id, c.ordinal, concat(d.key, ' ', r.version, ' ', c.ordinal)
         from chunks c join revisions r on r.id = c.revision_id join documents d on d.id = r.document_id",
    )
    .fetch_all(&corpus.db)
    .await
    .unwrap();
    let names: HashMap<_, _> = chunks
        .into_iter()
        .map(|(revision, ordinal, name)| (point_id(revision, ordinal.cast_unsigned(), space.embedder.model()), name))
        .collect();
    let name = |id| names.get(&id).map_or("nothing", String::as_str);
    let points = space.index.list(scope, None, ALL).await.unwrap();
    let mut lines: Vec<String> =
        points.iter().map(|(id, dense)| format!("point of {}, with a vector: {dense}", name(*id))).collect();
    let words = Search { mode: Mode::Sparse, sparse: Some(corpus.bm25.query("gauge pump heron")), ..Search::default() };
    let meanings = PROBES.map(|probe| Search { mode: Mode::Dense, dense: Some(probe.to_vec()), ..Search::default() });
    for (place, search) in [words].into_iter().chain(meanings).enumerate() {
        let hits = space.index.search(scope, &Search { prefetch: ALL, limit: ALL, ..search }).await.unwrap();
        lines.extend(hits.into_iter().map(|hit| {
            let found = name(point_id(hit.revision, hit.ordinal, space.embedder.model()));
            // How rare a word is, the index counts with what has left it.
            let score = hit.dense.map(|score| format!("{score:.4}"));
            format!("search {place} finds {found} {score:?}")
        }));
    }
    lines
}
