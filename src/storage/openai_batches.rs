//! Batches of files that were put into a vector store together.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::ids::{CollectionId, DocumentId};

/// A batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its id.
    pub id: Uuid,
    /// The documents that its files became.
    pub documents: Vec<DocumentId>,
    /// Files that were taken out again before they were read.
    pub cancelled: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Records a batch.
///
/// # Errors
/// What the database says.
pub async fn insert(
    db: impl PgExecutor<'_>,
    scope: Scope,
    store: CollectionId,
    documents: &[DocumentId],
) -> sqlx::Result<Batch> {
    sqlx::query_as!(
        Batch,
        r#"
        insert into openai_batches (id, owner_id, collection_id, documents, created_at)
        values ($1, $2, $3, $4, now())
        returning id, documents as "documents: Vec<DocumentId>", cancelled, created_at
        "#,
        Uuid::now_v7(),
        scope.owner() as _,
        store as _,
        documents as _,
    )
    .fetch_one(db)
    .await
}

/// One batch of a store.
///
/// # Errors
/// What the database says.
pub async fn find(
    db: impl PgExecutor<'_>,
    scope: Scope,
    store: CollectionId,
    batch: Uuid,
) -> sqlx::Result<Option<Batch>> {
    sqlx::query_as!(
        Batch,
        r#"
        select id, documents as "documents: Vec<DocumentId>", cancelled, created_at
        from openai_batches
        where id = $1 and owner_id = $2 and collection_id = $3
        "#,
        batch,
        scope.owner() as _,
        store as _,
    )
    .fetch_optional(db)
    .await
}

/// Notes that files were taken out of a batch before they were read.
///
/// # Errors
/// What the database says.
pub async fn cancel(db: impl PgExecutor<'_>, scope: Scope, batch: Uuid, files: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "update openai_batches set cancelled = cancelled + $3 where id = $1 and owner_id = $2",
        batch,
        scope.owner() as _,
        files,
    )
    .execute(db)
    .await?;
    Ok(())
}
