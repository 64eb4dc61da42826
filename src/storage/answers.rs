//! Answers in the making: who makes them, until when, and how they end.
//!
//! An answer is made under a lease. Its maker prolongs it; a process that finds
//! one run out says that the answer was interrupted. A maker that wakes up late
//! can add no event: its next number is taken.

use std::time::Duration;

use footnote_ingest::scope::Scope;
use serde_json::Value;
use sqlx::PgExecutor;
use sqlx::postgres::types::PgInterval;
use sqlx::types::Json;

use super::messages::{Part, Status};
use super::options::Options;
use super::withdrawals::Unanswered;
use crate::ids::{ConversationId, MessageId};

/// How long a maker is believed to be alive without a sign of it.
pub const LEASE: Duration = Duration::from_secs(6);

/// Where a new message hangs in its conversation.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// After the last message of the branch that is shown.
    Last,
    /// After this message; none begins the conversation anew.
    After(Option<MessageId>),
}

/// A question that was stored.
#[derive(Debug, Clone, Copy)]
pub struct Stored {
    /// Its message.
    pub id: MessageId,
    /// The answer that it follows.
    pub parent: Option<MessageId>,
}

/// Stores a question, and touches its conversation. Whether its owner has room for
/// its pictures is for the caller to ask before. `None` when the scope has
/// no such conversation, or the message to follow is not an answer in it.
///
/// # Errors
/// What the database says.
pub async fn ask(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    conversation: ConversationId,
    place: Place,
    parts: &[Part],
    options: &Options,
) -> sqlx::Result<Option<Stored>> {
    // One question after the other: the row is locked until the commit.
    let known = sqlx::query_scalar!(
        r#"
        update conversations set updated_at = now()
        where id = $1 and owner_id = $2
        returning (
            -- A question that is shown last: its latest answer, else what it follows.
            select case when shown.role = 'assistant' then shown.id else coalesce(
                (select id from messages where parent_id = shown.id order by branch_order desc limit 1),
                shown.parent_id
            ) end
            from messages shown
            where shown.conversation_id = $1 and (conversations.leaf_id is null or shown.id = conversations.leaf_id)
            order by shown.branch_order desc
            limit 1
        ) as "leaf: MessageId"
        "#,
        conversation as _,
        scope.owner() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(leaf) = known else { return Ok(None) };
    let parent = match place {
        Place::Last => leaf,
        Place::After(parent) => parent,
    };
    let asked = MessageId::new();
    let stored = sqlx::query!(
        r#"
        insert into messages (
            id, owner_id, conversation_id, parent_id, role, status, parts, asked_with, created_at, updated_at, bytes
        )
        select $1, $2, $3, $4, 'user', 'completed', $5, $6, clock_timestamp(), clock_timestamp(), $7
        where $4::uuid is null or exists (
            select from messages where id = $4 and conversation_id = $3 and owner_id = $2 and role = 'assistant'
        )
        "#,
        asked as _,
        scope.owner() as _,
        conversation as _,
        parent as _,
        Json(parts) as _,
        Json(options) as _,
        parts.iter().map(Part::bytes).sum::<i64>(),
    )
    .execute(&mut **tx)
    .await?;
    Ok((stored.rows_affected() > 0).then_some(Stored { id: asked, parent }))
}

/// Stores the place of an answer, which is shown from now on. `None` when the
/// conversation has no such question.
///
/// # Errors
/// What the database says.
pub async fn begin(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    conversation: ConversationId,
    question: MessageId,
    model: &str,
    unanswered: Unanswered,
) -> sqlx::Result<Option<MessageId>> {
    let answer = MessageId::new();
    let begun = sqlx::query!(
        r#"
        with begun as (
            insert into messages (
                id, owner_id, conversation_id, parent_id, role, status, parts, model, lease_until, unanswered,
                created_at, updated_at
            )
            select $1, owner_id, conversation_id, id, 'assistant', 'running', '[]', $5, now() + $6, $7,
                   clock_timestamp(), clock_timestamp()
            from messages
            where id = $4 and owner_id = $2 and conversation_id = $3 and role = 'user'
            returning conversation_id
        )
        update conversations set leaf_id = $1, updated_at = now()
        where id in (select conversation_id from begun)
        "#,
        answer as _,
        scope.owner() as _,
        conversation as _,
        question as _,
        model,
        interval(LEASE),
        unanswered as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok((begun.rows_affected() > 0).then_some(answer))
}

/// Prolongs the leases of answers that this process makes. Those that somebody
/// wants stopped are returned.
///
/// # Errors
/// What the database says.
pub async fn renew(db: impl PgExecutor<'_>, answers: &[MessageId]) -> sqlx::Result<Vec<MessageId>> {
    sqlx::query_scalar!(
        r#"
        with renewed as (
            update messages set lease_until = now() + $2
            where id = any($1) and status = 'running'
            returning id, cancel_requested
        )
        select id as "id: MessageId" from renewed where cancel_requested
        "#,
        answers as _,
        interval(LEASE),
    )
    .fetch_all(db)
    .await
}

/// Asks the maker of an answer, whichever process it is, to stop.
///
/// # Errors
/// What the database says.
pub async fn request_cancel(db: impl PgExecutor<'_>, scope: Scope, answer: MessageId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        with wanted as (
            update messages set cancel_requested = true
            where id = $1 and owner_id = $2 and status = 'running'
            returning id
        )
        select pg_notify($3, id::text) from wanted
        "#,
        answer as _,
        scope.owner() as _,
        CANCELS,
    )
    .fetch_optional(db)
    .await?;
    Ok(())
}

