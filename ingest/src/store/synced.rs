//! Documents that folders gave and no longer hold.

use sqlx::PgExecutor;

use crate::ids::{CollectionId, DocumentId};
use crate::scope::Scope;

/// Documents of a collection whose keys start with `prefix` and are none of
/// `keep`, and whose URIs start with one of `places`: others have the key by
/// chance. Not those that were found within another document's file.
///
/// # Errors
/// What the database says.
pub async fn stale(
    db: impl PgExecutor<'_>,
    scope: Scope,
    collection: CollectionId,
    prefix: &str,
    places: &[String],
    keep: &[String],
) -> sqlx::Result<Vec<DocumentId>> {
    sqlx::query_scalar!(
        r#"
        select id as "id: DocumentId" from documents
        where owner_id = $1 and collection_id = $2 and deleted_at is null and parent_id is null
          and starts_with(key, $3) and key <> all($5)
          and exists (select from unnest($4::text[]) as place where starts_with(uri, place))
        "#,
        scope.owner() as _,
        collection as _,
        prefix,
        places,
        keep,
    )
    .fetch_all(db)
    .await
}
