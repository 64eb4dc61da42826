//! The ledger: what calls took that are passed on to a provider, written down a
//! batch at a time and behind everybody's back. Imports storage.

use footnote_ingest::rights::{self, as_system};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use crate::storage::calls::{self, Passed};

/// Calls that are recorded together, at most.
const BATCH: usize = 256;
/// Calls that wait to be recorded, at most; more are told to the log alone.
const WAITING: usize = 8192;

/// Records calls. Cloning shares the writer, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct Ledger {
    writer: mpsc::Sender<Entry>,
}

#[derive(Debug)]
enum Entry {
    Call(Box<Passed>),
    /// Answered when all before it is recorded.
    Mark(oneshot::Sender<()>),
}

impl Ledger {
    /// Starts the writer.
    #[must_use]
    pub fn start(db: PgPool) -> Self {
        let (writer, entries) = mpsc::channel(WAITING);
        // What all accounts' calls took.
        rights::spawn(as_system(write(db, entries)));
        Self { writer }
    }

    /// Records a call soon. Waits for nothing.
    pub fn note(&self, call: Passed) {
        if let Err(error) = self.writer.try_send(Entry::Call(Box::new(call))) {
            tracing::error!(call = ?error.into_inner(), "a call of a model could not be recorded");
        }
    }

    /// Waits until what was noted is recorded.
    pub async fn settled(&self) {
        let (mark, reached) = oneshot::channel();
        if self.writer.send(Entry::Mark(mark)).await.is_ok() {
            let _ = reached.await;
        }
    }
}

async fn write(db: PgPool, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::new();
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        let (mut calls, mut marks) = (Vec::new(), Vec::new());
        for entry in batch.drain(..) {
            match entry {
                Entry::Call(call) => calls.push(*call),
                Entry::Mark(mark) => marks.push(mark),
            }
        }
        if !calls.is_empty()
            && let Err(error) = calls::record_all(&db, &calls).await
        {
            tracing::error!(calls = calls.len(), %error, "calls of models could not be recorded");
        }
        for mark in marks {
            let _ = mark.send(());
        }
    }
}
