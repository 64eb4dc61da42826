//! Sign-ins and their refresh tokens, of which only hashes are kept.

use sqlx::{PgExecutor, PgPool};

use super::users::{User, UserKind, UserRole};
use crate::ids::{SessionId, UserId};

/// Days after which a sign-in that is not used has ended.
const IDLE_DAYS: i32 = 30;
/// Seconds for which the token before is taken once more: the reply that gave
/// the new one may have been lost, or two pages asked at once.
const GRACE: i32 = 10;

/// What became of a refresh token.
#[derive(Debug)]
pub enum Rotation {
    /// It was exchanged; the account it belongs to.
    Done(User),
    /// It was exchanged before: somebody has a copy. The sign-in was ended.
    Reused(UserId),
    /// There is no such sign-in any more.
    Gone,
}

/// Begins a sign-in, if the account may still sign in and its password is still
/// the one of this hash. Whether it did: a change of either that comes later
/// finds the sign-in and ends it.
///
/// # Errors
/// What the database says.
pub async fn open(
    db: impl PgExecutor<'_>,
    session: SessionId,
    user: UserId,
    refresh_sha256: &[u8],
    password_hash: Option<&str>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into sessions (id, owner_id, refresh_sha256, rotated_at, expires_at, created_at)
        select $1, u.id, $3, now(), now() + make_interval(days => $4), now()
        from users u
        where u.id = $2 and u.disabled_at is null and u.password_hash is not distinct from $5
        for share of u
        "#,
        session as _,
        user as _,
        refresh_sha256,
        IDLE_DAYS,
        password_hash,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What the refresh tokens of a sign-in are derived from.
///
/// # Errors
/// What the database says.
pub async fn seed(db: impl PgExecutor<'_>, session: SessionId) -> sqlx::Result<Option<Vec<u8>>> {
    sqlx::query_scalar!("select seed from sessions where id = $1", session as _).fetch_optional(db).await
}

/// Exchanges a refresh token for another. One that was exchanged before ends
/// the sign-in: whoever of the two holds the newer one has to sign in again. For
/// one that was exchanged just now nothing is written: the same one takes its
/// place, and the time in which that holds does not begin anew.
///
/// # Errors
/// What the database says.
pub async fn rotate(db: &PgPool, session: SessionId, old_sha256: &[u8], new_sha256: &[u8]) -> sqlx::Result<Rotation> {
    let mut tx = db.begin().await?;
    let Some(found) = sqlx::query!(
        r#"
        select s.owner_id as "owner: UserId",
               s.refresh_sha256 = $2 as "present!",
               coalesce(s.former_sha256 = $2 and s.rotated_at > now() - make_interval(secs => $3), false) as "former!"
        from sessions s
        join users u on u.id = s.owner_id and u.disabled_at is null
        where s.id = $1 and s.expires_at > now()
        for update of s
        "#,
        session as _,
        old_sha256,
        f64::from(GRACE),
    )
    .fetch_optional(&mut *tx)
    .await?
    else {
        return Ok(Rotation::Gone);
    };
    if !found.present && !found.former {
        close(&mut *tx, session).await?;
        tx.commit().await?;
        return Ok(Rotation::Reused(found.owner));
    }
    if !found.present {
        return Ok(user(&mut *tx, session).await?.map_or(Rotation::Gone, Rotation::Done));
    }
    let user = sqlx::query_as!(
        User,
        r#"
        update sessions s
        set refresh_sha256 = $2, former_sha256 = $3, rotated_at = now(),
            expires_at = now() + make_interval(days => $4)
        from users u
        where s.id = $1 and u.id = s.owner_id
        returning
            u.id as "id: UserId", u.name, u.role as "role: UserRole", u.kind as "kind: UserKind",
            u.disabled_at is not null as "disabled!", u.created_at, u.seen_at
        "#,
        session as _,
        new_sha256,
        old_sha256,
        IDLE_DAYS,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Rotation::Done(user))
}

/// The account of a sign-in that has not ended.
///
/// # Errors
/// What the database says.
pub async fn user(db: impl PgExecutor<'_>, session: SessionId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        select
            u.id as "id: UserId", u.name, u.role as "role: UserRole", u.kind as "kind: UserKind",
            u.disabled_at is not null as "disabled!", u.created_at, u.seen_at
        from sessions s
        join users u on u.id = s.owner_id
        where s.id = $1 and s.expires_at > now() and u.disabled_at is null
        "#,
        session as _,
    )
    .fetch_optional(db)
    .await
}

/// Ends a sign-in.
///
/// # Errors
/// What the database says.
pub async fn close(db: impl PgExecutor<'_>, session: SessionId) -> sqlx::Result<()> {
    sqlx::query!("delete from sessions where id = $1", session as _).execute(db).await?;
    Ok(())
}

/// Ends all sign-ins of an account, but the one that is kept.
///
/// # Errors
/// What the database says.
pub async fn close_all(db: impl PgExecutor<'_>, user: UserId, kept: Option<SessionId>) -> sqlx::Result<()> {
    sqlx::query!("delete from sessions where owner_id = $1 and ($2::uuid is null or id <> $2)", user as _, kept as _,)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets sign-ins that ended by themselves.
///
/// # Errors
/// What the database says.
pub async fn forget_old(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query!("delete from sessions where expires_at < now()").execute(db).await?;
    Ok(())
}

/// Whether a refresh token is that of a sign-in.
///
/// # Errors
/// What the database says.
pub async fn holds(db: impl PgExecutor<'_>, session: SessionId, sha256: &[u8]) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from sessions where id = $1 and refresh_sha256 = $2) as "holds!""#,
        session as _,
        sha256,
    )
    .fetch_one(db)
    .await
}
