//! Answers whose makers are gone: they are ended by whoever finds them, and keep
//! all that their stored events tell.

use std::collections::HashMap;

use footnote_ingest::scope::Scope;
use futures::TryStreamExt;
use serde_json::json;
use sqlx::PgPool;

use super::hub::Live;
use super::receipt::Left;
use super::told::Told;
use crate::app::App;
use crate::error::Result;
use crate::ids::MessageId;
use crate::storage::answers::{self, Broken, Ended};
use crate::storage::calls;
use crate::storage::events::{self, Event, Unread};
use crate::storage::messages::Status;

/// Answers that are ended in one transaction.
const BATCH: u32 = 64;

/// Says of answers whose makers are gone that they were interrupted: of all whose
/// lease has run out or, with `every`, of all that are being made. That one is for
/// a process that knows it is the only one. Returns how many those were.
///
/// # Errors
/// What the database says.
pub async fn interrupt(db: &PgPool, every: bool) -> sqlx::Result<usize> {
    let mut all = 0;
    loop {
        let ended = interrupt_some(db, every).await?;
        all += ended;
        if ended < BATCH as usize {
            return Ok(all);
        }
    }
}

async fn interrupt_some(db: &PgPool, every: bool) -> sqlx::Result<usize> {
    let mut tx = db.begin().await?;
    let broken = answers::broken(&mut *tx, every, BATCH.into()).await?;
    if broken.is_empty() {
        return Ok(0);
    }
    let mut remains: HashMap<MessageId, Remains> = broken.iter().map(|id| (*id, Remains::default())).collect();
    let mut stored = events::of_all(&mut *tx, &broken);
    while let Some((id, event)) = stored.try_next().await? {
        if let Some(remains) = remains.get_mut(&id) {
            remains.hear(event);
        }
    }
    drop(stored);
    for call in calls::made_for(&mut *tx, &broken).await? {
        if let Some(remains) = remains.get_mut(&call.message) {
            remains.receipt.take(&call);
        }
    }
    let ended: Vec<Broken> = remains.into_iter().map(|(id, remains)| remains.broken(id)).collect();
    answers::interrupt(&mut *tx, &ended).await?;
    tx.commit().await?;
    Ok(ended.len())
}

/// Ends an answer of this process whose maker is gone: its readers are told, and
/// it is not left running.
pub(super) async fn abandon(app: &App, scope: Scope, message: MessageId, live: &Live) {
    match end_failed(&app.db, scope, message).await {
        Ok(last) => live.show(last.into_iter().collect()),
        Err(error) => {
            tracing::error!(message.id = %message, error = error.silent(), "the end of an answer could not be stored");
        }
    }
}

/// The last event, unless the answer had ended already.
async fn end_failed(db: &PgPool, scope: Scope, message: MessageId) -> Result<Option<Event>> {
    let mut remains = Remains::default();
    for event in events::page(db, scope, message, 0, None).await? {
        remains.hear(event);
    }
    for call in calls::made_for(db, &[message]).await? {
        remains.receipt.take(&call);
    }
    let Broken { last, parts, receipt, .. } = remains.broken(message);
    let failed = Ended { status: Status::Failed, parts: &parts, grounded: None, receipt: &receipt, answer_key: None };
    let mut tx = db.begin().await?;
    if !answers::end(&mut *tx, scope, message, &failed).await? {
        return Ok(None);
    }
    let problem = json!({ "code": "internal:message", "message": "the answer could not be made; ask again" });
    let last = Event { seq: last + 1, name: "error".into(), data: json!({ "error": problem }) };
    events::append_last(&mut *tx, message, &last).await?;
    tx.commit().await?;
    Ok(Some(last))
}

/// What is left of an answer.
#[derive(Default)]
struct Remains {
    last: i32,
    told: Told,
    receipt: Left,
}

impl Remains {
    /// Takes the next stored event. One that cannot be read costs only itself.
    fn hear(&mut self, stored: Unread) {
        self.last = stored.seq;
        match stored.read() {
            Ok(event) => {
                self.told.hear(&event);
                self.receipt.hear(&event);
            }
            Err(error) => tracing::error!(%error, "a stored event cannot be read"),
        }
    }

    fn broken(&self, id: MessageId) -> Broken {
        Broken { id, last: self.last, parts: self.told.parts(), receipt: self.receipt.to_json() }
    }
}
