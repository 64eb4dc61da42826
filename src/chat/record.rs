//! The record of one answer: its events and what it amounts to.

use std::sync::Arc;

use footnote_ingest::scope::Scope;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::hub::Live;
use crate::app::App;
use crate::citations::Citation;
use crate::error::Result;
use crate::ids::MessageId;
use crate::storage::events::{self, Event};
use crate::storage::messages::{self, Ended, Part, Status};

/// Writes events down, then shows them, and keeps what they amount to.
pub(super) struct Record {
    db: PgPool,
    stream: PgPool,
    scope: Scope,
    message: MessageId,
    live: Arc<Live>,
    next: i32,
    /// The answer's words so far.
    pub(super) text: String,
    /// The reasoning so far.
    pub(super) reasoning: String,
    /// Citations in the order of their numbers.
    pub(super) citations: Vec<Citation>,
    /// What the reader should know.
    pub(super) notices: Vec<(String, String)>,
}

impl Record {
    pub(super) fn new(app: &App, scope: Scope, message: MessageId, live: Arc<Live>) -> Self {
        Self {
            db: app.db.clone(),
            stream: app.stream.clone(),
            scope,
            message,
            live,
            next: 1,
            text: String::new(),
            reasoning: String::new(),
            citations: vec![],
            notices: vec![],
        }
    }

    /// Stores events, then shows them. All or none.
    pub(super) async fn push(&mut self, new: Vec<(&'static str, Value)>) -> Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        let numbered: Vec<Event> =
            (self.next..).zip(new).map(|(seq, (name, data))| Event { seq, name: name.to_owned(), data }).collect();
        events::append(&self.stream, self.message, &numbered).await?;
        self.next += i32::try_from(numbered.len()).unwrap_or(i32::MAX);
        for event in &numbered {
            if let ("text.delta", Some(text)) = (event.name.as_str(), event.data["text"].as_str()) {
                self.text.push_str(text);
            }
        }
        self.live.show(&numbered);
        Ok(())
    }

    /// The message's parts as they stand.
    fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        if !self.reasoning.is_empty() {
            parts.push(Part::Reasoning { text: self.reasoning.clone() });
        }
        let notices = self.notices.iter().cloned();
        parts.push(Part::Text { text: self.text.clone() });
        parts.extend(self.citations.iter().cloned().map(|citation| Part::Citation { citation }));
        parts.extend(notices.map(|(code, text)| Part::Notice { code, text }));
        parts
    }

    /// Records how the answer ended, and tells: exactly one last event.
    pub(super) async fn end(
        &mut self,
        status: Status,
        grounded: Option<bool>,
        receipt: &Value,
        problem: Option<Value>,
    ) -> Result<()> {
        let parts = self.parts();
        let ended = Ended { status, parts: &parts, grounded, receipt };
        let mut tx = self.db.begin().await?;
        let Some(message) = messages::end(&mut *tx, self.scope, self.message, &ended).await? else {
            // Ended by somebody else, or deleted with its conversation.
            return Ok(());
        };
        let (name, data) = match status {
            Status::Running | Status::Completed => ("message.completed", json!({ "message": message })),
            Status::Cancelled => ("message.cancelled", json!({ "message": message })),
            Status::Interrupted => ("message.interrupted", json!({ "message": message, "error": problem })),
            Status::Failed => ("error", json!({ "error": problem })),
        };
        let last = Event { seq: self.next, name: name.to_owned(), data };
        events::append(&mut *tx, self.message, std::slice::from_ref(&last)).await?;
        tx.commit().await?;
        self.live.show(&[last]);
        Ok(())
    }
}

/// Ends an answer whose maker is gone: its readers are told, and it is not left
/// running.
pub(super) async fn abandon(db: &PgPool, scope: Scope, message: MessageId, live: &Live) {
    match end_failed(db, scope, message).await {
        Ok(last) => live.show(last.as_slice()),
        Err(error) => tracing::error!(message.id = %message, ?error, "the end of an answer could not be stored"),
    }
}

/// The last event, unless the answer had ended already.
async fn end_failed(db: &PgPool, scope: Scope, message: MessageId) -> Result<Option<Event>> {
    let stored = events::after(db, scope, message, 0).await?;
    let receipt = json!({});
    let failed = Ended { status: Status::Failed, parts: &[], grounded: None, receipt: &receipt };
    let mut tx = db.begin().await?;
    if messages::end(&mut *tx, scope, message, &failed).await?.is_none() {
        return Ok(None);
    }
    let problem = json!({ "code": "internal:message", "message": "the answer could not be made; ask again" });
    let seq = stored.last().map_or(1, |last| last.seq + 1);
    let last = Event { seq, name: "error".into(), data: json!({ "error": problem }) };
    events::append(&mut *tx, message, std::slice::from_ref(&last)).await?;
    tx.commit().await?;
    Ok(Some(last))
}
