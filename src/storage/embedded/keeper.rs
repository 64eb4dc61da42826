//! Keeps the server running: one that ended by itself is started again.
//!
//! Where its log of writes finds no room on the disk, Postgres ends, and does not start again
//! until there is some. It needs little, so a little is held for it from the start, and given
//! when the disk is nearly full; what runs short next is then only what it is told to store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use footnote_ingest::disk::Spare;
use rustix::process::{Pid, Signal};

use super::Plan;
use super::cluster::POLL;
use super::error::EmbeddedError;
use super::process::{Ended, Process};

/// How often the disk is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// First and longest wait after a start that failed.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// A segment of the log of writes: what Postgres must be able to make, or it ends.
const SEGMENT: u64 = 16 * 1024 * 1024;
/// Bytes that are held for it: enough to start after a crash, and to write on until the next
/// checkpoint, which lets it use its old segments again.
const HELD: u64 = 3 * SEGMENT;
/// Bytes that are free where so much can be held.
const ROOMY: u64 = 4 * HELD;

/// The server, and the thread that looks after it.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    /// The last one that was started.
    process: Mutex<Arc<Process>>,
    /// Nothing is started any more.
    stop: AtomicBool,
}

impl Keeper {
    /// Looks after `process`, which `plan` started.
    pub(super) fn start(plan: Plan, process: Process) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { plan, process: Mutex::new(Arc::new(process)), stop: AtomicBool::new(false) });
        let keeping = Arc::clone(&shared);
        let thread = thread::Builder::new().name("postgres-keeper".to_owned()).spawn(move || keeping.keep())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    /// The server's process, which may have ended.
    pub(super) fn pid(&self) -> Pid {
        self.shared.process().pid()
    }

    /// Ends the server for good by these signals, each with the time that it has to obey. None
    /// when it ignores all of them.
    pub(super) fn stop(&self, signals: &[(Signal, Duration)]) -> Option<Ended> {
        // From here on `process` is the last one there will be: see `Shared::put`.
        let process = self.shared.stop();
        let ended = signals.iter().find_map(|(signal, time)| {
            process.signal(*signal);
            process.wait(*time)
        });
        self.join();
        ended
    }

    /// Tells the server to end, and waits a moment for it.
    pub(super) fn end(&self) {
        self.shared.stop().end();
        self.join();
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that looks after postgres panicked");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Arc<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn process(&self) -> Arc<Process> {
        Arc::clone(&self.lock())
    }

    fn stop(&self) -> Arc<Process> {
        let process = self.lock();
        self.stop.store(true, Ordering::Release);
        Arc::clone(&process)
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Puts a new process in the ended one's place, unless nothing is to run any more: it ends
    /// when it is dropped.
    fn put(&self, process: Process) {
        let mut place = self.lock();
        if !self.is_stopping() {
            *place = Arc::new(process);
        }
    }

    fn keep(&self) {
        let spare = Spare::on_disk_of(&self.plan.data_dir).inspect_err(|error| {
            tracing::debug!(%error, "nothing can be held for postgres");
        });
        let spare = spare.ok();
        while !self.is_stopping() {
            if let Some(spare) = &spare {
                look_after(spare);
            }
            if let Some(ended) = self.process().wait(LOOK)
                && !self.is_stopping()
            {
                tracing::error!(postgres.status = ended.status, "postgres ended by itself, starting it again");
                self.start_again(spare.as_ref());
            }
        }
    }

    /// Starts the server until it runs or is not wanted any more.
    fn start_again(&self, spare: Option<&Spare>) {
        let mut wait = WAITS.0;
        while !self.is_stopping() {
            let error = match super::launch(&self.plan, &self.stop) {
                Ok(process) => {
                    tracing::warn!(postgres.pid = process.pid().as_raw_nonzero(), "postgres is ready again");
                    return self.put(process);
                }
                Err(_) if self.is_stopping() => return,
                Err(error) => error,
            };
            tracing::error!(%error, "postgres cannot be started");
            if matches!(error, EmbeddedError::DiskFull { .. })
                && let Some(spare) = spare
                && self.found_room(spare)
            {
                continue;
            }
            self.pause(wait);
            wait = (wait * 2).min(WAITS.1);
        }
    }

    /// Whether there is room for a start: what is held is given, or somebody else makes some.
    fn found_room(&self, spare: &Spare) -> bool {
        if spare.give(u64::MAX) > 0 {
            tracing::warn!("postgres is given all the room that was held for it");
            return true;
        }
        while !self.is_stopping() && spare.free().is_ok_and(|free| free < SEGMENT) {
            self.pause(LOOK);
        }
        false
    }

    /// Sleeps, but not long once nothing is to run any more.
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_stopping() && Instant::now() < until {
            thread::sleep(POLL);
        }
    }
}

/// Holds room while there is plenty, and gives of it before the disk is full.
fn look_after(spare: &Spare) {
    let Ok(free) = spare.free() else { return };
    if free >= ROOMY {
        if let Err(error) = spare.hold(HELD) {
            tracing::debug!(%error, "nothing is held for postgres");
        }
    } else if free < SEGMENT && spare.give(SEGMENT) > 0 {
        tracing::warn!(
            free,
            held = spare.held(),
            "the disk is nearly full: postgres is given room that was held for it"
        );
    }
}
