//! Retrieval: from a question to the passages that may answer it.
//!
//! One function, called by every face: embed, search both vectors, fuse in the
//! index, load what the scope may see, drop near-duplicates, join neighbours.

mod duplicates;
mod phrase;
mod rerank;
mod whole;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use footnote_ingest::corpus::Corpus;
use footnote_ingest::document::Span;
use footnote_ingest::index::{Fusion, Hit, MetaFilter, Mode, Search};
use footnote_ingest::scope::Scope;
use footnote_ingest::space::{Embedded, Space};
use footnote_ingest::store::chunks::{self, Visible};
use footnote_ingest::store::members;
use footnote_ingest::store::revisions;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::ids::{CollectionId, DocumentId, RevisionId};
use crate::reranker::Reranker;
use phrase::Phrase;

pub use whole::beginnings;

/// Code points of a question, at most.
pub const MAX_QUERY: usize = 32_000;
/// Passages, at most.
pub const MAX_LIMIT: usize = 200;
/// Chunks that are joined into one passage, at most.
const MAX_JOINED: usize = 3;

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The question, or any words.
    pub text: String,
    /// The embedding of `text`, if it is made already; it is looked for in the
    /// index that it belongs to.
    pub dense: Option<Embedded>,
    /// Only these collections; `None` means all that the scope may read.
    pub collections: Option<Vec<CollectionId>>,
    /// Only these revisions; `None` means all.
    pub revisions: Option<Vec<RevisionId>>,
    /// Only documents whose metadata fit.
    pub filter: MetaFilter,
    /// Which vectors count.
    pub mode: Mode,
    /// Passages, at most.
    pub limit: usize,
    /// Looks at what was found once more.
    pub reranker: Option<Reranker>,
}

/// Scores of each stage; those of a joined passage are its best chunk's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scores {
    /// After fusion, or of the only vector used.
    pub fused: f32,
    /// Cosine similarity of the meaning, where it is known.
    pub dense: Option<f32>,
    /// BM25.
    pub sparse: Option<f32>,
    /// 1 where all that was looked for stands as it is, word for word; it counts before
    /// `fused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase: Option<f32>,
    /// By the reranker, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerank: Option<f32>,
}

impl Scores {
    /// What counts in the end.
    fn last(&self) -> f32 {
        self.rerank.unwrap_or(self.fused + self.phrase.unwrap_or_default())
    }
}

/// A range of a document that may answer the question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Passage {
    /// The document.
    pub document_id: DocumentId,
    /// The revision that the range points into.
    pub revision_id: RevisionId,
    /// The document's collection.
    pub collection_id: CollectionId,
    /// The document's key.
    pub key: String,
    /// The document's title.
    pub title: String,
    /// Where the document came from.
    pub uri: Option<String>,
    /// The page on which the passage starts.
    pub page: Option<i32>,
    /// Headings above it, outermost first.
    pub headings: Vec<String>,
    /// First code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// The characters `[start, end)`.
    pub text: String,
    /// What it is ranked by.
    pub score: f32,
    /// Scores of each stage.
    pub scores: Scores,
}

/// Passages, best first, and where the time went.
#[derive(Debug, Clone, Default)]
pub struct Retrieved {
    /// Passages, best first.
    pub passages: Vec<Passage>,
    /// Time to embed the question.
    pub embed: Duration,
    /// Time to search and load.
    pub search: Duration,
}

/// A chunk that was found and may be shown.
#[derive(Debug)]
struct Candidate {
    chunk: Visible,
    scores: Scores,
}

/// The passages of the scope that best fit the query.
///
/// # Errors
/// [`Error::Invalid`] for an empty or overlong query; what the embedder, the
/// index or the database say.
pub async fn retrieve(corpus: &Corpus, scope: Scope, query: &Query) -> Result<Retrieved> {
    let limit = query.limit.clamp(1, MAX_LIMIT);
    // Some are dropped as duplicates, some are joined.
    let most = 2 * limit + 8;
    let phrase = Phrase::of(&query.text).filter(|_| query.mode != Mode::Dense);
    let wanted = phrase.as_ref().map_or(most, |phrase| most.max(phrase.hits()));
    let (mut hits, embed, search) = hits(corpus, scope, query, wanted).await?;
    if let Some(phrase) = &phrase {
        hits = phrase.likely(hits, most);
    }
    let started = Instant::now();
    // One connection for both: to take one costs as much as to ask something.
    let mut db = corpus.db.acquire().await?;
    let mut found = load(&mut db, scope, hits).await?;
    if let Some(phrase) = &phrase {
        found = phrase.first(found, most);
    }
    if let Some(reranker) = &query.reranker {
        // Nothing is held while others think.
        drop(db);
        found = rerank::reranked(reranker, &query.text, found).await;
        db = corpus.db.acquire().await?;
    }
    let kept = duplicates::dropped(found);
    let passages = join(&mut db, scope, kept, limit).await?;
    let load = started.elapsed();
    tracing::debug!(?embed, index = ?search, ?load, "searched");
    Ok(Retrieved { passages, embed, search: search + load })
}

