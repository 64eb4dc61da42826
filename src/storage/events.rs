//! Events of an answer: numbered from 1 without gaps, never changed.

use std::collections::BTreeMap;

use footnote_ingest::scope::Scope;
use futures::stream::{BoxStream, StreamExt};
use serde_json::Value;
use sqlx::PgExecutor;

use crate::ids::MessageId;

/// A stored event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number.
    pub seq: i32,
    /// Its type, such as `text.delta`.
    pub name: String,
    /// Its content.
    pub data: Value,
}

impl Event {
    /// Whether it says how its answer ended.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.name.as_str(), "message.completed" | "message.cancelled" | "message.interrupted" | "error")
    }
}

/// A stored event whose content is still text: a tenth of what it takes once it
/// is read.
#[derive(Debug, Clone)]
pub struct Unread {
    /// Its number.
    pub seq: i32,
    /// Its type.
    pub name: String,
    /// Its content, as JSON.
    pub data: String,
}

impl Unread {
    /// The event.
    ///
    /// # Errors
    /// Content that Postgres takes for JSON and the reader does not, such as one
    /// nested too deeply.
    pub fn read(self) -> serde_json::Result<Event> {
        Ok(Event { seq: self.seq, name: self.name, data: serde_json::from_str(&self.data)? })
    }
}

/// Appends events of an answer under way, which follow those that are stored.
///
/// # Errors
/// As [`append_all`].
pub async fn append(db: impl PgExecutor<'_>, message: MessageId, events: &[Event]) -> sqlx::Result<()> {
    append_to(db, message, events, false).await
}

/// Appends the last event of an answer, in the transaction that ended it.
///
/// # Errors
/// As [`append_all`], but for an answer that has ended.
pub async fn append_last(db: impl PgExecutor<'_>, message: MessageId, last: &Event) -> sqlx::Result<()> {
    append_to(db, message, std::slice::from_ref(last), true).await
}

