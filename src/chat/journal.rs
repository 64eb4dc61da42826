//! The journal: events of all answers, stored a batch at a time.
//!
//! One writer takes whatever has come in while it stored the batch before, so a
//! single answer waits for nobody and a thousand share each statement. The disk
//! is waited for when an answer ends, not at each of its words: see
//! [`events::append_all`]. When the database breaks down and loses the last of them,
//! while this process and the answer go on, they are stored once more ([`mend`]).

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::rights;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::sync::{mpsc, oneshot};

use super::hub::{Live, Next};
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::storage::events::{self, Event};

/// Entries that are stored together, at most.
const BATCH: usize = 1024;
/// Entries of a batch from which on the next one is gathered: many small
/// statements would take the processors from those who make the answers.
const MANY: usize = 8;
/// For how long.
const GATHER: Duration = Duration::from_millis(3);
/// How long a connection is kept for the next batch.
const KEPT: Duration = Duration::from_millis(100);

/// Stores events. Cloning shares the writer, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct Journal {
    writer: mpsc::Sender<Entry>,
}

#[derive(Debug)]
struct Entry {
    message: MessageId,
    events: Vec<Event>,
    /// Has those before them.
    live: Arc<Live>,
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

    /// Sends events of an answer to be stored, all or none, behind those that `live`
    /// has shown.
    ///
    /// # Errors
    /// [`Error::Busy`] when the writer has ended.
    pub(super) async fn append(&self, message: MessageId, events: Vec<Event>, live: Arc<Live>) -> Result<Sent> {
        let (stored, outcome) = oneshot::channel();
        self.writer.send(Entry { message, events, live, stored }).await.map_err(|_| closed())?;
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
    let mut kept = None;
    loop {
        let receiving = entries.recv_many(&mut batch, BATCH);
        let received = match &kept {
            None => receiving.await,
            Some(_) => match tokio::time::timeout(KEPT, receiving).await {
                Ok(received) => received,
                Err(_) => {
                    kept = None;
                    continue;
                }
            },
        };
        if received == 0 {
            return;
        }
        store(&db, &mut kept, &mut batch).await;
        if received >= MANY {
            tokio::time::sleep(GATHER).await;
        }
    }
}

/// Stores a batch, and tells those who wait for it.
async fn store(db: &PgPool, kept: &mut Option<PoolConnection<Postgres>>, batch: &mut Vec<Entry>) {
    // What nobody waits for any more is not stored: nobody will show it.
    batch.retain(|entry| !entry.stored.is_closed());
    let all: Vec<(MessageId, &Event)> =
        batch.iter().flat_map(|entry| entry.events.iter().map(|event| (entry.message, event))).collect();
    let together = append_all(db, kept, &all).await;
    if together.is_err() {
        *kept = None;
    }
    for entry in batch.drain(..) {
        let outcome = match &together {
            Ok(()) => Ok(()),
            // One of them is at fault; the others are not to suffer for it.
            Err(_) => append(db, &entry).await,
        };
        let _ = entry.stored.send(outcome.map(|()| entry.events));
    }
}

async fn append(db: &PgPool, entry: &Entry) -> sqlx::Result<()> {
    match events::append(db, entry.message, &entry.events).await {
        Err(_) if mend(db, entry.message, &entry.live).await? => events::append(db, entry.message, &entry.events).await,
        appended => appended,
    }
}

/// Stores once more what was shown of an answer and is not there any more. Whether
/// there was such a thing.
///
/// # Errors
/// What the database says. What is lost of more events than are kept in memory is
/// lost, and refused is then what comes after them.
pub(super) async fn mend(db: &PgPool, message: MessageId, live: &Live) -> sqlx::Result<bool> {
    let reach = events::reach(db, message).await?;
    let Next::Events(lost) = live.after(reach) else { return Ok(false) };
    if lost.is_empty() {
        return Ok(false);
    }
    let lost: Vec<Event> = lost.iter().map(|event| Event::clone(event)).collect();
    tracing::warn!(message.id = %message, events = lost.len(), "the database lost events of an answer; they are stored again");
    events::append(db, message, &lost).await?;
    Ok(true)
}

/// Over the connection that was kept, or one that is kept from now on.
async fn append_all(
    db: &PgPool,
    kept: &mut Option<PoolConnection<Postgres>>,
    all: &[(MessageId, &Event)],
) -> sqlx::Result<()> {
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(db.acquire().await?),
    };
    events::append_all(&mut **connection, all).await
}
