//! The line that builds an index for another embedding model beside the one in
//! use, from stored text: first the words of what queries see and it lacks,
//! then the vectors. Nothing is read or cut again. A text that the new model's
//! provider refuses is recorded as such, and found by its words.
//!
//! It goes through what queries see in passes, each from one end of the ids to
//! the other: none looks again at what it has come past, nor while vectors are
//! made. The ids tell nothing of time, so what comes in meanwhile may lie behind;
//! the next pass finds it. Nothing is left when a pass finds nothing to do.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::windows::points_at_once;
use super::{Round, Rounds, vectors};
use crate::context::contextual;
use crate::corpus::Corpus;
use crate::document::{Chunk, slice_all};
use crate::error::Result;
use crate::ids::{GenerationId, RevisionId, WorkerId};
use crate::index::{Point, SparseVector, point_id};
use crate::scope::Scope;
use crate::space::Space;
use crate::store::chunks::Unembedded;
use crate::store::generations::{self, Current, Refused};
use crate::store::revisions;

/// Revisions whose words are indexed before that is recorded.
const REVISIONS: i64 = 64;
/// Chunks that are embedded together.
const EMBEDDED: i64 = 256;
/// How often the building is kept.
const KEEP: Duration = Duration::from_secs(30);
/// Before all revisions.
const START: RevisionId = RevisionId(Uuid::nil());

pub(super) struct Line {
    corpus: Corpus,
    worker: WorkerId,
    /// The revision that the present pass has come to; none once it has come past
    /// the last one, and vectors are made.
    reached: Option<RevisionId>,
    /// Whether the present pass found something to do.
    worked: bool,
    /// Whether vectors came since the graph index was last built.
    unoptimised: bool,
}

impl Rounds for Line {
    const NAME: &'static str = "rebuild";

    fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    async fn round(&mut self, stop: &CancellationToken) -> Result<Round> {
        let Some(generation) = self.corpus.generation_in_building() else { return Ok(Round::Idle) };
        let (db, worker) = (self.corpus.db.clone(), self.worker);
        if !generations::take(&db, generation, worker).await? {
            // Somebody else builds it.
            return Ok(Round::Idle);
        }
        let done = tokio::select! {
            done = self.build() => done,
            lost = keep(&db, generation, worker) => lost.map(|()| Round::Idle),
            // What was recorded stays.
            () = stop.cancelled() => Ok(Round::Idle),
        };
        if !matches!(done, Ok(Round::Worked)) || stop.is_cancelled() {
            generations::let_go(&db, worker).await?;
        }
        done
    }
}

/// Keeps the building; returns when it is lost.
async fn keep(db: &PgPool, generation: GenerationId, worker: WorkerId) -> Result<()> {
    loop {
        tokio::time::sleep(KEEP).await;
        if !generations::take(db, generation, worker).await? {
            return Ok(());
        }
    }
}

impl Line {
    pub(super) fn new(corpus: Corpus) -> Self {
        Self { corpus, worker: WorkerId::new(), reached: Some(START), worked: false, unoptimised: true }
    }

    async fn build(&mut self) -> Result<Round> {
        let Some(space) = self.corpus.building().await? else { return Ok(Round::Idle) };
        if let Some(after) = self.reached {
            let missing = generations::missing(&self.corpus.db, space.generation, after, REVISIONS).await?;
            if let Some(last) = missing.last() {
                add_words(&self.corpus, &space, &missing).await?;
                (self.reached, self.worked) = (Some(last.revision), true);
                return Ok(Round::Worked);
            }
            self.reached = None;
        }
        if add_vectors(&self.corpus, &space).await? == Round::Worked {
            (self.unoptimised, self.worked) = (true, true);
            return Ok(Round::Worked);
        }
        self.reached = Some(START);
        if std::mem::take(&mut self.worked) {
            return Ok(Round::Worked);
        }
        if std::mem::take(&mut self.unoptimised) {
            space.index.optimize().await?;
        }
        Ok(Round::Idle)
    }
}

