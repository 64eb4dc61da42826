//! Edits of a document that is there: what it is called, where it comes from,
//! what is known of it. Its content stays.

use std::path::Path;

use serde_json::{Map, Value};
use sqlx::PgExecutor;

use crate::error::{Error, Result};
use crate::ids::DocumentId;
use crate::scope::Scope;
use crate::store::documents::Stage;
use crate::store::jobs;

/// What is to change; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Edit<'a> {
    /// Its key. A title that stood in for none follows it.
    pub key: Option<&'a str>,
    /// Shown to readers.
    pub title: Option<&'a str>,
    /// Where it comes from.
    pub uri: Option<&'a str>,
    /// For filters; replaces what was there.
    pub meta: Option<&'a Map<String, Value>>,
    /// What its source tells of the version that was read.
    pub version: Option<&'a str>,
}

/// A document before its edit.
struct Before {
    key: String,
    title: String,
    uri: Option<String>,
    meta: Value,
    stage: Stage,
    bytes: i64,
    parent: Option<DocumentId>,
}

/// A document after its edit.
struct After {
    key: String,
    title: String,
    uri: Option<String>,
    meta: Value,
    /// It has to be read again: the index holds title and metadata, a key's
    /// ending says how a file is read, and who reads it now has the old names, which
    /// what lies within the file would be given.
    again: bool,
}

impl After {
    fn new(before: &Before, edit: &Edit<'_>) -> Self {
        let key = edit.key.unwrap_or(&before.key).to_owned();
        let stands_in = before.title == before.key;
        let title = edit.title.unwrap_or(if stands_in { &key } else { &before.title }).to_owned();
        let meta = edit.meta.map_or_else(|| before.meta.clone(), |meta| Value::Object(meta.clone()));
        let is_renamed = edit.title.is_some_and(|title| title != before.title);
        let uri = edit.uri.map(str::to_owned).or_else(|| before.uri.clone());
        let is_called_otherwise = title != before.title || key != before.key || uri != before.uri;
        let again = is_renamed
            || meta != before.meta
            || ending(&key) != ending(&before.key)
            || (before.stage == Stage::Queued && is_called_otherwise);
        Self { key, title, uri, meta, again }
    }
}

fn ending(key: &str) -> Option<String> {
    Some(Path::new(key).extension()?.to_string_lossy().to_ascii_lowercase())
}

/// Changes a document; those that lie within its file follow its key. The
/// caller commits, and wakes the workers.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`] for the key of what lies within
/// another document's file, or what the database says: a key that is taken
/// violates `documents_collection_key`.
pub async fn apply(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    document: DocumentId,
    edit: &Edit<'_>,
) -> Result<()> {
    let before = lock(tx, scope, document).await?.ok_or(Error::NotFound("document"))?;
    let after = After::new(&before, edit);
    let moves = after.key != before.key;
    if moves && before.parent.is_some() {
        let problem = "is given by the file that the document lies within; change that document's".to_owned();
        return Err(Error::Invalid { field: "key", problem });
    }
    write(tx, document, &after, edit.version).await?;
    let mut again = Vec::new();
    if after.again {
        again.push(jobs::NewJob { document, bytes: before.bytes, priority: 0 });
    }
    if moves {
        retitle(tx, &[document], &before.key, &after.key).await?;
        again.extend(rename_children(tx, scope, document, &before, &after).await?);
    }
    again.sort_unstable_by_key(|job| job.document);
    for job in &again {
        jobs::enqueue(&mut **tx, scope, job).await?;
    }
    Ok(())
}

async fn lock(tx: &mut sqlx::PgTransaction<'_>, scope: Scope, document: DocumentId) -> sqlx::Result<Option<Before>> {
    sqlx::query_as!(
        Before,
        r#"
        select
            key, title, uri, meta, stage as "stage: Stage", source_bytes as bytes,
            parent_id as "parent: DocumentId"
        from documents
        where id = $1 and owner_id = $2 and deleted_at is null
        for update
        "#,
        document as _,
        scope.owner() as _,
    )
    .fetch_optional(&mut **tx)
    .await
}

async fn write(
    tx: &mut sqlx::PgTransaction<'_>,
    document: DocumentId,
    after: &After,
    version: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update documents
        set key = $2, title = $3, uri = $4, meta = $5, source_version = coalesce($6, source_version),
            stage = case when $7 then 'queued' else stage end,
            version = case when $7 then version + 1 else version end,
            queued_at = case when $7 then now() else queued_at end,
            words_at = case when $7 then null else words_at end,
            done_at = case when $7 then null else done_at end,
            failure_code = case when $7 then null else failure_code end,
            failure_message = case when $7 then null else failure_message end,
            updated_at = now()
        where id = $1
        "#,
        document as _,
        after.key,
        after.title,
        after.uri,
        after.meta,
        version,
        after.again,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Where a key stood in for a title, the revision that queries see has the new
/// one too: what is embedded of it depends on whether the two are the same.
async fn retitle(tx: &mut sqlx::PgTransaction<'_>, documents: &[DocumentId], old: &str, new: &str) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update revisions r
        set title = d.key
        from documents d
        where d.id = any($1) and r.id = d.revision_id and r.title = $2 || substr(d.key, length($3) + 1)
        "#,
        documents as _,
        old,
        new,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Those that lie within a document's file have keys that begin with its own.
/// Returns what is to be read again: who reads one of them now has its old key.
async fn rename_children(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    parent: DocumentId,
    before: &Before,
    after: &After,
) -> sqlx::Result<Vec<jobs::NewJob>> {
    let children = sqlx::query!(
        r#"
        with recursive family as (
            select id from documents where owner_id = $1 and parent_id = $2 and deleted_at is null
            union
            select child.id
            from documents child
            join family on child.parent_id = family.id
            where child.deleted_at is null
        ),
        locked as materialized (
            select id from documents
            where id in (select id from family) and starts_with(key, $3) and deleted_at is null
            order by id
            for update
        )
        update documents
        set key = $4 || substr(key, length($3) + 1),
            title = case when title = key then $4 || substr(key, length($3) + 1) else title end,
            uri = case when starts_with(uri, $5) then $6 || substr(uri, length($5) + 1) else uri end,
            version = case when stage = 'queued' then version + 1 else version end,
            updated_at = now()
        where id in (select id from locked)
        returning id as "id: DocumentId", stage as "stage: Stage", source_bytes as bytes
        "#,
        scope.owner() as _,
        parent as _,
        before.key,
        after.key,
        before.uri,
        after.uri,
    )
    .fetch_all(&mut **tx)
    .await?;
    let ids: Vec<DocumentId> = children.iter().map(|child| child.id).collect();
    retitle(tx, &ids, &before.key, &after.key).await?;
    let queued = children.iter().filter(|child| child.stage == Stage::Queued);
    Ok(queued.map(|child| jobs::NewJob { document: child.id, bytes: child.bytes, priority: 0 }).collect())
}

/// Keeps the version that a source tells of what has not changed.
pub(super) async fn note_version(
    db: impl PgExecutor<'_>,
    scope: Scope,
    document: DocumentId,
    version: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update documents set source_version = $3
        where id = $1 and owner_id = $2 and $3::text is not null and source_version is distinct from $3
        "#,
        document as _,
        scope.owner() as _,
        version,
    )
    .execute(db)
    .await?;
    Ok(())
}
