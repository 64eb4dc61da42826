//! The second line: embeddings for what is searchable by words already.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::leases::Leases;
use super::refused::refuse;
use super::{Round, Rounds, Signals, contained};
use crate::context::{contextual, meaningful_title};
use crate::corpus::Corpus;
use crate::document::{Chunk, Span, slice_all};
use crate::embed::Batch;
use crate::error::{Error, Result};
use crate::fault::{self, Place};
use crate::ids::{DocumentId, EmbeddingId, JobId, RevisionId, UserId, WorkerId};
use crate::index::point_id;
use crate::rights;
use crate::space::Space;
use crate::store::chunks::Unembedded;
use crate::store::jobs::{Claim, Step};
use crate::store::{chunks, embeddings, generations, jobs, revisions, stages};

/// Chunks that are indexed and recorded together.
const WINDOW: i64 = 512;
/// Vectors that are kept together, at least; a provider's batches are larger,
/// and kept one by one.
const KEEP: usize = 64;
/// Documents that are held at once: enough small ones to fill a window.
const DOCUMENTS: usize = 256;
/// New vectors after which the graph index is built again, once there is
/// nothing else to do. Below that, a scan is as fast.
const OPTIMISE_AFTER: usize = 10_000;

pub(super) struct Line {
    corpus: Corpus,
    signals: Arc<Signals>,
    leases: Leases,
    worker: WorkerId,
    unoptimised: usize,
    /// What is claimed, and which chunk of it was taken last.
    held: BTreeMap<JobId, (Claim, i32)>,
    /// Of what is held, that of which the embedder refused a chunk, and why.
    refused: HashMap<DocumentId, String>,
}

impl Rounds for Line {
    const NAME: &'static str = "vectors";

    fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    async fn round(&mut self, stop: &CancellationToken) -> Result<Round> {
        let done = contained(self.embed_all(stop)).await;
        self.held.clear();
        self.refused.clear();
        self.leases.release(&self.corpus).await;
        match done? {
            Round::Worked => Ok(Round::Worked),
            Round::Idle => self.optimise(stop).await,
        }
    }
}

impl Line {
    pub(super) fn new(corpus: Corpus, signals: Arc<Signals>) -> Self {
        // A store that was killed before it was optimised is optimised now.
        let leases = Leases::default();
        let (held, refused) = (BTreeMap::new(), HashMap::new());
        Self { corpus, signals, leases, worker: WorkerId::new(), unoptimised: OPTIMISE_AFTER, held, refused }
    }

    pub(super) fn leases(&self) -> Leases {
        self.leases.clone()
    }

    /// Embeds what has no vector. A window is stored while the next is embedded.
    async fn embed_all(&mut self, stop: &CancellationToken) -> Result<Round> {
        let mut worked = Round::Idle;
        let mut storing: Option<JoinHandle<Result<Vec<JobId>>>> = None;
        while self.signals.vectors_may() && !stop.is_cancelled() {
            let space = self.corpus.live();
            self.claim().await?;
            let window = self.next_window().await?;
            self.signals.take(window.len());
            if window.is_empty() {
                match storing.take() {
                    Some(storing) => self.forget(&storing.await??),
                    None if self.held.is_empty() => break,
                    None => {
                        // What cannot be closed is looked at again after a pause.
                        self.close(&space).await?;
                        break;
                    }
                }
                continue;
            }
            worked = Round::Worked;
            self.unoptimised += window.len();
            let claims = self.claims_of(&window);
            let made = tokio::select! {
                made = embed(&self.corpus, &space, window) => made?,
                // What was made is kept, the rest is made after the next start.
                () = stop.cancelled() => break,
            };
            if let Some(storing) = storing.take() {
                self.forget(&storing.await??);
            }
            let Made { window, vectors, refused } = made;
            let corpus = self.corpus.clone();
            let stored = rights::spawn(async move { store(&corpus, &space, &claims, &window, vectors).await });
            self.refused.extend(refused.into_iter().map(|(chunk, reason)| (chunk.document, reason)));
            if self.refused.is_empty() {
                storing = Some(stored);
            } else {
                self.forget(&stored.await??);
                self.refuse().await?;
            }
        }
        if let Some(storing) = storing.take() {
            self.forget(&storing.await??);
        }
        Ok(worked)
    }

    /// Takes what is new before each window, so that whoever comes gets a share.
    async fn claim(&mut self) -> Result<()> {
        let room = DOCUMENTS.saturating_sub(self.held.len()).max(1);
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let claims = jobs::claim(&self.corpus.db, self.worker, Step::Embed, room, i64::MAX / 2, &[]).await?;
        self.leases.add(&claims);
        if !claims.is_empty() {
            fault::may_happen(Place::EmbedClaimed).await?;
        }
        self.held.extend(claims.into_iter().map(|claim| (claim.id, (claim, -1))));
        Ok(())
    }

