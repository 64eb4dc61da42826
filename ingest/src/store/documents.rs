//! Documents: a stable key inside a collection, and the stage it has reached.

mod deletion;
mod keys;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::PgExecutor;

use crate::chunk::CHUNKER_VERSION;
use crate::ids::{CollectionId, DocumentId, RevisionId};
use crate::parse::PARSER_VERSION;
use crate::scope::Scope;
use crate::store::{edits, jobs};

pub use deletion::{delete, delete_children};
pub use keys::{MAX_KEY_BYTES, MAX_META_BYTES, check_key, check_meta, shortened};

/// How far a document has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Stage {
    /// Its bytes are kept; nothing of this version is searchable yet.
    Queued,
    /// Searchable by its words; vectors are being made.
    Words,
    /// Searchable by words and by meaning.
    Done,
    /// Could not be read; `failure` says why.
    Failed,
}

/// A document's upload.
#[derive(Debug)]
pub struct Upload<'a> {
    /// Where it goes.
    pub collection: CollectionId,
    /// What makes a second upload a change.
    pub key: &'a str,
    /// Shown to readers; `None` takes the document's own, else the key.
    pub title: Option<&'a str>,
    /// Where it came from.
    pub uri: Option<&'a str>,
    /// As the caller declares it.
    pub media_type: Option<&'a str>,
    /// For filters; `None` leaves what is there.
    pub meta: Option<&'a Map<String, Value>>,
    /// SHA-256 of the bytes.
    pub sha256: &'a [u8],
    /// Number of bytes.
    pub bytes: i64,
    /// What its source tells of the version that was read.
    pub version: Option<&'a str>,
    /// Do the work again even if nothing changed.
    pub force: bool,
    /// Before other documents of its collection, the higher the sooner.
    pub priority: i16,
    /// The document whose file held this one's, and how many files it lies within.
    pub parent: Option<(DocumentId, i16)>,
}

/// What an upload came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A key that was not there.
    Added,
    /// Other content, title or metadata than before.
    Changed,
    /// The same as before.
    Unchanged,
}

/// Records an upload and queues it if anything changed. The caller keeps the
/// bytes in the same transaction.
///
/// # Errors
/// What the database says.
pub async fn submit(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    upload: &Upload<'_>,
) -> sqlx::Result<(DocumentId, Outcome)> {
    let meta = upload.meta.map(|meta| Value::Object(meta.clone()));
    // Locks the row if there is one, so that two uploads of a key take turns.
    let known = sqlx::query!(
        r#"
        select
            id as "id: DocumentId", source_sha256, meta, stage as "stage: Stage", uri,
            ($3::text is null or title = $3) as "same_title!",
            exists (
                select from revisions r
                where r.id = documents.revision_id and (r.parser_version < $4 or r.chunker_version < $5)
            ) as "outdated!"
        from documents
        where collection_id = $1 and key = $2 and deleted_at is null
        for update
        "#,
        upload.collection as _,
        upload.key,
        upload.title,
        PARSER_VERSION,
        CHUNKER_VERSION,
    )
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(known) = &known {
        let same = known.source_sha256 == upload.sha256
            && meta.as_ref().is_none_or(|meta| known.meta == *meta)
            && known.same_title
            && known.uri.as_deref() == upload.uri
            && known.stage != Stage::Failed
            && !known.outdated;
        if same && !upload.force {
            edits::note_version(&mut **tx, scope, known.id, upload.version).await?;
            return Ok((known.id, Outcome::Unchanged));
        }
    }
    let outcome = if known.is_some() { Outcome::Changed } else { Outcome::Added };
    let (parent, depth) = upload.parent.unzip();
    let id = sqlx::query_scalar!(
        r#"
        insert into documents (
            id, owner_id, collection_id, key, title, uri, media_type, meta, stage,
            source_sha256, source_bytes, parent_id, depth, source_version, queued_at, created_at, updated_at
        )
        values ($1, $2, $3, $4, coalesce($5, $4), $6, $7, coalesce($8, '{}'::jsonb), 'queued', $9, $10, $11, $12, $13, now(), now(), now())
        on conflict (collection_id, key) where deleted_at is null do update
        set title = coalesce($5, documents.title), uri = $6, media_type = $7,
            meta = coalesce($8, documents.meta), stage = 'queued',
            failure_code = null, failure_message = null, queued_at = now(), words_at = null, done_at = null,
            source_sha256 = $9, source_bytes = $10, parent_id = $11, depth = $12, source_version = $13,
            version = documents.version + 1, updated_at = now()
        where documents.owner_id = $2
        returning id as "id: DocumentId"
        "#,
        DocumentId::new() as _,
        scope.owner() as _,
        upload.collection as _,
        upload.key,
        upload.title,
        upload.uri,
        upload.media_type,
        meta,
        upload.sha256,
        upload.bytes,
        parent as _,
        depth.unwrap_or(0),
        upload.version,
    )
    .fetch_one(&mut **tx)
    .await?;
    let job = jobs::NewJob { document: id, bytes: upload.bytes, priority: upload.priority };
    jobs::enqueue(&mut **tx, scope, &job).await?;
    Ok((id, outcome))
}

