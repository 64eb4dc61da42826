//! Deleting documents: invisible from the commit on, their points and rows go
//! later.

use crate::ids::{CollectionId, DocumentId};
use crate::scope::Scope;
use crate::store::jobs;

/// Deletes documents and those that lay within their files: they are invisible
/// to queries from this commit on; their rows and points are purged later.
/// Returns those that were there.
///
/// # Errors
/// What the database says.
pub async fn delete(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    collection: Option<CollectionId>,
    ids: Option<&[DocumentId]>,
) -> sqlx::Result<Vec<DocumentId>> {
    let deleted = sqlx::query_scalar!(
        r#"
        with recursive family as (
            select id from documents
            where owner_id = $1 and deleted_at is null
              and ($2::uuid is null or collection_id = $2)
              and ($3::uuid[] is null or id = any($3))
            union
            select child.id
            from documents child
            join family on child.parent_id = family.id
            where child.deleted_at is null
        ),
        locked as materialized (
            select id from documents
            where id in (select id from family) and deleted_at is null
            order by id
            for update
        )
        update documents
        set deleted_at = now(), updated_at = now(), version = version + 1
        where id in (select id from locked)
        returning id as "id: DocumentId"
        "#,
        scope.owner() as _,
        collection as _,
        ids as _,
    )
    .fetch_all(&mut **tx)
    .await?;
    // Who works on one of them may not commit any more.
    jobs::discard(tx, &deleted).await?;
    // One that was never read has no revision: its own id stands for it, so that its
    // file goes too.
    sqlx::query!(
        r#"
        insert into purges (revision_id, owner_id, created_at)
        select coalesce(r.id, d.id) as revision_id, d.owner_id, clock_timestamp()
        from documents d
        left join revisions r on r.document_id = d.id
        where d.id = any($1)
        order by revision_id
        -- Who purges one already has kept its text for those who cite it.
        on conflict (revision_id) do update set created_at = excluded.created_at
        "#,
        &deleted as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted)
}

/// Deletes the documents that lay within these documents' files and do so no
/// more: all but those of the given keys.
///
/// # Errors
/// What the database says.
pub async fn delete_children(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    parents: &[DocumentId],
    keep: &[String],
) -> sqlx::Result<()> {
    let gone: Vec<DocumentId> = sqlx::query_scalar!(
        r#"
        select id as "id: DocumentId" from documents
        where owner_id = $1 and parent_id = any($2) and deleted_at is null and key <> all($3)
        "#,
        scope.owner() as _,
        parents as _,
        keep,
    )
    .fetch_all(&mut **tx)
    .await?;
    if !gone.is_empty() {
        delete(tx, scope, None, Some(&gone)).await?;
    }
    Ok(())
}
