//! Accounts. Only the service itself writes them: callers are given the columns
//! that concern them, and nobody but [`password`] and [`password_of_name`] is given
//! the hash.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::ids::UserId;

/// What an account may do beyond its own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum UserRole {
    /// Nothing.
    User,
    /// See to accounts, the queue, schedules and the index.
    Admin,
}

/// How an account came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum UserKind {
    /// By a name.
    Regular,
    /// By trying the service out: it has no password, and tighter limits.
    Guest,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// What it signs in with, whatever its case.
    pub name: String,
    /// What it may do.
    pub role: UserRole,
    /// How it came to be.
    pub kind: UserKind,
    /// Whether it may not sign in any more.
    pub disabled: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last active, to within some minutes.
    pub seen_at: Option<DateTime<Utc>>,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it may do.
    pub role: UserRole,
    /// How it comes to be.
    pub kind: UserKind,
    /// The hash of its password, where it has one.
    pub password_hash: Option<&'a str>,
    /// Who vouches for it, and its name there.
    pub outside: Option<(&'a str, &'a str)>,
}

/// The constraint that keeps names apart.
const NAMES: &str = "users_name";

/// Makes an account. `None` when the name is taken.
///
/// # Errors
/// What the database says.
pub async fn create(db: impl PgExecutor<'_>, new: &NewUser<'_>) -> sqlx::Result<Option<User>> {
    let made = sqlx::query_as!(
        User,
        r#"
        insert into users (id, name, role, kind, password_hash, issuer, subject, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, now())
        returning
            id as "id: UserId", name, role as "role: UserRole", kind as "kind: UserKind",
            disabled_at is not null as "disabled!", created_at, seen_at
        "#,
        UserId::new() as _,
        new.name,
        new.role as _,
        new.kind as _,
        new.password_hash,
        new.outside.map(|(issuer, _)| issuer),
        new.outside.map(|(_, subject)| subject),
    )
    .fetch_one(db)
    .await;
    free(made)
}

/// `None` where the name is taken.
fn free<T>(outcome: sqlx::Result<T>) -> sqlx::Result<Option<T>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some(NAMES) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The account of that id.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        select
            id as "id: UserId", name, role as "role: UserRole", kind as "kind: UserKind",
            disabled_at is not null as "disabled!", created_at, seen_at
        from users
        where id = $1
        "#,
        user as _,
    )
    .fetch_optional(db)
    .await
}

/// The account of that name.
///
/// # Errors
/// What the database says.
pub async fn find_by_name(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        select
            id as "id: UserId", name, role as "role: UserRole", kind as "kind: UserKind",
            disabled_at is not null as "disabled!", created_at, seen_at
        from users
        where folded(name) = folded($1)
        "#,
        name,
    )
    .fetch_optional(db)
    .await
}

/// The account that an issuer vouches for.
///
/// # Errors
/// What the database says.
pub async fn find_outside(db: impl PgExecutor<'_>, issuer: &str, subject: &str) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        select
            id as "id: UserId", name, role as "role: UserRole", kind as "kind: UserKind",
            disabled_at is not null as "disabled!", created_at, seen_at
        from users
        where issuer = $1 and subject = $2
        "#,
        issuer,
        subject,
    )
    .fetch_optional(db)
    .await
}

/// The administrator that was made first and may still sign in.
///
/// # Errors
/// What the database says.
pub async fn first_admin(db: impl PgExecutor<'_>) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        select
            id as "id: UserId", name, role as "role: UserRole", kind as "kind: UserKind",
            disabled_at is not null as "disabled!", created_at, seen_at
        from users
        where role = 'admin' and disabled_at is null
        order by created_at, id
        limit 1
        "#,
    )
    .fetch_optional(db)
    .await
}

/// Whether some administrator can sign in.
///
/// # Errors
/// What the database says.
pub async fn has_open_admin(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select from users
            where role = 'admin' and disabled_at is null and (password_hash is not null or subject is not null)
        ) as "open!"
        "#,
    )
    .fetch_one(db)
    .await
}

