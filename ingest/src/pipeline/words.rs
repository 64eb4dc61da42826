//! The first line: read, cut, index the words, publish.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Round, Rounds, Signals};
use crate::chunk::{self, CHUNKER_VERSION, ChunkConfig};
use crate::context::contextual;
use crate::corpus::Corpus;
use crate::document::{Chunk, Parsed, slice_all};
use crate::error::Result;
use crate::ids::RevisionId;
use crate::index::{Point, point_id};
use crate::parse::{self, PARSER_VERSION, ParseError};
use crate::scope::Scope;
use crate::store::queue::Queued;
use crate::store::revisions::NewRevision;
use crate::store::{chunks, purges, queue, revisions};

/// Documents of one batch.
const BATCH_DOCUMENTS: i64 = 256;
/// Source bytes of one batch; a larger document is a batch of its own.
const BATCH_BYTES: i64 = 2 * 1024 * 1024;

pub(super) struct Line {
    corpus: Corpus,
    signals: Arc<Signals>,
}

/// A document that was read and cut.
struct Prepared {
    queued: Queued,
    scope: Scope,
    revision: RevisionId,
    parsed: Parsed,
    title: String,
    text_sha256: Vec<u8>,
    chunks: Vec<Chunk>,
    points: Vec<Point>,
}

/// A document that cannot be read.
struct Refused {
    queued: Queued,
    error: ParseError,
}

/// A document that was read, or why it cannot be. Both are large.
type Outcome = std::result::Result<Box<Prepared>, Box<Refused>>;

impl Rounds for Line {
    const NAME: &'static str = "words";

    fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// Empties the queue. The next batch is read while the last one is stored.
    async fn round(&mut self, stop: &CancellationToken) -> Result<Round> {
        let mut after = None;
        let mut storing: Option<tokio::task::JoinHandle<Result<()>>> = None;
        while !stop.is_cancelled() {
            let batch = queue::queued(&self.corpus.db, after, BATCH_DOCUMENTS, BATCH_BYTES).await?;
            let Some(last) = batch.last() else { break };
            self.signals.words_busy.store(true, Ordering::Release);
            after = Some((last.updated_at, last.id));
            let prepared = prepare(&self.corpus, batch).await?;
            if let Some(storing) = storing.take() {
                storing.await??;
            }
            let corpus = self.corpus.clone();
            storing = Some(tokio::spawn(async move { store(&corpus, prepared).await }));
        }
        if let Some(storing) = storing.take() {
            storing.await??;
        }
        match after {
            Some(_) => Ok(Round::Worked),
            None => {
                if self.signals.words_busy.swap(false, Ordering::AcqRel) {
                    self.corpus.work.notify_waiters();
                }
                Ok(Round::Idle)
            }
        }
    }
}

impl Line {
    pub(super) fn new(corpus: Corpus, signals: Arc<Signals>) -> Self {
        Self { corpus, signals }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        self.run_rounds(stop).await;
    }
}

/// Reads and cuts a batch on all cores.
async fn prepare(corpus: &Corpus, batch: Vec<Queued>) -> Result<Vec<Outcome>> {
    let lanes = std::thread::available_parallelism().map_or(1, usize::from).max(1);
    let share = batch.len().div_ceil(lanes).max(1);
    let mut batch = batch.into_iter();
    let mut running = JoinSet::new();
    loop {
        let part: Vec<Queued> = batch.by_ref().take(share).collect();
        if part.is_empty() {
            break;
        }
        let corpus = corpus.clone();
        running.spawn_blocking(move || part.into_iter().map(|queued| prepare_one(&corpus, queued)).collect::<Vec<_>>());
    }
    let mut prepared = Vec::new();
    while let Some(part) = running.join_next().await {
        prepared.extend(part?);
    }
    Ok(prepared)
}

