//! The first line: claim, read, cut, index the words, publish.

mod members;
mod pace;
mod prepare;
mod publish;
mod reading;
mod refuse;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use pace::Pace;
use prepare::{Batch, Prepared};
use reading::Reading;

use super::leases::Leases;
use super::windows::points_at_once;
use super::{LOOK_AGAIN, Round, Rounds, Signals, contained};
use crate::chunk::CHUNKER_VERSION;
use crate::context::contextual;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::fault::{self, Place};
use crate::ids::{JobId, WorkerId};
use crate::index::{Point, point_id};
use crate::parse::PARSER_VERSION;
use crate::reader::Unread;
use crate::rights;
use crate::space::Space;
use crate::store::chunks::NewChunk;
use crate::store::jobs::{Claim, Step};
use crate::store::revisions::NewRevision;
use crate::store::{chunks, jobs, revisions};

/// Source bytes of one batch; a larger document is a batch of its own.
const BATCH_BYTES: i64 = 2 * 1024 * 1024;
/// Chunks whose rows are written together.
const ROWS: usize = 2048;
/// Batches that are stored at once: the rows of one are written while the points of
/// the other are, and both wait for the disk.
const STORED_AT_ONCE: usize = 2;
/// How long rows may be written until their leases are prolonged.
const LONG: Duration = Duration::from_secs(3);
/// Bytes of text of a batch that is stored beside another, at most.
const SMALL: usize = 4 * 1024 * 1024;

pub(super) struct Line {
    corpus: Corpus,
    signals: Arc<Signals>,
    leases: Leases,
    worker: WorkerId,
    pace: Pace,
    reading: Reading,
    storing: Storing,
    /// What was read, and is not stored yet.
    unstored: Vec<Batch>,
}

impl Rounds for Line {
    const NAME: &'static str = "words";

    fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    async fn round(&mut self, stop: &CancellationToken) -> Result<Round> {
        let done = contained(self.empty_queue(stop)).await;
        let stored = contained(self.stored(0)).await;
        let done = done.and_then(|worked| stored.map(|()| worked));
        if stop.is_cancelled() || matches!(done, Err(Error::ChangedOver)) {
            self.reading = Reading::new(self.corpus.clone());
            self.unstored.clear();
        }
        let mut kept = self.reading.claims();
        kept.extend(self.unstored.iter().flat_map(Batch::claims));
        self.leases.release_but(&self.corpus, &kept).await;
        done
    }
}

impl Line {
    pub(super) fn new(corpus: Corpus, signals: Arc<Signals>) -> Self {
        let (leases, reading) = (Leases::default(), Reading::new(corpus.clone()));
        let (worker, storing) = (WorkerId::new(), Storing::default());
        Self { corpus, signals, leases, worker, pace: Pace::new(), reading, storing, unstored: Vec::new() }
    }

    pub(super) fn leases(&self) -> Leases {
        self.leases.clone()
    }

    /// The next batch is read while the last ones are stored.
    async fn empty_queue(&mut self, stop: &CancellationToken) -> Result<Round> {
        let mut worked = Round::Idle;
        let work = Arc::clone(&self.corpus.work);
        // What the last round could not store; no more is read before it is.
        while !self.unstored.is_empty() {
            worked = Round::Worked;
            self.store_next();
            self.stored(0).await?;
        }
        while !stop.is_cancelled() {
            // Registered before the claim: what comes in during it is not missed.
            let woken = work.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let claims = self.claim().await?;
            let batch = if !claims.is_empty() {
                worked = Round::Worked;
                self.read(claims).await?
            } else if self.reading.is_empty() {
                self.pace.rest();
                break;
            } else {
                // All that is left takes long: nothing waits for it.
                self.stored(0).await?;
                self.rest();
                tokio::select! {
                    batch = self.reading.next() => batch,
                    () = &mut woken => continue,
                    () = tokio::time::sleep(LOOK_AGAIN) => continue,
                    () = stop.cancelled() => break,
                }
            };
            let beside = if batch.bytes() <= SMALL { STORED_AT_ONCE - 1 } else { 0 };
            self.unstored.push(batch);
            self.stored(beside).await?;
            self.store_next();
            self.reading.check()?;
        }
        self.stored(0).await?;
        if worked == Round::Idle {
            self.rest();
        }
        Ok(worked)
    }

