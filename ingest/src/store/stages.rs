//! The stages of documents: what a worker reads of one it has claimed, and how
//! it moves from stage to stage. For workers, whoever owns the documents.

use serde_json::Value;
use sqlx::PgExecutor;

use crate::ids::{CollectionId, DocumentId, RevisionId, UserId};
use crate::scope::Scope;
use crate::store::generations;

/// A document that is to be read.
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
    /// Where it came from.
    pub uri: Option<String>,
    /// As the caller declared it.
    pub media_type: Option<String>,
    /// For filters.
    pub meta: Value,
    /// Counts uploads.
    pub version: i64,
    /// SHA-256 of the bytes.
    pub source_sha256: Vec<u8>,
    /// How many files it lies within.
    pub depth: i16,
    /// Of its job: the higher the sooner.
    pub priority: i16,
    /// Pages of what queries see of it.
    pub pages: i32,
    /// Chunks of what queries see of it.
    pub chunks: i32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Documents with their bytes, whoever owns them.
///
/// # Errors
/// What the database says.
pub async fn queued(db: impl PgExecutor<'_>, documents: &[DocumentId]) -> sqlx::Result<Vec<Queued>> {
    sqlx::query_as!(
        Queued,
        r#"
        select
            d.id as "id: DocumentId", d.owner_id as "owner: UserId",
            d.collection_id as "collection: CollectionId", d.key, d.title, d.uri, d.media_type, d.meta, d.version,
            d.source_sha256, d.depth, d.pages, d.chunks, o.bytes,
            coalesce((select max(priority) from jobs where document_id = d.id), 0::smallint) as "priority!"
        from documents d
        join originals o on o.owner_id = d.owner_id and o.sha256 = d.source_sha256
        where d.id = any($1) and d.deleted_at is null
        "#,
        documents as _,
    )
    .fetch_all(db)
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
        set revision_id = r.id, title = r.title, updated_at = now(), words_at = now(),
            failure_code = null, failure_message = null,
            pages = coalesce(jsonb_array_length(r.map -> 'pages'), 0),
            chunks = (select count(*) from chunks c where c.revision_id = r.id),
            stage = case
                when exists (select from chunks c where c.revision_id = r.id and not c.embedded) then 'words'
                else 'done'
            end,
            done_at = case
                when exists (select from chunks c where c.revision_id = r.id and not c.embedded) then null
                else now()
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

/// Records that a document failed whose job the caller holds. What queries saw of
/// it they still see.
///
/// # Errors
/// What the database says.
pub async fn fail_held(
    tx: &mut sqlx::PgTransaction<'_>,
    document: DocumentId,
    code: &str,
    message: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update documents
        set stage = 'failed', failure_code = $2, failure_message = $3, updated_at = now()
        where id = $1 and deleted_at is null
        "#,
        document as _,
        code,
        message,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives a document that failed, and its job, the next version: what was made
/// of this one can never become current, and the next try makes it anew.
///
/// # Errors
/// What the database says.
pub async fn outdate(tx: &mut sqlx::PgTransaction<'_>, document: DocumentId, version: i64) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        with outdated as (
            update documents set version = version + 1
            where id = $1 and version = $2 and deleted_at is null
            returning id, version
        )
        update jobs set version = outdated.version
        from outdated
        where jobs.document_id = outdated.id
        "#,
        document as _,
        version,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Marks documents done whose current revision has all its vectors on disk.
///
/// # Errors
/// What the database says.
pub async fn finish(db: impl PgExecutor<'_>, documents: &[DocumentId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update documents d
        set stage = 'done', done_at = now(), updated_at = now()
        where d.id = any($1) and d.stage = 'words'
          and not exists (select from chunks c where c.revision_id = d.revision_id and not c.embedded)
        "#,
        documents as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Of these revisions those that queries see of documents whose newest version
/// failed.
///
/// # Errors
/// What the database says.
pub async fn failed(
    db: impl PgExecutor<'_>,
    scope: Scope,
    revisions: &[RevisionId],
) -> sqlx::Result<Vec<generations::Current>> {
    sqlx::query_as!(
        generations::Current,
        r#"
        select revision_id as "revision!: RevisionId", owner_id as "owner: UserId",
               collection_id as "collection: CollectionId", id as "document: DocumentId", meta
        from documents
        where revision_id = any($1) and owner_id = $2 and stage = 'failed' and deleted_at is null
        order by revision_id
        "#,
        revisions as _,
        scope.owner() as _,
    )
    .fetch_all(db)
    .await
}

/// Whether queries see a revision.
///
/// # Errors
/// What the database says.
pub async fn is_seen(db: impl PgExecutor<'_>, revision: RevisionId) -> sqlx::Result<bool> {
    let exists = sqlx::query_scalar!(
        r#"select exists (select from documents where revision_id = $1 and deleted_at is null) as "exists!""#,
        revision as _,
    );
    exists.fetch_one(db).await
}

/// Puts documents back from `done` to `words`, because vectors were lost, and
/// queues them to be embedded.
///
/// # Errors
/// What the database says.
pub async fn reopen(tx: &mut sqlx::PgTransaction<'_>, scope: Scope, revisions: &[RevisionId]) -> sqlx::Result<()> {
    lock(tx, scope, revisions).await?;
    sqlx::query!(
        r#"
        update documents set stage = 'words', done_at = null, updated_at = now()
        where revision_id = any($1) and owner_id = $2 and stage = 'done' and deleted_at is null
        "#,
        revisions as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    requeue_jobs(tx, scope, revisions, "embed").await
}

/// Puts documents back to `queued`, so that they are read and indexed again.
///
/// # Errors
/// What the database says.
pub async fn requeue(tx: &mut sqlx::PgTransaction<'_>, scope: Scope, revisions: &[RevisionId]) -> sqlx::Result<()> {
    lock(tx, scope, revisions).await?;
    sqlx::query!(
        r#"
        update documents
        set stage = 'queued', version = version + 1, queued_at = now(), words_at = null, done_at = null,
            updated_at = now()
        where revision_id = any($1) and owner_id = $2 and deleted_at is null
        "#,
        revisions as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    requeue_jobs(tx, scope, revisions, "read").await
}

/// Locks the documents that queries see in these revisions, in their order.
async fn lock(tx: &mut sqlx::PgTransaction<'_>, scope: Scope, revisions: &[RevisionId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        select from documents
        where revision_id = any($1) and owner_id = $2 and deleted_at is null
        order by id
        for no key update
        "#,
        revisions as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn requeue_jobs(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    revisions: &[RevisionId],
    step: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into jobs (
            id, owner_id, collection_id, document_id, version, bytes, step, state, due_at, created_at, updated_at
        )
        select gen_random_uuid(), owner_id, collection_id, id, version, source_bytes, $3, 'waiting', now(), now(), now()
        from documents
        where revision_id = any($1) and owner_id = $2 and deleted_at is null
          and ($3 = 'read' or stage = 'words')
        order by id
        on conflict (document_id) do update
        set version = excluded.version, state = 'waiting', attempts = 0, orphaned = 0,
            step = case when jobs.step = 'read' and jobs.state <> 'dead' then 'read' else excluded.step end,
            due_at = now(), worker_id = null, lease_until = null, fence = nextval('job_fences'),
            failure_code = null, failure_message = null, updated_at = now()
        "#,
        revisions as _,
        scope.owner() as _,
        step,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