/// Indexes the words of revisions, then records that.
async fn add_words(corpus: &Corpus, space: &Arc<Space>, missing: &[Current]) -> Result<()> {
    for current in missing {
        index_words(corpus, space, current).await?;
    }
    let revisions: Vec<RevisionId> = missing.iter().map(|current| current.revision).collect();
    let there = generations::add(&corpus.db, space.generation, &revisions).await?;
    // Deleted or replaced meanwhile, and perhaps purged before their points came.
    for gone in missing.iter().filter(|current| !there.contains(&current.revision)) {
        space.index.purge(Scope::stored(gone.owner), &[gone.revision]).await?;
    }
    Ok(())
}

/// A window at a time.
pub(super) async fn index_words(corpus: &Corpus, space: &Arc<Space>, current: &Current) -> Result<()> {
    let Some(text) = revisions::texts(&corpus.db, &[current.revision]).await?.pop() else { return Ok(()) };
    let text = Arc::new(text);
    let at_once = i64::try_from(points_at_once([&current.meta])).unwrap_or(i64::MAX);
    let mut from = 0;
    loop {
        let chunks = generations::chunks(&corpus.db, current.revision, from, at_once).await?;
        let Some(last) = chunks.last() else { return Ok(()) };
        from = last.ordinal.cast_signed().saturating_add(1);
        let (corpus, building, text, current) = (corpus.clone(), Arc::clone(space), Arc::clone(&text), current.clone());
        let points = tokio::task::spawn_blocking(move || {
            let slices = slice_all(&text.text, chunks.iter().map(|chunk| chunk.span));
            let words = |(chunk, slice): (&Chunk, &str)| {
                let sparse = corpus.bm25.document(&contextual(&text.title, chunk, slice));
                point(&current, building.embedder.model(), chunk.ordinal, sparse)
            };
            chunks.iter().zip(slices).map(words).collect::<Vec<Point>>()
        });
        space.index.upsert(points.await?).await?;
    }
}

fn point(current: &Current, model: &str, ordinal: u32, sparse: SparseVector) -> Point {
    Point {
        id: point_id(current.revision, ordinal, model),
        scope: Scope::stored(current.owner),
        collection: current.collection,
        document: current.document,
        revision: current.revision,
        ordinal,
        meta: current.meta.as_object().cloned().unwrap_or_default(),
        sparse,
        dense: None,
    }
}

/// Embeds the next chunks that have no vector there, then records that, and which
/// of them are refused.
async fn add_vectors(corpus: &Corpus, space: &Space) -> Result<Round> {
    let window = generations::unembedded(&corpus.db, space.generation, EMBEDDED).await?;
    if window.is_empty() {
        // What was deleted or replaced on the way is not waited for.
        generations::forget_replaced(&corpus.db, space.generation).await?;
        return Ok(Round::Idle);
    }
    // In order of revision and ordinal: the last of each tells how far it came.
    let ends = window.chunk_by(|a, b| a.revision == b.revision).filter_map(<[_]>::last);
    let (revisions, below): (Vec<RevisionId>, Vec<i32>) =
        ends.map(|last| (last.revision, last.ordinal.saturating_add(1))).unzip();
    let made = vectors::embed(corpus, space, window).await?;
    vectors::write(space, &made.window, made.vectors).await?;
    let refused: Vec<Refused> =
        made.refused.into_iter().map(|(chunk, reason)| without_vector(space, &chunk, reason)).collect();
    generations::advance(&corpus.db, space.generation, &revisions, &below, &refused).await?;
    Ok(Round::Worked)
}

/// No document has a job there: it is the text alone that goes without a vector.
fn without_vector(space: &Space, chunk: &Unembedded, reason: String) -> Refused {
    let model = space.embedder.model();
    tracing::info!(document.id = %chunk.document, owner.id = %chunk.owner, model, "the embedder refused a text");
    Refused { revision: chunk.revision, ordinal: chunk.ordinal, reason }
}