    /// Of whoever has nothing that takes long under way, or little.
    async fn claim(&mut self) -> Result<Vec<Claim>> {
        let leases = &self.leases;
        self.reading.keep(|claim| leases.hold(claim));
        if !self.reading.is_empty() {
            self.corpus.refresh().await?;
        }
        if !Arc::ptr_eq(self.reading.space(), &self.corpus.live()) {
            if !self.reading.is_empty() {
                return Err(Error::ChangedOver);
            }
            self.reading = Reading::new(self.corpus.clone());
        }
        let Some(busy) = self.reading.busy() else { return Ok(vec![]) };
        let most = self.pace.documents();
        let claims = jobs::claim(&self.corpus.db, self.worker, Step::Read, most, BATCH_BYTES, &busy).await?;
        if !claims.is_empty() {
            self.leases.add(&claims);
            fault::may_happen(Place::Claimed).await?;
            // What has no room in the index would be read and stored at each attempt.
            self.corpus.check_disk(0)?;
            self.signals.words_busy.store(true, Ordering::Release);
        }
        Ok(claims)
    }

    async fn read(&mut self, claims: Vec<Claim>) -> Result<Batch> {
        let (count, began) = (claims.len(), Instant::now());
        let (batch, left) = self.reading.batch(claims).await?;
        self.pace.took(count.saturating_sub(left.len()), began.elapsed());
        self.leases.give_back(&self.corpus, left).await;
        Ok(batch)
    }

    /// Begins to store what was read last.
    fn store_next(&mut self) {
        if let Some(batch) = self.unstored.pop().filter(|batch| !batch.is_empty()) {
            let (leases, signals) = (self.leases.clone(), Arc::clone(&self.signals));
            self.storing.begin(self.corpus.clone(), Arc::clone(self.reading.space()), leases, signals, batch);
        }
    }

    /// Waits until no more than `most` batches are being stored. What could not be is
    /// kept: to read it again may take an hour.
    async fn stored(&mut self, most: usize) -> Result<()> {
        let mut stored = Ok(());
        while self.storing.0.len() > most || (stored.is_err() && !self.storing.0.is_empty()) {
            if let Err((error, batch)) = self.storing.end().await? {
                self.unstored.push(batch);
                stored = Err(error);
            }
        }
        stored
    }

    /// Lets the vectors be made: nothing is queued, or nothing that can be read now.
    fn rest(&self) {
        if self.signals.words_busy.swap(false, Ordering::AcqRel) {
            self.corpus.work.notify_waiters();
        }
    }
}

/// What became of a batch; that which could not be stored comes back.
type Stored = std::result::Result<(), (Error, Batch)>;

/// The batches that are stored while the next is read, in their order.
#[derive(Default)]
struct Storing(VecDeque<tokio::task::JoinHandle<Stored>>);

impl Storing {
    fn begin(&mut self, corpus: Corpus, space: Arc<Space>, leases: Leases, signals: Arc<Signals>, mut batch: Batch) {
        self.0.push_back(rights::spawn(async move {
            let chunks = match contained(Box::pin(store(&corpus, &space, &mut batch))).await {
                Ok(chunks) => chunks,
                Err(error) => return Err((error, batch)),
            };
            leases.remove(batch.claims());
            // A round may last as long as something is read.
            corpus.stalled.send_if_modified(|stalled| stalled.take().is_some());
            if signals.publish(chunks) {
                corpus.work.notify_waiters();
            }
            Ok(())
        }));
    }

    async fn end(&mut self) -> Result<Stored> {
        match self.0.pop_front() {
            Some(storing) => Ok(storing.await?),
            None => Ok(Ok(())),
        }
    }
}

/// Stores a batch. Returns how many chunks of it are visible, at most.
async fn store(corpus: &Corpus, space: &Arc<Space>, batch: &mut Batch) -> Result<usize> {
    publish::screen(corpus, batch).await?;
    for refused in &batch.refused {
        refuse::refuse(corpus, refused).await?;
    }
    match contained(Box::pin(store_together(corpus, space, &batch.prepared))).await {
        Err(error) if may_be_of_one(&error) => store_apart(corpus, space, &batch.prepared).await,
        stored => stored,
    }
}

/// Whether it would be the same with this document tomorrow, and holds up nobody but
/// who is stored with it.
fn may_be_of_one(error: &Error) -> bool {
    match error {
        Error::Panicked => true,
        Error::Worker(ended) => ended.is_panic(),
        error => error.is_of_data(),
    }
}

