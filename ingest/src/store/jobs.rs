//! The queue: documents that wait to be read or embedded, who works on them,
//! and what was given up.
//!
//! A job is claimed for the length of a lease and under a fencing number that
//! grows with each claim. Whatever a worker commits, it commits in a
//! transaction that first asks [`hold`]: a worker that slept past its lease, or
//! whose document was changed meanwhile, is told so by the row itself.
//!
//! Whoever locks several rows and waits for them locks documents before jobs,
//! and both in the order of the documents' ids: a caller who changes what a
//! worker has in hand waits for it, or the other way round, but never both.

mod endings;
mod overview;

use std::time::Duration;

use sqlx::PgExecutor;
use sqlx::postgres::types::PgInterval;

pub use endings::{advance, bury, discard, finish, release, retry};
pub use overview::{Filter, Job, Queue, cancel, list, queue, revive};

use crate::ids::{DocumentId, JobId, UserId, WorkerId};
use crate::scope::Scope;

/// How long a claim lasts without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(30);
/// Tries of a step before a job is given up.
pub const MAX_ATTEMPTS: i32 = 3;
/// What is held against a job when a worker vanishes that had few in hand, and when it
/// had many: of these hardly one is what ended it. A worker that starts takes few at
/// first, so what ends it at once is soon among few.
const BLAME: [i32; 2] = [10, 1];
/// Jobs in hand that are few: two of the first batches.
const FEW: i64 = 8;
/// What may be held against a job before it is given up. That is more than tries, for
/// it is mostly the worker's own end and not the document's doing.
const MOST_BLAME: i32 = 100;

/// What is to be done next with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = JobStep)]
pub enum Step {
    /// Read it, cut it, index its words.
    Read,
    /// Embed its chunks.
    Embed,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = JobState)]
pub enum State {
    /// Nobody works on it.
    Waiting,
    /// A worker holds it.
    Running,
    /// Given up; its failure says why.
    Dead,
}

/// A job that this worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub id: JobId,
    /// Its number for this claim.
    pub fence: i64,
    /// The document it serves.
    pub document: DocumentId,
    /// Whose it is.
    pub owner: UserId,
    /// Tries of this step that failed before.
    pub attempts: i32,
}

/// A document that comes in, for [`enqueue`].
#[derive(Debug, Clone, Copy)]
pub struct NewJob {
    /// The document.
    pub document: DocumentId,
    /// Bytes of its source.
    pub bytes: i64,
    /// Within its collection; higher goes first.
    pub priority: i16,
}

/// Queues a document to be read, in the transaction that took it in. What was
/// under way for an older version may not commit any more.
///
/// # Errors
/// What the database says.
pub async fn enqueue(db: impl PgExecutor<'_>, scope: Scope, job: &NewJob) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into jobs (
            id, owner_id, collection_id, document_id, version, bytes, step, state, priority,
            due_at, created_at, updated_at
        )
        select $1, d.owner_id, d.collection_id, d.id, d.version, $4, 'read', 'waiting', $5, now(), now(), now()
        from documents d
        where d.id = $2 and d.owner_id = $3
        on conflict (document_id) do update
        set version = excluded.version, bytes = excluded.bytes, step = 'read', state = 'waiting',
            priority = excluded.priority, due_at = now(), attempts = 0, orphaned = 0, worker_id = null,
            lease_until = null, fence = nextval('job_fences'), failure_code = null, failure_message = null,
            updated_at = now()
        "#,
        JobId::new() as _,
        job.document as _,
        scope.owner() as _,
        job.bytes,
        job.priority,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Claims what is due, in fair shares: owners take turns, and within an owner
/// collections do. At most `limit` jobs and, but for the first, `max_bytes` of
/// their sources; none of the owners in `except`.
///
/// # Errors
/// What the database says.
pub async fn claim(
    db: impl PgExecutor<'_>,
    worker: WorkerId,
    step: Step,
    limit: i64,
    max_bytes: i64,
    except: &[UserId],
) -> sqlx::Result<Vec<Claim>> {
    // The first part walks from lane to lane along the index, however long each is.
    sqlx::query_as!(
        Claim,
        r#"
        with recursive lanes as (
            (
                select owner_id, collection_id from jobs
                where state = 'waiting' and step = $1
                  -- Another generation of the index catches up: nothing new is read.
                  and ($1 <> 'read' or not exists (select from generations where quiet_until > now()))
                order by owner_id, collection_id limit 1
            )
            union all
            select next.owner_id, next.collection_id
            from lanes
            cross join lateral (
                select owner_id, collection_id from jobs
                where state = 'waiting' and step = $1
                  and (owner_id, collection_id) > (lanes.owner_id, lanes.collection_id)
                order by owner_id, collection_id limit 1
            ) next
        ),
        candidates as (
            select job.*, lanes.owner_id, lanes.collection_id
            from (select * from lanes where owner_id <> all($6)) lanes
            cross join lateral (
                select id, bytes, priority, row_number() over (order by priority desc, due_at, id) as turn
                from jobs
                where state = 'waiting' and step = $1
                  and owner_id = lanes.owner_id and collection_id = lanes.collection_id and due_at <= now()
                order by priority desc, due_at, id
                limit $2
            ) job
        ),
        turns as (
            select id, bytes, random() as lot, row_number() over (
                partition by owner_id order by turn, priority desc, random()
            ) as turn
            from candidates
        ),
        shares as (
            select id, turn, lot, (sum(bytes) over (order by turn, lot))::bigint - bytes as before from turns
        ),
        picked as (
            select job.id
            from shares
            join jobs job on job.id = shares.id
            where shares.before < $3 and job.state = 'waiting'
            order by shares.turn, shares.lot
            limit $2
            for update of job skip locked
        )
        update jobs
        set state = 'running', worker_id = $4, lease_until = now() + $5,
            fence = nextval('job_fences'), updated_at = now()
        from picked
        where jobs.id = picked.id
        returning
            jobs.id as "id: JobId", jobs.fence, jobs.document_id as "document: DocumentId",
            jobs.owner_id as "owner: UserId", jobs.attempts
        "#,
        step as Step,
        limit,
        max_bytes,
        worker as _,
        lease(),
        except as _,
    )
    .fetch_all(db)
    .await
}

