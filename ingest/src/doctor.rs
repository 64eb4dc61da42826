//! The doctor: compares what the index holds with what Postgres says, and
//! mends the difference. Postgres is right. Floor 4.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::corpus::Corpus;
use crate::error::Result;
use crate::ids::RevisionId;
use crate::index::point_id;
use crate::scope::Scope;
use crate::store::{chunks, stages};

/// Points that are listed at once.
const PAGE: usize = 10_000;

/// The difference between Postgres and the index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drift {
    /// Chunks that queries may see.
    pub chunks: usize,
    /// Points in the index.
    pub points: usize,
    /// Chunks without a point: not searchable.
    pub missing: usize,
    /// Points without a chunk: never shown, but they take room.
    pub orphaned: usize,
    /// Chunks whose vector is recorded but not there: not found by meaning.
    pub without_vector: usize,
}

impl Drift {
    /// Whether Postgres and the index agree.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.missing == 0 && self.orphaned == 0 && self.without_vector == 0
    }
}

/// Compares, for all owners; with `fix`, deletes orphans and queues what is
/// missing to be made again.
///
/// # Errors
/// What Postgres or the index say.
pub async fn examine(corpus: &Corpus, fix: bool) -> Result<Drift> {
    let mut drift = Drift::default();
    for owner in chunks::owners(&corpus.db).await? {
        examine_owner(corpus, Scope::stored(owner), fix, &mut drift).await?;
    }
    if fix {
        corpus.work.notify_waiters();
    }
    Ok(drift)
}

async fn examine_owner(corpus: &Corpus, scope: Scope, fix: bool, drift: &mut Drift) -> Result<()> {
    let expected = chunks::expected(&corpus.db, scope).await?;
    let space = corpus.live();
    let model = space.embedder.model();
    let mut wanted: HashMap<Uuid, &chunks::Expected> = HashMap::with_capacity(expected.len());
    for chunk in &expected {
        wanted.insert(point_id(chunk.revision, chunk.ordinal.cast_unsigned(), model), chunk);
    }
    drift.chunks += expected.len();
    let (mut orphans, mut lost) = (Vec::new(), (Vec::new(), Vec::new()));
    let mut after = None;
    loop {
        let page = space.index.list(scope, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        drift.points += page.len();
        for (id, has_vector) in page {
            match wanted.remove(&id) {
                None => orphans.push(id),
                Some(chunk) if chunk.embedded && !has_vector => {
                    lost.0.push(chunk.revision);
                    lost.1.push(chunk.ordinal);
                }
                Some(_) => {}
            }
        }
    }
    drift.orphaned += orphans.len();
    drift.missing += wanted.len();
    drift.without_vector += lost.0.len();
    if fix {
        let requeue: Vec<RevisionId> = wanted.values().map(|chunk| chunk.revision).collect();
        space.index.delete_points(scope, &orphans).await?;
        let mut tx = corpus.db.begin().await?;
        chunks::mark_unembedded(&mut *tx, &lost.0, &lost.1).await?;
        stages::reopen(&mut tx, scope, &lost.0).await?;
        stages::requeue(&mut tx, scope, &requeue).await?;
        tx.commit().await?;
    }
    Ok(())
}
