//! Files of the OpenAI face. Their bytes are originals, kept once for each
//! content.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;
use uuid::Uuid;

/// A stored file.
#[derive(Debug, Clone)]
pub struct File {
    /// Its id.
    pub id: Uuid,
    /// As it was uploaded.
    pub filename: String,
    /// What it was uploaded for.
    pub purpose: String,
    /// As the caller declared it.
    pub media_type: Option<String>,
    /// Number of bytes.
    pub bytes: i64,
    /// SHA-256 of the bytes.
    pub sha256: Vec<u8>,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// From this item on; itself not.
    pub from: Option<Uuid>,
    /// From the latest to the oldest.
    pub descending: bool,
    /// Items, at most.
    pub limit: i64,
}

/// A file to keep.
#[derive(Debug)]
pub struct New<'a> {
    /// As it was uploaded.
    pub filename: &'a str,
    /// What it was uploaded for.
    pub purpose: &'a str,
    /// As the caller declared it.
    pub media_type: Option<&'a str>,
    /// Number of bytes.
    pub bytes: i64,
    /// SHA-256 of the bytes.
    pub sha256: &'a [u8],
}

/// Keeps a file, whose bytes are kept in the same transaction.
///
/// # Errors
/// What the database says.
pub async fn insert(db: impl PgExecutor<'_>, scope: Scope, new: &New<'_>) -> sqlx::Result<File> {
    sqlx::query_as!(
        File,
        r#"
        insert into openai_files (id, owner_id, filename, purpose, media_type, bytes, sha256, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, now())
        returning id, filename, purpose, media_type, bytes, sha256, created_at
        "#,
        Uuid::now_v7(),
        scope.owner() as _,
        new.filename,
        new.purpose,
        new.media_type,
        new.bytes,
        new.sha256,
    )
    .fetch_one(db)
    .await
}

/// How many files the scope has, and their bytes.
///
/// # Errors
/// What the database says.
pub async fn total(db: impl PgExecutor<'_>, scope: Scope) -> sqlx::Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"
        select count(*) as "files!", coalesce(sum(bytes), 0)::bigint as "bytes!"
        from openai_files where owner_id = $1
        "#,
        scope.owner() as _,
    )
    .fetch_one(db)
    .await?;
    Ok((row.files, row.bytes))
}

/// The files of these ids that the scope has.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, ids: &[Uuid]) -> sqlx::Result<Vec<File>> {
    sqlx::query_as!(
        File,
        r#"
        select id, filename, purpose, media_type, bytes, sha256, created_at
        from openai_files
        where owner_id = $1 and id = any($2)
        "#,
        scope.owner() as _,
        ids,
    )
    .fetch_all(db)
    .await
}

/// Files in the order of their upload.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    purpose: Option<&str>,
    window: Window,
) -> sqlx::Result<Vec<File>> {
    sqlx::query_as!(
        File,
        r#"
        select id, filename, purpose, media_type, bytes, sha256, created_at
        from openai_files
        where owner_id = $1 and ($2::text is null or purpose = $2)
          and ($3::uuid is null or case when $4 then id < $3 else id > $3 end)
        order by case when $4 then id end desc, id
        limit $5
        "#,
        scope.owner() as _,
        purpose,
        window.from,
        window.descending,
        window.limit,
    )
    .fetch_all(db)
    .await
}

/// The bytes of a file.
///
/// # Errors
/// What the database says.
pub async fn content(db: impl PgExecutor<'_>, scope: Scope, file: Uuid) -> sqlx::Result<Option<Vec<u8>>> {
    sqlx::query_scalar!(
        r#"
        select o.bytes
        from openai_files f
        join originals o on o.owner_id = f.owner_id and o.sha256 = f.sha256
        where f.id = $1 and f.owner_id = $2
        "#,
        file,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// Deletes a file. Its bytes go later, unless a document has them too. Whether
/// it was there.
///
/// # Errors
/// What the database says.
pub async fn delete(db: impl PgExecutor<'_>, scope: Scope, file: Uuid) -> sqlx::Result<bool> {
    let done = sqlx::query!("delete from openai_files where id = $1 and owner_id = $2", file, scope.owner() as _)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}