/// One of them holds what the database does not take, or what makes this program
/// panic: each by itself, so that who fails alone is refused, and the others are
/// there.
async fn store_apart(corpus: &Corpus, space: &Arc<Space>, prepared: &[Arc<Prepared>]) -> Result<usize> {
    let mut chunks = 0;
    for document in prepared {
        match contained(Box::pin(store_together(corpus, space, std::slice::from_ref(document)))).await {
            Ok(stored) => chunks += stored,
            Err(error) if may_be_of_one(&error) => {
                tracing::error!(document.id = %document.queued.id, %error, "what it holds cannot be stored");
                let problem = "something in it cannot be stored; the log of the service says what, by its id";
                refuse::refuse(corpus, &document.refused(Unread::Failed(problem.into()))).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(chunks)
}

/// Rows first, then points, flushed, then visible.
async fn store_together(corpus: &Corpus, space: &Arc<Space>, prepared: &[Arc<Prepared>]) -> Result<usize> {
    let held = insert_rows(corpus, space, prepared).await?;
    let documents: Vec<Arc<Prepared>> =
        prepared.iter().filter(|document| held.contains(&document.claim.id)).map(Arc::clone).collect();
    if documents.is_empty() {
        return Ok(0);
    }
    let documents = Arc::new(documents);
    fault::may_happen(Place::Stored).await?;
    let shown = contained(async {
        index(corpus, space, &documents).await?;
        fault::may_happen(Place::PointsFlushed).await?;
        publish::publish(corpus, space, &documents).await
    })
    .await;
    // Some points may be there all the same when it failed.
    if !matches!(shown, Ok(true)) {
        publish::clear(corpus, &documents).await?;
    }
    shown.map(|_| documents.iter().map(|document| document.chunks.len()).sum())
}

/// Not visible yet: no document names these revisions. Returns the jobs whose
/// claims held.
async fn insert_rows(corpus: &Corpus, space: &Space, prepared: &[Arc<Prepared>]) -> Result<Vec<JobId>> {
    let claims: Vec<Claim> = prepared.iter().map(|document| document.claim).collect();
    let began = Instant::now();
    let mut tx = corpus.db.begin().await?;
    let held = jobs::hold(&mut tx, &claims).await?;
    let documents = || prepared.iter().filter(|document| held.contains(&document.claim.id));
    let rows: Vec<NewRevision<'_>> = documents().map(|document| revision_row(space, document)).collect();
    revisions::insert(&mut tx, &rows).await?;
    let cut: Vec<NewChunk<'_>> = documents()
        .flat_map(|document| {
            let place = |(chunk, embedding)| NewChunk { revision: document.revision, embedding, chunk };
            document.chunks.iter().zip(document.embeddings.iter().copied()).map(place)
        })
        .collect();
    for window in cut.chunks(ROWS) {
        chunks::insert(&mut *tx, window).await?;
    }
    fault::may_happen(Place::Storing).await?;
    if began.elapsed() > LONG {
        jobs::prolong(&mut tx, &held).await?;
    }
    tx.commit().await?;
    Ok(held)
}

fn revision_row<'a>(space: &'a Space, document: &'a Prepared) -> NewRevision<'a> {
    NewRevision {
        id: document.revision,
        scope: document.scope,
        document: document.queued.id,
        version: document.queued.version,
        source_sha256: &document.queued.source_sha256,
        text_sha256: &document.text_sha256,
        text: &document.parsed.text,
        text_length: i32::try_from(document.parsed.text.chars().count()).unwrap_or(i32::MAX),
        map: &document.parsed.map,
        title: &document.title,
        parser_version: PARSER_VERSION,
        chunker_version: CHUNKER_VERSION,
        embedding_model: space.embedder.model(),
    }
}

/// Indexes the words of all chunks, a window at a time. The next window's points
/// are made while the last one is written.
async fn index(corpus: &Corpus, space: &Arc<Space>, documents: &Arc<Vec<Arc<Prepared>>>) -> Result<()> {
    let places: Arc<Vec<(usize, usize)>> = Arc::new(
        documents
            .iter()
            .enumerate()
            .flat_map(|(document, prepared)| (0..prepared.chunks.len()).map(move |chunk| (document, chunk)))
            .collect(),
    );
    let make = |window: Range<usize>| {
        let (corpus, space) = (corpus.clone(), Arc::clone(space));
        let (documents, places) = (Arc::clone(documents), Arc::clone(&places));
        tokio::task::spawn_blocking(move || {
            let model = space.embedder.model();
            let point = |&(document, chunk): &(usize, usize)| point(&corpus, model, &documents[document], chunk);
            places[window].iter().map(point).collect::<Vec<Point>>()
        })
    };
    let at_once = points_at_once(documents.iter().map(|document| &document.queued.meta));
    let window = |start: usize| start..places.len().min(start + at_once);
    let mut next = make(window(0)).await?;
    let mut start = 0;
    while !next.is_empty() {
        start += next.len();
        let (written, made) = tokio::join!(space.index.upsert(next), make(window(start)));
        written?;
        next = made?;
    }
    Ok(())
}

fn point(corpus: &Corpus, model: &str, document: &Prepared, chunk: usize) -> Point {
    let cut = &document.chunks[chunk];
    let text = &document.parsed.text[document.ranges[chunk].clone()];
    Point {
        id: point_id(document.revision, cut.ordinal, model),
        scope: document.scope,
        collection: document.queued.collection,
        document: document.queued.id,
        revision: document.revision,
        ordinal: cut.ordinal,
        meta: document.queued.meta.as_object().cloned().unwrap_or_default(),
        sparse: corpus.bm25.document(&contextual(&document.title, cut, text)),
        dense: None,
    }
}
