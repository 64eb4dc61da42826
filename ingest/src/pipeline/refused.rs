//! Texts that the embedder refuses: they count against their documents, and no
//! other's. A document is tried again, then given up with the reason; what else it
//! holds has its vectors, and all of it is found by its words.

use super::backoff;
use crate::corpus::Corpus;
use crate::error::Result;
use crate::store::jobs::{self, Claim, MAX_ATTEMPTS};
use crate::store::stages;

/// Counts a refusal against the document, if the claim still holds.
///
/// # Errors
/// What the database says.
pub(super) async fn refuse(corpus: &Corpus, claim: Claim, reason: &str) -> Result<()> {
    let code = "embedding_refused";
    let message = format!(
        "the embedding provider refuses a part of it ({reason}); it is found by its words only. Leave that part out, \
         or run `footnote jobs retry` with another embedding model"
    );
    let mut tx = corpus.db.begin().await?;
    if jobs::hold(&mut tx, &[claim]).await?.is_empty() {
        return Ok(());
    }
    let is_final = claim.attempts + 1 >= MAX_ATTEMPTS;
    if is_final {
        jobs::bury(&mut tx, &claim, code, &message).await?;
        stages::fail_held(&mut tx, claim.document, code, &message).await?;
    } else {
        jobs::retry(&mut tx, claim.id, backoff::delay(claim.attempts), true, code, &message).await?;
    }
    tx.commit().await?;
    tracing::info!(document.id = %claim.document, owner.id = %claim.owner, is_final, "the embedder refused a document");
    Ok(())
}