/// Documents by their best chunk, best first: what evaluation ranks.
///
/// # Errors
/// As [`retrieve`].
pub async fn rank_documents(corpus: &Corpus, scope: Scope, query: &Query) -> Result<Vec<String>> {
    let (hits, ..) = hits(corpus, scope, query, 5 * query.limit).await?;
    let mut db = corpus.db.acquire().await?;
    let candidates = load(&mut db, scope, hits).await?;
    let mut seen = HashSet::new();
    let keys = candidates.into_iter().map(|candidate| candidate.chunk.key);
    Ok(keys.filter(|key| seen.insert(key.clone())).take(query.limit).collect())
}

/// What the index finds, with the time to embed and the time to search.
async fn hits(corpus: &Corpus, scope: Scope, query: &Query, limit: usize) -> Result<(Vec<Hit>, Duration, Duration)> {
    check(&query.text)?;
    query.filter.check()?;
    let started = Instant::now();
    // Which of what is found may be shown is decided when it is loaded.
    let shared = async { Ok::<_, Error>(members::shared_with(&corpus.db, scope).await?) };
    let ((space, dense, embed), shared) = tokio::try_join!(embedded(corpus, scope, query), shared)?;
    let search = Search {
        mode: query.mode,
        dense,
        sparse: (query.mode != Mode::Dense).then(|| corpus.bm25.query(&query.text)),
        shared,
        collections: query.collections.clone(),
        revisions: query.revisions.clone(),
        filter: query.filter.clone(),
        prefetch: limit.max(100),
        limit,
        fusion: Fusion::default(),
    };
    let hits = space.index.search(scope, &search).await?;
    Ok((hits, embed, started.elapsed().saturating_sub(embed)))
}

/// The space to search, the query's vector if it counts, and the time to make it.
async fn embedded(corpus: &Corpus, scope: Scope, query: &Query) -> Result<(Arc<Space>, Option<Vec<f32>>, Duration)> {
    let started = Instant::now();
    let (space, dense) = match (query.mode, &query.dense) {
        (Mode::Sparse, _) => (corpus.live(), None),
        (_, Some(embedded)) => (Arc::clone(&embedded.space), Some(embedded.vector.clone())),
        (Mode::Hybrid | Mode::Dense, None) => {
            let embedded = corpus.live().query(scope, &query.text).await?;
            (embedded.space, Some(embedded.vector))
        }
    };
    Ok((space, dense, started.elapsed()))
}

/// What of the hits the scope may see, in their order.
async fn load(db: &mut PgConnection, scope: Scope, hits: Vec<Hit>) -> Result<Vec<Candidate>> {
    let ordinal = |ordinal: u32| ordinal.cast_signed();
    let revisions: Vec<RevisionId> = hits.iter().map(|hit| hit.revision).collect();
    let ordinals: Vec<i32> = hits.iter().map(|hit| ordinal(hit.ordinal)).collect();
    let visible = chunks::visible(db, scope, &revisions, &ordinals).await?;
    let mut visible: HashMap<(RevisionId, i32), Visible> =
        visible.into_iter().map(|chunk| ((chunk.revision, chunk.ordinal), chunk)).collect();
    let candidates = hits.into_iter().filter_map(|hit| {
        let chunk = visible.remove(&(hit.revision, ordinal(hit.ordinal)))?;
        let scores = Scores { fused: hit.score, dense: hit.dense, sparse: hit.sparse, ..Scores::default() };
        Some(Candidate { chunk, scores })
    });
    Ok(candidates.collect())
}

/// Refuses what is no question.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check(text: &str) -> Result<()> {
    let problem = if text.trim().is_empty() {
        "is empty; ask something".to_owned()
    } else if text.chars().nth(MAX_QUERY).is_some() {
        format!("is longer than {MAX_QUERY} characters; ask a shorter question, and ingest long texts as documents")
    } else {
        return Ok(());
    };
    Err(Error::Invalid { field: "query", problem })
}

/// A passage in the making: neighbouring chunks of one revision.
struct Run {
    chunks: Vec<Candidate>,
}

impl Run {
    fn takes(&self, candidate: &Candidate) -> bool {
        let (Some(first), Some(last)) = (self.chunks.first(), self.chunks.last()) else { return false };
        first.chunk.revision == candidate.chunk.revision
            && self.chunks.len() < MAX_JOINED
            && (candidate.chunk.ordinal == first.chunk.ordinal - 1 || candidate.chunk.ordinal == last.chunk.ordinal + 1)
    }

