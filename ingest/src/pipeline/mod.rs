//! From an upload to an answerable document: queued, words, done.
//!
//! Lines of work run beside each other. [`words`] claims what is to be
//! read, cuts it and indexes its words, thousands of chunks a second;
//! [`vectors`] follows with the embeddings; [`purge`] takes out what was
//! deleted or replaced; [`rebuild`] brings the build of the index up to date
//! that another embedding model is to take over. Each keeps one order: the index has flushed, **then**
//! Postgres says so, in a transaction that holds the job's claim; what a crash
//! leaves unfinished is simply done again.
//!
//! Any number of processes may run these lines on one database. Floor 4.

mod backoff;
mod leases;
mod purge;
mod rebuild;
mod refused;
mod restore;
mod vectors;
mod windows;
mod words;

pub(crate) use restore::restore;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::rights::{self, as_system};
use crate::store::{generations, jobs};

/// First wait after a failure; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long the lines have to finish what they hold when the process ends.
const LAST_WAIT: Duration = Duration::from_secs(10);
/// How long a line sleeps at most before it looks again by itself, in case
/// another process queued something.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The running workers of a process.
#[derive(Debug)]
pub struct Workers {
    stop: CancellationToken,
    lines: JoinSet<()>,
    heartbeat: AbortHandle,
}

/// Chunks for which vectors are made while documents are queued. Fewer wait for more:
/// they are looked up, sorted by length and stored together. Where threads have no
/// priority of their own, all wait.
const WORTHWHILE: usize = if cfg!(target_os = "linux") { 128 } else { usize::MAX };

/// What the lines tell each other.
#[derive(Debug, Default)]
struct Signals {
    /// Documents are queued.
    words_busy: AtomicBool,
    /// Chunks that can be found by words and wait for their vectors, as far as they
    /// are this process's.
    waiting: AtomicUsize,
}

impl Signals {
    /// Whether vectors are to be made now. Words come first: the local model works
    /// where they leave a processor idle.
    fn vectors_may(&self) -> bool {
        !self.words_busy.load(Ordering::Acquire) || self.waiting.load(Ordering::Acquire) >= WORTHWHILE
    }

    /// So many chunks more can be found by words. Whether vectors are to be made now.
    fn publish(&self, chunks: usize) -> bool {
        self.waiting.fetch_add(chunks, Ordering::AcqRel);
        self.vectors_may()
    }

    /// So many chunks were taken to make their vectors; none if there are none.
    fn take(&self, chunks: usize) {
        let left = |waiting: usize| if chunks == 0 { 0 } else { waiting.saturating_sub(chunks) };
        self.waiting.update(Ordering::AcqRel, Ordering::Acquire, left);
    }
}

/// Whether a round of a line found something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Worked,
    Idle,
}

impl Workers {
    /// Starts the workers of this process.
    ///
    /// # Errors
    /// What the database says.
    pub async fn start(corpus: &Corpus) -> Result<Self> {
        // The store in this process has one user: whoever held claims is gone.
        let left = jobs::recover(&corpus.db, matches!(corpus.live().index, Index::Edge(_))).await?;
        if left > 0 {
            tracing::info!(jobs = left, "going on with what was under way when the last worker ended");
        }
        if matches!(corpus.live().index, Index::Edge(_)) {
            generations::abandon(&corpus.db).await?;
        }
        let stop = CancellationToken::new();
        let signals = Arc::new(Signals::default());
        // Before the first round: whoever submits next must find it so.
        signals.words_busy.store(true, Ordering::Release);
        let words = words::Line::new(corpus.clone(), Arc::clone(&signals));
        let vectors = vectors::Line::new(corpus.clone(), signals);
        let leases = vec![words.leases(), vectors.leases()];
        let heartbeat = rights::spawn(as_system(leases::heartbeat(corpus.clone(), leases, Arc::clone(&corpus.work))));
        let mut lines = JoinSet::new();
        lines.spawn(as_system(words.run_rounds(stop.clone())));
        lines.spawn(as_system(vectors.run_rounds(stop.clone())));
        lines.spawn(as_system(rebuild::Line::new(corpus.clone()).run_rounds(stop.clone())));
        lines.spawn(as_system(purge::Line::new(corpus.clone()).run_rounds(stop.clone())));
        Ok(Self { stop, lines, heartbeat: heartbeat.abort_handle() })
    }

    /// Lets each line finish what it holds, for a while, then returns. A file may
    /// take minutes to be read; what is broken off is done again, as after a crash.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ended = async { while self.lines.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WAIT, ended).await.is_err() {
            tracing::info!("what is being read is left, and read again after the next start");
            self.lines.shutdown().await;
        }
        self.heartbeat.abort();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

/// What comes of `work`, or that it panicked: a line goes on after either, and what
/// it held is not kept from others by a heartbeat that outlives it.
async fn contained<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Err(Error::Panicked))
}

/// One line of work: rounds until told to stop, with waits between when there
/// is nothing to do or when a round fails.
trait Rounds: Send {
    /// Its name in the log.
    const NAME: &'static str;

    /// Does what there is to do, or what of it can be done until `stop`.
    fn round(&mut self, stop: &CancellationToken) -> impl Future<Output = Result<Round>> + Send;

    /// The corpus it works on.
    fn corpus(&self) -> &Corpus;

    async fn run_rounds(mut self, stop: CancellationToken)
    where
        Self: Sized,
    {
        let mut wait = FIRST_WAIT;
        let mut failed = false;
        let work = Arc::clone(&self.corpus().work);
        while !stop.is_cancelled() {
            // Registered before the round: what comes in during it is not missed.
            let woken = work.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let round = async {
                self.corpus().refresh().await?;
                self.round(&stop).await
            };
            let pause = match contained(round).await {
                Ok(Round::Worked) => {
                    (wait, failed) = (FIRST_WAIT, false);
                    self.corpus().stalled.send_if_modified(|stalled| stalled.take().is_some());
                    continue;
                }
                Ok(Round::Idle) => {
                    // What this line could not do is not wanted any more.
                    if std::mem::take(&mut failed) {
                        wait = FIRST_WAIT;
                        self.corpus().stalled.send_if_modified(|stalled| stalled.take().is_some());
                    }
                    LOOK_AGAIN
                }
                // Begun again at once, with the model that is in use now.
                Err(Error::ChangedOver) => continue,
                Err(error) => {
                    failed = true;
                    let pause = backoff::jittered(wait);
                    tracing::warn!(line = Self::NAME, error = %error, retry_in = ?pause, "ingestion stands still");
                    self.corpus().stalled.send_replace(Some(error.to_string()));
                    wait = (wait * 2).min(LONGEST_WAIT);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = stop.cancelled() => {}
                    }
                    continue;
                }
            };
            tokio::select! {
                () = &mut woken => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}
