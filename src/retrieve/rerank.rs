//! The second look: candidates in the order of a model that reads them together
//! with the question.

use super::Candidate;
use crate::reranker::Reranker;

/// Candidates that are looked at again, at most.
const MOST: usize = 64;

/// The candidates, those that fit best by the reranker's word first; what it does
/// not judge follows in the order that it had. When it fails, nothing changes: what
/// was found is good enough to be shown.
pub(super) async fn reranked(reranker: &Reranker, question: &str, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let looked_at = candidates.len().min(MOST);
    let texts: Vec<&str> = candidates[..looked_at].iter().map(|candidate| candidate.chunk.text.as_str()).collect();
    if texts.is_empty() {
        return candidates;
    }
    let scores = match reranker.scores(question, &texts).await {
        Ok(scores) => scores,
        Err(error) => {
            tracing::warn!(%error, "passages stay in the order in which they were found");
            return candidates;
        }
    };
    let mut candidates = candidates;
    for (candidate, score) in candidates.iter_mut().zip(scores) {
        candidate.scores.rerank = score;
    }
    // Stable: equals, and those that were not judged, stay in their order.
    candidates.sort_by(|a, b| match (a.scores.rerank, b.scores.rerank) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    candidates
}
