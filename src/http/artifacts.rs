//! Artifacts: what models made for the reader.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Path, Query};
use super::page::{Page, Size};
use crate::app::App;
use crate::error::Error;
use crate::ids::ArtifactId;
use crate::storage::artifacts::{self, Artifact, ArtifactVersion};

/// Which versions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Items, at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<i32>,
}

/// One artifact, with its latest content.
#[utoipa::path(
    get, path = "/api/v1/artifacts/{id}", tag = "conversations", params(("id" = ArtifactId, Path)),
    responses((status = 200, body = Artifact), (status = 404, body = Envelope))
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ArtifactId>,
) -> Result<axum::Json<Artifact>, ApiError> {
    Ok(axum::Json(artifacts::find(&app.db, scope, id).await?.ok_or(Error::NotFound("artifact"))?))
}

/// All versions of an artifact, the first one first.
#[utoipa::path(
    get, path = "/api/v1/artifacts/{id}/versions", tag = "conversations", params(("id" = ArtifactId, Path), Which),
    responses((status = 200, body = Page<ArtifactVersion>), (status = 404, body = Envelope))
)]
pub(super) async fn versions(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ArtifactId>,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page<ArtifactVersion>>, ApiError> {
    let size = Size::new(which.limit)?;
    artifacts::find(&app.db, scope, id).await?.ok_or(Error::NotFound("artifact"))?;
    let items = artifacts::versions(&app.db, scope, id, which.cursor.unwrap_or(0), size.to_load()).await?;
    Ok(size.cut(items, |last| last.version.to_string()))
}
