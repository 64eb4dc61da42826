//! Chunks: ranges of revisions, and whether their vectors are on disk.

use sqlx::PgExecutor;

use crate::document::Chunk;
use crate::ids::{CollectionId, DocumentId, EmbeddingId, RevisionId, UserId};
use crate::scope::Scope;

/// A chunk to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewChunk<'a> {
    /// Its revision, which is stored already.
    pub revision: RevisionId,
    /// What it is embedded as.
    pub embedding: EmbeddingId,
    /// The chunk.
    pub chunk: &'a Chunk,
}

/// Stores the chunks of revisions that were just inserted.
///
/// # Errors
/// What the database says.
pub async fn insert(db: impl PgExecutor<'_>, chunks: &[NewChunk<'_>]) -> sqlx::Result<()> {
    let int = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
    let revisions: Vec<RevisionId> = chunks.iter().map(|new| new.revision).collect();
    let ordinals: Vec<i32> = chunks.iter().map(|new| new.chunk.ordinal.cast_signed()).collect();
    let starts: Vec<i32> = chunks.iter().map(|new| int(new.chunk.span.start)).collect();
    let ends: Vec<i32> = chunks.iter().map(|new| int(new.chunk.span.end)).collect();
    let tokens: Vec<i32> = chunks.iter().map(|new| new.chunk.tokens.cast_signed()).collect();
    let pages: Vec<Option<i32>> = chunks.iter().map(|new| new.chunk.page.map(u32::cast_signed)).collect();
    // `unnest` flattens nested arrays, so each path travels as JSON.
    let headings: Vec<serde_json::Value> = chunks.iter().map(|new| new.chunk.headings.clone().into()).collect();
    let contexts: Vec<serde_json::Value> = chunks.iter().map(|new| new.chunk.context.clone().into()).collect();
    let embeddings: Vec<EmbeddingId> = chunks.iter().map(|new| new.embedding).collect();
    sqlx::query!(
        r#"
        insert into chunks (
            revision_id, ordinal, start_at, end_at, tokens, page, headings, context, embedding_id
        )
        select revision_id, ordinal, start_at, end_at, tokens, page,
               array(select jsonb_array_elements_text(headings)),
               array(select jsonb_array_elements_text(context)), embedding_id
        from unnest(
            $1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::jsonb[], $8::jsonb[], $9::uuid[]
        ) as new (revision_id, ordinal, start_at, end_at, tokens, page, headings, context, embedding_id)
        "#,
        &revisions as _,
        &ordinals,
        &starts,
        &ends,
        &tokens,
        &pages as _,
        &headings,
        &contexts,
        &embeddings as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A chunk that has no vector in the index yet.
#[derive(Debug, Clone)]
pub struct Unembedded {
    /// Whose it is.
    pub owner: UserId,
    /// Its document.
    pub document: DocumentId,
    /// Its revision.
    pub revision: RevisionId,
    /// Its position there.
    pub ordinal: i32,
    /// First code point.
    pub start_at: i32,
    /// One past the last code point.
    pub end_at: i32,
    /// Headings above it.
    pub headings: Vec<String>,
    /// What else is found with it.
    pub context: Vec<String>,
    /// What it is embedded as; rows from before there were such ids have none.
    pub embedding: Option<EmbeddingId>,
}

/// Chunks of the given documents that queries see by their words only, each
/// document's from after the ordinal beside it. At most `limit`, in equal shares
/// of the documents' owners; in order of revision and ordinal.
///
/// # Errors
/// What the database says.
pub async fn unembedded(
    db: impl PgExecutor<'_>,
    documents: &[(DocumentId, i32)],
    limit: i64,
) -> sqlx::Result<Vec<Unembedded>> {
    let (documents, after): (Vec<DocumentId>, Vec<i32>) = documents.iter().copied().unzip();
    sqlx::query_as!(
        Unembedded,
        r#"
        with waiting as (
            select d.owner_id, d.id as document_id, c.*, row_number() over (
                partition by d.owner_id order by held.place, c.ordinal
            ) as turn
            from unnest($1::uuid[], $2::int[]) with ordinality as held (document_id, after, place)
            join documents d on d.id = held.document_id and d.deleted_at is null
            cross join lateral (
                select * from chunks
                where revision_id = d.revision_id and ordinal > held.after and not embedded
                order by ordinal
                limit $3
            ) c
        ),
        shares as (
            select * from waiting order by turn limit $3
        )
        select
            owner_id as "owner: UserId", document_id as "document: DocumentId",
            revision_id as "revision: RevisionId", ordinal, start_at, end_at, headings, context,
            embedding_id as "embedding: EmbeddingId"
        from shares
        order by revision_id, ordinal
        "#,
        &documents as _,
        &after,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Records that the vectors of these chunks are on disk.
///
/// # Errors
/// What the database says.
pub async fn mark_embedded(db: impl PgExecutor<'_>, revisions: &[RevisionId], ordinals: &[i32]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update chunks c
        set embedded = true
        from unnest($1::uuid[], $2::int[]) as done (revision_id, ordinal)
        where c.revision_id = done.revision_id and c.ordinal = done.ordinal
        "#,
        revisions as _,
        ordinals,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Marks chunks whose vector turned out to be missing, so that it is made again.
///
/// # Errors
/// What the database says.
pub async fn mark_unembedded(db: impl PgExecutor<'_>, revisions: &[RevisionId], ordinals: &[i32]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update chunks c
        set embedded = false
        from unnest($1::uuid[], $2::int[]) as lost (revision_id, ordinal)
        where c.revision_id = lost.revision_id and c.ordinal = lost.ordinal
        "#,
        revisions as _,
        ordinals,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A chunk of a document that queries may see, with its text.
#[derive(Debug, Clone)]
pub struct Visible {
    /// Its revision.
    pub revision: RevisionId,
    /// Its position there.
    pub ordinal: i32,
    /// First code point.
    pub start_at: i32,
    /// One past the last code point.
    pub end_at: i32,
    /// The page on which it starts.
    pub page: Option<i32>,
    /// Headings above it.
    pub headings: Vec<String>,
    /// Its text.
    pub text: String,
    /// The document.
    pub document: DocumentId,
    /// The document's collection.
    pub collection: CollectionId,
    /// The document's key.
    pub key: String,
    /// The document's title.
    pub title: String,
    /// Where the document came from.
    pub uri: Option<String>,
}

/// Those of the given chunks that are part of a current revision that the
/// scope may read: its own, or shared with it. What was deleted or replaced is not among them.
///
/// # Errors
/// What the database says.
pub async fn visible(
    db: impl PgExecutor<'_>,
    scope: Scope,
    revisions: &[RevisionId],
    ordinals: &[i32],
) -> sqlx::Result<Vec<Visible>> {
    sqlx::query_as!(
        Visible,
        r#"
        select
            c.revision_id as "revision: RevisionId", c.ordinal, c.start_at, c.end_at, c.page, c.headings,
            text_slice(r.text, r.text_starts, c.start_at, c.end_at - c.start_at) as "text!",
            d.id as "document: DocumentId", d.collection_id as "collection: CollectionId",
            d.key, d.title, d.uri
        from unnest($2::uuid[], $3::int[]) as wanted (revision_id, ordinal)
        join chunks c on c.revision_id = wanted.revision_id and c.ordinal = wanted.ordinal
        join revisions r on r.id = c.revision_id
        join documents d on d.id = r.document_id and d.revision_id = r.id and d.deleted_at is null
        where d.owner_id = $1
           or d.collection_id in (
               select collection_id from collection_members where user_id = $1 and accepted_at is not null
           )
        "#,
        scope.owner() as _,
        revisions as _,
        ordinals,
    )
    .fetch_all(db)
    .await
}

/// Chunks of a revision that queries see whose vectors are recorded, in order of
/// their ordinals, from after `after`.
///
/// # Errors
/// What the database says.
pub async fn recorded(
    db: impl PgExecutor<'_>,
    revision: RevisionId,
    after: i32,
    limit: i64,
) -> sqlx::Result<Vec<Unembedded>> {
    sqlx::query_as!(
        Unembedded,
        r#"
        select
            d.owner_id as "owner: UserId", d.id as "document: DocumentId",
            c.revision_id as "revision: RevisionId", c.ordinal, c.start_at, c.end_at, c.headings, c.context,
            c.embedding_id as "embedding: EmbeddingId"
        from documents d
        join chunks c on c.revision_id = d.revision_id and c.embedded
        where d.revision_id = $1 and d.deleted_at is null and c.ordinal > $2
        order by c.ordinal
        limit $3
        "#,
        revision as _,
        after,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Which point ought to be in the index.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Its revision.
    pub revision: RevisionId,
    /// Its position there.
    pub ordinal: i32,
    /// Whether its vector is recorded as being on disk.
    pub embedded: bool,
    /// Whether queries may see it: else its revision is still being made, and the
    /// index may or may not hold it.
    pub visible: bool,
}

/// Every chunk that the index ought to hold for the owner, or may hold already.
///
/// # Errors
/// What the database says.
pub async fn expected(db: impl PgExecutor<'_>, scope: Scope) -> sqlx::Result<Vec<Expected>> {
    sqlx::query_as!(
        Expected,
        r#"
        select c.revision_id as "revision: RevisionId", c.ordinal, c.embedded,
               d.revision_id is not distinct from r.id as "visible!"
        from chunks c
        join revisions r on r.id = c.revision_id
        join documents d on d.id = r.document_id and d.deleted_at is null
        where d.owner_id = $1 and (d.revision_id = r.id or d.version = r.version)
        order by c.revision_id, c.ordinal
        "#,
        scope.owner() as _,
    )
    .fetch_all(db)
    .await
}

/// Owners that have documents: for checks over everything.
///
/// # Errors
/// What the database says.
pub async fn owners(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<UserId>> {
    sqlx::query_scalar!(r#"select distinct owner_id as "owner: UserId" from documents"#).fetch_all(db).await
}
