//! Responses of the OpenAI face: what each repeats of its request. What it says
//! is the answer's.

use footnote_ingest::scope::Scope;
use serde_json::Value;
use sqlx::PgExecutor;

use crate::ids::MessageId;

/// Keeps what a response repeats of its request. Kept once, it stays as it is: the
/// same request may come again.
///
/// # Errors
/// What the database says.
pub async fn keep(db: impl PgExecutor<'_>, scope: Scope, answer: MessageId, base: &Value) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into openai_responses (answer_id, owner_id, base) values ($1, $2, $3) on conflict do nothing",
        answer as _,
        scope.owner() as _,
        base,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps it for a request that came again under its key, as long as the key stands:
/// who deletes the response frees it. Whether it is kept.
///
/// # Errors
/// What the database says.
pub async fn keep_again(db: impl PgExecutor<'_>, scope: Scope, answer: MessageId, base: &Value) -> sqlx::Result<bool> {
    let kept = sqlx::query_scalar!(
        r#"
        with standing as materialized (
            select answer_id from idempotency_keys where answer_id = $1 and owner_id = $2 for share
        ), added as (
            insert into openai_responses (answer_id, owner_id, base)
            select answer_id, $2, $3 from standing
            on conflict do nothing
        )
        select exists (select from standing) as "kept!"
        "#,
        answer as _,
        scope.owner() as _,
        base,
    );
    kept.fetch_one(db).await
}

/// What a response repeats of its request. `None` when the scope has no such
/// response.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, answer: MessageId) -> sqlx::Result<Option<Value>> {
    sqlx::query_scalar!(
        "select base from openai_responses where answer_id = $1 and owner_id = $2",
        answer as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// Deletes a response. The conversation behind it goes with the last response
/// of it. Whether it was there.
///
/// # Errors
/// What the database says.
pub async fn delete(tx: &mut sqlx::PgTransaction<'_>, scope: Scope, answer: MessageId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "delete from openai_responses where answer_id = $1 and owner_id = $2",
        answer as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    // Those of one conversation take turns: the row is locked before it is
    // looked whether this was the last.
    sqlx::query!(
        r#"
        select c.id from conversations c
        join messages m on m.conversation_id = c.id
        where m.id = $1 and c.owner_id = $2
        for update of c
        "#,
        answer as _,
        scope.owner() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        delete from conversations c
        where c.owner_id = $2 and c.origin = 'openai'
          and c.id = (select conversation_id from messages where id = $1)
          and not exists (
              select from openai_responses r
              join messages m on m.id = r.answer_id
              where m.conversation_id = c.id
          )
        "#,
        answer as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}
