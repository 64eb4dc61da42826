//! Families: an upload and all that lies within its file, and within those
//! files again.

use sqlx::PgExecutor;

use crate::ids::DocumentId;

/// Makes those wait who add to the same families, until the transaction ends.
///
/// # Errors
/// What the database says.
pub async fn lock(tx: &mut sqlx::PgTransaction<'_>, members: &[DocumentId]) -> sqlx::Result<()> {
    if members.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        with recursive above as (
            select id, parent_id from documents where id = any($1)
            union
            select d.id, d.parent_id
            from documents d
            join above on d.id = above.parent_id
        )
        select from documents
        where id in (select id from above where parent_id is null)
        order by id
        for no key update
        "#,
        members as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Documents that came of the same upload as this one, without the upload
/// itself and without what lies within this one.
///
/// # Errors
/// What the database says.
pub async fn count_beside(db: impl PgExecutor<'_>, document: DocumentId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        with recursive above as (
            select id, parent_id from documents where id = $1
            union
            select d.id, d.parent_id
            from documents d
            join above on d.id = above.parent_id
        ),
        family as (
            select id from above where parent_id is null
            union
            select child.id
            from documents child
            join family on child.parent_id = family.id
            where child.deleted_at is null and child.parent_id <> $1
        )
        select count(*) - 1 as "count!" from family
        "#,
        document as _,
    )
    .fetch_one(db)
    .await
}