fn prepare_one(corpus: &Corpus, queued: Queued) -> Outcome {
    let source =
        parse::Source { bytes: &queued.bytes, name: Some(&queued.key), media_type: queued.media_type.as_deref() };
    let parsed = match parse::parse(&source) {
        Ok(parsed) => parsed,
        Err(error) => return Err(Box::new(Refused { queued, error })),
    };
    let config = ChunkConfig { max_tokens: corpus.config.max_chunk_tokens, ..ChunkConfig::default() };
    let chunks = chunk::chunk(&parsed, corpus.embedder.tokens(), &config);
    if chunks.is_empty() {
        return Err(Box::new(Refused { queued, error: ParseError::NoText }));
    }
    // A title that a caller gave is kept; the key only stands in for one.
    let own_title = parsed.title.clone().filter(|_| queued.title == queued.key);
    let title = own_title.unwrap_or_else(|| queued.title.clone());
    let scope = Scope::stored(queued.owner);
    let revision = revisions::derived_id(queued.id, queued.version);
    let points = points(corpus, &queued, scope, revision, &title, &parsed, &chunks);
    let text_sha256 = Sha256::digest(parsed.text.as_bytes()).to_vec();
    Ok(Box::new(Prepared { queued, scope, revision, parsed, title, text_sha256, chunks, points }))
}

fn points(
    corpus: &Corpus,
    queued: &Queued,
    scope: Scope,
    revision: RevisionId,
    title: &str,
    parsed: &Parsed,
    chunks: &[Chunk],
) -> Vec<Point> {
    let texts = slice_all(&parsed.text, chunks.iter().map(|chunk| chunk.span));
    let meta = queued.meta.as_object().cloned().unwrap_or_default();
    let point = |(chunk, text): (&Chunk, &str)| Point {
        id: point_id(revision, chunk.ordinal, corpus.embedder.model()),
        scope,
        collection: queued.collection,
        document: queued.id,
        revision,
        ordinal: chunk.ordinal,
        meta: meta.clone(),
        sparse: corpus.bm25.document(&contextual(title, &chunk.headings, text)),
        dense: None,
    };
    chunks.iter().zip(texts).map(point).collect()
}

/// Stores a batch: rows first, then points, flushed, then visible.
async fn store(corpus: &Corpus, batch: Vec<Outcome>) -> Result<()> {
    let mut prepared = Vec::with_capacity(batch.len());
    for outcome in batch {
        match outcome {
            Ok(document) => prepared.push(document),
            Err(refused) => {
                let Refused { queued, error } = *refused;
                let (code, message) = (error.code(), error.to_string());
                tracing::info!(document.id = %queued.id, document.key = %queued.key, reason = code, "document refused");
                queue::fail(&corpus.db, queued.id, queued.version, code, &message).await?;
            }
        }
    }
    if prepared.is_empty() {
        return Ok(());
    }
    insert_rows(corpus, &prepared).await?;
    let points = prepared.iter_mut().flat_map(|document| std::mem::take(&mut document.points)).collect();
    corpus.index.upsert(points).await?;
    publish(corpus, &prepared).await
}

/// Not visible yet: no document names these revisions.
async fn insert_rows(corpus: &Corpus, prepared: &[Box<Prepared>]) -> Result<()> {
    let rows: Vec<NewRevision<'_>> = prepared
        .iter()
        .map(|document| NewRevision {
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
            embedding_model: corpus.embedder.model(),
        })
        .collect();
    let cut: Vec<(RevisionId, &Chunk)> =
        prepared.iter().flat_map(|document| document.chunks.iter().map(|chunk| (document.revision, chunk))).collect();
    let mut tx = corpus.db.begin().await?;
    revisions::insert(&mut tx, &rows).await?;
    chunks::insert(&mut *tx, &cut).await?;
    tx.commit().await?;
    Ok(())
}

/// Visible from this commit on; what it replaces is queued for purging.
async fn publish(corpus: &Corpus, prepared: &[Box<Prepared>]) -> Result<()> {
    let ids: Vec<RevisionId> = prepared.iter().map(|document| document.revision).collect();
    let mut tx = corpus.db.begin().await?;
    let published = queue::publish(&mut tx, &ids).await?;
    purges::enqueue_replaced(&mut *tx, &published).await?;
    tx.commit().await?;
    if published.len() < ids.len() {
        // Changed or deleted meanwhile: these will never be current.
        purges::enqueue_stranded(&corpus.db).await?;
    }
    Ok(())
}
