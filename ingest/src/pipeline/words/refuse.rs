//! What becomes of documents that cannot be read: given up with the reason, or
//! tried again where the fault may lie elsewhere.

use std::time::Duration;

use crate::corpus::Corpus;
use crate::error::Result;
use crate::ids::DocumentId;
use crate::reader::Unread;
use crate::scope::Scope;
use crate::store::jobs::{Claim, MAX_ATTEMPTS};
use crate::store::{jobs, stages};

/// First wait before a document is tried again; doubles with each try.
const FIRST_DELAY: Duration = Duration::from_secs(2);

/// A document that was not read.
pub(super) struct Refused {
    pub claim: Claim,
    pub document: DocumentId,
    pub version: i64,
    pub scope: Scope,
    pub reason: Unread,
}

/// Records it, if the claim still holds.
pub(super) async fn refuse(corpus: &Corpus, refused: &Refused) -> Result<()> {
    let (code, message) = match &refused.reason {
        Unread::Unreadable(error) => (error.code(), error.to_string()),
        Unread::Limit { code, message } => (*code, message.clone()),
        Unread::Failed(problem) | Unread::Unavailable(problem) => ("internal", problem.clone()),
    };
    let is_final = matches!(refused.reason, Unread::Unreadable(_)) || refused.claim.attempts + 1 >= MAX_ATTEMPTS;
    let mut tx = corpus.db.begin().await?;
    if jobs::hold(&mut tx, &[refused.claim]).await?.is_empty() {
        return Ok(());
    }
    let job = refused.claim.id;
    if is_final {
        jobs::bury(&mut tx, job, code, &message).await?;
        stages::fail(&mut *tx, refused.document, refused.version, code, &message).await?;
    } else {
        jobs::retry(&mut tx, job, delay(refused.claim.attempts), code, &message).await?;
    }
    tx.commit().await?;
    tracing::info!(
        document.id = %refused.document, owner.id = %refused.scope.owner(), reason = code, is_final, "document refused"
    );
    Ok(())
}

/// Grows with the tries; between half and all of it, so that documents that
/// failed together do not come back together.
fn delay(attempts: i32) -> Duration {
    let longest = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(attempts.unsigned_abs()));
    longest.mul_f64(0.5 + 0.5 * jitter())
}

/// In [0, 1). The random bits of a UUIDv4 will do.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_grows_with_the_tries_and_is_never_the_same_for_all() {
        for attempts in 0..3 {
            let longest = FIRST_DELAY * 2_u32.pow(attempts);
            let delays: Vec<Duration> = (0..100).map(|_| delay(attempts.cast_signed())).collect();
            assert!(delays.iter().all(|delay| *delay >= longest / 2 && *delay <= longest));
            assert!(delays.iter().any(|delay| *delay != delays[0]));
        }
    }
}
