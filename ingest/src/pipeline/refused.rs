//! Texts that the embedder refuses: they count against their documents, and no
//! other's. A document is tried again, then given up with the reason; what else it
//! holds has its vectors, and all of it is found by its words.

use std::collections::HashMap;

use super::backoff;
use crate::corpus::Corpus;
use crate::error::Result;
use crate::ids::DocumentId;
use crate::store::chunks::Unembedded;
use crate::store::jobs::{self, Claim, MAX_ATTEMPTS};
use crate::store::stages;

/// Counts each refused chunk's reason against its document, once a document.
///
/// # Errors
/// What the database says.
pub(super) async fn refuse(
    corpus: &Corpus,
    held: impl Iterator<Item = Claim>,
    refused: &[(Unembedded, String)],
) -> Result<()> {
    let reasons: HashMap<DocumentId, &str> =
        refused.iter().map(|(chunk, reason)| (chunk.document, reason.as_str())).collect();
    for claim in held {
        if let Some(reason) = reasons.get(&claim.document) {
            count(corpus, claim, reason).await?;
        }
    }
    Ok(())
}

/// Counts it against the document, if the claim still holds.
async fn count(corpus: &Corpus, claim: Claim, reason: &str) -> Result<()> {
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
        jobs::bury(&mut tx, claim.id, code, &message).await?;
        stages::fail_held(&mut tx, claim.document, code, &message).await?;
    } else {
        jobs::retry(&mut tx, claim.id, backoff::delay(claim.attempts), code, &message).await?;
    }
    tx.commit().await?;
    tracing::info!(document.id = %claim.document, owner.id = %claim.owner, is_final, "the embedder refused a document");
    Ok(())
}
