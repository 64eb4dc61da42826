//! Replies of providers' models that were passed on under a key of the caller's
//! own: kept for a day, so that asking again is safe.
//!
//! A reply is made under a lease, as an answer is: who finds one run out makes it
//! anew. Each making has an id of its own, without which nothing of it is changed.

use std::time::Duration;

use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

/// How long a maker is believed to be alive without a sign of it.
pub const LEASE: Duration = Duration::from_secs(6);

/// A reply under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Which making of it this is.
    pub id: Uuid,
    /// SHA-256 of the request.
    pub request_sha256: Vec<u8>,
    /// What the model said, as JSON; none until it has ended.
    pub said: Option<Vec<u8>>,
    /// Its maker is gone, and it has not ended.
    pub broken: bool,
}

/// The reply of the scope under a key.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, key: &str) -> sqlx::Result<Option<Reply>> {
    sqlx::query_as!(
        Reply,
        r#"
        select id, request_sha256, said, coalesce(lease_until < now(), false) as "broken!"
        from kept_replies
        where owner_id = $1 and key = $2
        "#,
        scope.owner() as _,
        key,
    )
    .fetch_optional(db)
    .await
}

/// Takes a key for a reply that is about to be made, or takes over one of the same
/// request whose maker is gone. False when the key is another's.
///
/// # Errors
/// What the database says.
pub async fn claim(
    db: impl PgExecutor<'_>,
    scope: Scope,
    key: &str,
    request_sha256: &[u8],
    id: Uuid,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into kept_replies (owner_id, key, id, request_sha256, lease_until, created_at)
        values ($1, $2, $3, $4, now() + $5, now())
        on conflict (owner_id, key) do update
        set id = excluded.id, lease_until = excluded.lease_until, awaited_at = null, created_at = excluded.created_at
        where kept_replies.lease_until < now() and kept_replies.request_sha256 = excluded.request_sha256
        "#,
        scope.owner() as _,
        key,
        id,
        request_sha256,
        interval(LEASE),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Prolongs the lease of a making, and says whether somebody has waited for it
/// within the last `within`. `None` when it is over, or another's.
///
/// # Errors
/// What the database says.
pub async fn renew(
    db: impl PgExecutor<'_>,
    scope: Scope,
    key: &str,
    id: Uuid,
    within: Duration,
) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar!(
        r#"
        update kept_replies set lease_until = now() + $4
        where owner_id = $1 and key = $2 and id = $3 and said is null
        returning coalesce(awaited_at > now() - $5::interval, false) as "awaited!"
        "#,
        scope.owner() as _,
        key,
        id,
        interval(LEASE),
        interval(within),
    )
    .fetch_optional(db)
    .await
}

/// Notes that somebody waits for a reply.
///
/// # Errors
/// What the database says.
pub async fn awaited(db: impl PgExecutor<'_>, scope: Scope, key: &str, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update kept_replies set awaited_at = now() where owner_id = $1 and key = $2 and id = $3 and said is null",
        scope.owner() as _,
        key,
        id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps what the model said, unless the making is another's by now.
///
/// # Errors
/// What the database says.
pub async fn keep(db: impl PgExecutor<'_>, scope: Scope, key: &str, id: Uuid, said: &[u8]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update kept_replies set said = $4, lease_until = null
        where owner_id = $1 and key = $2 and id = $3 and said is null
        "#,
        scope.owner() as _,
        key,
        id,
        said,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets a making that did not come to its end: the key is free again.
///
/// # Errors
/// What the database says.
pub async fn release(db: impl PgExecutor<'_>, scope: Scope, key: &str, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from kept_replies where owner_id = $1 and key = $2 and id = $3 and said is null",
        scope.owner() as _,
        key,
        id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets replies that are older than a day.
///
/// # Errors
/// What the database says.
pub async fn forget_old(db: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from kept_replies where created_at < now() - interval '1 day'").execute(db).await?;
    Ok(done.rows_affected())
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
