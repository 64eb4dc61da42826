//! Originals: the bytes as they came in, once for each content.

use sqlx::PgExecutor;

use crate::ids::DocumentId;
use crate::scope::Scope;

/// Bytes that are sent without asking whether they are there already, at most.
const SMALL: usize = 64 * 1024;

/// Keeps the bytes, unless they are there already; then nobody drops them
/// until the transaction ends, in which their document comes in.
///
/// # Errors
/// What the database says.
pub async fn keep(tx: &mut sqlx::PgTransaction<'_>, scope: Scope, sha256: &[u8], bytes: &[u8]) -> sqlx::Result<()> {
    loop {
        if bytes.len() > SMALL && hold(tx, scope, sha256).await? {
            return Ok(());
        }
        let inserted = sqlx::query!(
            r#"
            insert into originals (owner_id, sha256, bytes)
            values ($1, $2, $3)
            on conflict do nothing
            "#,
            scope.owner() as _,
            sha256,
            bytes,
        )
        .execute(&mut **tx)
        .await?;
        // Waits for who is about to drop those that are there. Keepers do not wait for
        // each other.
        if inserted.rows_affected() > 0 || hold(tx, scope, sha256).await? {
            return Ok(());
        }
    }
}

/// Holds bytes that are there already: nobody drops them until the transaction
/// ends. Whether they are.
///
/// # Errors
/// What the database says.
pub async fn hold(tx: &mut sqlx::PgTransaction<'_>, scope: Scope, sha256: &[u8]) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select true as "found!" from originals where owner_id = $1 and sha256 = $2 for key share"#,
        scope.owner() as _,
        sha256,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.is_some())
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

/// Drops bytes that no document and no file refers to any more. Those that are being kept
/// for another are left for the next time.
///
/// # Errors
/// What the database says.
pub async fn drop_unreferenced(tx: &mut sqlx::PgTransaction<'_>, scope: Scope) -> sqlx::Result<u64> {
    let idle = sqlx::query_scalar!(
        r#"
        select o.sha256 from originals o
        where o.owner_id = $1
          and not exists (
              select from documents d
              where d.owner_id = o.owner_id and d.source_sha256 = o.sha256 and d.deleted_at is null
          )
          and not exists (
              select from openai_files f where f.owner_id = o.owner_id and f.sha256 = o.sha256
          )
        for update of o skip locked
        "#,
        scope.owner() as _,
    )
    .fetch_all(&mut **tx)
    .await?;
    // A statement of its own: it sees the documents that came in before the lock.
    let done = sqlx::query!(
        r#"
        delete from originals o
        where o.owner_id = $1 and o.sha256 = any($2)
          and not exists (
              select from documents d
              where d.owner_id = o.owner_id and d.source_sha256 = o.sha256 and d.deleted_at is null
          )
          and not exists (
              select from openai_files f where f.owner_id = o.owner_id and f.sha256 = o.sha256
          )
        "#,
        scope.owner() as _,
        &idle,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
