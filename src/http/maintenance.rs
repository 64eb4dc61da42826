//! Upkeep.

use axum::extract::State;
use footnote_ingest::doctor::{self, Drift};
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::ApiError;
use super::extract::Json;
use crate::app::App;

/// What the doctor may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Visit {
    /// Mend what is found.
    #[serde(default)]
    fix: bool,
}

/// Compares the vector index with the database, and mends it on request.
#[utoipa::path(
    post, path = "/api/v1/admin/doctor", tag = "service", request_body = Visit,
    responses((status = 200, body = Drift))
)]
pub(super) async fn doctor(
    State(app): State<App>,
    _: Caller,
    Json(visit): Json<Visit>,
) -> Result<axum::Json<Drift>, ApiError> {
    Ok(axum::Json(doctor::examine(&app.corpus, visit.fix).await?))
}
