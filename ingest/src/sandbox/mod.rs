//! Parsers in processes of their own: a hostile file costs one document, never
//! the server. Imports the document and parse types, and rights.
//!
//! A [`Sandbox`] keeps a few children of the same program, each of which reads
//! many files one after another ([`serve`]). A child has limits on memory,
//! processor time, time on the clock and output ([`SandboxConfig`]), no files,
//! no network and no environment. One that exceeds a limit is killed and
//! replaced; its file is refused with a [`Refusal`] that names the limit.
//!
//! A refusal for memory or a crash always comes from a child that had read
//! nothing before: on a used one the file is tried once more on a fresh one.
//! Within a child, files are not protected from one another; set
//! `files_per_child` to 1 where they must be.

mod child;
mod confine;
mod protocol;
mod refusal;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

pub use child::serve;
pub use protocol::Confinement;
pub use refusal::{Limit, Refusal};

use crate::document::{Member, Parsed};
use crate::parse::{Purpose, Source};
use worker::Worker;

/// What the children are and may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Program to start: one that calls [`serve`].
    pub program: PathBuf,
    /// Its arguments, which lead it there.
    pub arguments: Vec<OsString>,
    /// Most children at a time, and so most files; at least 1.
    pub children: usize,
    /// Most private memory of a child, the file's own bytes included.
    pub memory_bytes: u64,
    /// Most processor time for one file, in seconds.
    pub cpu_seconds: u64,
    /// Most time on the clock for one file.
    pub wall: Duration,
    /// Most bytes of a document: text, structure and members together.
    pub output_bytes: u64,
    /// Files after which a child is replaced; at least 1.
    pub files_per_child: u32,
}

impl SandboxConfig {
    /// The usual limits: 512 MiB, 30 s of processor time, 60 s on the clock,
    /// 256 MiB of output, 500 files for a child, a child for each processor.
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self {
            program,
            arguments,
            children: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: 512 << 20,
            cpu_seconds: 30,
            wall: Duration::from_mins(1),
            output_bytes: 256 << 20,
            files_per_child: 500,
        }
    }
}

/// A pool of parser processes; clones share it. All end with the last clone.
#[derive(Clone)]
pub struct Sandbox {
    pool: Arc<Pool>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("config", &self.pool.config).finish_non_exhaustive()
    }
}

struct Pool {
    config: SandboxConfig,
    /// One permit for each child that may run; waiters are served in order.
    permits: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

impl Sandbox {
    /// A pool without children yet: each is started when it is first needed.
    #[must_use]
    pub fn new(config: SandboxConfig) -> Self {
        let permits = Semaphore::new(config.children.max(1));
        Self { pool: Arc::new(Pool { config, permits, idle: Mutex::default() }) }
    }

    /// Starts one child ahead of need, and tells how far the kernel confines
    /// it: for the start of a server, and its log.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn warm(&self) -> Result<Confinement, Refusal> {
        let _permit = self.pool.permits.acquire().await.map_err(|_| closed())?;
        let worker = self.pool.worker().await?;
        let confinement = worker.confinement;
        self.pool.put_back(worker);
        Ok(confinement)
    }

    /// Has a file read by the next free child. Dropping the future kills the
    /// child that is at work on it.
    ///
    /// # Errors
    /// [`Refusal`]: the parser's own, a limit, or no child to be had.
    pub async fn parse(&self, source: &Source<'_>) -> Result<Parsed, Refusal> {
        self.ask(source, &Purpose::Text).await
    }

    /// The pictures that these pages are: [`crate::parse::scans`].
    ///
    /// # Errors
    /// As [`Sandbox::parse`].
    pub async fn scans(&self, source: &Source<'_>, pages: &[u32]) -> Result<Vec<Member>, Refusal> {
        Ok(self.ask(source, &Purpose::Scans(pages.to_vec())).await?.members)
    }

    /// As [`Sandbox::parse`], for any purpose.
    ///
    /// # Errors
    /// As [`Sandbox::parse`].
    pub async fn ask(&self, source: &Source<'_>, purpose: &Purpose) -> Result<Parsed, Refusal> {
        let Pool { config, permits, .. } = &*self.pool;
        if source.bytes.len() as u64 > config.memory_bytes {
            let detail = format!("it is larger than the {} MiB a parser may take", config.memory_bytes >> 20);
            return Err(Refusal::Limit { which: Limit::Memory, detail });
        }
        let _permit = permits.acquire().await.map_err(|_| closed())?;
        let mut worker = self.pool.worker().await?;
        let mut answer = worker.ask(config, source, purpose).await;
        if answer.as_ref().is_err_and(|failure| failure.doubtful) {
            worker = Worker::start(config).await?;
            answer = worker.ask(config, source, purpose).await;
        }
        let answer = answer.map_err(|failure| failure.refusal)?;
        self.pool.put_back(worker);
        Ok(answer?)
    }
}

impl Pool {
    /// An idle child, or a new one. The caller holds a permit.
    async fn worker(&self) -> Result<Worker, Refusal> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(worker) => Ok(worker),
            None => Worker::start(&self.config).await,
        }
    }

    /// Keeps a child for the next file, unless it is old, or fat: allocators
    /// give little back.
    fn put_back(&self, worker: Worker) {
        let fat = worker.resident_bytes() > self.config.memory_bytes / 4;
        if worker.served < self.config.files_per_child && !fat {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        }
    }
}

/// The semaphore is never closed.
fn closed() -> Refusal {
    Refusal::Unavailable { problem: "the pool is closed".into() }
}
