//! Generations of the vector index, one for each embedding model: which one
//! queries see, and how far another has come that is built beside it.
//!
//! A revision is published in a transaction that holds the live generation
//! ([`hold_live`]); [`switch`] takes it from all who publish, and refuses while
//! the other one lacks a revision that queries see.

mod coverage;
mod discarded;
mod switch;

use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use sqlx::types::Json;

pub use coverage::{
    Coverage, Current, Refusal, Refused, add, advance, chunks, coverage, forget_replaced, missing, refusal, unembedded,
};
pub use discarded::{delete, removed, take_discarded};
pub use switch::switch;

use crate::config::EmbedderSetup;
use crate::ids::{GenerationId, WorkerId};

/// Where a generation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = BuildState)]
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

/// Takes the building from whoever had it: for a start where nobody else can be.
///
/// # Errors
/// What the database says.
pub async fn abandon(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query!("update generations set builder_id = null, lease_until = null where builder_id is not null")
        .execute(db)
        .await?;
    Ok(())
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

/// Nothing new is read for so many seconds, while this generation is built;
/// zero ends that. False if it is not being built.
///
/// # Errors
/// What the database says.
pub async fn quiet(db: impl PgExecutor<'_>, generation: GenerationId, seconds: i32) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update generations set quiet_until = now() + make_interval(secs => $2::int)
        where id = $1 and state = 'building'
        "#,
        generation as _,
        seconds,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
