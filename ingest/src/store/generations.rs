//! Generations of the vector index, one for each embedding model: which one
//! queries see, and how far another has come that is built beside it.
//!
//! A revision is published in a transaction that holds the live generation
//! ([`hold_live`]); [`switch`] takes it from all who publish, and refuses while
//! the other one lacks a revision that queries see.

mod switch;

use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use sqlx::types::Json;

pub use switch::switch;

use crate::config::EmbedderSetup;
use crate::document::{Chunk, Span};
use crate::ids::{CollectionId, DocumentId, EmbeddingId, GenerationId, RevisionId, UserId, WorkerId};
use crate::store::chunks::Unembedded;

/// Where a generation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum State {
    /// It catches up with what queries see.
    Building,
    /// Queries see it.
    Live,
    /// Queries saw it before; it can be gone back to.
    Previous,
}

/// A generation of the index.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Its id.
    pub id: GenerationId,
    /// The embedding model's name.
    pub model: String,
    /// Numbers in its vectors; zero if that was not recorded.
    pub dimensions: i32,
    /// How the embedder is set up; `None` if that was not recorded.
    pub setup: Option<Json<EmbedderSetup>>,
    /// What the name of its folder or collection ends with.
    pub suffix: String,
    /// Where it stands.
    pub state: State,
}

/// All generations.
///
/// # Errors
/// What the database says.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Generation>> {
    sqlx::query_as!(
        Generation,
        r#"
        select id as "id: GenerationId", model, dimensions, setup as "setup: Json<EmbedderSetup>", suffix,
               state as "state: State"
        from generations
        order by created_at, id
        "#,
    )
    .fetch_all(db)
    .await
}

/// Records a new generation. Nothing happens when there is one in its state.
///
/// # Errors
/// What the database says.
pub async fn insert(db: impl PgExecutor<'_>, new: &Generation) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into generations (id, model, setup, suffix, state, dimensions, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, now(), now())
        on conflict do nothing
        "#,
        new.id as _,
        new.model,
        new.setup as _,
        new.suffix,
        new.state as _,
        new.dimensions,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Records how the embedder of a generation is set up now.
///
/// # Errors
/// What the database says.
pub async fn set_up(
    db: impl PgExecutor<'_>,
    generation: GenerationId,
    dimensions: i32,
    setup: &EmbedderSetup,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update generations set setup = $2, dimensions = $3, updated_at = now()
        where id = $1 and (setup is distinct from $2 or dimensions <> $3)
        "#,
        generation as _,
        Json(setup) as _,
        dimensions,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets a generation that is not live. Returns whether it was there.
///
/// # Errors
/// What the database says.
pub async fn delete(db: impl PgExecutor<'_>, state: State) -> sqlx::Result<bool> {
    let done =
        sqlx::query!("delete from generations where state = $1 and state <> 'live'", state as _).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

/// Has the generation that was live before catch up again.
///
/// # Errors
/// What the database says.
pub async fn revive(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update generations set state = 'building', updated_at = now()
        where state = 'previous' and not exists (select from generations where state = 'building')
        "#,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Holds the live generation until the transaction ends, if it is this one:
/// what is published until then is seen by whoever switches.
///
/// # Errors
/// What the database says.
pub async fn hold_live(tx: &mut sqlx::PgTransaction<'_>, generation: GenerationId) -> sqlx::Result<bool> {
    let held = sqlx::query_scalar!(
        "select 1 from generations where id = $1 and state = 'live' for key share",
        generation as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(held.is_some())
}

/// Takes, or keeps, the building of a generation for two minutes.
///
/// # Errors
/// What the database says.
pub async fn take(db: impl PgExecutor<'_>, generation: GenerationId, worker: WorkerId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update generations
        set builder_id = $2, lease_until = now() + interval '2 minutes'
        where id = $1 and state = 'building' and (builder_id = $2 or lease_until is null or lease_until < now())
        "#,
        generation as _,
        worker as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Lets go of the building.
///
/// # Errors
/// What the database says.
pub async fn let_go(db: impl PgExecutor<'_>, worker: WorkerId) -> sqlx::Result<()> {
    sqlx::query!("update generations set builder_id = null, lease_until = null where builder_id = $1", worker as _)
        .execute(db)
        .await?;
    Ok(())
}

/// Nothing new is read for so many seconds; zero ends that.
///
/// # Errors
/// What the database says.
pub async fn quiet(db: impl PgExecutor<'_>, generation: GenerationId, seconds: i32) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update generations set quiet_until = now() + make_interval(secs => $2::int)
        where id = $1
        "#,
        generation as _,
        seconds,
    )
    .execute(db)
    .await?;
    Ok(())
}

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

/// Revisions that queries see and the generation lacks, some at a time.
///
/// # Errors
/// What the database says.
pub async fn missing(db: impl PgExecutor<'_>, generation: GenerationId, limit: i64) -> sqlx::Result<Vec<Current>> {
    sqlx::query_as!(
        Current,
        r#"
        select d.revision_id as "revision!: RevisionId", d.owner_id as "owner: UserId",
               d.collection_id as "collection: CollectionId", d.id as "document: DocumentId", d.meta
        from documents d
        where d.revision_id is not null and d.deleted_at is null
          and not exists (
              select from generation_revisions g where g.generation_id = $1 and g.revision_id = d.revision_id
          )
        order by d.revision_id
        limit $2
        "#,
        generation as _,
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
/// them that still exist.
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
        join documents d on d.id = r.document_id and d.deleted_at is null
        where r.id = any($2)
        on conflict (generation_id, revision_id) do update set vectors = 0, complete = excluded.complete
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

/// Records that the vectors of a window's chunks are on disk: of each revision
/// all below the ordinal beside it.
///
/// # Errors
/// What the database says.
pub async fn advance(
    db: impl PgExecutor<'_>,
    generation: GenerationId,
    revisions: &[RevisionId],
    below: &[i32],
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update generation_revisions g
        set vectors = done.below,
            complete = not exists (
                select from chunks c where c.revision_id = g.revision_id and c.ordinal >= done.below
            )
        from unnest($2::uuid[], $3::int[]) as done (revision_id, below)
        where g.generation_id = $1 and g.revision_id = done.revision_id and g.vectors < done.below
        "#,
        generation as _,
        revisions as _,
        below,
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
    /// Those whose vectors it holds too.
    pub vectors: i64,
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
               count(*) filter (where g.complete) as "vectors!"
        from documents d
        left join generation_revisions g on g.generation_id = $1 and g.revision_id = d.revision_id
        where d.revision_id is not null and d.deleted_at is null
        "#,
        generation as _,
    )
    .fetch_one(db)
    .await
}
