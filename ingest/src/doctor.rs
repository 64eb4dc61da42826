//! The doctor: compares what the index holds with what Postgres says, and
//! mends the difference. Postgres is right. Floor 4.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::ids::RevisionId;
use crate::index::point_id;
use crate::pipeline::restore;
use crate::scope::Scope;
use crate::space::Space;
use crate::store::generations::Current;
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
/// missing to be made again. What cannot be mended now keeps nothing else from it.
///
/// # Errors
/// What Postgres or the index say, or the embedder when something is mended.
pub async fn examine(corpus: &Corpus, fix: bool) -> Result<Drift> {
    let (mut drift, mut left) = (Drift::default(), None);
    for owner in chunks::owners(&corpus.db).await? {
        let unmended = examine_owner(corpus, Scope::stored(owner), fix, &mut drift).await?;
        left = left.or(unmended);
    }
    if fix {
        corpus.work.notify_waiters();
    }
    left.map_or(Ok(drift), Err)
}

/// Chunks by the ids of their points.
type Expected = HashMap<Uuid, chunks::Expected>;

async fn expected(corpus: &Corpus, space: &Space, scope: Scope) -> Result<Expected> {
    let model = space.embedder.model();
    let chunks = chunks::expected(&corpus.db, scope).await?;
    let id = |chunk: &chunks::Expected| point_id(chunk.revision, chunk.ordinal.cast_unsigned(), model);
    Ok(chunks.into_iter().map(|chunk| (id(&chunk), chunk)).collect())
}

/// Returns why something could not be mended.
async fn examine_owner(corpus: &Corpus, scope: Scope, fix: bool, drift: &mut Drift) -> Result<Option<Error>> {
    let space = corpus.live();
    let before = expected(corpus, &space, scope).await?;
    drift.chunks += before.values().filter(|chunk| chunk.visible).count();
    let mut points: HashMap<Uuid, bool> = HashMap::with_capacity(before.len());
    let mut after = None;
    loop {
        let page = space.index.list(scope, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        points.extend(page);
    }
    drift.points += points.len();
    // Work goes on meanwhile. Rows come before their points and go after them: what
    // has a row now is no orphan, and only what was and is visible can be missing.
    let now = expected(corpus, &space, scope).await?;
    let orphans: Vec<Uuid> = points.keys().filter(|id| !now.contains_key(id)).copied().collect();
    let lasting = || now.iter().filter(|(id, chunk)| chunk.visible && before.get(id).is_some_and(|then| then.visible));
    let missing: Vec<RevisionId> =
        lasting().filter(|(id, _)| !points.contains_key(id)).map(|(_, chunk)| chunk.revision).collect();
    let has_lost = |id: &Uuid| before[id].embedded && points.get(id) == Some(&false);
    let lost: Vec<(RevisionId, i32)> =
        lasting().filter(|(id, _)| has_lost(id)).map(|(_, chunk)| (chunk.revision, chunk.ordinal)).collect();
    drift.orphaned += orphans.len();
    drift.missing += missing.len();
    drift.without_vector += lost.len();
    if !fix {
        return Ok(None);
    }
    space.index.delete_points(scope, &orphans).await?;
    mend(corpus, &space, scope, missing, lost).await
}

/// Puts points back that are missing, and vectors that were lost: at once where
/// nothing else would, else by the documents' jobs. Returns why something could not.
async fn mend(
    corpus: &Corpus,
    space: &Arc<Space>,
    scope: Scope,
    mut missing: Vec<RevisionId>,
    mut lost: Vec<(RevisionId, i32)>,
) -> Result<Option<Error>> {
    let mut broken: Vec<RevisionId> =
        missing.iter().copied().chain(lost.iter().map(|(revision, _)| *revision)).collect();
    broken.sort_unstable();
    broken.dedup();
    let failed = stages::failed(&corpus.db, scope, &broken).await?;
    let known: HashSet<RevisionId> = failed.iter().map(|current| current.revision).collect();
    missing.retain(|revision| !known.contains(revision));
    lost.retain(|(revision, _)| !known.contains(revision));
    let (of, ordinals): (Vec<RevisionId>, Vec<i32>) = lost.into_iter().unzip();
    let mut tx = corpus.db.begin().await?;
    chunks::mark_unembedded(&mut *tx, &of, &ordinals).await?;
    stages::reopen(&mut tx, scope, &of).await?;
    stages::requeue(&mut tx, scope, &missing).await?;
    tx.commit().await?;
    Ok(restore_all(corpus, space, &failed).await)
}

/// Restores each of them. Returns why the first that could not be was not.
async fn restore_all(corpus: &Corpus, space: &Arc<Space>, failed: &[Current]) -> Option<Error> {
    let mut first = None;
    for current in failed {
        if let Err(error) = restore(corpus, space, current).await {
            tracing::warn!(document.id = %current.document, %error, "what the index lost of a document was not put back");
            first.get_or_insert(error);
        }
    }
    first
}
