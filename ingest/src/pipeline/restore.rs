//! What the index lost of a document whose newest version failed. To read it again
//! would fail again, so its points are made from the stored text of what queries see.

use std::sync::Arc;

use super::{rebuild, vectors};
use crate::corpus::Corpus;
use crate::error::Result;
use crate::scope::Scope;
use crate::space::Space;
use crate::store::generations::Current;
use crate::store::{chunks, stages};

/// Chunks that are embedded together.
const WINDOW: i64 = 256;

/// Indexes the words of a revision again, then the vectors that are recorded of it.
/// Most of those are kept, so little is embedded.
///
/// # Errors
/// What the embedder, the database or the index say.
pub(crate) async fn restore(corpus: &Corpus, space: &Arc<Space>, current: &Current) -> Result<()> {
    rebuild::index_words(corpus, space, current).await?;
    let mut after = -1;
    loop {
        let window = chunks::recorded(&corpus.db, current.revision, after, WINDOW).await?;
        let Some(last) = window.last() else { break };
        after = last.ordinal;
        let made = vectors::embed(corpus, space, window).await?;
        vectors::write(space, &made.window, made.vectors).await?;
    }
    if !stages::is_seen(&corpus.db, current.revision).await? {
        // Deleted or replaced meanwhile, and perhaps purged before its points came.
        space.index.purge(Scope::stored(current.owner), &[current.revision]).await?;
    }
    Ok(())
}
