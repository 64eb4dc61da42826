//! Health: whether the process runs, and whether it can serve.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
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
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ok`.
    status: &'static str,
    /// Points in the vector index.
    points: usize,
    /// The embedding model.
    embedding_model: String,
    /// Why documents are not read at the moment, if they are not.
    ingestion_stalled: Option<&'static str>,
}

/// For how long it is believed how the parts stood.
const BELIEVED: Duration = Duration::from_secs(1);
/// How long the parts may take to say so.
const PATIENCE: Duration = Duration::from_secs(5);
/// Why it is, the log says: anybody may ask here.
const STALLED: &str = "documents are not read at the moment; the service's log says why";

/// How the parts stood last. However many ask, the parts are asked once.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Option<Looked>>>);

/// What was found, and when.
type Looked = (Instant, Result<Ready, ApiError>);

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
pub(super) async fn ready(
    State(app): State<App>,
    Extension(Kept(kept)): Extension<Kept>,
) -> Result<axum::Json<Ready>, ApiError> {
    let mut kept = kept.lock().await;
    if let Some((at, stood)) = &*kept
        && at.elapsed() < BELIEVED
    {
        // Which model queries use is known without asking anybody.
        let embedding_model = app.corpus.live().embedder.model().to_owned();
        return stood.clone().map(|stood| axum::Json(Ready { embedding_model, ..stood }));
    }
    let stands = tokio::time::timeout(PATIENCE, look(&app)).await.unwrap_or_else(|_| {
        tracing::error!("the database or the index says nothing");
        Err(ApiError::unavailable("service", "the database or the vector index does not answer", 5))
    });
    *kept = Some((Instant::now(), stands.clone()));
    stands.map(axum::Json)
}

async fn look(app: &App) -> Result<Ready, ApiError> {
    sqlx::query_scalar!("select 1").fetch_one(&app.db).await.map_err(|error| {
        tracing::error!(%error, "the database does not answer");
        ApiError::unavailable("database", "the database does not answer", 5)
    })?;
    let space = app.corpus.live();
    let info = space.index.info().await.map_err(|error| {
        tracing::error!(%error, "the index does not answer");
        ApiError::unavailable("index", "the vector index does not answer", 5)
    })?;
    Ok(Ready {
        status: "ok",
        points: info.points,
        embedding_model: space.embedder.model().to_owned(),
        ingestion_stalled: app.corpus.stalled().map(|_| STALLED),
    })
}
