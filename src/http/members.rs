//! Who else may read or write a collection.

use axum::extract::State;
use axum::http::StatusCode;
use footnote_ingest::store::members::{Access, Invitation, Member};
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path, Query};
use super::page::{Page, Paging, Size};
use crate::app::App;
use crate::ids::{CollectionId, UserId};
use crate::sharing;

/// Who is let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "ada", "role": "reader" }))]
pub(super) struct Admitted {
    /// The account's name.
    name: String,
    /// `reader` or `writer`.
    role: Access,
}

/// Members of a collection, for its owner.
#[utoipa::path(
    get, path = "/api/v1/collections/{id}/members", tag = "documents", params(("id" = CollectionId, Path), Paging),
    responses((status = 200, body = Page<Member>), (status = 403, body = Envelope), (status = 404, body = Envelope))
)]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<CollectionId>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Page<Member>>, ApiError> {
    let size = Size::new(paging.limit)?;
    let items = sharing::members(&app, scope, id, paging.cursor.map(UserId), size.to_load()).await?;
    Ok(size.cut(items, |last| last.user_id.to_string()))
}

/// Invites an account, or changes what it may do. It is in once it has accepted.
#[utoipa::path(
    post, path = "/api/v1/collections/{id}/members", tag = "documents", params(("id" = CollectionId, Path)),
    request_body = Admitted,
    responses(
        (status = 200, body = Member), (status = 403, body = Envelope), (status = 404, body = Envelope),
        (status = 409, body = Envelope), (status = 422, body = Envelope),
    )
)]
pub(super) async fn admit(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<CollectionId>,
    Json(admitted): Json<Admitted>,
) -> Result<axum::Json<Member>, ApiError> {
    Ok(axum::Json(sharing::admit(&app, scope, id, &admitted.name, admitted.role).await?))
}

/// Invitations that the caller has not answered.
#[utoipa::path(
    get, path = "/api/v1/invitations", tag = "documents", params(Paging),
    responses((status = 200, body = Page<Invitation>))
)]
pub(super) async fn invitations(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Page<Invitation>>, ApiError> {
    let size = Size::new(paging.limit)?;
    let items = sharing::invitations(&app, scope, paging.cursor.map(CollectionId), size.to_load()).await?;
    Ok(size.cut(items, |last| last.collection_id.to_string()))
}

/// Accepts an invitation: the collection is searched and read from now on.
#[utoipa::path(
    post, path = "/api/v1/collections/{id}/accept", tag = "documents", params(("id" = CollectionId, Path)),
    responses((status = 204), (status = 404, body = Envelope))
)]
pub(super) async fn accept(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<CollectionId>,
) -> Result<StatusCode, ApiError> {
    sharing::accept(&app, scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a membership or declines an invitation: by the owner, or by the member
/// itself.
#[utoipa::path(
    delete, path = "/api/v1/collections/{id}/members/{user_id}", tag = "documents",
    params(("id" = CollectionId, Path), ("user_id" = UserId, Path)),
    responses((status = 204), (status = 404, body = Envelope))
)]
pub(super) async fn remove(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, user)): Path<(CollectionId, UserId)>,
) -> Result<StatusCode, ApiError> {
    sharing::remove(&app, scope, id, user).await?;
    Ok(StatusCode::NO_CONTENT)
}
