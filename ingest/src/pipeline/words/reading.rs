//! Documents that are being read. What is quick is stored a batch at a time; what
//! takes long, such as text recognition, lingers in lanes of its own, and holds
//! nobody else up. It outlives the rounds of its line: a failure elsewhere is no
//! reason to begin an hour's reading again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::{AbortHandle, JoinError, JoinSet};
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
/// Batches' worth of lanes that may be taken by what takes longer. As many again are
/// for those who have nothing there yet; past those, each of them may have there what
/// one batch read at once.
const LINGERING: usize = 4;
/// Bytes of files that are being read, from which on it is the same.
const BYTES: usize = 256 << 20;
/// Batches' worth of lanes, and bytes of files, that what takes longer takes at most,
/// whosever it is.
const MOST: (usize, usize) = (64, 2 * BYTES);

type Read = (Claim, std::result::Result<Arc<Prepared>, Refused>);

/// A file that is being read.
struct File {
    claim: Claim,
    bytes: usize,
    task: AbortHandle,
}

/// What is read for one build of the index.
pub(super) struct Reading {
    corpus: Corpus,
    space: Arc<Space>,
    /// Files read at once, for a batch.
    lanes: usize,
    running: JoinSet<Read>,
    under_way: HashMap<JobId, File>,
    /// Why no reader could be had.
    broken: Option<Error>,
}

impl Reading {
    pub(super) fn new(corpus: Corpus) -> Self {
        let lanes = std::thread::available_parallelism().map_or(1, usize::from);
        let (space, running, under_way) = (corpus.live(), JoinSet::new(), HashMap::new());
        Self { corpus, space, lanes, running, under_way, broken: None }
    }

