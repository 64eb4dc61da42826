//! Families: an upload and all that lies within its file, and within those
//! files again.

use sqlx::PgExecutor;

use crate::ids::{CollectionId, DocumentId};

/// Documents that are about to be published.
#[derive(Debug, Default)]
pub struct Coming {
    /// Which ones.
    pub documents: Vec<DocumentId>,
    /// Those of them that hold others and lie within one: they add to a family.
    pub nested: Vec<DocumentId>,
    /// The collections of what they hold.
    pub collections: Vec<CollectionId>,
    /// The keys of what they hold, each beside its collection.
    pub keys: Vec<String>,
}

/// Locks documents that are about to be published with all that this changes,
/// until the transaction ends: what lies within them, what has the key of
/// something that is to lie within them, and the uploads of families that are
/// added to, so that others who add to them wait. Then the jobs of all.
///
/// # Errors
/// What the database says.
pub async fn lock(tx: &mut sqlx::PgTransaction<'_>, coming: &Coming) -> sqlx::Result<()> {
    let locked = sqlx::query_scalar!(
        r#"
        with recursive above as (
            select id, parent_id from documents where id = any($2)
            union
            select d.id, d.parent_id
            from documents d
            join above on d.id = above.parent_id
        ),
        within as (
            select id from documents where id = any($1)
            union
            select child.id
            from documents child
            join within on child.parent_id = within.id
            where child.deleted_at is null
        ),
        known as (
            select d.id
            from unnest($3::uuid[], $4::text[]) as named (collection_id, key)
            join documents d on d.collection_id = named.collection_id and d.key = named.key and d.deleted_at is null
        )
        select id as "id: DocumentId" from documents
        where id in (
            select id from above where parent_id is null
            union all
            select id from within
            union all
            select id from known
        )
        order by id
        for update
        "#,
        &coming.documents as _,
        &coming.nested as _,
        &coming.collections as _,
        &coming.keys,
    )
    .fetch_all(&mut **tx)
    .await?;
    sqlx::query!("select from jobs where document_id = any($1) order by document_id for update", &locked as _)
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
