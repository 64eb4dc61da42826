//! The third line: takes the points of deleted and replaced revisions out of
//! the index, then what is left of their rows.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;

use super::{Round, Rounds};
use crate::corpus::Corpus;
use crate::error::Result;
use crate::fault::{self, Place};
use crate::ids::{RevisionId, UserId};
use crate::scope::Scope;
use crate::store::purges::{self, Purge};
use crate::store::{originals, usage};

/// Revisions of one round.
const BATCH: i64 = 256;

pub(super) struct Line {
    corpus: Corpus,
    /// Whether a crash may have left revisions that nobody will publish.
    first: bool,
}

impl Rounds for Line {
    const NAME: &'static str = "purge";

    fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    async fn round(&mut self, _stop: &CancellationToken) -> Result<Round> {
        if std::mem::take(&mut self.first) {
            purges::enqueue_stranded(&self.corpus.db).await?;
        }
        let batch = purges::oldest(&self.corpus.db, BATCH).await?;
        if batch.is_empty() {
            return Ok(Round::Idle);
        }
        let mut by_owner: HashMap<UserId, Vec<Purge>> = HashMap::new();
        for purge in batch {
            by_owner.entry(purge.owner).or_default().push(purge);
        }
        for (owner, purges) in by_owner {
            let scope = Scope::stored(owner);
            let revisions: Vec<RevisionId> = purges.iter().map(|purge| purge.revision).collect();
            fault::may_happen(Place::Purging).await?;
            self.take_out(scope, &revisions).await?;
            fault::may_happen(Place::PurgeFlushed).await?;
            let mut tx = self.corpus.db.begin().await?;
            // Who deletes a collection or an account takes the same rows away.
            usage::take_turn(&mut tx, &[owner]).await?;
            purges::finish(&mut tx, &revisions).await?;
            originals::drop_unreferenced(&mut tx, scope).await?;
            fault::may_happen(Place::Forgetting).await?;
            tx.commit().await?;
            fault::may_happen(Place::Forgotten).await?;
            // Points may have been on their way between the two. Whoever writes them
            // from now on queues the purge again.
            self.take_out(scope, &revisions).await?;
            purges::forget(&self.corpus.db, &purges).await?;
        }
        Ok(Round::Worked)
    }
}

impl Line {
    pub(super) fn new(corpus: Corpus) -> Self {
        Self { corpus, first: true }
    }

    async fn take_out(&self, scope: Scope, revisions: &[RevisionId]) -> Result<()> {
        for index in self.corpus.spaces.indexes() {
            index.purge(scope, revisions).await?;
        }
        Ok(())
    }
}