    fn take(&mut self, candidate: Candidate) {
        self.chunks.push(candidate);
        self.chunks.sort_by_key(|candidate| candidate.chunk.ordinal);
    }

    fn into_passage(self) -> Option<Passage> {
        let best = self.chunks.iter().max_by(|a, b| a.scores.last().total_cmp(&b.scores.last()))?;
        let (scores, score) = (best.scores, best.scores.last());
        let at = |value: i32| usize::try_from(value).unwrap_or_default();
        let end = at(self.chunks.last()?.chunk.end_at);
        let first = self.chunks.into_iter().next()?.chunk;
        Some(Passage {
            document_id: first.document,
            revision_id: first.revision,
            collection_id: first.collection,
            key: first.key,
            title: first.title,
            uri: first.uri,
            page: first.page,
            headings: first.headings,
            start: at(first.start_at),
            end,
            text: first.text,
            score,
            scores,
        })
    }
}

async fn join(db: &mut PgConnection, scope: Scope, candidates: Vec<Candidate>, limit: usize) -> Result<Vec<Passage>> {
    let mut runs: Vec<Run> = Vec::new();
    for candidate in candidates {
        match runs.iter().position(|run| run.takes(&candidate)) {
            Some(place) => runs[place].take(candidate),
            None if runs.len() < limit => runs.push(Run { chunks: vec![candidate] }),
            None => {}
        }
    }
    let joined: Vec<bool> = runs.iter().map(|run| run.chunks.len() > 1).collect();
    let passages: Vec<Passage> = runs.into_iter().filter_map(Run::into_passage).collect();
    // What stands between two chunks belongs to a passage too.
    let span = |passage: &Passage| Span { start: passage.start, end: passage.end };
    let is_joined = |(passage, joined): (_, &bool)| joined.then_some(passage);
    let ranges: Vec<(RevisionId, Span)> = passages
        .iter()
        .zip(&joined)
        .filter_map(is_joined)
        .map(|passage: &Passage| (passage.revision_id, span(passage)))
        .collect();
    let mut texts = revisions::text_parts(db, scope, &ranges).await?.into_iter();
    let whole = passages.into_iter().zip(joined).filter_map(|(mut passage, joined)| {
        if joined {
            // Deleted since it was found: it is not shown.
            passage.text = texts.next().flatten()?;
        }
        Some(passage)
    });
    Ok(whole.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(revision: RevisionId, ordinal: i32, text: &str) -> Candidate {
        let chunk = Visible {
            revision,
            ordinal,
            start_at: ordinal * 100,
            end_at: ordinal * 100 + 90,
            page: None,
            headings: vec![],
            text: text.into(),
            document: DocumentId::new(),
            collection: CollectionId::new(),
            key: "k".into(),
            title: "t".into(),
            uri: None,
        };
        Candidate { chunk, scores: Scores { fused: 1.0, ..Scores::default() } }
    }

    #[test]
    fn near_duplicates_keep_the_better_one() {
        let text = "the warranty of the pump lasts for five years from the day of delivery to the customer";
        let (first, second) = (RevisionId::new(), RevisionId::new());
        let kept = duplicates::dropped(vec![
            candidate(first, 0, text),
            candidate(second, 0, &format!("{text}.")),
            candidate(second, 1, "the pump is blue"),
        ]);
        let revisions: Vec<RevisionId> = kept.iter().map(|candidate| candidate.chunk.revision).collect();
        assert_eq!(revisions, [first, second]);
    }

    #[test]
    fn neighbours_of_one_revision_make_one_run_of_bounded_length() {
        let (revision, other) = (RevisionId::new(), RevisionId::new());
        let mut run = Run { chunks: vec![candidate(revision, 4, "d")] };
        assert!(!run.takes(&candidate(revision, 6, "f")));
        assert!(!run.takes(&candidate(other, 5, "e")));
        for ordinal in [5, 3] {
            let neighbour = candidate(revision, ordinal, "n");
            assert!(run.takes(&neighbour));
            run.take(neighbour);
        }
        assert!(!run.takes(&candidate(revision, 2, "b")));
        let passage = run.into_passage().expect("a passage");
        assert_eq!((passage.start, passage.end), (300, 590));
    }

    #[test]
    fn an_overlong_question_is_refused_with_what_to_do() {
        let refusal = check(&"x".repeat(100_000)).expect_err("too long").to_string();
        assert!(refusal.contains("ask a shorter question"), "{refusal}");
        assert!(check("  ").is_err());
    }
}
