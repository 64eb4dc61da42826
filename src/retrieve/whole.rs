//! Documents from their first word on, for questions about all of one.

use footnote_ingest::corpus::Corpus;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::chunks;

use super::{Candidate, Passage, Scores, join};
use crate::error::Result;
use crate::ids::RevisionId;

/// Passages that make up the beginnings of revisions, in their order, but for
/// what `found` holds already. They are cut from `most` chunks in all, of each
/// revision an equal share of them and at least one.
///
/// # Errors
/// What the database says.
pub async fn beginnings(
    corpus: &Corpus,
    scope: Scope,
    revisions: &[RevisionId],
    found: &[Passage],
    most: usize,
) -> Result<Vec<Passage>> {
    let share = i32::try_from(most / revisions.len().max(1)).unwrap_or(i32::MAX).max(1);
    let wanted = revisions.iter().flat_map(|revision| (0..share).map(|ordinal| (*revision, ordinal)));
    let (ids, ordinals): (Vec<RevisionId>, Vec<i32>) = wanted.unzip();
    let mut db = corpus.db.acquire().await?;
    let mut visible = chunks::visible(&mut *db, scope, &ids, &ordinals).await?;
    visible.retain(|chunk| !is_in(found, chunk));
    let place = |chunk: &chunks::Visible| revisions.iter().position(|revision| *revision == chunk.revision);
    visible.sort_by_key(|chunk| (place(chunk), chunk.ordinal));
    let rest: Vec<Candidate> =
        visible.into_iter().map(|chunk| Candidate { chunk, scores: Scores::default() }).collect();
    let passages = rest.len();
    join(&mut db, scope, rest, passages).await
}

fn is_in(found: &[Passage], chunk: &chunks::Visible) -> bool {
    let at = |value: i32| usize::try_from(value).unwrap_or_default();
    let holds = |passage: &Passage| passage.start <= at(chunk.start_at) && at(chunk.end_at) <= passage.end;
    found.iter().any(|passage| passage.revision_id == chunk.revision && holds(passage))
}
