//! Taking questions back whose answers could not be made.

use footnote_ingest::scope::Scope;
use sqlx::PgPool;

use crate::ids::{ConversationId, MessageId, UserId};

/// What becomes of a question whose answer cannot be made, or not to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Unanswered {
    /// It stays, with what there is of the answer.
    #[default]
    Kept,
    /// Both are removed.
    Withdrawn,
    /// The conversation is removed too, which was begun for it.
    WithdrawnWhole,
}

/// Answers that are taken back in one go.
const BATCH: i64 = 100;

/// Takes back, with their questions, the interrupted answers whose makers are gone
/// and would have done so. Returns how many.
///
/// # Errors
/// What the database says.
pub async fn withdraw_interrupted(db: &PgPool) -> sqlx::Result<usize> {
    let left = sqlx::query!(
        r#"
        select id as "id: MessageId", owner_id as "owner: UserId", unanswered as "unanswered: Unanswered"
        from messages
        where status = 'interrupted' and unanswered <> 'kept'
        order by created_at
        limit $1
        "#,
        BATCH,
    )
    .fetch_all(db)
    .await?;
    for answer in &left {
        let begun = answer.unanswered == Unanswered::WithdrawnWhole;
        if !withdraw(db, Scope::stored(answer.owner), answer.id, begun).await? {
            // Somebody went on from it.
            sqlx::query!("update messages set unanswered = 'kept' where id = $1", answer.id as _).execute(db).await?;
        }
    }
    Ok(left.len())
}

/// Removes an answer that is not whole, and its question, in one transaction;
/// with `begun` the conversation too, if nothing is left in it. False when there
/// is no such answer, or somebody went on from it.
///
/// # Errors
/// What the database says.
pub async fn withdraw(db: &PgPool, scope: Scope, answer: MessageId, begun: bool) -> sqlx::Result<bool> {
    let mut tx = db.begin().await?;
    // First the conversation, as a question does: nobody asks meanwhile.
    let conversation = sqlx::query_scalar!(
        r#"
        select id as "id: ConversationId"
        from conversations
        where owner_id = $2 and id = (select conversation_id from messages where id = $1 and owner_id = $2)
        for update
        "#,
        answer as _,
        scope.owner() as _,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(conversation) = conversation else { return Ok(false) };
    // With another answer beside it the question stays.
    let gone = sqlx::query!(
        r#"
        with answer as (
            select id, parent_id
            from messages
            where id = $1 and owner_id = $2 and role = 'assistant' and status in ('running', 'interrupted', 'failed')
              and not exists (select from messages later where later.parent_id = $1)
            for update
        ), whole as (
            select case
                when exists (select from messages other where other.parent_id = answer.parent_id and other.id <> $1)
                then answer.id
                else coalesce(answer.parent_id, answer.id)
            end as id
            from answer
        )
        delete from messages
        where id in (select id from whole) and owner_id = $2
        returning parent_id as "before: MessageId"
        "#,
        answer as _,
        scope.owner() as _,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(gone) = gone else { return Ok(false) };
    // What was shown before is shown again.
    sqlx::query!(
        "update conversations set leaf_id = $3 where id = $1 and owner_id = $2 and leaf_id is null",
        conversation as _,
        scope.owner() as _,
        gone.before as _,
    )
    .execute(&mut *tx)
    .await?;
    if begun {
        remove_empty(&mut tx, scope, conversation).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Removes a conversation that was begun for a question that was not taken.
/// Nothing happens to one that holds a message.
///
/// # Errors
/// What the database says.
pub async fn forget(db: &PgPool, scope: Scope, conversation: ConversationId) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    // A question that is being taken is waited for, and seen.
    sqlx::query!(
        "select from conversations where id = $1 and owner_id = $2 for update",
        conversation as _,
        scope.owner() as _,
    )
    .fetch_optional(&mut *tx)
    .await?;
    remove_empty(&mut tx, scope, conversation).await?;
    tx.commit().await
}

async fn remove_empty(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    conversation: ConversationId,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        delete from conversations
        where id = $1 and owner_id = $2 and not exists (select from messages where conversation_id = $1)
        "#,
        conversation as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
