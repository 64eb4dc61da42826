//! Runs of schedules: one row for each tick, claimed by one worker at a time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use footnote_ingest::ids::WorkerId;
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgExecutor;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::schedules::Action;
use crate::ids::{RunId, ScheduleId, UserId};

/// How long a claim holds unless it is renewed.
pub const LEASE: Duration = Duration::from_mins(1);
/// Claims of a run, at most: more than this, and it ends its workers.
const MAX_ATTEMPTS: i32 = 3;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = RunState)]
pub enum State {
    /// For a worker.
    Waiting,
    /// A worker is at it.
    Running,
    /// Done; see its outcome.
    Done,
    /// Given up; see its reason.
    Failed,
    /// Not begun, because the run before was not finished.
    Skipped,
}

/// One time that a schedule came round.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The moment for which it was meant.
    pub tick: DateTime<Utc>,
    /// Where it stands.
    pub state: State,
    /// When work on it last began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// What it came to.
    pub outcome: Option<Value>,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
}

/// The last runs of a schedule, the last one first.
///
/// # Errors
/// What the database says.
pub async fn list(db: impl PgExecutor<'_>, scope: Scope, schedule: ScheduleId, limit: i64) -> sqlx::Result<Vec<Run>> {
    sqlx::query_as!(
        Run,
        r#"
        select id as "id: RunId", tick, state as "state: State", started_at, ended_at, outcome, reason
        from schedule_runs
        where schedule_id = $1 and owner_id = $2
        order by tick desc
        limit $3
        "#,
        schedule as _,
        scope.owner() as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// A run that a worker holds.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The run.
    pub id: RunId,
    /// The schedule's name.
    pub name: String,
    /// Whose it is.
    pub owner: UserId,
    /// What is to be done.
    pub action: Json<Action>,
}

/// Claims the run that has waited longest, if any does.
///
/// # Errors
/// What the database says.
pub async fn claim(db: impl PgExecutor<'_>, worker: WorkerId) -> sqlx::Result<Option<Claim>> {
    sqlx::query_as!(
        Claim,
        r#"
        with next as (
            select r.id, s.name, s.action
            from schedule_runs r
            join schedules s on s.id = r.schedule_id
            where r.state = 'waiting'
            order by r.tick
            limit 1
            for update of r skip locked
        )
        update schedule_runs r
        set state = 'running', worker_id = $1, lease_until = now() + make_interval(secs => $2),
            attempts = r.attempts + 1, started_at = now()
        from next
        where r.id = next.id
        returning r.id as "id: RunId", next.name, r.owner_id as "owner: UserId", next.action as "action: Json<Action>"
        "#,
        worker as _,
        LEASE.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Keeps a claim. Whether it still held.
///
/// # Errors
/// What the database says.
pub async fn renew(db: impl PgExecutor<'_>, worker: WorkerId, run: RunId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update schedule_runs set lease_until = now() + make_interval(secs => $3)
        where id = $1 and worker_id = $2 and state = 'running'
        "#,
        run as _,
        worker as _,
        LEASE.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Records how a run ended, if the claim still holds. Whether it did.
///
/// # Errors
/// What the database says.
pub async fn end(
    db: impl PgExecutor<'_>,
    worker: WorkerId,
    run: RunId,
    ended: Result<&Value, &str>,
) -> sqlx::Result<bool> {
    let state = if ended.is_ok() { State::Done } else { State::Failed };
    let done = sqlx::query!(
        r#"
        update schedule_runs
        set state = $3, outcome = $4, reason = $5, ended_at = now(), worker_id = null, lease_until = null
        where id = $1 and worker_id = $2 and state = 'running'
        "#,
        run as _,
        worker as _,
        state as _,
        ended.ok(),
        ended.err(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Gives a claim back undone, for any worker to take.
///
/// # Errors
/// What the database says.
pub async fn release(db: impl PgExecutor<'_>, worker: WorkerId, run: RunId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update schedule_runs
        set state = 'waiting', attempts = attempts - 1, worker_id = null, lease_until = null
        where id = $1 and worker_id = $2 and state = 'running'
        "#,
        run as _,
        worker as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts back what vanished workers held, of all owners; what has ended too many
/// of them is given up. Returns how many runs those were.
///
/// # Errors
/// What the database says.
pub async fn recover(db: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        r#"
        update schedule_runs
        set state = case when attempts < $1 then 'waiting' else 'failed' end,
            reason = case when attempts < $1 then null else 'its workers vanished; see the log of the service' end,
            ended_at = case when attempts < $1 then null else now() end,
            worker_id = null, lease_until = null
        where state = 'running' and lease_until < now()
        "#,
        MAX_ATTEMPTS,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Drops the records of runs that ended so many days ago. Returns how many.
///
/// # Errors
/// What the database says.
pub async fn drop_ended(db: impl PgExecutor<'_>, scope: Scope, days: i32) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from schedule_runs where owner_id = $1 and ended_at < now() - make_interval(days => $2)",
        scope.owner() as _,
        days,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
