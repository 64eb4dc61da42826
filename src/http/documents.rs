//! Documents: status, changes, deletion, and the bytes they came from.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use footnote_ingest::Error as CorpusError;
use footnote_ingest::rights::as_owner;
use footnote_ingest::store::documents::{self, Document, Filter, Stage};
use footnote_ingest::store::edits::Edit;
use footnote_ingest::store::members::Access;
use footnote_ingest::store::originals;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{self, Json, Path, Query};
use super::page::{Page, Size};
use super::upload::check_key;
use crate::app::App;
use crate::error::Error;
use crate::ids::DocumentId;
use crate::sharing;

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
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<DocumentId>,
}

/// Documents with the stage that each has reached: the caller's own, or those of
/// a collection that is shared with it.
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
    let owner = match collection {
        Some(collection) => sharing::access(&app, scope, collection, Access::Reader).await?,
        None => scope,
    };
    let filter = Filter { collection, stage: which.status, key: which.key.as_deref(), id: None, after: which.cursor };
    let items = documents::list(&app.db, owner, &filter, size.to_load()).await?;
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
    let owner = sharing::access_to_document(&app, scope, id, Access::Reader).await?;
    let document = documents::find(&app.db, owner, id).await?.ok_or(Error::NotFound("document"))?;
    Ok(axum::Json(document))
}

/// What to change of a document; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "title": "Handbook of the P4", "meta": { "department": "support", "year": 2024 } }))]
#[schema(as = DocumentChange)]
pub(super) struct Change {
    /// Its key. A title that stood in for none follows it.
    key: Option<String>,
    /// Shown to readers.
    title: Option<String>,
    /// Where it comes from.
    uri: Option<String>,
    /// For filters: an object of scalars or lists of scalars. Replaces what was
    /// there.
    #[schema(value_type = Option<Object>)]
    meta: Option<Map<String, Value>>,
    /// What its source tells of the version that was read.
    version: Option<String>,
}

impl Change {
    fn check(&self) -> Result<(), ApiError> {
        self.key.as_deref().map_or(Ok(()), check_key)?;
        for (name, value) in [("title", &self.title), ("uri", &self.uri), ("version", &self.version)] {
            if value.as_ref().is_some_and(|value| value.is_empty() || value.contains('\0')) {
                return Err(ApiError::unprocessable(name, format!("`{name}` is a text, and not an empty one")));
            }
        }
        Ok(())
    }
}

/// Renames or moves a document, or changes what is known of it. It keeps its
/// id, its revisions and its vectors.
#[utoipa::path(
    patch, path = "/api/v1/documents/{id}", tag = "documents", params(("id" = DocumentId, Path)),
    request_body = Change,
    responses(
        (status = 200, body = Document), (status = 403, body = Envelope), (status = 404, body = Envelope), (status = 409, body = Envelope),
        (status = 422, body = Envelope),
    )
)]
pub(super) async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<DocumentId>,
    Json(change): Json<Change>,
) -> Result<axum::Json<Document>, ApiError> {
    change.check()?;
    let edit = Edit {
        key: change.key.as_deref(),
        title: change.title.as_deref(),
        uri: change.uri.as_deref(),
        meta: change.meta.as_ref(),
        version: change.version.as_deref(),
    };
    let owner = sharing::access_to_document(&app, caller.0, id, Access::Writer).await?;
    match as_owner(owner, app.corpus.edit(owner, id, &edit)).await {
        Ok(()) => find(State(app), caller, Path(id)).await,
        Err(CorpusError::Storage(sqlx::Error::Database(error)))
            if error.constraint() == Some("documents_collection_key") =>
        {
            let problem = "with this key is there already; choose another key".to_owned();
            Err(Error::Conflict { what: "document", problem }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Deletes a document. Searches do not find it any more from now on.
#[utoipa::path(
    delete, path = "/api/v1/documents/{id}", tag = "documents", params(("id" = DocumentId, Path)),
    responses((status = 204), (status = 403, body = Envelope), (status = 404, body = Envelope))
)]
pub(super) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<DocumentId>,
) -> Result<StatusCode, ApiError> {
    let owner = sharing::access_to_document(&app, scope, id, Access::Writer).await?;
    let deleted = as_owner(owner, app.corpus.delete(owner, None, Some(&[id]))).await?;
    if deleted.is_empty() { Err(Error::NotFound("document").into()) } else { Ok(StatusCode::NO_CONTENT) }
}

/// The bytes as they were uploaded.
#[utoipa::path(
    get, path = "/api/v1/documents/{id}/original", tag = "documents", params(("id" = DocumentId, Path)),
    responses((status = 200, content_type = "*/*", description = "Of the type that was told or found"), (status = 404, body = Envelope))
)]
pub(super) async fn original(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<DocumentId>,
) -> Result<Response, ApiError> {
    let owner = sharing::access_to_document(&app, scope, id, Access::Reader).await?;
    let original = as_owner(owner, originals::of_document(&app.db, owner, id)).await?;
    let original = original.ok_or(Error::NotFound("document"))?;
    // Always a download, never a page of ours: an uploaded HTML file must not
    // run with the rights of this origin.
    let attachment = HeaderValue::from_static("attachment");
    let octets = HeaderValue::from_static("application/octet-stream");
    let kind = original.media_type.and_then(|kind| HeaderValue::from_str(&kind).ok()).unwrap_or(octets);
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, attachment)];
    Ok((headers, Body::from(original.bytes)).into_response())
}
