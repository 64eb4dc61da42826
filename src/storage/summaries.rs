//! Earlier turns in short: a summary covers all up to and including an answer.

use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;

use crate::ids::MessageId;

/// A stored summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The last answer that it covers.
    pub answer_id: MessageId,
    /// Its words.
    pub text: String,
}

/// The summary that covers most of a branch, given its answers oldest first.
///
/// # Errors
/// What the database says.
pub async fn latest(db: impl PgExecutor<'_>, scope: Scope, answers: &[MessageId]) -> sqlx::Result<Option<Summary>> {
    sqlx::query_as!(
        Summary,
        r#"
        select s.answer_id as "answer_id: MessageId", s.text
        from unnest($2::uuid[]) with ordinality as branch (id, place)
        join summaries s on s.answer_id = branch.id and s.owner_id = $1
        order by branch.place desc
        limit 1
        "#,
        scope.owner() as _,
        answers as _,
    )
    .fetch_optional(db)
    .await
}

/// Keeps a summary.
///
/// # Errors
/// What the database says.
pub async fn keep(db: impl PgExecutor<'_>, scope: Scope, summary: &Summary) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into summaries (answer_id, owner_id, text, created_at)
        select id, owner_id, $3, now() from messages where id = $1 and owner_id = $2
        on conflict (answer_id) do update set text = excluded.text, created_at = excluded.created_at
        "#,
        summary.answer_id as _,
        scope.owner() as _,
        summary.text,
    )
    .execute(db)
    .await?;
    Ok(())
}
