//! The queue as people see it: lists, trying again, cancelling, counts.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::{State, Step};
use crate::ids::{CollectionId, DocumentId, JobId, UserId};
use crate::scope::Scope;

/// A job as its owner or an operator sees it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose the document is.
    pub owner_id: UserId,
    /// The document it serves.
    pub document_id: DocumentId,
    /// The document's collection.
    pub collection_id: CollectionId,
    /// The document's key.
    pub key: String,
    /// What is to be done next.
    pub step: Step,
    /// Where it stands.
    pub state: State,
    /// Within its collection; higher goes first.
    pub priority: i16,
    /// Tries of this step that failed.
    pub attempts: i32,
    /// When it may be claimed.
    pub due_at: DateTime<Utc>,
    /// Stable code of the last failure.
    pub failure_code: Option<String>,
    /// What went wrong last and what to do.
    pub failure_message: Option<String>,
    /// When its document was first queued.
    pub created_at: DateTime<Utc>,
    /// When it last changed hands.
    pub updated_at: DateTime<Utc>,
}

/// Which jobs to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only of this document.
    pub document: Option<DocumentId>,
    /// From after this one.
    pub after: Option<JobId>,
}

/// The owner's jobs, of all owners for none, in order of their ids.
///
/// # Errors
/// What the database says.
pub async fn list(db: impl PgExecutor<'_>, scope: Option<Scope>, filter: Filter, limit: i64) -> sqlx::Result<Vec<Job>> {
    sqlx::query_as!(
        Job,
        r#"
        select
            j.id as "id: JobId", j.owner_id as "owner_id: UserId", j.document_id as "document_id: DocumentId",
            j.collection_id as "collection_id: CollectionId", d.key, j.step as "step: Step",
            j.state as "state: State", j.priority, j.attempts, j.due_at, j.failure_code, j.failure_message,
            j.created_at, j.updated_at
        from jobs j
        join documents d on d.id = j.document_id
        where ($1::uuid is null or j.owner_id = $1)
          and ($2::text is null or j.state = $2)
          and ($3::uuid is null or j.document_id = $3)
          and ($4::uuid is null or j.id > $4)
        order by j.id
        limit $5
        "#,
        scope.map(Scope::owner) as _,
        filter.state as _,
        filter.document as _,
        filter.after as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Puts the owner's given-up jobs, of all owners for none, back into the queue, their counts at nothing, and their
/// documents back to `queued`. Returns how many those were.
///
/// # Errors
/// What the database says.
pub async fn revive(db: impl PgExecutor<'_>, scope: Option<Scope>, jobs: Option<&[JobId]>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        with locked as materialized (
            select d.id
            from documents d
            join jobs job on job.document_id = d.id
            where ($1::uuid is null or job.owner_id = $1) and job.state = 'dead' and ($2::uuid[] is null or job.id = any($2))
            order by d.id
            for no key update of d
        ),
        chosen as materialized (
            select job.id
            from jobs job
            join locked on locked.id = job.document_id
            where job.state = 'dead' and ($2::uuid[] is null or job.id = any($2))
            order by job.document_id
            for update of job
        ),
        revived as (
            update jobs
            set state = 'waiting', step = 'read', attempts = 0, orphaned = 0, due_at = now(),
                version = (select d.version + 1 from documents d where d.id = jobs.document_id),
                failure_code = null, failure_message = null, updated_at = now()
            where id in (select id from chosen)
            returning document_id
        ),
        queued as (
            update documents d
            set stage = 'queued', version = d.version + 1, failure_code = null, failure_message = null,
                queued_at = now(), updated_at = now()
            from revived
            where d.id = revived.document_id and d.deleted_at is null
        )
        select count(*) as "count!" from revived
        "#,
        scope.map(Scope::owner) as _,
        jobs as _,
    )
    .fetch_one(db)
    .await
}

/// Stops jobs of the owner, of all owners for none, that wait or run: they are given up as cancelled, and a worker
/// that has one in hand may not commit it. Returns how many those were.
///
/// Versions are not compared: with both rows locked they are the same, and the
/// statement's snapshot may still have the document's older one, which would
/// leave it queued with nobody to work on it.
///
/// # Errors
/// What the database says.
pub async fn cancel(db: impl PgExecutor<'_>, scope: Option<Scope>, jobs: Option<&[JobId]>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        with locked as materialized (
            select d.id
            from documents d
            join jobs job on job.document_id = d.id
            where ($1::uuid is null or job.owner_id = $1) and job.state <> 'dead' and ($2::uuid[] is null or job.id = any($2))
            order by d.id
            for no key update of d
        ),
        chosen as materialized (
            select job.id
            from jobs job
            join locked on locked.id = job.document_id
            where job.state <> 'dead' and ($2::uuid[] is null or job.id = any($2))
            order by job.document_id
            for update of job
        ),
        cancelled as (
            update jobs
            set state = 'dead', worker_id = null, lease_until = null, fence = nextval('job_fences'),
                failure_code = 'cancelled', failure_message = $3, updated_at = now()
            where id in (select id from chosen)
            returning document_id
        ),
        failed as (
            update documents d
            set stage = 'failed', failure_code = 'cancelled', failure_message = $3, updated_at = now()
            from cancelled
            where d.id = cancelled.document_id
        )
        select count(*) as "count!" from cancelled
        "#,
        scope.map(Scope::owner) as _,
        jobs as _,
        "it was cancelled; upload it again or run `footnote jobs retry` to go on",
    )
    .fetch_one(db)
    .await
}

/// How much waits, runs and was given up.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Queue {
    /// What is to be done.
    pub step: Step,
    /// Where the jobs stand.
    pub state: State,
    /// How many.
    pub jobs: i64,
    /// Seconds since the oldest of them changed hands.
    pub oldest_seconds: f64,
}

/// The state of the queue, over all owners.
///
/// # Errors
/// What the database says.
pub async fn queue(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Queue>> {
    sqlx::query_as!(
        Queue,
        r#"
        select
            step as "step: Step", state as "state: State", count(*) as "jobs!",
            extract(epoch from now() - min(updated_at))::float8 as "oldest_seconds!"
        from jobs
        group by step, state
        order by step, state
        "#,
    )
    .fetch_all(db)
    .await
}
