//! How a claim ends: done, moved on, given back, put off or given up.

use std::time::Duration;

use sqlx::PgExecutor;

use super::{Claim, interval, keys};
use crate::ids::{DocumentId, JobId};

/// Moves jobs on from reading to embedding. The caller holds them, but for those
/// that it has queued anew itself: who publishes an archive changes what lies in it.
///
/// # Errors
/// What the database says.
pub async fn advance(tx: &mut sqlx::PgTransaction<'_>, claims: &[Claim]) -> sqlx::Result<()> {
    let (ids, fences) = keys(claims);
    sqlx::query!(
        r#"
        update jobs
        set step = 'embed', state = 'waiting', attempts = 0, orphaned = 0, worker_id = null, lease_until = null,
            due_at = now(), updated_at = now()
        from unnest($1::uuid[], $2::bigint[]) as claim (id, fence)
        where jobs.id = claim.id and jobs.fence = claim.fence
        "#,
        &ids as _,
        &fences,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes jobs whose work is done, and says which: those of the given ones
/// whose document is done. The caller holds them.
///
/// # Errors
/// What the database says.
pub async fn finish(tx: &mut sqlx::PgTransaction<'_>, jobs: &[JobId]) -> sqlx::Result<Vec<JobId>> {
    sqlx::query_scalar!(
        r#"
        delete from jobs
        using documents d
        where jobs.id = any($1) and d.id = jobs.document_id and d.stage = 'done'
        returning jobs.id as "id: JobId"
        "#,
        jobs as _,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Gives claims back, to be claimed again at once. Nothing is counted against
/// them.
///
/// # Errors
/// What the database says.
pub async fn release(db: impl PgExecutor<'_>, claims: &[Claim]) -> sqlx::Result<()> {
    let (ids, fences) = keys(claims);
    sqlx::query!(
        r#"
        with held as materialized (
            select job.id
            from unnest($1::uuid[], $2::bigint[]) as claim (id, fence)
            join jobs job on job.id = claim.id and job.fence = claim.fence
            where job.state = 'running'
            order by job.document_id
            for update of job
        )
        update jobs
        set state = 'waiting', worker_id = null, lease_until = null, updated_at = now()
        from held
        where jobs.id = held.id
        "#,
        &ids as _,
        &fences,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts a job back to be tried again after `delay`. It counts as one try, or as none
/// where nothing was wrong with what it is about. The caller holds it.
///
/// # Errors
/// What the database says.
pub async fn retry(
    tx: &mut sqlx::PgTransaction<'_>,
    job: JobId,
    delay: Duration,
    is_try: bool,
    code: &str,
    message: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update jobs
        set state = 'waiting', attempts = attempts + $3::boolean::integer, worker_id = null, lease_until = null,
            due_at = now() + $2, failure_code = $4, failure_message = $5, updated_at = now()
        where id = $1
        "#,
        job as _,
        interval(delay),
        is_try,
        code,
        message,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives a job up. The caller holds it, unless it has queued it anew itself.
///
/// # Errors
/// What the database says.
pub async fn bury(tx: &mut sqlx::PgTransaction<'_>, claim: &Claim, code: &str, message: &str) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update jobs
        set state = 'dead', attempts = attempts + 1, worker_id = null, lease_until = null,
            failure_code = $3, failure_message = $4, updated_at = now()
        where id = $1 and fence = $2
        "#,
        claim.id as _,
        claim.fence,
        code,
        message,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes the jobs of documents that are being deleted, whoever holds them.
///
/// # Errors
/// What the database says.
pub async fn discard(tx: &mut sqlx::PgTransaction<'_>, documents: &[DocumentId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        with gone as materialized (
            select id from jobs where document_id = any($1) order by document_id for update
        )
        delete from jobs where id in (select id from gone)
        "#,
        documents as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