async fn append_to(db: impl PgExecutor<'_>, message: MessageId, events: &[Event], has_ended: bool) -> sqlx::Result<()> {
    let seqs: Vec<i32> = events.iter().map(|event| event.seq).collect();
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    let data: Vec<String> = events.iter().map(|event| event.data.to_string()).collect();
    sqlx::query!(
        r#"
        with held as materialized (
            select m.id from messages m
            left join lateral (
                select true as is_there from message_events e where e.message_id = m.id and e.seq = $5 - 1 limit 1
            ) before on true
            where m.id = $1 and ($6 or m.status = 'running') and ($5 = 1 or before.is_there)
            for key share of m
        )
        insert into message_events (message_id, seq, name, data)
        select held.id, new.seq, new.name, new.data::json
        from unnest($2::int[], $3::text[], $4::text[]) as new (seq, name, data)
        left join held on true
        "#,
        message as _,
        &seqs,
        &names as _,
        &data,
        seqs.iter().min().copied().unwrap_or(1),
        has_ended,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Appends events of several answers in one statement: all or none.
///
/// They are there for every reader at once, and stay when this process is killed,
/// but are not waited for until they are on the disk: of an answer under way, a
/// crash of Postgres itself may take what was said in the last moment (three times
/// its `wal_writer_delay`, 0.6 s). The end of an answer is waited for, and with it
/// all of its events, since the log is written in its order. See "Asynchronous
/// Commit" in Postgres's manual.
///
/// Their messages are locked as a foreign key would lock them, but each once: one
/// that is being deleted is waited for, and its events are refused afterwards.
///
/// # Errors
/// What the database says; also of a message that is not there or has ended, or whose
/// events before these are not there: there are no gaps, and nothing behind an end.
pub async fn append_all(db: impl PgExecutor<'_>, events: &[(MessageId, &Event)]) -> sqlx::Result<()> {
    let messages: Vec<MessageId> = events.iter().map(|(message, _)| *message).collect();
    let mut firsts: BTreeMap<MessageId, i32> = BTreeMap::new();
    for (message, event) in events {
        firsts.entry(*message).and_modify(|first| *first = event.seq.min(*first)).or_insert(event.seq);
    }
    let (begun, firsts): (Vec<MessageId>, Vec<i32>) = firsts.into_iter().unzip();
    let seqs: Vec<i32> = events.iter().map(|(_, event)| event.seq).collect();
    let names: Vec<&str> = events.iter().map(|(_, event)| event.name.as_str()).collect();
    let data: Vec<String> = events.iter().map(|(_, event)| event.data.to_string()).collect();
    sqlx::query!(
        r#"
        with this_commit as (select set_config('synchronous_commit', 'off', true)),
        -- One look into each index for each message, in their order, whatever the
        -- planner holds of their number: joined, a batch may cost all messages times
        -- those of the batch.
        held as materialized (
            select m.id from unnest($5::uuid[], $6::int[]) as begun (id, first)
            cross join lateral (
                select id from messages where id = begun.id and status = 'running' limit 1 for key share
            ) m
            left join lateral (
                select true as is_there from message_events e
                where e.message_id = begun.id and e.seq = begun.first - 1 limit 1
            ) before on true
            where begun.first = 1 or before.is_there
        )
        insert into message_events (message_id, seq, name, data)
        select case when new.message_id in (select id from held) then new.message_id end,
               new.seq, new.name, new.data::json
        from unnest($1::uuid[], $2::int[], $3::text[], $4::text[]) as new (message_id, seq, name, data)
        cross join this_commit
        "#,
        &messages as _,
        &seqs,
        &names as _,
        &data,
        &begun as _,
        &firsts,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The first `most` events after number `after`; all of them for `None`. There
/// are none when the scope has no such message.
///
/// # Errors
/// What the database says.
pub async fn after(
    db: impl PgExecutor<'_>,
    scope: Scope,
    message: MessageId,
    after: i32,
    most: Option<i64>,
) -> sqlx::Result<Vec<Event>> {
    let stored = page(db, scope, message, after, most).await?;
    stored.into_iter().map(|event| event.read().map_err(|error| sqlx::Error::Decode(error.into()))).collect()
}

/// The same as they are stored, for who reads slowly.
///
/// # Errors
/// What the database says.
pub async fn page(
    db: impl PgExecutor<'_>,
    scope: Scope,
    message: MessageId,
    after: i32,
    most: Option<i64>,
) -> sqlx::Result<Vec<Unread>> {
    sqlx::query_as!(
        Unread,
        r#"
        select e.seq, e.name, e.data::text as "data!"
        from message_events e
        join messages m on m.id = e.message_id
        where e.message_id = $1 and m.owner_id = $2 and e.seq > $3
        order by e.seq
        limit $4
        "#,
        message as _,
        scope.owner() as _,
        after,
        most,
    )
    .fetch_all(db)
    .await
}

/// All events of answers, whoever's they are, one answer after the other and each
/// in its order, as they come from the database: they may be very many.
///
/// # Errors
/// What the database says.
pub fn of_all<'e>(
    db: impl PgExecutor<'e> + 'e,
    answers: &[MessageId],
) -> BoxStream<'e, sqlx::Result<(MessageId, Unread)>> {
    let events = sqlx::query!(
        r#"
        select message_id as "message: MessageId", seq, name, data::text as "data!"
        from message_events
        where message_id = any($1)
        order by message_id, seq
        "#,
        answers as _,
    );
    events.map(|row| (row.message, Unread { seq: row.seq, name: row.name, data: row.data })).fetch(db).boxed()
}

/// Up to which number a message's events are stored; 0 where it has none.
///
/// # Errors
/// What the database says.
pub async fn reach(db: impl PgExecutor<'_>, message: MessageId) -> sqlx::Result<i32> {
    let last = sqlx::query_scalar!("select max(seq) from message_events where message_id = $1", message as _);
    Ok(last.fetch_one(db).await?.unwrap_or_default())
}

/// The number of a message's last event; none where it has no events, and where
/// the scope has no such message.
///
/// # Errors
/// What the database says.
pub async fn last(db: impl PgExecutor<'_>, scope: Scope, message: MessageId) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!(
        r#"
        select max(e.seq)
        from message_events e
        join messages m on m.id = e.message_id
        where e.message_id = $1 and m.owner_id = $2
        "#,
        message as _,
        scope.owner() as _,
    )
    .fetch_one(db)
    .await
}
