//! Documents that are being read. What is quick is stored a batch at a time; what
//! takes long, such as text recognition, lingers in lanes of its own, and holds
//! nobody else up.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::prepare::{Batch, Prepared, read};
use super::refuse::Refused;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::ids::{JobId, UserId};
use crate::reader::Unread;
use crate::scope::Scope;
use crate::space::Space;
use crate::store::jobs::Claim;
use crate::store::stages::{self, Queued};

/// How long a batch waits for its slowest.
const PATIENCE: Duration = Duration::from_secs(4);
/// Batches' worth of lanes that may be taken by what takes longer.
const LINGERING: usize = 4;

type Read = (Claim, std::result::Result<Box<Prepared>, Refused>);

/// What is read for one build of the index.
pub(super) struct Reading {
    corpus: Corpus,
    space: Arc<Space>,
    /// Files read at once, for a batch.
    lanes: usize,
    /// Of the last claims: not begun yet.
    waiting: VecDeque<(Claim, Queued)>,
    running: JoinSet<Read>,
    /// Whose is being read.
    under_way: HashMap<JobId, UserId>,
}

impl Reading {
    pub(super) fn new(corpus: Corpus) -> Self {
        let lanes = std::thread::available_parallelism().map_or(1, usize::from);
        let (space, waiting, running) = (corpus.live(), VecDeque::new(), JoinSet::new());
        Self { corpus, space, lanes, waiting, running, under_way: HashMap::new() }
    }

    /// The build of the index that it reads for.
    pub(super) fn space(&self) -> &Arc<Space> {
        &self.space
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether all lanes for what takes long are taken.
    pub(super) fn is_full(&self) -> bool {
        self.running.len() >= LINGERING * self.lanes
    }

    /// Who has their share of those lanes: half of them.
    pub(super) fn busy(&self) -> Vec<UserId> {
        let mut busy: HashMap<UserId, usize> = HashMap::new();
        for owner in self.under_way.values() {
            *busy.entry(*owner).or_default() += 1;
        }
        busy.into_iter().filter(|(_, files)| *files >= LINGERING / 2 * self.lanes).map(|(owner, _)| owner).collect()
    }

    /// Reads the claimed documents, until all are done or a batch has waited long
    /// enough. Returns what was read, of earlier batches too, and which claims were
    /// not begun, or are of documents that are gone.
    ///
    /// # Errors
    /// When no reader can be had, or what the database says.
    pub(super) async fn batch(&mut self, claims: Vec<Claim>) -> Result<(Batch, Vec<Claim>)> {
        let ids: Vec<_> = claims.iter().map(|claim| claim.document).collect();
        let mut queued: HashMap<_, _> =
            stages::queued(&self.corpus.db, &ids).await?.into_iter().map(|queued| (queued.id, queued)).collect();
        let mut left = Vec::new();
        for claim in claims {
            match queued.remove(&claim.document) {
                Some(queued) => self.waiting.push_back((claim, queued)),
                None => left.push(claim),
            }
        }
        let deadline = Instant::now() + PATIENCE;
        let mut batch = Batch::default();
        let mut fresh = HashSet::new();
        loop {
            while fresh.len() < self.lanes
                && let Some((claim, queued)) = self.waiting.pop_front()
            {
                fresh.insert(claim.id);
                self.begin(claim, queued);
            }
            if fresh.is_empty() {
                break;
            }
            tokio::select! {
                done = self.running.join_next() => {
                    let Some(done) = done else { break };
                    fresh.remove(&self.take(done, &mut batch)?);
                }
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        left.extend(self.waiting.drain(..).map(|(claim, _)| claim));
        Ok((batch, left))
    }

    /// Waits for the next that is done, of those that take long.
    ///
    /// # Errors
    /// When no reader can be had.
    pub(super) async fn next(&mut self) -> Result<Batch> {
        let mut batch = Batch::default();
        if let Some(done) = self.running.join_next().await {
            self.take(done, &mut batch)?;
        }
        Ok(batch)
    }

    fn begin(&mut self, claim: Claim, queued: Queued) {
        self.under_way.insert(claim.id, claim.owner);
        let (corpus, space) = (self.corpus.clone(), Arc::clone(&self.space));
        self.running.spawn(async move {
            let (document, version, scope) = (queued.id, queued.version, Scope::stored(queued.owner));
            let refused = |reason| Refused { claim, document, version, scope, reason };
            (claim, read(&corpus, &space, claim, queued).await.map(Box::new).map_err(refused))
        });
    }

    fn take(&mut self, done: std::result::Result<Read, JoinError>, batch: &mut Batch) -> Result<JobId> {
        let (claim, read) = done?;
        self.under_way.remove(&claim.id);
        match read {
            Ok(prepared) => batch.prepared.push(*prepared),
            // No reader can be had: that is no document's fault, and all of them wait.
            Err(Refused { reason: Unread::Unavailable(problem), .. }) => return Err(Error::Reader(problem)),
            Err(refused) => batch.refused.push(refused),
        }
        Ok(claim.id)
    }
}
