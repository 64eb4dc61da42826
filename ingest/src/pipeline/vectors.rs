//! The second line: embeddings for what is searchable by words already.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Round, Rounds, Signals};
use crate::context::contextual;
use crate::corpus::Corpus;
use crate::document::{Span, slice_all};
use crate::error::Result;
use crate::ids::RevisionId;
use crate::index::point_id;
use crate::store::chunks::Unembedded;
use crate::store::{chunks, queue, revisions};

/// Chunks that are embedded and recorded together: what a crash costs at most.
const WINDOW: i64 = 256;
/// New vectors after which the graph index is built again, once there is
/// nothing else to do. Below that, a scan is as fast.
const OPTIMISE_AFTER: usize = 10_000;

pub(super) struct Line {
    corpus: Corpus,
    signals: Arc<Signals>,
    unoptimised: usize,
}

impl Rounds for Line {
    const NAME: &'static str = "vectors";

    fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// Embeds what has no vector. A window is stored while the next is embedded.
    async fn round(&mut self, stop: &CancellationToken) -> Result<Round> {
        let mut after = None;
        let mut storing: Option<tokio::task::JoinHandle<Result<()>>> = None;
        while !self.signals.words_busy.load(Ordering::Acquire) {
            let window = chunks::unembedded(&self.corpus.db, after, WINDOW).await?;
            let Some(last) = window.last() else { break };
            after = Some((last.revision, last.ordinal));
            self.unoptimised += window.len();
            let vectors = tokio::select! {
                vectors = embed(&self.corpus, &window) => vectors?,
                // Not recorded, so it is embedded after the next start.
                () = stop.cancelled() => break,
            };
            if let Some(storing) = storing.take() {
                storing.await??;
            }
            let corpus = self.corpus.clone();
            storing = Some(tokio::spawn(async move { store(&corpus, &window, vectors).await }));
        }
        if let Some(storing) = storing.take() {
            storing.await??;
        }
        if after.is_some() {
            return Ok(Round::Worked);
        }
        if stop.is_cancelled() {
            return Ok(Round::Idle);
        }
        if self.unoptimised >= OPTIMISE_AFTER && !self.signals.words_busy.load(Ordering::Acquire) {
            tokio::select! {
                optimised = self.corpus.index.optimize() => optimised?,
                // Goes on in its thread as long as the process lives; what it
                // does not finish is begun again after the next start.
                () = stop.cancelled() => return Ok(Round::Idle),
            }
            self.unoptimised = 0;
        }
        Ok(Round::Idle)
    }
}

impl Line {
    pub(super) fn new(corpus: Corpus, signals: Arc<Signals>) -> Self {
        // A store that was killed before it was optimised is optimised now.
        Self { corpus, signals, unoptimised: OPTIMISE_AFTER }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        self.run_rounds(stop).await;
    }
}

async fn embed(corpus: &Corpus, window: &[Unembedded]) -> Result<Vec<Vec<f32>>> {
    let mut wanted: Vec<RevisionId> = window.iter().map(|chunk| chunk.revision).collect();
    wanted.dedup();
    let texts: HashMap<RevisionId, revisions::RevisionText> =
        revisions::texts(&corpus.db, &wanted).await?.into_iter().map(|revision| (revision.id, revision)).collect();
    let mut inputs = Vec::with_capacity(window.len());
    // The window is in order of revision and ordinal: one walk over each text.
    for chunks in window.chunk_by(|a, b| a.revision == b.revision) {
        let revision = chunks.first().and_then(|chunk| texts.get(&chunk.revision));
        // A revision that vanished since the window was read is gone for good.
        let (title, text) = revision.map_or(("", ""), |revision| (&revision.title, &revision.text));
        let slices = slice_all(text, chunks.iter().map(span));
        inputs.extend(chunks.iter().zip(slices).map(|(chunk, text)| contextual(title, &chunk.headings, text)));
    }
    corpus.embedder.bulk(inputs).await
}

fn span(chunk: &Unembedded) -> Span {
    let at = |value: i32| usize::try_from(value).unwrap_or_default();
    Span { start: at(chunk.start_at), end: at(chunk.end_at) }
}

/// On disk first, then recorded.
async fn store(corpus: &Corpus, window: &[Unembedded], vectors: Vec<Vec<f32>>) -> Result<()> {
    let model = corpus.embedder.model();
    let points: Vec<(Uuid, Vec<f32>)> = window
        .iter()
        .zip(vectors)
        .map(|(chunk, vector)| (point_id(chunk.revision, chunk.ordinal.cast_unsigned(), model), vector))
        .collect();
    corpus.index.set_dense(points).await?;
    let mut revisions: Vec<RevisionId> = window.iter().map(|chunk| chunk.revision).collect();
    let ordinals: Vec<i32> = window.iter().map(|chunk| chunk.ordinal).collect();
    let mut tx = corpus.db.begin().await?;
    chunks::mark_embedded(&mut *tx, &revisions, &ordinals).await?;
    revisions.dedup();
    queue::finish(&mut *tx, &revisions).await?;
    tx.commit().await?;
    Ok(())
}
