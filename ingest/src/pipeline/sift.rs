//! Texts that the embedder refuses: whose they are is found out, so that one
//! document does not stand for all. It is tried again, then given up with the
//! reason; it stays searchable by its words.

use std::collections::HashMap;

use super::backoff;
use super::vectors::embed;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::ids::DocumentId;
use crate::space::Space;
use crate::store::chunks::Unembedded;
use crate::store::jobs::{self, Claim, MAX_ATTEMPTS};
use crate::store::stages;

/// What any embedder takes, unless it is set up wrongly.
const PLAIN: &str = "probe";

/// Embeds each document of a window by itself. The vectors of those that are taken
/// are kept, and found when the window comes again; the others are refused.
///
/// # Errors
/// What the embedder says where it takes nothing at all: then no document is at
/// fault.
pub(super) async fn sift(corpus: &Corpus, space: &Space, claims: &[Claim], window: Vec<Unembedded>) -> Result<()> {
    space.embedder.interactive(vec![PLAIN.to_owned()]).await?;
    let mut documents: HashMap<DocumentId, Vec<Unembedded>> = HashMap::new();
    for chunk in window {
        documents.entry(chunk.document).or_default().push(chunk);
    }
    for (document, chunks) in documents {
        match embed(corpus, space, &chunks).await {
            Ok(_) => {}
            Err(Error::EmbedderRefused(reason)) => {
                if let Some(claim) = claims.iter().find(|claim| claim.document == document) {
                    refuse(corpus, *claim, &reason).await?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Counts it against the document, if the claim still holds.
async fn refuse(corpus: &Corpus, claim: Claim, reason: &str) -> Result<()> {
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
