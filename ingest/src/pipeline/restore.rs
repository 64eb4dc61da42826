//! What the index lost of a document whose newest version failed. To read it again
//! would fail again, so its points are made from the stored text of what queries see.

use std::sync::Arc;

use super::vectors::Made;
use super::{rebuild, vectors};
use crate::corpus::Corpus;
use crate::error::Result;
use crate::ids::RevisionId;
use crate::scope::Scope;
use crate::space::Space;
use crate::store::generations::Current;
use crate::store::{chunks, stages};

/// Chunks that are embedded together.
const WINDOW: i64 = 256;
/// Before the first chunk.
const START: i32 = -1;

/// Indexes the words of a revision again, then the vectors that are recorded of it.
/// Most of those are kept, so little is embedded; and that before anything in the
/// index is replaced, so that a failing embedder costs nothing that is there.
///
/// # Errors
/// What the embedder, the database or the index say.
pub(crate) async fn restore(corpus: &Corpus, space: &Arc<Space>, current: &Current) -> Result<()> {
    let mut after = START;
    while let Some((made, last)) = embedded(corpus, space, current.revision, after).await? {
        after = last;
        // No vector is to be had of these any more.
        let refused = made.refused.iter().map(|(chunk, _)| (chunk.revision, chunk.ordinal));
        let (revisions, ordinals): (Vec<_>, Vec<_>) = refused.unzip();
        chunks::mark_unembedded(&corpus.db, &revisions, &ordinals).await?;
    }
    let replaced = replace(corpus, space, current).await;
    if !stages::is_seen(&corpus.db, current.revision).await? {
        // Deleted or replaced meanwhile, and perhaps purged before its points came.
        space.index.purge(Scope::stored(current.owner), &[current.revision]).await?;
    }
    replaced
}

async fn replace(corpus: &Corpus, space: &Arc<Space>, current: &Current) -> Result<()> {
    rebuild::index_words(corpus, space, current).await?;
    let mut after = START;
    while let Some((made, last)) = embedded(corpus, space, current.revision, after).await? {
        after = last;
        vectors::write(space, &made.window, made.vectors).await?;
    }
    Ok(())
}

/// The vectors of the next of a revision's chunks that have one, and which is the
/// last of them.
async fn embedded(corpus: &Corpus, space: &Space, revision: RevisionId, after: i32) -> Result<Option<(Made, i32)>> {
    let window = chunks::recorded(&corpus.db, revision, after, WINDOW).await?;
    let Some(last) = window.last().map(|chunk| chunk.ordinal) else { return Ok(None) };
    Ok(Some((vectors::embed(corpus, space, window).await?, last)))
}
