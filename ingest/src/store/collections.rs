//! Collections: named sets of documents.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::ids::CollectionId;
use crate::scope::Scope;
use crate::store::members::Access;

/// A stored collection.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Collection {
    /// Its id.
    pub id: CollectionId,
    /// Unique among its owner's.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Documents in it.
    pub documents: i64,
    /// What the caller may do with it.
    pub role: Access,
}

/// Finds the collection of that name, or makes it. Safe when two callers do
/// it at once.
///
/// # Errors
/// What the database says.
pub async fn ensure(db: impl PgExecutor<'_>, scope: Scope, name: &str) -> sqlx::Result<CollectionId> {
    // The update changes nothing; it makes an existing row come back.
    sqlx::query_scalar!(
        r#"
        insert into collections (id, owner_id, name, created_at)
        values ($1, $2, $3, now())
        on conflict (owner_id, name) do update set name = excluded.name
        returning id as "id: CollectionId"
        "#,
        CollectionId::new() as _,
        scope.owner() as _,
        name,
    )
    .fetch_one(db)
    .await
}

/// Makes a collection. `None` when the name is taken.
///
/// # Errors
/// What the database says.
pub async fn create(db: impl PgExecutor<'_>, scope: Scope, name: &str) -> sqlx::Result<Option<CollectionId>> {
    sqlx::query_scalar!(
        r#"
        insert into collections (id, owner_id, name, created_at)
        values ($1, $2, $3, now())
        on conflict (owner_id, name) do nothing
        returning id as "id: CollectionId"
        "#,
        CollectionId::new() as _,
        scope.owner() as _,
        name,
    )
    .fetch_optional(db)
    .await
}

/// The collection of that id, if the scope may read it.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, collection: CollectionId) -> sqlx::Result<Option<Collection>> {
    sqlx::query_as!(
        Collection,
        r#"
        select
            c.id as "id: CollectionId", c.name, c.created_at,
            (select count(*) from documents d where d.collection_id = c.id and d.deleted_at is null) as "documents!",
            coalesce(m.role, 'owner') as "role!: Access"
        from collections c
        left join collection_members m on m.collection_id = c.id and m.user_id = $2 and m.accepted_at is not null
        where c.id = $1 and (c.owner_id = $2 or m.user_id is not null)
        "#,
        collection as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// The id of the collection of that name: the scope's own, else the one that was
/// shared with it first.
///
/// # Errors
/// What the database says.
pub async fn find_by_name(db: impl PgExecutor<'_>, scope: Scope, name: &str) -> sqlx::Result<Option<CollectionId>> {
    sqlx::query_scalar!(
        r#"
        select c.id as "id: CollectionId"
        from collections c
        left join collection_members m on m.collection_id = c.id and m.user_id = $1 and m.accepted_at is not null
        where c.name = $2 and (c.owner_id = $1 or m.user_id is not null)
        order by c.owner_id = $1 desc, m.created_at, c.id
        limit 1
        "#,
        scope.owner() as _,
        name,
    )
    .fetch_optional(db)
    .await
}

/// Collections that the scope may read, in order of their ids, from after
/// `after`.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    name: Option<&str>,
    after: Option<CollectionId>,
    limit: i64,
) -> sqlx::Result<Vec<Collection>> {
    sqlx::query_as!(
        Collection,
        r#"
        select
            c.id as "id: CollectionId", c.name, c.created_at,
            (select count(*) from documents d where d.collection_id = c.id and d.deleted_at is null) as "documents!",
            coalesce(m.role, 'owner') as "role!: Access"
        from collections c
        left join collection_members m on m.collection_id = c.id and m.user_id = $1 and m.accepted_at is not null
        where (c.owner_id = $1 or m.user_id is not null)
          and ($2::uuid is null or c.id > $2)
          and ($3::text is null or c.name = $3)
        order by c.id
        limit $4
        "#,
        scope.owner() as _,
        after as _,
        name,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Renames a collection. Whether it was there.
///
/// # Errors
/// What the database says; constraint `collections_owner_name` when the name
/// is taken.
pub async fn rename(db: impl PgExecutor<'_>, scope: Scope, collection: CollectionId, name: &str) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update collections set name = $3 where id = $1 and owner_id = $2",
        collection as _,
        scope.owner() as _,
        name,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Waits for those who put something into a collection, and lets nobody else do so
/// until the transaction ends. Whether it is there.
///
/// # Errors
/// What the database says.
pub(crate) async fn lock(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    collection: CollectionId,
) -> sqlx::Result<bool> {
    let found = sqlx::query!(
        "select from collections where id = $1 and owner_id = $2 for update",
        collection as _,
        scope.owner() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.is_some())
}

/// Deletes an empty or emptied collection. Whether it was there.
///
/// # Errors
/// What the database says.
pub(crate) async fn delete(db: impl PgExecutor<'_>, scope: Scope, collection: CollectionId) -> sqlx::Result<bool> {
    let done =
        sqlx::query!("delete from collections where id = $1 and owner_id = $2", collection as _, scope.owner() as _,)
            .execute(db)
            .await?;
    Ok(done.rows_affected() > 0)
}
