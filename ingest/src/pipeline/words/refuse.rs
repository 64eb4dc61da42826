//! What becomes of documents that cannot be read: given up with the reason, or
//! tried again where the fault may lie elsewhere.

use std::time::Duration;

use super::super::backoff;
use crate::corpus::Corpus;
use crate::error::Result;
use crate::fault::{self, Place};
use crate::ids::DocumentId;
use crate::reader::Unread;
use crate::scope::Scope;
use crate::store::jobs::{Claim, MAX_ATTEMPTS};
use crate::store::{jobs, purges, revisions, stages};

/// Characters of a reason that are kept, at most.
const MESSAGE: usize = 2_000;

/// How long a document waits that could not be read for lack of something.
const LATER: Duration = Duration::from_secs(30);

/// A document that was not read.
pub(super) struct Refused {
    pub claim: Claim,
    pub document: DocumentId,
    pub version: i64,
    pub scope: Scope,
    pub reason: Unread,
}

impl Refused {
    /// A stable name of the reason, and what to do about it: words that the database
    /// takes, whatever a file had put into them.
    fn told(&self) -> (&'static str, String) {
        let (code, message) = self.reason();
        (code, message.chars().filter(|c| *c != '\0').take(MESSAGE).collect())
    }

    fn reason(&self) -> (&'static str, String) {
        match &self.reason {
            Unread::Unreadable(error) => (error.code(), error.to_string()),
            Unread::Quota(exceeded) => ("quota_exceeded", exceeded.to_string()),
            Unread::Limit { code, message } => (*code, message.clone()),
            Unread::Later(problem) => ("busy", problem.clone()),
            Unread::Failed(problem) | Unread::Unavailable(problem) => ("internal", problem.clone()),
        }
    }

    fn is_final(&self) -> bool {
        let is_certain = matches!(self.reason, Unread::Unreadable(_) | Unread::Quota(_));
        is_certain || self.claim.attempts + 1 >= MAX_ATTEMPTS
    }
}

/// Records it, if the claim still holds.
pub(super) async fn refuse(corpus: &Corpus, refused: &Refused) -> Result<()> {
    let mut tx = corpus.db.begin().await?;
    if jobs::hold(&mut tx, &[refused.claim]).await?.is_empty() {
        return Ok(());
    }
    let (code, message) = refused.told();
    if matches!(refused.reason, Unread::Later(_)) {
        jobs::retry(&mut tx, refused.claim.id, backoff::jittered(LATER), false, code, &message).await?;
    } else if refused.is_final() {
        bury(&mut tx, refused).await?;
        // It may have come as far as that.
        purges::withdraw(&mut tx, revisions::derived_id(refused.document, refused.version)).await?;
    } else {
        jobs::retry(&mut tx, refused.claim.id, backoff::delay(refused.claim.attempts), true, code, &message).await?;
    }
    fault::may_happen(Place::Refusing).await?;
    tx.commit().await?;
    tell(refused);
    Ok(())
}

/// Records that a document is given up of which a revision was made already,
/// and takes that back. The caller holds the claim.
pub(super) async fn give_up(tx: &mut sqlx::PgTransaction<'_>, refused: &Refused) -> Result<()> {
    bury(tx, refused).await?;
    stages::outdate(tx, refused.document, refused.version).await?;
    purges::withdraw(tx, revisions::derived_id(refused.document, refused.version)).await?;
    Ok(())
}

async fn bury(tx: &mut sqlx::PgTransaction<'_>, refused: &Refused) -> Result<()> {
    let (code, message) = refused.told();
    jobs::bury(tx, &refused.claim, code, &message).await?;
    stages::fail(&mut **tx, refused.document, refused.version, code, &message).await?;
    Ok(())
}

/// Puts it into the log.
pub(super) fn tell(refused: &Refused) {
    let (reason, is_final) = (refused.told().0, refused.is_final());
    tracing::info!(
        document.id = %refused.document, owner.id = %refused.scope.owner(), reason, is_final, "document refused"
    );
}
