//! Originals: the bytes as they came in, once for each content.

use sqlx::PgExecutor;

use crate::ids::DocumentId;
use crate::scope::Scope;

/// Keeps the bytes, unless they are there already.
///
/// # Errors
/// What the database says.
pub async fn keep(db: impl PgExecutor<'_>, scope: Scope, sha256: &[u8], bytes: &[u8]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into originals (owner_id, sha256, bytes)
        values ($1, $2, $3)
        on conflict do nothing
        "#,
        scope.owner() as _,
        sha256,
        bytes,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The bytes of a document as they came in, with its media type and key.
#[derive(Debug)]
pub struct Original {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// As the caller declared it.
    pub media_type: Option<String>,
    /// The document's key: its name, as often as not.
    pub key: String,
}

/// The original of a document.
///
/// # Errors
/// What the database says.
pub async fn of_document(
    db: impl PgExecutor<'_>,
    scope: Scope,
    document: DocumentId,
) -> sqlx::Result<Option<Original>> {
    sqlx::query_as!(
        Original,
        r#"
        select o.bytes, d.media_type, d.key
        from documents d
        join originals o on o.owner_id = d.owner_id and o.sha256 = d.source_sha256
        where d.id = $1 and d.owner_id = $2 and d.deleted_at is null
        "#,
        document as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// Drops bytes that no document refers to any more.
///
/// # Errors
/// What the database says.
pub async fn drop_unreferenced(db: impl PgExecutor<'_>, scope: Scope) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        r#"
        delete from originals o
        where o.owner_id = $1
          and not exists (
              select from documents d
              where d.owner_id = o.owner_id and d.source_sha256 = o.sha256 and d.deleted_at is null
          )
        "#,
        scope.owner() as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
