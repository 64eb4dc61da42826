//! The queue of documents: what waits to be read, and how it moves from stage
//! to stage. For workers, whoever owns the documents.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgExecutor;

use crate::ids::{CollectionId, DocumentId, RevisionId, UserId};

/// A document that waits to be read.
#[derive(Debug)]
pub struct Queued {
    /// Its id.
    pub id: DocumentId,
    /// Whose it is.
    pub owner: UserId,
    /// Its collection.
    pub collection: CollectionId,
    /// Its key.
    pub key: String,
    /// Its title, or its key while it has none.
    pub title: String,
    /// As the caller declared it.
    pub media_type: Option<String>,
    /// For filters.
    pub meta: Value,
    /// Counts uploads.
    pub version: i64,
    /// SHA-256 of the bytes.
    pub source_sha256: Vec<u8>,
    /// When it was queued.
    pub updated_at: DateTime<Utc>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Documents that wait, oldest first, from after `after`, with their bytes: as
/// many as fit into `max_bytes`, but at least one. Whoever owns them: for
/// workers.
///
/// # Errors
/// What the database says.
pub async fn queued(
    db: impl PgExecutor<'_>,
    after: Option<(DateTime<Utc>, DocumentId)>,
    limit: i64,
    max_bytes: i64,
) -> sqlx::Result<Vec<Queued>> {
    let (since, id) = after.unzip();
    sqlx::query_as!(
        Queued,
        r#"
        with next as (
            select id, (sum(source_bytes) over (order by updated_at, id))::bigint - source_bytes as before
            from (
                select id, updated_at, source_bytes
                from documents
                where stage = 'queued' and deleted_at is null
                  and ($3::timestamptz is null or (updated_at, id) > ($3, $4))
                order by updated_at, id
                limit $1
            ) oldest
        )
        select
            d.id as "id: DocumentId", d.owner_id as "owner: UserId",
            d.collection_id as "collection: CollectionId", d.key, d.title, d.media_type, d.meta, d.version,
            d.source_sha256, d.updated_at, o.bytes
        from next
        join documents d on d.id = next.id
        join originals o on o.owner_id = d.owner_id and o.sha256 = d.source_sha256
        where next.before < $2
        order by d.updated_at, d.id
        "#,
        limit,
        max_bytes,
        since,
        id as _,
    )
    .fetch_all(db)
    .await
}

/// Whether any document waits to be read.
///
/// # Errors
/// What the database says.
pub async fn any_queued(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from documents where stage = 'queued' and deleted_at is null) as "any!""#
    )
    .fetch_one(db)
    .await
}

/// Makes revisions current: their documents are searchable by words from this
/// commit on. Returns those that were published; the others' documents were
/// changed or deleted meanwhile.
///
/// # Errors
/// What the database says.
pub async fn publish(tx: &mut sqlx::PgTransaction<'_>, revisions: &[RevisionId]) -> sqlx::Result<Vec<RevisionId>> {
    sqlx::query_scalar!(
        r#"
        update documents d
        set revision_id = r.id, title = r.title, updated_at = now(),
            stage = case
                when exists (select from chunks c where c.revision_id = r.id and not c.embedded) then 'words'
                else 'done'
            end
        from revisions r
        where r.id = any($1) and d.id = r.document_id and d.version = r.version and d.deleted_at is null
        returning r.id as "id: RevisionId"
        "#,
        revisions as _,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Records that a document cannot be read. Queries go on seeing the revision
/// they saw before. Nothing happens when it was changed meanwhile.
///
/// # Errors
/// What the database says.
pub async fn fail(
    db: impl PgExecutor<'_>,
    document: DocumentId,
    version: i64,
    code: &str,
    message: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update documents
        set stage = 'failed', failure_code = $3, failure_message = $4, updated_at = now()
        where id = $1 and version = $2 and deleted_at is null
        "#,
        document as _,
        version,
        code,
        message,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Marks documents done whose current revision has all its vectors on disk.
///
/// # Errors
/// What the database says.
pub async fn finish(db: impl PgExecutor<'_>, revisions: &[RevisionId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update documents d
        set stage = 'done', updated_at = now()
        where d.revision_id = any($1) and d.stage = 'words'
          and not exists (select from chunks c where c.revision_id = d.revision_id and not c.embedded)
        "#,
        revisions as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts documents back from `done` to `words`, because vectors were lost.
///
/// # Errors
/// What the database says.
pub async fn reopen(db: impl PgExecutor<'_>, revisions: &[RevisionId]) -> sqlx::Result<()> {
    sqlx::query!(
        "update documents set stage = 'words', updated_at = now() where revision_id = any($1) and stage = 'done'",
        revisions as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts documents back to `queued`, so that they are read and indexed again.
///
/// # Errors
/// What the database says.
pub async fn requeue(db: impl PgExecutor<'_>, revisions: &[RevisionId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update documents
        set stage = 'queued', version = version + 1, updated_at = now()
        where revision_id = any($1) and deleted_at is null
        "#,
        revisions as _,
    )
    .execute(db)
    .await?;
    Ok(())
}
