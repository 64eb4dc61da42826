//! Collections: knowledge bases.

use axum::extract::State;
use axum::http::StatusCode;
use footnote_ingest::store::collections::{self, Collection};
use footnote_ingest::store::documents::{self, Progress};
use footnote_ingest::store::members::Access;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path, Query};
use super::page::{Page, Size};
use crate::app::App;
use crate::error::Error;
use crate::ids::CollectionId;
use crate::sharing;

/// Characters of a name, at most.
const MAX_NAME: usize = 200;

/// Which collections to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only the one of this name.
    name: Option<String>,
    /// Items, at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<CollectionId>,
}

/// A collection's name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "manuals" }))]
pub(super) struct Name {
    /// Unique among the owner's.
    name: String,
}

impl Name {
    fn checked(&self) -> Result<&str, ApiError> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(ApiError::unprocessable("name", format!("`name` has 1 to {MAX_NAME} characters")));
        }
        Ok(name)
    }
}

/// A collection and how far its documents are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CollectionDetail)]
pub(super) struct Detail {
    #[serde(flatten)]
    collection: Collection,
    progress: Progress,
    /// Why documents are not read at the moment, if they are not.
    stalled: Option<String>,
}

/// Collections.
#[utoipa::path(get, path = "/api/v1/collections", tag = "documents", params(Which), responses((status = 200, body = Page<Collection>)))]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page<Collection>>, ApiError> {
    let size = Size::new(which.limit)?;
    let items = collections::list(&app.db, scope, which.name.as_deref(), which.cursor, size.to_load()).await?;
    Ok(size.cut(items, |last| last.id.to_string()))
}

/// Makes a collection.
#[utoipa::path(
    post, path = "/api/v1/collections", tag = "documents", request_body = Name,
    responses((status = 201, body = Detail), (status = 409, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(name): Json<Name>,
) -> Result<(StatusCode, axum::Json<Detail>), ApiError> {
    let name = name.checked()?;
    let id = collections::create(&app.db, caller.0, name).await?.ok_or_else(|| taken(name))?;
    Ok((StatusCode::CREATED, find(State(app), caller, Path(id)).await?))
}

/// One collection and how far its documents are.
#[utoipa::path(
    get, path = "/api/v1/collections/{id}", tag = "documents", params(("id" = CollectionId, Path)),
    responses((status = 200, body = Detail), (status = 404, body = Envelope))
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<CollectionId>,
) -> Result<axum::Json<Detail>, ApiError> {
    let collection = collections::find(&app.db, scope, id).await?.ok_or(Error::NotFound("collection"))?;
    let owner = sharing::access(&app, scope, id, Access::Reader).await?;
    let progress = documents::progress(&app.db, owner, id).await?;
    Ok(axum::Json(Detail { collection, progress, stalled: app.corpus.stalled() }))
}

/// Renames a collection.
#[utoipa::path(
    patch, path = "/api/v1/collections/{id}", tag = "documents", params(("id" = CollectionId, Path)),
    request_body = Name,
    responses(
        (status = 200, body = Detail), (status = 403, body = Envelope), (status = 404, body = Envelope),
        (status = 409, body = Envelope),
    )
)]
pub(super) async fn rename(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<CollectionId>,
    Json(name): Json<Name>,
) -> Result<axum::Json<Detail>, ApiError> {
    let name = name.checked()?;
    sharing::access(&app, caller.0, id, Access::Owner).await?;
    match collections::rename(&app.db, caller.0, id, name).await {
        Ok(true) => find(State(app), caller, Path(id)).await,
        Ok(false) => Err(Error::NotFound("collection").into()),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("collections_owner_name") => {
            Err(taken(name).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Deletes a collection with its documents.
#[utoipa::path(
    delete, path = "/api/v1/collections/{id}", tag = "documents", params(("id" = CollectionId, Path)),
    responses((status = 204), (status = 403, body = Envelope), (status = 404, body = Envelope))
)]
pub(super) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<CollectionId>,
) -> Result<StatusCode, ApiError> {
    sharing::access(&app, scope, id, Access::Owner).await?;
    app.corpus.delete_collection(scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn taken(name: &str) -> Error {
    Error::Conflict { what: "collection", problem: format!("`{name}` is there already; choose another name") }
}
