//! Documents: status, deletion, and the bytes they came from.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use footnote_ingest::store::documents::{self, Document, Filter, Stage};
use footnote_ingest::store::originals;
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{self, Path, Query};
use super::page::{Page, Size};
use crate::app::App;
use crate::error::Error;
use crate::ids::DocumentId;

/// Which documents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only in this collection, by id or name.
    collection: Option<String>,
    /// Only in this stage.
    status: Option<Stage>,
    /// Only of this key.
    key: Option<String>,
    /// Items, at most: 1 to 200.
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<DocumentId>,
}

/// Documents with the stage that each has reached.
#[utoipa::path(
    get, path = "/api/v1/documents", tag = "documents", params(Which),
    responses((status = 200, body = Page<Document>), (status = 404, body = Envelope))
)]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page<Document>>, ApiError> {
    let size = Size::new(which.limit)?;
    let named = which.collection.map(|collection| vec![collection]);
    let collection = extract::collections(&app, scope, named.as_deref()).await?.and_then(|ids| ids.first().copied());
    let filter = Filter { collection, stage: which.status, key: which.key.as_deref(), id: None, after: which.cursor };
    let items = documents::list(&app.db, scope, &filter, size.to_load()).await?;
    Ok(size.cut(items, |last| last.id.to_string()))
}

/// One document: its stage, its progress, and why it failed if it did.
#[utoipa::path(
    get, path = "/api/v1/documents/{id}", tag = "documents", params(("id" = DocumentId, Path)),
    responses((status = 200, body = Document), (status = 404, body = Envelope))
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<DocumentId>,
) -> Result<axum::Json<Document>, ApiError> {
    let document = documents::find(&app.db, scope, id).await?.ok_or(Error::NotFound("document"))?;
    Ok(axum::Json(document))
}

/// Deletes a document. Searches do not find it any more from now on.
#[utoipa::path(
    delete, path = "/api/v1/documents/{id}", tag = "documents", params(("id" = DocumentId, Path)),
    responses((status = 204), (status = 404, body = Envelope))
)]
pub(super) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<DocumentId>,
) -> Result<StatusCode, ApiError> {
    let deleted = app.corpus.delete(scope, None, Some(&[id])).await?;
    if deleted.is_empty() { Err(Error::NotFound("document").into()) } else { Ok(StatusCode::NO_CONTENT) }
}

/// The bytes as they were uploaded.
#[utoipa::path(
    get, path = "/api/v1/documents/{id}/original", tag = "documents", params(("id" = DocumentId, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 404, body = Envelope))
)]
pub(super) async fn original(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<DocumentId>,
) -> Result<Response, ApiError> {
    let original = originals::of_document(&app.db, scope, id).await?.ok_or(Error::NotFound("document"))?;
    // Always a download, never a page of ours: an uploaded HTML file must not
    // run with the rights of this origin.
    let attachment = HeaderValue::from_static("attachment");
    let octets = HeaderValue::from_static("application/octet-stream");
    let kind = original.media_type.and_then(|kind| HeaderValue::from_str(&kind).ok()).unwrap_or(octets);
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, attachment)];
    Ok((headers, Body::from(original.bytes)).into_response())
}
