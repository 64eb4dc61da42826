//! The journal: events of all answers, stored a batch at a time.
//!
//! One writer takes whatever has come in while it stored the batch before, so a
//! single answer waits for nobody and a thousand share each statement.

use footnote_ingest::rights;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::storage::events::{self, Event};

/// Entries that are stored together, at most.
const BATCH: usize = 1024;

/// Stores events. Cloning shares the writer, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct Journal {
    writer: mpsc::Sender<Entry>,
}

#[derive(Debug)]
struct Entry {
    message: MessageId,
    events: Vec<Event>,
    /// Gives the events back once they are stored.
    stored: oneshot::Sender<sqlx::Result<Vec<Event>>>,
}

impl Journal {
    /// Starts the writer.
    #[must_use]
    pub fn start(db: PgPool) -> Self {
        let (writer, entries) = mpsc::channel(BATCH);
        // It stores what all accounts' answers say.
        rights::spawn(rights::as_system(write(db, entries)));
        Self { writer }
    }

    /// Sends events of an answer to be stored, all or none.
    ///
    /// # Errors
    /// [`Error::Busy`] when the writer has ended.
    pub(super) async fn append(&self, message: MessageId, events: Vec<Event>) -> Result<Sent> {
        let (stored, outcome) = oneshot::channel();
        self.writer.send(Entry { message, events, stored }).await.map_err(|_| closed())?;
        Ok(Sent { outcome })
    }
}

/// Events that are being stored.
#[derive(Debug)]
pub(super) struct Sent {
    outcome: oneshot::Receiver<sqlx::Result<Vec<Event>>>,
}

impl Sent {
    /// Waits until they are, and gives them back. May be dropped and called
    /// again until it has said.
    ///
    /// # Errors
    /// What the database says; a number that is taken already is an error.
    pub(super) async fn stored(&mut self) -> Result<Vec<Event>> {
        Ok((&mut self.outcome).await.map_err(|_| closed())??)
    }
}

fn closed() -> Error {
    Error::Busy("the journal of answers")
}

async fn write(db: PgPool, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::new();
    while entries.recv_many(&mut batch, BATCH).await > 0 {
        // What nobody waits for any more is not stored: nobody will show it.
        batch.retain(|entry| !entry.stored.is_closed());
        let all: Vec<(MessageId, &Event)> =
            batch.iter().flat_map(|entry| entry.events.iter().map(|event| (entry.message, event))).collect();
        let together = events::append_all(&db, &all).await;
        for entry in batch.drain(..) {
            let outcome = match &together {
                Ok(()) => Ok(()),
                // One of them is at fault; the others are not to suffer for it.
                Err(_) => events::append(&db, entry.message, &entry.events).await,
            };
            let _ = entry.stored.send(outcome.map(|()| entry.events));
        }
    }
}
