//! What a generation holds that is not live, and what it lacks of what queries
//! see.

use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;

use crate::document::{Chunk, Span};
use crate::ids::{CollectionId, DocumentId, EmbeddingId, GenerationId, RevisionId, UserId};
use crate::store::chunks::Unembedded;

/// A revision that queries see, with what its points carry.
#[derive(Debug, Clone)]
pub struct Current {
    /// Its id.
    pub revision: RevisionId,
    /// Whose it is.
    pub owner: UserId,
    /// Its document's collection.
    pub collection: CollectionId,
    /// Its document.
    pub document: DocumentId,
    /// The document's metadata.
    pub meta: serde_json::Value,
}

/// Revisions that queries see and the generation lacks, in order of their ids,
/// from after `after`. What it holds below that is not looked at: the next ones
/// take the same time however many it holds.
///
/// # Errors
/// What the database says.
pub async fn missing(
    db: impl PgExecutor<'_>,
    generation: GenerationId,
    after: RevisionId,
    limit: i64,
) -> sqlx::Result<Vec<Current>> {
    sqlx::query_as!(
        Current,
        r#"
        select d.revision_id as "revision!: RevisionId", d.owner_id as "owner: UserId",
               d.collection_id as "collection: CollectionId", d.id as "document: DocumentId", d.meta
        from documents d
        where d.revision_id > $2 and d.deleted_at is null
          and not exists (
              select from generation_revisions g
              where g.generation_id = $1 and g.revision_id = d.revision_id
                -- Says nothing new, but the planner does not infer it.
                and g.revision_id > $2
          )
        order by d.revision_id
        limit $3
        "#,
        generation as _,
        after as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Chunks of a revision from an ordinal on, without their pages.
///
/// # Errors
/// What the database says.
pub async fn chunks(db: impl PgExecutor<'_>, revision: RevisionId, from: i32, limit: i64) -> sqlx::Result<Vec<Chunk>> {
    let rows = sqlx::query!(
        r#"
        select ordinal, start_at, end_at, tokens, headings, context
        from chunks
        where revision_id = $1 and ordinal >= $2
        order by ordinal
        limit $3
        "#,
        revision as _,
        from,
        limit,
    )
    .fetch_all(db)
    .await?;
    let at = |value: i32| usize::try_from(value).unwrap_or_default();
    Ok(rows
        .into_iter()
        .map(|row| Chunk {
            ordinal: row.ordinal.cast_unsigned(),
            span: Span { start: at(row.start_at), end: at(row.end_at) },
            tokens: row.tokens.cast_unsigned(),
            page: None,
            headings: row.headings,
            context: row.context,
        })
        .collect())
}

/// Records that the generation holds the words of revisions. Returns those of
/// them that queries still see.
///
/// # Errors
/// What the database says.
pub async fn add(
    db: impl PgExecutor<'_>,
    generation: GenerationId,
    revisions: &[RevisionId],
) -> sqlx::Result<Vec<RevisionId>> {
    sqlx::query_scalar!(
        r#"
        insert into generation_revisions (generation_id, revision_id, complete)
        select $1, r.id, not exists (select from chunks c where c.revision_id = r.id)
        from revisions r
        join documents d on d.revision_id = r.id and d.deleted_at is null
        where r.id = any($2)
        on conflict (generation_id, revision_id) do update
        set vectors = 0, complete = excluded.complete, refused = default, refusal = null
        returning revision_id as "id: RevisionId"
        "#,
        generation as _,
        revisions as _,
    )
    .fetch_all(db)
    .await
}

/// Chunks that queries see and that have no vector in the generation, in order
/// of revision and ordinal.
///
/// # Errors
/// What the database says.
pub async fn unembedded(
    db: impl PgExecutor<'_>,
    generation: GenerationId,
    limit: i64,
) -> sqlx::Result<Vec<Unembedded>> {
    sqlx::query_as!(
        Unembedded,
        r#"
        select
            d.owner_id as "owner: UserId", d.id as "document: DocumentId",
            c.revision_id as "revision: RevisionId", c.ordinal, c.start_at, c.end_at, c.headings, c.context,
            c.embedding_id as "embedding: EmbeddingId"
        from (
            select g.revision_id, g.vectors
            from generation_revisions g
            where g.generation_id = $1 and not g.complete
            order by g.revision_id
            limit $2
        ) g
        join documents d on d.revision_id = g.revision_id and d.deleted_at is null
        join chunks c on c.revision_id = g.revision_id and c.ordinal >= g.vectors
        order by c.revision_id, c.ordinal
        limit $2
        "#,
        generation as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// A chunk whose text the provider of a generation's model refuses.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Its revision.
    pub revision: RevisionId,
    /// Its position there.
    pub ordinal: i32,
    /// Why, in the provider's words.
    pub reason: String,
}

/// Records that the vectors of a window's chunks are on disk: of each revision
/// all below the ordinal beside it, but for those that are refused.
///
/// # Errors
/// What the database says.
pub async fn advance(
    db: impl PgExecutor<'_>,
    generation: GenerationId,
    revisions: &[RevisionId],
    below: &[i32],
    refused: &[Refused],
) -> sqlx::Result<()> {
    let of: Vec<RevisionId> = refused.iter().map(|refused| refused.revision).collect();
    let ordinals: Vec<i32> = refused.iter().map(|refused| refused.ordinal).collect();
    let reasons: Vec<String> = refused.iter().map(|refused| refused.reason.clone()).collect();
    sqlx::query!(
        r#"
        update generation_revisions g
        set vectors = done.below,
            complete = not exists (
                select from chunks c where c.revision_id = g.revision_id and c.ordinal >= done.below
            ),
            refused = g.refused || array(
                select r.ordinal from unnest($4::uuid[], $5::int[]) as r (revision_id, ordinal)
                where r.revision_id = g.revision_id and r.ordinal >= g.vectors
            ),
            refusal = coalesce(g.refusal, (
                select r.reason from unnest($4::uuid[], $6::text[]) as r (revision_id, reason)
                where r.revision_id = g.revision_id
                limit 1
            ))
        from unnest($2::uuid[], $3::int[]) as done (revision_id, below)
        where g.generation_id = $1 and g.revision_id = done.revision_id and g.vectors < done.below
        "#,
        generation as _,
        revisions as _,
        below,
        &of as _,
        &ordinals,
        &reasons,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Drops what is recorded of revisions that queries do not see any more.
///
/// # Errors
/// What the database says.
pub async fn forget_replaced(db: impl PgExecutor<'_>, generation: GenerationId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        delete from generation_revisions g
        where g.generation_id = $1
          and not exists (select from documents d where d.revision_id = g.revision_id and d.deleted_at is null)
        "#,
        generation as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How far a generation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Coverage {
    /// Documents that queries see.
    pub documents: i64,
    /// Those whose words it holds.
    pub words: i64,
    /// Those whose vectors it holds too, but for the texts that are refused.
    pub vectors: i64,
    /// Texts that the model's provider refuses: they are found by their words only.
    pub refused: i64,
}

/// How far a generation has come that is not live.
///
/// # Errors
/// What the database says.
pub async fn coverage(db: impl PgExecutor<'_>, generation: GenerationId) -> sqlx::Result<Coverage> {
    sqlx::query_as!(
        Coverage,
        r#"
        select count(*) as "documents!", count(g.revision_id) as "words!",
               count(*) filter (where g.complete) as "vectors!",
               coalesce(sum(cardinality(g.refused)), 0)::bigint as "refused!"
        from documents d
        left join generation_revisions g on g.generation_id = $1 and g.revision_id = d.revision_id
        where d.revision_id is not null and d.deleted_at is null
        "#,
        generation as _,
    )
    .fetch_one(db)
    .await
}

/// A text that a model's provider refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Refusal {
    /// Key of its document.
    pub key: String,
    /// Why, in the provider's words.
    pub reason: String,
}

/// One of the texts that the provider of a generation's model refuses, if there
/// are any.
///
/// # Errors
/// What the database says.
pub async fn refusal(db: impl PgExecutor<'_>, generation: GenerationId) -> sqlx::Result<Option<Refusal>> {
    sqlx::query_as!(
        Refusal,
        r#"
        select d.key, g.refusal as "reason!"
        from generation_revisions g
        join documents d on d.revision_id = g.revision_id and d.deleted_at is null
        where g.generation_id = $1 and g.refusal is not null
        order by g.revision_id
        limit 1
        "#,
        generation as _,
    )
    .fetch_optional(db)
    .await
}