    /// The next chunks of what is held, in equal shares of the owners.
    async fn next_window(&mut self) -> Result<Vec<Unembedded>> {
        let from: Vec<(DocumentId, i32)> = self.held.values().map(|(claim, last)| (claim.document, *last)).collect();
        if from.is_empty() {
            return Ok(Vec::new());
        }
        let window = chunks::unembedded(&self.corpus.db, &from, WINDOW).await?;
        let mut last: HashMap<DocumentId, i32> = HashMap::new();
        for chunk in &window {
            last.entry(chunk.document).and_modify(|at| *at = chunk.ordinal.max(*at)).or_insert(chunk.ordinal);
        }
        for (claim, at) in self.held.values_mut() {
            *at = last.get(&claim.document).copied().unwrap_or(*at);
        }
        Ok(window)
    }

    fn claims_of(&self, window: &[Unembedded]) -> Vec<Claim> {
        let documents: HashSet<DocumentId> = window.iter().map(|chunk| chunk.document).collect();
        self.held.values().map(|(claim, _)| *claim).filter(|claim| documents.contains(&claim.document)).collect()
    }

    /// Those are done, or somebody else's.
    fn forget(&mut self, jobs: &[JobId]) {
        for job in jobs {
            if let Some((claim, _)) = self.held.remove(job) {
                self.leases.remove([claim]);
            }
        }
    }

    /// Counts what was refused against its documents, once each has its other vectors.
    async fn refuse(&mut self) -> Result<()> {
        let mut ended = Vec::new();
        for (claim, last) in self.held.values() {
            let Some(reason) = self.refused.get(&claim.document) else { continue };
            if chunks::unembedded(&self.corpus.db, &[(claim.document, *last)], 1).await?.is_empty() {
                refuse(&self.corpus, *claim, reason).await?;
                ended.push(claim.id);
            }
        }
        self.forget(&ended);
        self.refused.retain(|document, _| self.held.values().any(|(claim, _)| claim.document == *document));
        Ok(())
    }

    /// Nothing is left to embed of what is held: records that.
    async fn close(&mut self, space: &Space) -> Result<()> {
        let claims: Vec<Claim> = self.held.values().map(|(claim, _)| *claim).collect();
        let mut tx = self.corpus.db.begin().await?;
        if !generations::hold_live(&mut tx, space.generation).await? {
            return Err(Error::ChangedOver);
        }
        let held = jobs::hold(&mut tx, &claims).await?;
        let ours = claims.iter().filter(|claim| held.contains(&claim.id)).map(|claim| claim.document);
        stages::finish(&mut *tx, &ours.collect::<Vec<_>>()).await?;
        jobs::finish(&mut tx, &held).await?;
        tx.commit().await?;
        self.held.clear();
        self.leases.release(&self.corpus).await;
        Ok(())
    }

    async fn optimise(&mut self, stop: &CancellationToken) -> Result<Round> {
        let is_due = self.unoptimised >= OPTIMISE_AFTER && !self.signals.words_busy.load(Ordering::Acquire);
        if is_due && !stop.is_cancelled() {
            tokio::select! {
                optimised = optimised(self.corpus.live()) => optimised?,
                // Goes on in its thread as long as the process lives; what it
                // does not finish is begun again after the next start.
                () = stop.cancelled() => return Ok(Round::Idle),
            }
            self.unoptimised = 0;
        }
        Ok(Round::Idle)
    }
}

/// What became of a window.
pub(super) struct Made {
    /// The chunks that have a vector.
    pub window: Vec<Unembedded>,
    /// Their vectors, in its order.
    pub vectors: Vec<Vec<f32>>,
    /// The chunks that the embedder refuses, each with what it says.
    pub refused: Vec<(Unembedded, String)>,
}

