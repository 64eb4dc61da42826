//! Long-lived keys of programs, of which only hashes are kept.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;

use footnote_ingest::scope::Scope;

use super::users::{User, UserKind, UserRole};
use crate::ids::{ApiKeyId, UserId};

/// A key, without its secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// How it begins, to tell it from others.
    pub prefix: String,
    /// What may be done with it.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to within a minute.
    pub used_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A key to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// Its id, which the key itself names.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: &'a str,
    /// How it begins.
    pub prefix: &'a str,
    /// SHA-256 of its secret.
    pub sha256: &'a [u8],
    /// What may be done with it.
    pub scopes: &'a [String],
    /// Days until it ends.
    pub days: Option<i32>,
}

/// A key as it is checked.
#[derive(Debug, Clone)]
pub struct Known {
    /// SHA-256 of its secret.
    pub sha256: Vec<u8>,
    /// What may be done with it.
    pub scopes: Vec<String>,
    /// Whose it is.
    pub user: User,
}

/// Keeps a new key.
///
/// # Errors
/// What the database says.
pub async fn create(db: impl PgExecutor<'_>, scope: Scope, new: NewKey<'_>) -> sqlx::Result<ApiKey> {
    sqlx::query_as!(
        ApiKey,
        r#"
        insert into api_keys (id, owner_id, name, prefix, sha256, scopes, expires_at, created_at)
        values ($1, $2, $3, $4, $5, $6, now() + make_interval(days => $7), now())
        returning id as "id: ApiKeyId", name, prefix, scopes, expires_at, used_at, created_at
        "#,
        new.id as _,
        scope.owner() as _,
        new.name,
        new.prefix,
        new.sha256,
        new.scopes,
        new.days,
    )
    .fetch_one(db)
    .await
}

/// How many keys the scope's owner has.
///
/// # Errors
/// What the database says.
pub async fn count(db: impl PgExecutor<'_>, scope: Scope) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from api_keys where owner_id = $1"#, scope.owner() as _)
        .fetch_one(db)
        .await
}

/// Keys in order of their ids, from after `after`.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    after: Option<ApiKeyId>,
    limit: i64,
) -> sqlx::Result<Vec<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        r#"
        select id as "id: ApiKeyId", name, prefix, scopes, expires_at, used_at, created_at
        from api_keys
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

/// Deletes a key. Whether it was there.
///
/// # Errors
/// What the database says.
pub async fn delete(db: impl PgExecutor<'_>, scope: Scope, key: ApiKeyId) -> sqlx::Result<bool> {
    let done = sqlx::query!("delete from api_keys where id = $1 and owner_id = $2", key as _, scope.owner() as _)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes all keys of an account.
///
/// # Errors
/// What the database says.
pub async fn delete_all(db: impl PgExecutor<'_>, owner: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from api_keys where owner_id = $1", owner as _).execute(db).await?;
    Ok(())
}

/// Notes that a key was used, to the minute.
///
/// # Errors
/// What the database says.
pub async fn used(db: impl PgExecutor<'_>, key: ApiKeyId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update api_keys set used_at = now()
        where id = $1 and (used_at is null or used_at < now() - interval '1 minute')
        "#,
        key as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A key that has not ended, of an account that may sign in.
///
/// # Errors
/// What the database says.
pub async fn known(db: impl PgExecutor<'_>, key: ApiKeyId) -> sqlx::Result<Option<Known>> {
    let found = sqlx::query!(
        r#"
        select
            k.sha256, k.scopes,
            u.id as "id: UserId", u.name, u.role as "role: UserRole", u.kind as "kind: UserKind",
            u.created_at, u.seen_at
        from api_keys k
        join users u on u.id = k.owner_id
        where k.id = $1 and (k.expires_at is null or k.expires_at > now()) and u.disabled_at is null
        "#,
        key as _,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|row| Known {
        sha256: row.sha256,
        scopes: row.scopes,
        user: User {
            id: row.id,
            name: row.name,
            role: row.role,
            kind: row.kind,
            disabled: false,
            created_at: row.created_at,
            seen_at: row.seen_at,
        },
    }))
}
