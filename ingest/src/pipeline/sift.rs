//! Texts that the embedder refuses: whose they are is found out, so that one
//! document does not stand for all. It is tried again, then given up with the
//! reason; it stays searchable by its words. While another index is built, for
//! which no document has a job, it is the text alone that goes without a vector.

use std::collections::HashMap;

use super::backoff;
use super::vectors::{embed, write};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::ids::DocumentId;
use crate::space::Space;
use crate::store::chunks::Unembedded;
use crate::store::generations::Refused;
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

/// Adds the vectors of a window to an index that is built, in halves of halves,
/// until each text that is refused stands alone. Returns those.
///
/// # Errors
/// As [`sift`]; or what the index says.
pub(super) async fn halve(corpus: &Corpus, space: &Space, window: &[Unembedded]) -> Result<Vec<Refused>> {
    space.embedder.interactive(vec![PLAIN.to_owned()]).await?;
    let mut refused = Vec::new();
    let mut parts = vec![window];
    while let Some(part) = parts.pop() {
        match (embed(corpus, space, part).await, part) {
            (Ok(vectors), _) => write(space, part, vectors).await?,
            (Err(Error::EmbedderRefused(reason)), [only]) => {
                let model = space.embedder.model();
                tracing::info!(document.id = %only.document, owner.id = %only.owner, model, "the embedder refused a text");
                refused.push(Refused { revision: only.revision, ordinal: only.ordinal, reason });
            }
            (Err(Error::EmbedderRefused(_)), _) => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
            (Err(error), _) => return Err(error),
        }
    }
    Ok(refused)
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
