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
    /// When it was let in.
    pub created_at: DateTime<Utc>,
    /// Since when it counts; none: it has not answered yet.
    pub accepted_at: Option<DateTime<Utc>>,
}

/// Collections of others that the scope may read.
///
/// # Errors
/// What the database says.
pub async fn shared_with(db: impl PgExecutor<'_>, scope: Scope) -> sqlx::Result<Vec<CollectionId>> {
    sqlx::query_scalar!(
        r#"
        select collection_id as "id: CollectionId" from collection_members
        where user_id = $1 and accepted_at is not null
        "#,
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
        left join collection_members m on m.collection_id = c.id and m.user_id = $2 and m.accepted_at is not null
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
        select m.user_id as "user_id: UserId", u.name, m.role as "role: Access", m.created_at, m.accepted_at
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

/// Invites an account, or changes what it may do: it is in once it has
/// [accepted](accept). Whether the collection is
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

/// An invitation that its account has not answered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// The collection.
    pub collection_id: CollectionId,
    /// Its name.
    pub name: String,
    /// The name of its owner's account.
    pub owner: String,
    /// What the account may do once it has accepted: `reader` or `writer`.
    pub role: Access,
}

/// Invitations of the scope's account, in order of their collections' ids, from
/// after `after`.
///
/// # Errors
/// What the database says.
pub async fn invitations(
    db: impl PgExecutor<'_>,
    scope: Scope,
    after: Option<CollectionId>,
    limit: i64,
) -> sqlx::Result<Vec<Invitation>> {
    sqlx::query_as!(
        Invitation,
        r#"
        select c.id as "collection_id: CollectionId", c.name, u.name as owner, m.role as "role: Access"
        from collection_members m
        join collections c on c.id = m.collection_id
        join users u on u.id = c.owner_id
        where m.user_id = $1 and m.accepted_at is null and ($2::uuid is null or c.id > $2)
        order by c.id
        limit $3
        "#,
        scope.owner() as _,
        after as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Accepts an invitation of the scope's account. Whether there was one.
///
/// # Errors
/// What the database says.
pub async fn accept(db: impl PgExecutor<'_>, scope: Scope, collection: CollectionId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update collection_members set accepted_at = coalesce(accepted_at, now())
        where collection_id = $1 and user_id = $2
        "#,
        collection as _,
        scope.owner() as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A member of a collection, whoever asks.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, collection: CollectionId, user: UserId) -> sqlx::Result<Option<Member>> {
    sqlx::query_as!(
        Member,
        r#"
        select m.user_id as "user_id: UserId", u.name, m.role as "role: Access", m.created_at, m.accepted_at
        from collection_members m
        join users u on u.id = m.user_id
        where m.collection_id = $1 and m.user_id = $2
        "#,
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
        left join collection_members m
            on m.collection_id = d.collection_id and m.user_id = $2 and m.accepted_at is not null
        where d.id = $1 and d.deleted_at is null and (d.owner_id = $2 or m.role is not null)
        "#,
        document as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|row| (row.role.unwrap_or(Access::Owner), Scope::stored(row.owner))))
}