/// A stored document as its owner sees it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// Its collection.
    pub collection_id: CollectionId,
    /// Unique in its collection.
    pub key: String,
    /// Shown to readers.
    pub title: String,
    /// Where it came from.
    pub uri: Option<String>,
    /// As the caller declared it.
    pub media_type: Option<String>,
    /// For filters.
    #[schema(value_type = Object)]
    pub meta: Value,
    /// How far it has come.
    pub stage: Stage,
    /// The revision that queries see.
    pub revision_id: Option<RevisionId>,
    /// SHA-256 of the uploaded bytes, in hexadecimal.
    pub sha256: String,
    /// Number of uploaded bytes.
    pub bytes: i64,
    /// Chunks of the revision that queries see.
    pub chunks: i64,
    /// Those of them that can be found by meaning.
    pub embedded: i64,
    /// Stable code of what went wrong.
    pub failure_code: Option<String>,
    /// What went wrong and what to do.
    pub failure_message: Option<String>,
    /// When it was first uploaded.
    pub created_at: DateTime<Utc>,
    /// When its stage last changed.
    pub updated_at: DateTime<Utc>,
    /// When the version at hand was queued.
    pub queued_at: Option<DateTime<Utc>>,
    /// Since when it is searchable by its words.
    pub words_at: Option<DateTime<Utc>>,
    /// Since when it is searchable by meaning too.
    pub done_at: Option<DateTime<Utc>>,
    /// The document whose file holds this one's: an archive, a mail.
    pub parent_id: Option<DocumentId>,
    /// What its source told of the version that was read: an `ETag`, a blob's
    /// id, a file's size and time.
    pub source_version: Option<String>,
    /// Whether it was read by an older parser or cut by an older chunker than
    /// this program's: it is read again when it comes in again.
    pub outdated: bool,
}

/// Which documents to list.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// Only in this collection.
    pub collection: Option<CollectionId>,
    /// Only in this stage.
    pub stage: Option<Stage>,
    /// Only this key.
    pub key: Option<&'a str>,
    /// Only this document.
    pub id: Option<DocumentId>,
    /// From after this one.
    pub after: Option<DocumentId>,
}

/// Documents in order of their ids.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    filter: &Filter<'_>,
    limit: i64,
) -> sqlx::Result<Vec<Document>> {
    sqlx::query_as!(
        Document,
        r#"
        select
            d.id as "id: DocumentId", d.collection_id as "collection_id: CollectionId", d.key, d.title, d.uri,
            d.media_type, d.meta, d.stage as "stage: Stage", d.revision_id as "revision_id: RevisionId",
            encode(d.source_sha256, 'hex') as "sha256!", d.source_bytes as bytes,
            coalesce(c.chunks, 0) as "chunks!", coalesce(c.embedded, 0) as "embedded!",
            d.failure_code, d.failure_message, d.created_at, d.updated_at,
            d.queued_at, d.words_at, d.done_at, d.parent_id as "parent_id: DocumentId", d.source_version,
            coalesce(r.parser_version < $8 or r.chunker_version < $9, false) as "outdated!"
        from documents d
        left join revisions r on r.id = d.revision_id
        left join lateral (
            select count(*) as chunks, count(*) filter (where embedded) as embedded
            from chunks where revision_id = d.revision_id
        ) c on true
        where d.owner_id = $1 and d.deleted_at is null
          and ($2::uuid is null or d.collection_id = $2)
          and ($3::text is null or d.stage = $3)
          and ($4::text is null or d.key = $4)
          and ($5::uuid is null or d.id = $5)
          and ($6::uuid is null or d.id > $6)
        order by d.id
        limit $7
        "#,
        scope.owner() as _,
        filter.collection as _,
        filter.stage as _,
        filter.key,
        filter.id as _,
        filter.after as _,
        limit,
        PARSER_VERSION,
        CHUNKER_VERSION,
    )
    .fetch_all(db)
    .await
}

/// One document.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, document: DocumentId) -> sqlx::Result<Option<Document>> {
    let filter = Filter { id: Some(document), ..Filter::default() };
    Ok(list(db, scope, &filter, 1).await?.pop())
}

/// How many documents are in each stage.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Progress {
    /// Waiting to be read.
    pub queued: i64,
    /// Searchable by words.
    pub words: i64,
    /// Searchable by words and meaning.
    pub done: i64,
    /// Not readable.
    pub failed: i64,
    /// Chunks that can be found by words.
    pub chunks: i64,
    /// Chunks that can be found by meaning too.
    pub embedded: i64,
    /// Tokens of all chunks.
    pub tokens: i64,
}

/// The progress of a collection.
///
/// # Errors
/// What the database says.
pub async fn progress(db: impl PgExecutor<'_>, scope: Scope, collection: CollectionId) -> sqlx::Result<Progress> {
    sqlx::query_as!(
        Progress,
        r#"
        select
            count(*) filter (where d.stage = 'queued') as "queued!",
            count(*) filter (where d.stage = 'words') as "words!",
            count(*) filter (where d.stage = 'done') as "done!",
            count(*) filter (where d.stage = 'failed') as "failed!",
            coalesce(sum(c.chunks), 0)::bigint as "chunks!",
            coalesce(sum(c.embedded), 0)::bigint as "embedded!",
            coalesce(sum(c.tokens), 0)::bigint as "tokens!"
        from documents d
        left join lateral (
            select count(*) as chunks, count(*) filter (where embedded) as embedded, sum(tokens) as tokens
            from chunks where revision_id = d.revision_id
        ) c on true
        where d.owner_id = $1 and d.collection_id = $2 and d.deleted_at is null
        "#,
        scope.owner() as _,
        collection as _,
    )
    .fetch_one(db)
    .await
}
