//! Health: whether the process runs, and whether it can serve.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, Envelope};
use crate::app::App;

/// How the service stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// The service's version.
    version: &'static str,
}

/// How the parts stand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ok`.
    status: &'static str,
    /// Points in the vector index.
    points: usize,
    /// The embedding model.
    embedding_model: String,
    /// Why documents are not read at the moment, if they are not.
    ingestion_stalled: Option<String>,
}

/// Whether the process runs.
#[utoipa::path(get, path = "/health/live", tag = "service", responses((status = 200, body = Health)))]
pub(super) async fn live() -> axum::Json<Health> {
    axum::Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether database and index answer.
#[utoipa::path(
    get, path = "/health/ready", tag = "service",
    responses((status = 200, body = Ready), (status = 503, body = Envelope))
)]
pub(super) async fn ready(State(app): State<App>) -> Result<axum::Json<Ready>, ApiError> {
    sqlx::query_scalar!("select 1").fetch_one(&app.db).await.map_err(|error| {
        tracing::error!(%error, "the database does not answer");
        ApiError::unavailable("database", "the database does not answer", 5)
    })?;
    let space = app.corpus.live();
    let info = space.index.info().await.map_err(|error| {
        tracing::error!(%error, "the index does not answer");
        ApiError::unavailable("index", "the vector index does not answer", 5)
    })?;
    Ok(axum::Json(Ready {
        status: "ok",
        points: info.points,
        embedding_model: space.embedder.model().to_owned(),
        ingestion_stalled: app.corpus.stalled(),
    }))
}
