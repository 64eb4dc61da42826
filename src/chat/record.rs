//! The record of one answer: its events and what it amounts to.

use std::sync::Arc;

use footnote_ingest::scope::Scope;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::hub::Live;
use super::journal::{self, Journal, Sent};
use super::question::Asked;
use super::told::Told;
use crate::app::App;
use crate::error::Result;
use crate::ids::MessageId;
use crate::storage::answers::{self, Ended};
use crate::storage::events::{self, Event};
use crate::storage::messages::{self, Status};
use crate::storage::withdrawals;

/// Number of the event that an answer is begun with.
const STARTED: i32 = 1;

/// An event that has no number yet.
pub(super) type New = (&'static str, Value);

/// How an answer ended.
pub(super) struct End<'a> {
    pub(super) status: Status,
    pub(super) grounded: Option<bool>,
    pub(super) receipt: &'a Value,
    pub(super) problem: Option<Value>,
    /// SHA-256 of what it was made from, if it may be given again.
    pub(super) answer_key: Option<&'a [u8]>,
}

/// Writes events down, then shows them, and keeps what they amount to.
pub(super) struct Record {
    db: PgPool,
    journal: Journal,
    scope: Scope,
    message: MessageId,
    live: Arc<Live>,
    next: i32,
    /// Events that are being stored.
    sent: Option<Sent>,
    /// What the events told that are stored.
    told: Told,
}

/// The first event of an answer: it is stored with the answer itself, so that its
/// reader can stop it, and come back to it, from the beginning.
pub(super) fn started(asked: &Asked, model: &str) -> Event {
    let data = json!({ "message_id": asked.answer, "question_id": asked.question, "model": model });
    Event { seq: STARTED, name: "message.started".to_owned(), data }
}

impl Record {
    /// Of an answer whose first event is stored and shown.
    pub(super) fn new(app: &App, scope: Scope, message: MessageId, live: Arc<Live>) -> Self {
        Self {
            db: app.db.clone(),
            journal: app.journal.clone(),
            scope,
            message,
            live,
            next: STARTED + 1,
            sent: None,
            told: Told::default(),
        }
    }

    /// Whether nothing of an answer was shown yet.
    pub(super) fn is_blank(&self) -> bool {
        self.told.is_blank()
    }

    /// Whether the model thought, and did no more.
    pub(super) fn is_thought_only(&self) -> bool {
        self.told.is_thought_only()
    }

    /// The answer's words so far.
    pub(super) fn text(&self) -> &str {
        self.told.text()
    }

    /// Stores events, then shows them. All or none. When it is dropped in the
    /// middle, what was sent to be stored is shown by the next call.
    pub(super) async fn push(&mut self, new: Vec<New>) -> Result<()> {
        self.settle().await?;
        if new.is_empty() {
            return Ok(());
        }
        let numbered: Vec<Event> = (self.next..)
            .zip(new)
            .map(|(seq, (name, mut data))| {
                storable(&mut data);
                Event { seq, name: name.to_owned(), data }
            })
            .collect();
        self.sent = Some(self.journal.append(self.message, numbered, Arc::clone(&self.live)).await?);
        self.settle().await
    }

    /// Waits for what was sent to be stored, and shows it.
    async fn settle(&mut self) -> Result<()> {
        let Some(sent) = &mut self.sent else { return Ok(()) };
        let stored = sent.stored().await;
        self.sent = None;
        let stored = stored?;
        self.next += i32::try_from(stored.len()).unwrap_or(i32::MAX);
        for event in &stored {
            self.told.hear(event);
        }
        self.live.show(stored);
        Ok(())
    }

    /// Tells the reader something, in the message and not in its stream.
    pub(super) fn notice(&mut self, code: &str, text: impl Into<String>) {
        self.told.notice(code, text);
    }

    /// Records how the answer ended, and tells: exactly one last event.
    pub(super) async fn end(&mut self, end: End<'_>) -> Result<()> {
        self.settle().await?;
        let last = match self.store(&end).await {
            Err(_) if journal::mend(&self.db, self.message, &self.live).await? => self.store(&end).await?,
            stored => stored?,
        };
        self.live.show(last.into_iter().collect());
        Ok(())
    }

    /// Stores the end, and returns its event, unless somebody else ended the answer or
    /// it was deleted with its conversation.
    async fn store(&self, end: &End<'_>) -> Result<Option<Event>> {
        let parts = self.told.parts();
        let &End { status, grounded, receipt, ref problem, answer_key } = end;
        let ended = Ended { status, parts: &parts, grounded, receipt, answer_key };
        let mut tx = self.db.begin().await?;
        if !answers::end(&mut *tx, self.scope, self.message, &ended).await? {
            return Ok(None);
        }
        let message = messages::find(&mut *tx, self.scope, self.message).await?;
        let (name, data) = match status {
            Status::Running | Status::Completed => ("message.completed", json!({ "message": message })),
            Status::Cancelled => ("message.cancelled", json!({ "message": message })),
            Status::Interrupted => ("message.interrupted", json!({ "message": message, "error": problem })),
            Status::Failed => ("error", json!({ "error": problem })),
        };
        let last = Event { seq: self.next, name: name.to_owned(), data };
        events::append_last(&mut *tx, self.message, &last).await?;
        tx.commit().await?;
        Ok(Some(last))
    }

    /// Removes the answer and its question, with `begun` the conversation too,
    /// and tells why: the one event that is shown and not stored, for nothing of
    /// the answer is. False when they are to stay.
    pub(super) async fn withdraw(&mut self, begun: bool, problem: Option<Value>) -> Result<bool> {
        self.settle().await?;
        if !withdrawals::withdraw(&self.db, self.scope, self.message, begun).await? {
            return Ok(false);
        }
        self.live.show(vec![Event { seq: self.next, name: "error".into(), data: json!({ "error": problem }) }]);
        Ok(true)
    }
}

/// A text without what Postgres cannot store.
pub(super) fn printable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Takes out of a value what Postgres cannot store.
fn storable(value: &mut Value) {
    match value {
        Value::String(text) => *text = printable(std::mem::take(text)),
        Value::Array(items) => items.iter_mut().for_each(storable),
        Value::Object(fields) => fields.values_mut().for_each(storable),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