    /// The build of the index that it reads for.
    pub(super) fn space(&self) -> &Arc<Space> {
        &self.space
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// What is being read.
    pub(super) fn claims(&self) -> Vec<Claim> {
        self.under_way.values().map(|file| file.claim).collect()
    }

    /// Stops reading what is somebody else's now, or nobody's any more.
    pub(super) fn keep(&mut self, is_held: impl Fn(&Claim) -> bool) {
        self.under_way.retain(|_, file| {
            let is_held = is_held(&file.claim);
            if !is_held {
                file.task.abort();
            }
            is_held
        });
    }

    /// Whose documents are not to be claimed now: of those who have their share of the
    /// lanes, and once all lanes are taken of everybody who has one. None when nothing
    /// is to be claimed at all.
    pub(super) fn busy(&self) -> Option<Vec<UserId>> {
        let none = HashSet::new();
        if self.is_closed(&none) {
            return None;
        }
        let bytes: usize = self.under_way.values().map(|file| file.bytes).sum();
        let is_full = self.under_way.len() >= LINGERING * self.lanes || bytes >= BYTES;
        let mut owners: HashSet<UserId> = self.under_way.values().map(|file| file.claim.owner).collect();
        owners.retain(|owner| is_full || self.has_share(*owner, &none));
        Some(owners.into_iter().collect())
    }

    /// What is being read but for what a batch waits for.
    fn lingering(&self, fresh: &HashSet<JobId>) -> impl Iterator<Item = &File> {
        self.under_way.values().filter(|file| !fresh.contains(&file.claim.id))
    }

    fn is_closed(&self, fresh: &HashSet<JobId>) -> bool {
        let (lanes, most) = MOST;
        let bytes: usize = self.lingering(fresh).map(|file| file.bytes).sum();
        self.lingering(fresh).count() >= lanes * self.lanes || bytes >= most
    }

    /// Whether somebody has half of the lanes, or among many one of them.
    fn has_share(&self, owner: UserId, fresh: &HashSet<JobId>) -> bool {
        let is_crowded = self.lingering(fresh).count() >= 2 * LINGERING * self.lanes;
        let share = if is_crowded { 1 } else { LINGERING / 2 * self.lanes };
        self.lingering(fresh).filter(|file| file.claim.owner == owner).count() >= share
    }

    /// Reads the claimed documents, until all are done or a batch has waited long
    /// enough. Returns what was read, of earlier batches too, and which claims were
    /// not begun.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn batch(&mut self, claims: Vec<Claim>) -> Result<(Batch, Vec<Claim>)> {
        let ids: Vec<_> = claims.iter().map(|claim| claim.document).collect();
        let mut queued: HashMap<_, _> =
            stages::queued(&self.corpus.db, &ids).await?.into_iter().map(|queued| (queued.id, queued)).collect();
        // Those of documents that are gone stay held until the round is over.
        let of_claim = |claim: Claim| Some((claim, queued.remove(&claim.document)?));
        let mut waiting: VecDeque<(Claim, Queued)> = claims.into_iter().filter_map(of_claim).collect();
        let deadline = Instant::now() + PATIENCE;
        let (mut batch, mut left, mut fresh) = (Batch::default(), Vec::new(), HashSet::new());
        loop {
            while fresh.len() < self.lanes
                && let Some((claim, queued)) = waiting.pop_front()
            {
                if self.broken.is_some() || self.is_closed(&fresh) || self.has_share(claim.owner, &fresh) {
                    left.push(claim);
                } else {
                    fresh.insert(claim.id);
                    self.begin(claim, queued);
                }
            }
            if fresh.is_empty() {
                break;
            }
            tokio::select! {
                done = self.running.join_next() => {
                    let Some(done) = done else { break };
                    if let Some(job) = self.take(done, &mut batch) {
                        fresh.remove(&job);
                    }
                }
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        while let Some(done) = self.running.try_join_next() {
            self.take(done, &mut batch);
        }
        left.extend(waiting.into_iter().map(|(claim, _)| claim));
        Ok((batch, left))
    }

    /// Waits for the next that is done, of those that take long.
    pub(super) async fn next(&mut self) -> Batch {
        let mut batch = Batch::default();
        if let Some(done) = self.running.join_next().await {
            self.take(done, &mut batch);
        }
        batch
    }

    /// That no reader could be had, if it was so: that is no document's fault, and all
    /// of them wait.
    ///
    /// # Errors
    /// [`Error::Reader`], once.
    pub(super) fn check(&mut self) -> Result<()> {
        self.broken.take().map_or(Ok(()), Err)
    }

    fn begin(&mut self, claim: Claim, queued: Queued) {
        let (corpus, space, bytes) = (self.corpus.clone(), Arc::clone(&self.space), queued.bytes.len());
        let task = self.running.spawn(async move {
            let (document, version, scope) = (queued.id, queued.version, Scope::stored(queued.owner));
            let refused = |reason| Refused { claim, document, version, scope, reason };
            let reading = AssertUnwindSafe(read(&corpus, &space, claim, queued)).catch_unwind();
            let read = reading.await.unwrap_or_else(|_| Err(Unread::Failed("reading it ended early".to_owned())));
            (claim, read.map(Arc::new).map_err(refused))
        });
        // What is read of an older version would be refused when it is stored.
        if let Some(older) = self.under_way.insert(claim.id, File { claim, bytes, task }) {
            older.task.abort();
        }
    }

    /// Takes what was read, if its claim is still the one that counts. Returns its job.
    fn take(&mut self, done: std::result::Result<Read, JoinError>, batch: &mut Batch) -> Option<JobId> {
        let (claim, read) = match done {
            Ok(read) => read,
            Err(ended) => {
                self.under_way.retain(|_, file| file.task.id() != ended.id());
                return None;
            }
        };
        if self.under_way.get(&claim.id).is_none_or(|file| file.claim.fence != claim.fence) {
            return None;
        }
        self.under_way.remove(&claim.id);
        match read {
            Ok(prepared) => batch.prepared.push(prepared),
            Err(Refused { reason: Unread::Unavailable(problem), .. }) => self.broken = Some(Error::Reader(problem)),
            Err(refused) => batch.refused.push(refused),
        }
        Some(claim.id)
    }
}