/// Accounts in order of their ids, from after `after`.
///
/// # Errors
/// What the database says.
pub async fn list(db: impl PgExecutor<'_>, after: Option<UserId>, limit: i64) -> sqlx::Result<Vec<User>> {
    sqlx::query_as!(
        User,
        r#"
        select
            id as "id: UserId", name, role as "role: UserRole", kind as "kind: UserKind",
            disabled_at is not null as "disabled!", created_at, seen_at
        from users
        where $1::uuid is null or id > $1
        order by id
        limit $2
        "#,
        after as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// The account of that name, by its id, and the hash of its password, where it
/// has one: one query, so that a name that is not known costs as much.
///
/// # Errors
/// What the database says.
pub async fn password_of_name(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<(UserId, Option<String>)>> {
    let found =
        sqlx::query!(r#"select id as "id: UserId", password_hash from users where folded(name) = folded($1)"#, name,)
            .fetch_optional(db)
            .await?;
    Ok(found.map(|found| (found.id, found.password_hash)))
}

/// The hash of an account's password, where it has one.
///
/// # Errors
/// What the database says.
pub async fn password(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<Option<String>> {
    let hash =
        sqlx::query_scalar!("select password_hash from users where id = $1", user as _).fetch_optional(db).await?;
    Ok(hash.flatten())
}

/// Sets the hash of an account's password. Whether the account was there.
///
/// # Errors
/// What the database says.
pub async fn set_password(db: impl PgExecutor<'_>, user: UserId, hash: &str) -> sqlx::Result<bool> {
    let done = sqlx::query!("update users set password_hash = $2 where id = $1", user as _, hash).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

/// Sets the hash of an account's password in the place of `old`, unless somebody
/// else has changed it. Whether it did.
///
/// # Errors
/// What the database says.
pub async fn renew_password(db: impl PgExecutor<'_>, user: UserId, old: &str, hash: &str) -> sqlx::Result<bool> {
    let done =
        sqlx::query!("update users set password_hash = $3 where id = $1 and password_hash = $2", user as _, old, hash,)
            .execute(db)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// A guest whose sign-ins have ended, locked. It was made a while ago: a new one
/// is about to sign in.
///
/// # Errors
/// What the database says.
pub async fn idle_guest(db: impl PgExecutor<'_>) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"
        select u.id as "id: UserId" from users u
        where u.kind = 'guest' and u.created_at < now() - interval '1 hour'
          and not exists (select from sessions s where s.owner_id = u.id)
        order by u.id
        limit 1
        for update of u skip locked
        "#,
    )
    .fetch_optional(db)
    .await
}

/// Makes a guest a regular account, which keeps everything. `None` when the
/// name is taken; false when it is no guest.
///
/// # Errors
/// What the database says.
pub async fn settle(db: impl PgExecutor<'_>, guest: UserId, name: &str, hash: &str) -> sqlx::Result<Option<bool>> {
    let done = sqlx::query!(
        "update users set name = $2, password_hash = $3, kind = 'regular' where id = $1 and kind = 'guest'",
        guest as _,
        name,
        hash,
    )
    .execute(db)
    .await;
    Ok(free(done)?.map(|done| done.rows_affected() > 0))
}

/// What of an account is changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    /// Whether it may sign in.
    pub disabled: Option<bool>,
    /// What it may do.
    pub role: Option<UserRole>,
}

/// Changes an account. `None` when it is not there.
///
/// # Errors
/// What the database says.
pub async fn change(db: impl PgExecutor<'_>, user: UserId, change: Change) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"
        update users
        set disabled_at = case
                when $2::boolean is null then disabled_at
                when $2 then coalesce(disabled_at, now())
            end,
            role = coalesce($3::text, role)
        where id = $1
        returning
            id as "id: UserId", name, role as "role: UserRole", kind as "kind: UserKind",
            disabled_at is not null as "disabled!", created_at, seen_at
        "#,
        user as _,
        change.disabled,
        change.role as _,
    )
    .fetch_optional(db)
    .await
}

/// How many administrators may sign in, besides `user`. Locks their rows, so
/// that two who take each other's rights are told apart.
///
/// # Errors
/// What the database says.
pub async fn other_admins(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<usize> {
    let others =
        sqlx::query!("select id from users where role = 'admin' and disabled_at is null order by id for update",)
            .fetch_all(db)
            .await?;
    Ok(others.iter().filter(|other| other.id != user.0).count())
}

/// Notes that an account is active, some minutes after it was noted last.
///
/// # Errors
/// What the database says.
pub async fn seen(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set seen_at = now() where id = $1 and (seen_at is null or seen_at < now() - interval '5 minutes')",
        user as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes an account with all that belongs to it. Whether it was there.
///
/// # Errors
/// What the database says.
pub async fn delete(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<bool> {
    let done = sqlx::query!("delete from users where id = $1", user as _).execute(db).await?;
    Ok(done.rows_affected() > 0)
}
