//! Events of an answer: numbered from 1 without gaps, never changed.

use footnote_ingest::scope::Scope;
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

/// Appends events.
///
/// # Errors
/// What the database says.
pub async fn append(db: impl PgExecutor<'_>, message: MessageId, events: &[Event]) -> sqlx::Result<()> {
    let seqs: Vec<i32> = events.iter().map(|event| event.seq).collect();
    let names: Vec<String> = events.iter().map(|event| event.name.clone()).collect();
    let data: Vec<String> = events.iter().map(|event| event.data.to_string()).collect();
    sqlx::query!(
        r#"
        insert into message_events (message_id, seq, name, data)
        select $1, seq, name, data::json
        from unnest($2::int[], $3::text[], $4::text[]) as new (seq, name, data)
        "#,
        message as _,
        &seqs,
        &names,
        &data,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Appends events of several answers in one statement: all or none.
///
/// # Errors
/// What the database says.
pub async fn append_all(db: impl PgExecutor<'_>, events: &[(MessageId, &Event)]) -> sqlx::Result<()> {
    let messages: Vec<MessageId> = events.iter().map(|(message, _)| *message).collect();
    let seqs: Vec<i32> = events.iter().map(|(_, event)| event.seq).collect();
    let names: Vec<&str> = events.iter().map(|(_, event)| event.name.as_str()).collect();
    let data: Vec<String> = events.iter().map(|(_, event)| event.data.to_string()).collect();
    sqlx::query!(
        r#"
        insert into message_events (message_id, seq, name, data)
        select message_id, seq, name, data::json
        from unnest($1::uuid[], $2::int[], $3::text[], $4::text[]) as new (message_id, seq, name, data)
        "#,
        &messages as _,
        &seqs,
        &names as _,
        &data,
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
    sqlx::query_as!(
        Event,
        r#"
        select e.seq, e.name, e.data
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
