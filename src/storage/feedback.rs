//! What owners think of answers: a vote each, and why.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::ids::MessageId;

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// It helped.
    Up,
    /// It did not.
    Down,
}

impl Vote {
    fn sign(self) -> i16 {
        match self {
            Self::Up => 1,
            Self::Down => -1,
        }
    }
}

/// What its owner thinks of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Feedback {
    /// The vote.
    pub vote: Vote,
    /// Why, in words that the caller chooses.
    pub reasons: Vec<String>,
    /// Why, in words of their own.
    pub comment: Option<String>,
    /// When it was first given.
    pub created_at: DateTime<Utc>,
    /// When it was last given.
    pub updated_at: DateTime<Utc>,
}

/// Records a vote on an answer, in place of an earlier one. Whether the scope
/// has such an answer.
///
/// # Errors
/// What the database says.
pub async fn give(
    db: impl PgExecutor<'_>,
    scope: Scope,
    answer: MessageId,
    vote: Vote,
    reasons: &[String],
    comment: Option<&str>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into message_feedback (message_id, owner_id, vote, reasons, comment, created_at, updated_at)
        select id, owner_id, $3, $4, $5, now(), now()
        from messages
        where id = $1 and owner_id = $2 and role = 'assistant'
        on conflict (message_id) do update
        set vote = excluded.vote, reasons = excluded.reasons, comment = excluded.comment,
            updated_at = excluded.updated_at
        "#,
        answer as _,
        scope.owner() as _,
        vote.sign(),
        reasons,
        comment,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes a vote back, if there is one.
///
/// # Errors
/// What the database says.
pub async fn take_back(db: impl PgExecutor<'_>, scope: Scope, answer: MessageId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from message_feedback where message_id = $1 and owner_id = $2",
        answer as _,
        scope.owner() as _,
    )
    .execute(db)
    .await?;
    Ok(())
}