/// Which of the claims still hold; their rows and those of their documents stay
/// locked until the transaction ends, so that nobody takes them over meanwhile.
///
/// # Errors
/// What the database says.
pub async fn hold(tx: &mut sqlx::PgTransaction<'_>, claims: &[Claim]) -> sqlx::Result<Vec<JobId>> {
    let (ids, fences) = keys(claims);
    let documents: Vec<DocumentId> = claims.iter().map(|claim| claim.document).collect();
    sqlx::query!("select from documents where id = any($1) order by id for no key update", &documents as _)
        .execute(&mut **tx)
        .await?;
    sqlx::query_scalar!(
        r#"
        select job.id as "id: JobId"
        from unnest($1::uuid[], $2::bigint[]) as held (id, fence)
        join jobs job on job.id = held.id and job.fence = held.fence
        where job.state = 'running' and job.lease_until > now()
        order by job.document_id
        for update of job
        "#,
        &ids as _,
        &fences,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Prolongs the leases of claims that still hold, and says which those are. With `late`
/// also of those that ran out and that nobody took over, as their fences tell: for who
/// was awake all the time, but could not reach the database. What a transaction has
/// locked holds, and is prolonged the next time: the others need not wait for it.
///
/// # Errors
/// What the database says.
pub async fn renew(db: impl PgExecutor<'_>, claims: &[Claim], late: bool) -> sqlx::Result<Vec<JobId>> {
    let (ids, fences) = keys(claims);
    sqlx::query_scalar!(
        r#"
        with held as materialized (
            select job.id
            from unnest($1::uuid[], $2::bigint[]) as claim (id, fence)
            join jobs job on job.id = claim.id and job.fence = claim.fence
            where job.state = 'running' and ($4 or job.lease_until > now())
            order by job.document_id
            for update of job skip locked
        ),
        renewed as (
            update jobs
            set lease_until = now() + $3
            from held
            where jobs.id = held.id
        )
        select job.id as "id: JobId"
        from unnest($1::uuid[], $2::bigint[]) as claim (id, fence)
        join jobs job on job.id = claim.id and job.fence = claim.fence
        where job.state = 'running' and ($4 or job.lease_until > now())
        "#,
        &ids as _,
        &fences,
        lease(),
        late,
    )
    .fetch_all(db)
    .await
}

/// Prolongs the leases of jobs that the transaction [`hold`]s, from this moment on:
/// nobody else could while it lasted.
///
/// # Errors
/// What the database says.
pub async fn prolong(tx: &mut sqlx::PgTransaction<'_>, held: &[JobId]) -> sqlx::Result<()> {
    sqlx::query!("update jobs set lease_until = clock_timestamp() + $2 where id = any($1)", held as _, lease())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Puts back what vanished workers held: all whose lease has run out, or, with
/// `every`, all that are held. That one is for a process that knows it is the
/// only one. A job that outlived too many workers while it was read is given up,
/// and its document with it: its file may be what ended them, the more likely the
/// fewer others were in hand. Texts that are
/// embedded are bounded, and hundreds of them are in hand at once. Returns how many
/// were put back.
///
/// # Errors
/// What the database says.
pub async fn recover(db: impl PgExecutor<'_>, every: bool) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        with in_hand as (
            select worker_id, count(*) as jobs from jobs where state = 'running' and step = 'read' group by worker_id
        ),
        held as materialized (
            select job.id, job.orphaned + case when job.step = 'embed' then 0 when in_hand.jobs <= $4 then $5 else $6 end
                as blame
            from jobs job
            join documents d on d.id = job.document_id
            left join in_hand on in_hand.worker_id = job.worker_id
            where job.state = 'running' and ($1 or job.lease_until <= now())
            for no key update of d skip locked
            for update of job skip locked
        ),
        lost as (
            update jobs
            set state = case when blame < $2 then 'waiting' else 'dead' end,
                orphaned = blame, worker_id = null, lease_until = null,
                failure_code = case when blame < $2 then failure_code else 'abandoned' end,
                failure_message = case when blame < $2 then failure_message else $3 end,
                updated_at = now()
            from held
            where jobs.id = held.id
            returning document_id, state
        ),
        failed as (
            update documents d
            set stage = 'failed', failure_code = 'abandoned', failure_message = $3, updated_at = now()
            from lost
            where lost.state = 'dead' and d.id = lost.document_id
        )
        select count(*) as "count!" from lost where state = 'waiting'
        "#,
        every,
        MOST_BLAME,
        "the worker ended again and again while it had this document in hand; leave it out, \
         or run `footnote jobs retry` once the cause is found",
        FEW,
        BLAME[0],
        BLAME[1],
    )
    .fetch_one(db)
    .await
}

/// Whether anything waits to be read, whoever works on it.
///
/// # Errors
/// What the database says.
pub async fn any_unread(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from jobs where step = 'read' and state <> 'dead') as "any!""#)
        .fetch_one(db)
        .await
}

fn keys(claims: &[Claim]) -> (Vec<JobId>, Vec<i64>) {
    claims.iter().map(|claim| (claim.id, claim.fence)).unzip()
}

fn lease() -> PgInterval {
    interval(LEASE)
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
