//! Vector stores of the OpenAI face: collections, with what callers noted of
//! them, and their documents as files.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents::Stage;
use serde_json::Value;
use sqlx::PgExecutor;

use super::openai_files::Window;
use crate::ids::{CollectionId, DocumentId, RevisionId};

/// A collection as a vector store.
#[derive(Debug, Clone)]
pub struct Store {
    /// The collection.
    pub id: CollectionId,
    /// Its name.
    pub name: String,
    /// What the caller noted.
    pub metadata: Value,
    /// Bytes of its documents.
    pub bytes: i64,
    /// Documents that are being read or embedded.
    pub in_progress: i64,
    /// Documents that are searchable by meaning.
    pub completed: i64,
    /// Documents that cannot be read.
    pub failed: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When a document of it last changed.
    pub active_at: DateTime<Utc>,
}

/// A document as a file of a vector store.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// The document.
    pub id: DocumentId,
    /// Its key.
    pub key: String,
    /// Its attributes.
    pub meta: Value,
    /// How far it has come.
    pub stage: Stage,
    /// Number of its bytes.
    pub bytes: i64,
    /// Why it cannot be read.
    pub failure_code: Option<String>,
    /// The same in words.
    pub failure_message: Option<String>,
    /// The revision that queries see.
    pub revision_id: Option<RevisionId>,
    /// When it came in.
    pub created_at: DateTime<Utc>,
}

/// Which documents of a store to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only these.
    pub ids: Option<&'a [DocumentId]>,
    /// Only in one of these stages, by their names.
    pub stages: Option<&'a [&'a str]>,
}

/// One store, or those of a page.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    only: Option<CollectionId>,
    window: Window,
) -> sqlx::Result<Vec<Store>> {
    sqlx::query_as!(
        Store,
        r#"
        select
            c.id as "id: CollectionId", c.name, coalesce(s.metadata, '{}') as "metadata!", c.created_at,
            d.bytes as "bytes!", d.in_progress as "in_progress!", d.completed as "completed!", d.failed as "failed!",
            coalesce(d.active_at, c.created_at) as "active_at!"
        from collections c
        left join openai_stores s on s.collection_id = c.id and s.owner_id = c.owner_id
        cross join lateral (
            select coalesce(sum(source_bytes), 0)::bigint as bytes, max(updated_at) as active_at,
                   count(*) filter (where stage in ('queued', 'words')) as in_progress,
                   count(*) filter (where stage = 'done') as completed,
                   count(*) filter (where stage = 'failed') as failed
            from documents
            where collection_id = c.id and deleted_at is null
        ) d
        where c.owner_id = $1 and ($2::uuid is null or c.id = $2)
          and ($3::uuid is null or case when $4 then c.id < $3 else c.id > $3 end)
        order by case when $4 then c.id end desc, c.id
        limit $5
        "#,
        scope.owner() as _,
        only as _,
        window.from,
        window.descending,
        window.limit,
    )
    .fetch_all(db)
    .await
}

/// One store.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, store: CollectionId) -> sqlx::Result<Option<Store>> {
    Ok(list(db, scope, Some(store), Window { from: None, descending: false, limit: 1 }).await?.pop())
}

/// Notes what the caller says of a store; replaces what was noted.
///
/// # Errors
/// What the database says.
pub async fn note(db: impl PgExecutor<'_>, scope: Scope, store: CollectionId, metadata: &Value) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into openai_stores (collection_id, owner_id, metadata)
        select id, owner_id, $3 from collections where id = $1 and owner_id = $2
        on conflict (collection_id) do update set metadata = excluded.metadata
        "#,
        store as _,
        scope.owner() as _,
        metadata,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Documents of a store in the order in which they came in.
///
/// # Errors
/// What the database says.
pub async fn files(
    db: impl PgExecutor<'_>,
    scope: Scope,
    store: CollectionId,
    wanted: Wanted<'_>,
    window: Window,
) -> sqlx::Result<Vec<StoredFile>> {
    sqlx::query_as!(
        StoredFile,
        r#"
        select
            id as "id: DocumentId", key, meta, stage as "stage: Stage", source_bytes as bytes, failure_code,
            failure_message, revision_id as "revision_id: RevisionId", created_at
        from documents
        where owner_id = $1 and collection_id = $2 and deleted_at is null
          and ($3::uuid[] is null or id = any($3))
          and ($4::text[] is null or stage = any($4))
          and ($5::uuid is null or case when $6 then id < $5 else id > $5 end)
        order by case when $6 then id end desc, id
        limit $7
        "#,
        scope.owner() as _,
        store as _,
        wanted.ids as _,
        wanted.stages as _,
        window.from,
        window.descending,
        window.limit,
    )
    .fetch_all(db)
    .await
}

/// The document of this id, or the one whose key begins with this, in a store.
///
/// # Errors
/// What the database says.
pub async fn file(
    db: impl PgExecutor<'_>,
    scope: Scope,
    store: CollectionId,
    id: DocumentId,
    key: &str,
) -> sqlx::Result<Option<StoredFile>> {
    sqlx::query_as!(
        StoredFile,
        r#"
        select
            id as "id: DocumentId", key, meta, stage as "stage: Stage", source_bytes as bytes, failure_code,
            failure_message, revision_id as "revision_id: RevisionId", created_at
        from documents
        where owner_id = $1 and collection_id = $2 and deleted_at is null
          and (id = $3 or starts_with(key, $4) and parent_id is null)
        order by id
        limit 1
        "#,
        scope.owner() as _,
        store as _,
        id as _,
        key,
    )
    .fetch_optional(db)
    .await
}

/// Documents of any store whose keys begin with this.
///
/// # Errors
/// What the database says.
pub async fn attached(db: impl PgExecutor<'_>, scope: Scope, key: &str) -> sqlx::Result<Vec<DocumentId>> {
    sqlx::query_scalar!(
        r#"
        select id as "id: DocumentId" from documents
        where owner_id = $1 and deleted_at is null and parent_id is null and starts_with(key, $2)
        "#,
        scope.owner() as _,
        key,
    )
    .fetch_all(db)
    .await
}

/// Keys and attributes of documents.
///
/// # Errors
/// What the database says.
pub async fn attributes(
    db: impl PgExecutor<'_>,
    scope: Scope,
    documents: &[DocumentId],
) -> sqlx::Result<Vec<(DocumentId, Value)>> {
    let rows = sqlx::query!(
        r#"
        select id as "id: DocumentId", meta from documents
        where owner_id = $1 and id = any($2) and deleted_at is null
        "#,
        scope.owner() as _,
        documents as _,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.meta)).collect())
}