/// Channel of Postgres on which wishes to stop an answer are told.
pub const CANCELS: &str = "footnote_cancels";

/// Notes that somebody follows an answer in another process than its maker's.
///
/// # Errors
/// What the database says.
pub async fn followed(db: impl PgExecutor<'_>, answer: MessageId) -> sqlx::Result<()> {
    sqlx::query!("update messages set followed_at = now() where id = $1 and status = 'running'", answer as _)
        .execute(db)
        .await?;
    Ok(())
}

/// Whether somebody followed an answer elsewhere within the last `within`.
///
/// # Errors
/// What the database says.
pub async fn is_followed(db: impl PgExecutor<'_>, answer: MessageId, within: Duration) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from messages where id = $1 and followed_at > now() - $2::interval) as "is_followed!""#,
        answer as _,
        interval(within),
    )
    .fetch_one(db)
    .await
}

/// How an answer ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// How it stands now.
    pub status: Status,
    /// What it says.
    pub parts: &'a [Part],
    /// Whether the documents hold the answer.
    pub grounded: Option<bool>,
    /// The receipt.
    pub receipt: &'a Value,
    /// SHA-256 of all that it was made from, if it may be given again.
    pub answer_key: Option<&'a [u8]>,
}

/// Records how an answer ended, unless it has ended before. Returns the model
/// that it was asked of, for the message as it stands is read by [`find`].
///
/// [`find`]: super::messages::find
///
/// # Errors
/// What the database says.
pub async fn end(db: impl PgExecutor<'_>, scope: Scope, message: MessageId, ended: &Ended<'_>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update messages
        set status = $3, parts = $4, grounded = $5, receipt = $6, answer_key = $7, lease_until = null,
            updated_at = now()
        where id = $1 and owner_id = $2 and status = 'running'
        "#,
        message as _,
        scope.owner() as _,
        ended.status as _,
        Json(ended.parts) as _,
        ended.grounded,
        ended.receipt,
        ended.answer_key,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The latest whole answer of the scope that was made from the same.
///
/// # Errors
/// What the database says.
pub async fn known(db: impl PgExecutor<'_>, scope: Scope, key: &[u8]) -> sqlx::Result<Option<Known>> {
    sqlx::query_as!(
        Known,
        r#"
        select id as "id: MessageId", parts as "parts: Json<Vec<Part>>", grounded
        from messages
        where owner_id = $1 and answer_key = $2 and status = 'completed'
          and not exists (select from message_feedback where message_id = messages.id and vote < 0)
        order by id desc
        limit 1
        "#,
        scope.owner() as _,
        key,
    )
    .fetch_optional(db)
    .await
}

/// An answer that was given before.
#[derive(Debug)]
pub struct Known {
    /// Its message.
    pub id: MessageId,
    /// What it says.
    pub parts: Json<Vec<Part>>,
    /// Whether the documents hold the answer.
    pub grounded: Option<bool>,
}

/// Answers whose makers are gone, at most so many: those whose lease has run out
/// or, with `every`, all that are being made. Until the transaction ends they are
/// this one's, and nobody adds an event to them.
///
/// # Errors
/// What the database says.
pub async fn broken(db: impl PgExecutor<'_>, every: bool, most: i64) -> sqlx::Result<Vec<MessageId>> {
    sqlx::query_scalar!(
        r#"
        select id as "id: MessageId"
        from messages
        where status = 'running' and ($1 or lease_until is null or lease_until < now())
        limit $2
        for update skip locked
        "#,
        every,
        most,
    )
    .fetch_all(db)
    .await
}

/// An answer whose maker is gone, and what its events told.
#[derive(Debug)]
pub struct Broken {
    /// The answer.
    pub id: MessageId,
    /// The number of its last event, 0 without one.
    pub last: i32,
    /// What it says.
    pub parts: Vec<Part>,
    /// The receipt.
    pub receipt: Value,
}

/// Says of [`broken`] answers that they were interrupted, with an event of each.
///
/// # Errors
/// What the database says.
pub async fn interrupt(db: impl PgExecutor<'_>, answers: &[Broken]) -> sqlx::Result<()> {
    let ids: Vec<MessageId> = answers.iter().map(|answer| answer.id).collect();
    let seqs: Vec<i32> = answers.iter().map(|answer| answer.last + 1).collect();
    let parts: Vec<Json<&[Part]>> = answers.iter().map(|answer| Json(answer.parts.as_slice())).collect();
    let receipts: Vec<Json<&Value>> = answers.iter().map(|answer| Json(&answer.receipt)).collect();
    sqlx::query!(
        r#"
        with ended as (
            select * from unnest($1::uuid[], $2::int[], $3::jsonb[], $4::jsonb[]) as one (id, seq, parts, receipt)
        ), there as (
            update messages m
            set status = 'interrupted', parts = ended.parts, receipt = ended.receipt, lease_until = null,
                updated_at = now()
            from ended
            where m.id = ended.id
            returning m.id
        )
        insert into message_events (message_id, seq, name, data)
        select id, seq, 'message.interrupted',
               json_build_object('message_id', id, 'reason', 'the service was restarted')
        from ended
        join there using (id)
        "#,
        &ids as _,
        &seqs,
        &parts as _,
        &receipts as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
