//! Members: who may read or write a collection besides its owner.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::ids::{CollectionId, DocumentId, UserId};
use crate::scope::Scope;

/// What somebody may do with a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Access {
    /// Search it and read its documents.
    Reader,
    /// Add, change and delete documents too.
    Writer,
    /// Everything: it is theirs.
    Owner,
}

/// A member of a collection.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Whose account it is.
    pub user_id: UserId,
    /// Its name.
    pub name: String,
    /// What it may do: `reader` or `writer`.
    pub role: Access,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// Collections of others that the scope may read.
///
/// # Errors
/// What the database says.
pub async fn shared_with(db: impl PgExecutor<'_>, scope: Scope) -> sqlx::Result<Vec<CollectionId>> {
    sqlx::query_scalar!(
        r#"select collection_id as "id: CollectionId" from collection_members where user_id = $1"#,
        scope.owner() as _,
    )
    .fetch_all(db)
    .await
}

/// What the scope may do with a collection, and the scope of its owner. `None`
/// when it is not there for the scope.
///
/// # Errors
/// What the database says.
pub async fn access(
    db: impl PgExecutor<'_>,
    scope: Scope,
    collection: CollectionId,
) -> sqlx::Result<Option<(Access, Scope)>> {
    let found = sqlx::query!(
        r#"
        select c.owner_id as "owner: UserId", m.role as "role?: Access"
        from collections c
        left join collection_members m on m.collection_id = c.id and m.user_id = $2
        where c.id = $1 and (c.owner_id = $2 or m.role is not null)
        "#,
        collection as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|row| (row.role.unwrap_or(Access::Owner), Scope::stored(row.owner))))
}

/// Members of the scope's collection, in order of their ids, from after
/// `after`.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    collection: CollectionId,
    after: Option<UserId>,
    limit: i64,
) -> sqlx::Result<Vec<Member>> {
    sqlx::query_as!(
        Member,
        r#"
        select m.user_id as "user_id: UserId", u.name, m.role as "role: Access", m.created_at
        from collection_members m
        join users u on u.id = m.user_id
        where m.collection_id = $1 and m.owner_id = $2 and ($3::uuid is null or m.user_id > $3)
        order by m.user_id
        limit $4
        "#,
        collection as _,
        scope.owner() as _,
        after as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Lets an account in, or changes what it may do. Whether the collection is
/// the scope's, and the account not the scope's own.
///
/// # Errors
/// What the database says.
pub async fn admit(
    db: impl PgExecutor<'_>,
    scope: Scope,
    collection: CollectionId,
    user: UserId,
    role: Access,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into collection_members (collection_id, owner_id, user_id, role, created_at)
        select id, owner_id, $3, $4, now()
        from collections
        where id = $1 and owner_id = $2 and owner_id <> $3
        on conflict (collection_id, user_id) do update set role = excluded.role
        "#,
        collection as _,
        scope.owner() as _,
        user as _,
        role as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a membership: of the scope's own collection, or the scope's own in
/// another's. Whether there was one.
///
/// # Errors
/// What the database says.
pub async fn remove(
    db: impl PgExecutor<'_>,
    scope: Scope,
    collection: CollectionId,
    user: UserId,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        delete from collection_members
        where collection_id = $1 and user_id = $3 and (owner_id = $2 or user_id = $2)
        "#,
        collection as _,
        scope.owner() as _,
        user as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Since when an account is a member of a collection.
///
/// # Errors
/// What the database says.
pub async fn find(
    db: impl PgExecutor<'_>,
    collection: CollectionId,
    user: UserId,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "select created_at from collection_members where collection_id = $1 and user_id = $2",
        collection as _,
        user as _,
    )
    .fetch_optional(db)
    .await
}

/// What the scope may do with a document that is not deleted, and the scope of
/// its owner. `None` when it is not there for the scope.
///
/// # Errors
/// What the database says.
pub async fn access_to_document(
    db: impl PgExecutor<'_>,
    scope: Scope,
    document: DocumentId,
) -> sqlx::Result<Option<(Access, Scope)>> {
    let found = sqlx::query!(
        r#"
        select d.owner_id as "owner: UserId", m.role as "role?: Access"
        from documents d
        left join collection_members m on m.collection_id = d.collection_id and m.user_id = $2
        where d.id = $1 and d.deleted_at is null and (d.owner_id = $2 or m.role is not null)
        "#,
        document as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|row| (row.role.unwrap_or(Access::Owner), Scope::stored(row.owner))))
}
