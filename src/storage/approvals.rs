//! Approvals: whether a tool that changes something may be called, once, with
//! just the arguments that were shown.

use std::time::Duration;

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use sqlx::postgres::types::PgInterval;
use utoipa::ToSchema;

use crate::ids::{ApprovalId, MessageId};

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = ApprovalState)]
pub enum State {
    /// Nobody has decided.
    Waiting,
    /// The call may be made.
    Approved,
    /// It may not.
    Denied,
    /// It was made.
    Used,
}

/// A call that somebody must allow.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The answer that it is wanted for.
    pub message_id: MessageId,
    /// The tool.
    pub tool: String,
    /// Its arguments, as the model wrote them.
    pub arguments: String,
    /// Where it stands.
    pub state: State,
    /// When it is too late to decide.
    pub expires_at: DateTime<Utc>,
}

/// A call that is to be allowed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The answer that it is wanted for.
    pub message: MessageId,
    /// The call's name within the answer.
    pub call: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// Its arguments, as the model wrote them.
    pub arguments: &'a str,
    /// SHA-256 of tool and arguments.
    pub sha256: &'a [u8],
    /// How long somebody has to decide.
    pub within: Duration,
}

/// Asks for an approval.
///
/// # Errors
/// What the database says.
pub async fn ask(db: impl PgExecutor<'_>, scope: Scope, wanted: Wanted<'_>) -> sqlx::Result<Approval> {
    let within = i64::try_from(wanted.within.as_micros()).unwrap_or(i64::MAX);
    sqlx::query_as!(
        Approval,
        r#"
        insert into approvals (
            id, owner_id, message_id, call_id, tool, arguments, sha256, state, expires_at, created_at
        )
        values ($1, $2, $3, $4, $5, $6, $7, 'waiting', now() + $8, now())
        returning
            id as "id: ApprovalId", message_id as "message_id: MessageId", tool, arguments, state as "state: State",
            expires_at
        "#,
        ApprovalId::new() as _,
        scope.owner() as _,
        wanted.message as _,
        wanted.call,
        wanted.tool,
        wanted.arguments,
        wanted.sha256,
        PgInterval { months: 0, days: 0, microseconds: within },
    )
    .fetch_one(db)
    .await
}

/// Decides, once and in time. `None` when the scope has no such approval that
/// waits.
///
/// # Errors
/// What the database says.
pub async fn decide(
    db: impl PgExecutor<'_>,
    scope: Scope,
    message: MessageId,
    approval: ApprovalId,
    approve: bool,
) -> sqlx::Result<Option<Approval>> {
    sqlx::query_as!(
        Approval,
        r#"
        update approvals set state = case when $4 then 'approved' else 'denied' end
        where id = $1 and owner_id = $2 and message_id = $3 and state = 'waiting' and expires_at > now()
        returning
            id as "id: ApprovalId", message_id as "message_id: MessageId", tool, arguments, state as "state: State",
            expires_at
        "#,
        approval as _,
        scope.owner() as _,
        message as _,
        approve,
    )
    .fetch_optional(db)
    .await
}

/// Where an approval stands, and whether it is too late to decide.
///
/// # Errors
/// What the database says.
pub async fn state(db: impl PgExecutor<'_>, scope: Scope, approval: ApprovalId) -> sqlx::Result<Option<(State, bool)>> {
    let found = sqlx::query!(
        r#"
        select state as "state: State", expires_at <= now() as "late!"
        from approvals
        where id = $1 and owner_id = $2
        "#,
        approval as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|found| (found.state, found.late)))
}

/// Uses an approval up for the call that it was given for. False when it was
/// not given, is too late, was used before, or was for another call.
///
/// # Errors
/// What the database says.
pub async fn spend(db: impl PgExecutor<'_>, scope: Scope, approval: ApprovalId, sha256: &[u8]) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update approvals set state = 'used'
        where id = $1 and owner_id = $2 and state = 'approved' and sha256 = $3 and expires_at > now()
        "#,
        approval as _,
        scope.owner() as _,
        sha256,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
