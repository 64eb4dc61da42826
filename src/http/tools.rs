//! Tools of outside servers, for operators.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::Json;
use crate::app::App;
use crate::outside::OutsideTool;

/// Tools.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tools {
    items: Vec<OutsideTool>,
}

/// A tool that is to be trusted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trusted {
    /// Its name, as models call it.
    name: String,
}

/// Tools of the configured MCP servers. One whose definition has changed since
/// it was first seen is not offered to models.
#[utoipa::path(get, path = "/api/v1/admin/tools", tag = "service", responses((status = 200, body = Tools)))]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<axum::Json<Tools>, ApiError> {
    Ok(axum::Json(Tools { items: app.outside.list(&app.db).await? }))
}

/// Trusts a tool as its server defines it now.
#[utoipa::path(
    post, path = "/api/v1/admin/tools/trust", tag = "service", request_body = Trusted,
    responses((status = 204), (status = 404, body = Envelope))
)]
pub(super) async fn trust(
    State(app): State<App>,
    _: Caller,
    Json(trusted): Json<Trusted>,
) -> Result<StatusCode, ApiError> {
    app.outside.trust(&app.db, &trusted.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