/// The vectors of a window: those that are kept from before, and the others as the
/// model makes them, kept batch by batch.
pub(super) async fn embed(corpus: &Corpus, space: &Space, window: Vec<Unembedded>) -> Result<Made> {
    let model = space.embedder.model();
    let inputs = inputs(corpus, &window).await?;
    let key = |(chunk, input): (&Unembedded, &String)| {
        (chunk.owner, chunk.embedding.unwrap_or_else(|| embeddings::derived_id(input)))
    };
    let keys: Vec<(UserId, EmbeddingId)> = window.iter().zip(&inputs).map(key).collect();
    let (owners, ids): (Vec<UserId>, Vec<EmbeddingId>) = keys.iter().copied().unzip();
    let mut known = embeddings::find(&corpus.db, model, &owners, &ids).await?;
    let mut missing: Vec<(UserId, EmbeddingId)> = Vec::new();
    let mut texts = Vec::new();
    let mut seen = HashSet::new();
    for (key, input) in keys.iter().zip(inputs) {
        if !known.contains_key(key) && seen.insert(*key) {
            missing.push(*key);
            texts.push(input);
        }
    }
    fault::may_happen(Place::Embedding).await?;
    let mut batches = space.embedder.bulk_batches(texts);
    let mut failure = None;
    let mut refused: HashMap<(UserId, EmbeddingId), String> = HashMap::new();
    let mut made: Vec<(UserId, EmbeddingId, Vec<f32>)> = Vec::new();
    while let Some(batch) = batches.next().await {
        match batch {
            Ok(Batch::Made(batch)) => {
                made.extend(batch.into_iter().map(|(place, vector)| (missing[place].0, missing[place].1, vector)));
            }
            Ok(Batch::Refused { place, reason }) => {
                refused.insert(missing[place], reason);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
        if made.len() >= KEEP {
            embeddings::keep(&corpus.db, model, &made).await?;
            known.extend(made.drain(..).map(|(owner, id, vector)| ((owner, id), vector)));
        }
    }
    fault::may_happen(Place::Embedded).await?;
    embeddings::keep(&corpus.db, model, &made).await?;
    fault::may_happen(Place::Kept).await?;
    known.extend(made.into_iter().map(|(owner, id, vector)| ((owner, id), vector)));
    if let Some(error) = failure {
        return Err(error);
    }
    let mut done =
        Made { window: Vec::with_capacity(keys.len()), vectors: Vec::with_capacity(keys.len()), refused: vec![] };
    for (chunk, key) in window.into_iter().zip(&keys) {
        if let Some(reason) = refused.get(key) {
            done.refused.push((chunk, reason.clone()));
        } else {
            done.window.push(chunk);
            done.vectors.push(known.get(key).cloned().unwrap_or_default());
        }
    }
    Ok(done)
}

/// Adds a window's vectors to its points.
pub(super) async fn write(space: &Space, window: &[Unembedded], vectors: Vec<Vec<f32>>) -> Result<()> {
    let model = space.embedder.model();
    let point = |(chunk, vector): (&Unembedded, Vec<f32>)| -> (Uuid, Vec<f32>) {
        (point_id(chunk.revision, chunk.ordinal.cast_unsigned(), model), vector)
    };
    space.index.set_dense(window.iter().zip(vectors).map(point).collect()).await
}

async fn optimised(space: Arc<Space>) -> Result<()> {
    space.index.optimize().await
}

/// What each chunk is embedded as.
async fn inputs(corpus: &Corpus, window: &[Unembedded]) -> Result<Vec<String>> {
    let mut wanted: Vec<RevisionId> = window.iter().map(|chunk| chunk.revision).collect();
    wanted.dedup();
    let texts: HashMap<RevisionId, revisions::RevisionText> =
        revisions::texts(&corpus.db, &wanted).await?.into_iter().map(|revision| (revision.id, revision)).collect();
    let mut inputs = Vec::with_capacity(window.len());
    // The window is in order of revision and ordinal: one walk over each text.
    for chunks in window.chunk_by(|a, b| a.revision == b.revision) {
        let revision = chunks.first().and_then(|chunk| texts.get(&chunk.revision));
        // A revision that vanished since the window was read is gone for good.
        let (title, text) =
            revision.map_or(("", ""), |revision| (meaningful_title(&revision.title, &revision.key), &revision.text));
        let slices = slice_all(text, chunks.iter().map(span));
        inputs.extend(chunks.iter().zip(slices).map(|(chunk, text)| contextual(title, &as_cut(chunk), text)));
    }
    Ok(inputs)
}

fn span(chunk: &Unembedded) -> Span {
    let at = |value: i32| usize::try_from(value).unwrap_or_default();
    Span { start: at(chunk.start_at), end: at(chunk.end_at) }
}

fn as_cut(chunk: &Unembedded) -> Chunk {
    Chunk {
        ordinal: chunk.ordinal.cast_unsigned(),
        span: span(chunk),
        tokens: 0,
        page: None,
        headings: chunk.headings.clone(),
        context: chunk.context.clone(),
    }
}

/// On disk first, then recorded. Returns the jobs that are done or lost.
async fn store(
    corpus: &Corpus,
    space: &Space,
    claims: &[Claim],
    window: &[Unembedded],
    vectors: Vec<Vec<f32>>,
) -> Result<Vec<JobId>> {
    write(space, window, vectors).await?;
    fault::may_happen(Place::VectorsFlushed).await?;
    let mut tx = corpus.db.begin().await?;
    if !generations::hold_live(&mut tx, space.generation).await? {
        return Err(Error::ChangedOver);
    }
    let held = jobs::hold(&mut tx, claims).await?;
    let documents: HashSet<DocumentId> =
        claims.iter().filter(|claim| held.contains(&claim.id)).map(|claim| claim.document).collect();
    let (revisions, ordinals): (Vec<RevisionId>, Vec<i32>) = window
        .iter()
        .filter(|chunk| documents.contains(&chunk.document))
        .map(|chunk| (chunk.revision, chunk.ordinal))
        .unzip();
    chunks::mark_embedded(&mut *tx, &revisions, &ordinals).await?;
    stages::finish(&mut *tx, &documents.into_iter().collect::<Vec<_>>()).await?;
    let done = jobs::finish(&mut tx, &held).await?;
    fault::may_happen(Place::Finishing).await?;
    tx.commit().await?;
    fault::may_happen(Place::Finished).await?;
    let lost = claims.iter().map(|claim| claim.id).filter(|job| !held.contains(job));
    Ok(done.into_iter().chain(lost).collect())
}
