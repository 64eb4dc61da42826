//! Keys under which callers ask, so that asking again is safe.

use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;

use crate::ids::MessageId;

/// What was asked under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of the request.
    pub request_sha256: Vec<u8>,
    /// The question's message.
    pub question: MessageId,
    /// The answer's message.
    pub answer: MessageId,
}

/// What the scope asked under a key.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, key: &str) -> sqlx::Result<Option<Kept>> {
    sqlx::query_as!(
        Kept,
        r#"
        select request_sha256, question_id as "question: MessageId", answer_id as "answer: MessageId"
        from idempotency_keys
        where owner_id = $1 and key = $2
        "#,
        scope.owner() as _,
        key,
    )
    .fetch_optional(db)
    .await
}

/// Keeps what is asked under a key, in the transaction that takes the question.
/// False when another has taken the key: waits for one that is about to.
///
/// # Errors
/// What the database says.
pub async fn keep(tx: &mut sqlx::PgTransaction<'_>, scope: Scope, key: &str, kept: &Kept) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into idempotency_keys (owner_id, key, request_sha256, question_id, answer_id, created_at)
        values ($1, $2, $3, $4, $5, now())
        on conflict do nothing
        "#,
        scope.owner() as _,
        key,
        kept.request_sha256,
        kept.question as _,
        kept.answer as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Frees a key of the scope whose answer did not come to its end, so that the same
/// request asks anew: one that failed, broke off, or was stopped for want of a
/// reader. One that was stopped on request has its end. Whether there was any.
///
/// # Errors
/// What the database says.
pub async fn free_broken(
    db: impl PgExecutor<'_>,
    scope: Scope,
    key: &str,
    request_sha256: &[u8],
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        delete from idempotency_keys k
        using messages m
        where k.owner_id = $1 and k.key = $2 and k.request_sha256 = $3 and m.id = k.answer_id and m.owner_id = $1
          and (
              m.status in ('failed', 'interrupted')
              or m.status = 'cancelled' and m.parts @> '[{"type": "notice", "code": "abandoned"}]'
          )
        "#,
        scope.owner() as _,
        key,
        request_sha256,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Frees the key of an answer that its owner wants gone.
///
/// # Errors
/// What the database says.
pub async fn free(db: impl PgExecutor<'_>, scope: Scope, answer: MessageId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from idempotency_keys where answer_id = $1 and owner_id = $2",
        answer as _,
        scope.owner() as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets keys that are older than a day.
///
/// # Errors
/// What the database says.
pub async fn forget_old(db: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let done =
        sqlx::query!("delete from idempotency_keys where created_at < now() - interval '1 day'").execute(db).await?;
    Ok(done.rows_affected())
}
