//! Schedules: work that comes round by the clock.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::ids::{CollectionId, RunId, ScheduleId};

/// What a schedule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = ScheduledAction)]
pub enum Action {
    /// Takes in what changed in folders on the server.
    Sync(Sync),
    /// Drops bytes that no document refers to any more, and records of old runs.
    Purge,
    /// Compares the index with the database, and mends nothing.
    Check,
}

/// Which folders go where. The keys of the documents start with the schedule's
/// name and a slash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// The collection.
    pub collection: CollectionId,
    /// Files, folders and globs on the server, absolute, under folders that its
    /// operator allows.
    pub inputs: Vec<String>,
    /// Delete what an earlier run took in and is no longer there.
    #[serde(default)]
    pub prune: bool,
}

/// A stored schedule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// Unique among the owner's.
    pub name: String,
    /// When it comes round: seconds, minutes, hours, days of the month, months
    /// and days of the week.
    pub cron: String,
    /// Name of the time zone in which that is meant, such as `Europe/Zurich`.
    pub time_zone: String,
    /// What it does.
    #[schema(value_type = Action)]
    pub action: Json<Action>,
    /// When it comes round next; null if it never does again.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When it last came round.
    pub last_tick: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What a new schedule is.
#[derive(Debug)]
pub struct New<'a> {
    /// Unique among the owner's.
    pub name: &'a str,
    /// Six fields.
    pub cron: &'a str,
    /// Name of the time zone.
    pub time_zone: &'a str,
    /// What it does.
    pub action: &'a Action,
    /// When it comes round first.
    pub next_run_at: DateTime<Utc>,
}

/// The database's clock, by which schedules go.
///
/// # Errors
/// What the database says.
pub async fn now(db: impl PgExecutor<'_>) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"select now() as "now!""#).fetch_one(db).await
}

/// Makes a schedule.
///
/// # Errors
/// What the database says; `schedules_owner_name` is the constraint on names.
pub async fn create(db: impl PgExecutor<'_>, scope: Scope, new: &New<'_>) -> sqlx::Result<Schedule> {
    sqlx::query_as!(
        Schedule,
        r#"
        insert into schedules (id, owner_id, name, cron, time_zone, action, next_run_at, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, now())
        returning
            id as "id: ScheduleId", name, cron, time_zone, action as "action: Json<Action>",
            next_run_at, last_tick, created_at
        "#,
        ScheduleId::new() as _,
        scope.owner() as _,
        new.name,
        new.cron,
        new.time_zone,
        Json(new.action) as _,
        new.next_run_at,
    )
    .fetch_one(db)
    .await
}

/// One schedule.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, schedule: ScheduleId) -> sqlx::Result<Option<Schedule>> {
    sqlx::query_as!(
        Schedule,
        r#"
        select
            id as "id: ScheduleId", name, cron, time_zone, action as "action: Json<Action>",
            next_run_at, last_tick, created_at
        from schedules
        where id = $1 and owner_id = $2
        "#,
        schedule as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// Schedules in the order in which they were made, from after `after`.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    after: Option<ScheduleId>,
    limit: i64,
) -> sqlx::Result<Vec<Schedule>> {
    sqlx::query_as!(
        Schedule,
        r#"
        select
            id as "id: ScheduleId", name, cron, time_zone, action as "action: Json<Action>",
            next_run_at, last_tick, created_at
        from schedules
        where owner_id = $1 and ($2::uuid is null or id > $2)
        order by id
        limit $3
        "#,
        scope.owner() as _,
        after as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Deletes a schedule with its runs. Whether it was there.
///
/// # Errors
/// What the database says.
pub async fn delete(db: impl PgExecutor<'_>, scope: Scope, schedule: ScheduleId) -> sqlx::Result<bool> {
    let done = sqlx::query!("delete from schedules where id = $1 and owner_id = $2", schedule as _, scope.owner() as _)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// When a schedule comes round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// The schedule.
    pub id: ScheduleId,
    /// Six fields.
    pub cron: String,
    /// Name of the time zone.
    pub time_zone: String,
}

/// The clocks of all owners' schedules that come round again, for the one
/// process that watches them.
///
/// # Errors
/// What the database says.
pub async fn clocks(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Clock>> {
    sqlx::query_as!(
        Clock,
        r#"
        select id as "id: ScheduleId", cron, time_zone from schedules where next_run_at is not null order by id
        "#
    )
    .fetch_all(db)
    .await
}

/// Schedules of all owners whose time has come.
///
/// # Errors
/// What the database says.
pub async fn due(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<ScheduleId>> {
    sqlx::query_scalar!(
        r#"select id as "id: ScheduleId" from schedules where next_run_at <= now() order by next_run_at"#
    )
    .fetch_all(db)
    .await
}

/// Queues a run of a schedule if its time has come, and sets when it comes
/// round again. However many ticks were missed, it is one run; while another is
/// still waiting or at work, it is recorded as skipped. Whether there is a run
/// to do.
///
/// # Errors
/// What the database says.
pub async fn fire(
    tx: &mut sqlx::PgTransaction<'_>,
    schedule: ScheduleId,
    next: impl FnOnce(&Clock, DateTime<Utc>) -> Option<DateTime<Utc>>,
) -> sqlx::Result<bool> {
    // Locked: of two processes, the second one finds it moved on.
    let due = sqlx::query!(
        r#"
        select cron, time_zone, next_run_at as "tick!", now() as "now!" from schedules
        where id = $1 and next_run_at <= now()
        for no key update
        "#,
        schedule as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(due) = due else { return Ok(false) };
    let next = next(&Clock { id: schedule, cron: due.cron, time_zone: due.time_zone }, due.now);
    sqlx::query!("update schedules set last_tick = $2, next_run_at = $3 where id = $1", schedule as _, due.tick, next,)
        .execute(&mut **tx)
        .await?;
    let waiting = sqlx::query_scalar!(
        r#"
        insert into schedule_runs (id, owner_id, schedule_id, tick, state, ended_at, reason, created_at)
        select
            $2, s.owner_id, s.id, $3,
            case when busy then 'skipped' else 'waiting' end,
            case when busy then now() end,
            case when busy then 'the run before was not finished' end,
            now()
        from schedules s
        cross join lateral (
            select exists (
                select from schedule_runs r where r.schedule_id = s.id and r.state in ('waiting', 'running')
            ) as busy
        ) before
        where s.id = $1
        on conflict do nothing
        returning state = 'waiting' as "waiting!"
        "#,
        schedule as _,
        RunId::new() as _,
        due.tick,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(waiting.unwrap_or(false))
}
