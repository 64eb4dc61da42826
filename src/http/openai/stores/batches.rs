//! Batches of files that are put into a vector store together.

use axum::extract::State;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents::Stage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::super::caller::Caller;
use super::super::super::error::ApiError;
use super::super::super::extract::{Path, Query};
use super::super::error::OpenAiError;
use super::super::extract::Body;
use super::super::ids;
use super::super::list::{Listing, Paging};
use super::Counts;
use super::files::{self, Attach, StoredObject, Which};
use crate::app::App;
use crate::ids::{CollectionId, DocumentId};
use crate::storage::openai_batches::{self, Batch};
use crate::storage::openai_files::Window;
use crate::storage::openai_stores::{self, StoredFile, Wanted};

/// Files of a batch, at most.
const MAX_FILES: usize = 2000;

/// Files to put into a vector store.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiCreateBatch)]
pub(in super::super) struct Create {
    /// Files, at most 2,000; or `files`.
    file_ids: Option<Vec<String>>,
    /// Files with attributes of their own; or `file_ids`.
    files: Option<Vec<Attach>>,
    /// For filters: those of all files that have none of their own.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
}

/// A batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiBatch)]
pub(in super::super) struct BatchObject {
    id: String,
    /// `vector_store.files_batch`.
    object: &'static str,
    /// In seconds since 1970.
    created_at: i64,
    vector_store_id: String,
    /// `in_progress`, `completed` or `cancelled`.
    status: &'static str,
    file_counts: Counts,
}

impl Create {
    fn wanted(self) -> Result<Vec<Attach>, ApiError> {
        let wanted = match (self.file_ids, self.files) {
            (Some(ids), None) => ids.into_iter().map(Attach::plain).collect(),
            (None, Some(files)) => files,
            _ => return Err(ApiError::bad_request("file_ids", "give either `file_ids` or `files`")),
        };
        if wanted.is_empty() || wanted.len() > MAX_FILES {
            return Err(ApiError::bad_request("file_ids", format!("a batch has 1 to {MAX_FILES} files")));
        }
        let common = self.attributes;
        let with = |attach: Attach| Attach { attributes: attach.attributes.or_else(|| common.clone()), ..attach };
        Ok(wanted.into_iter().map(with).collect())
    }
}

/// Puts files into a vector store. All are there, or none is taken in.
#[utoipa::path(
    post, path = "/v1/vector_stores/{id}/file_batches", tag = "openai", params(("id" = String, Path)),
    request_body = Create,
    responses(
        (status = 200, body = BatchObject), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError), (status = 429, body = OpenAiError), (status = 503, body = OpenAiError),
    )
)]
pub(in super::super) async fn create(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
    Body(create): Body<Create>,
) -> Result<axum::Json<BatchObject>, ApiError> {
    let store = super::known(&app, scope, &id).await?.id;
    let wanted = files::known(&app, scope, create.wanted()?).await?;
    let documents = files::put_all(&app, scope, store, wanted).await?;
    let batch = openai_batches::insert(&app.db, scope, store, &documents).await?;
    Ok(axum::Json(shown(&app, scope, store, batch).await?))
}

/// A batch and how far its files are.
async fn shown(app: &App, scope: Scope, store: CollectionId, batch: Batch) -> Result<BatchObject, ApiError> {
    let files = of(app, scope, store, &batch).await?;
    let count = |wanted: &str| {
        let fits = files.iter().filter(|file| files::status(file.stage) == wanted);
        i64::try_from(fits.count()).unwrap_or(i64::MAX)
    };
    let (in_progress, completed, failed) = (count("in_progress"), count("completed"), count("failed"));
    let status = match (batch.cancelled, in_progress) {
        (1.., _) => "cancelled",
        (_, 1..) => "in_progress",
        _ => "completed",
    };
    Ok(BatchObject {
        id: ids::show(ids::BATCH, batch.id),
        object: "vector_store.files_batch",
        created_at: batch.created_at.timestamp(),
        vector_store_id: ids::show(ids::STORE, store.0),
        status,
        file_counts: Counts::new(in_progress, completed, failed, batch.cancelled.into()),
    })
}

/// The documents of a batch that are still there.
async fn of(app: &App, scope: Scope, store: CollectionId, batch: &Batch) -> Result<Vec<StoredFile>, ApiError> {
    let wanted = Wanted { ids: Some(&batch.documents), stages: None };
    let most = i64::try_from(MAX_FILES).unwrap_or(i64::MAX);
    let window = Window { from: None, descending: false, limit: most };
    Ok(openai_stores::files(&app.db, scope, store, wanted, window).await?)
}

async fn known(app: &App, scope: Scope, store: &str, batch: &str) -> Result<(CollectionId, Batch), ApiError> {
    let store = super::known(app, scope, store).await?.id;
    let found = match ids::read(ids::BATCH, batch) {
        Some(batch) => openai_batches::find(&app.db, scope, store, batch).await?,
        None => None,
    };
    Ok((store, found.ok_or_else(|| ApiError::not_found("file batch"))?))
}

/// One batch.
#[utoipa::path(
    get, path = "/v1/vector_stores/{id}/file_batches/{batch_id}", tag = "openai",
    params(("id" = String, Path), ("batch_id" = String, Path)),
    responses((status = 200, body = BatchObject), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(in super::super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, batch)): Path<(String, String)>,
) -> Result<axum::Json<BatchObject>, ApiError> {
    let (store, batch) = known(&app, scope, &id, &batch).await?;
    Ok(axum::Json(shown(&app, scope, store, batch).await?))
}

/// Takes the files of a batch out again that are not read yet.
#[utoipa::path(
    post, path = "/v1/vector_stores/{id}/file_batches/{batch_id}/cancel", tag = "openai",
    params(("id" = String, Path), ("batch_id" = String, Path)),
    responses((status = 200, body = BatchObject), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(in super::super) async fn cancel(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, batch)): Path<(String, String)>,
) -> Result<axum::Json<BatchObject>, ApiError> {
    let (store, batch) = known(&app, scope, &id, &batch).await?;
    let files = of(&app, scope, store, &batch).await?;
    // One that has a revision was there before.
    let waiting = files.iter().filter(|file| file.stage == Stage::Queued && file.revision_id.is_none());
    let waiting: Vec<DocumentId> = waiting.map(|file| file.id).collect();
    let mut batch = batch;
    if !waiting.is_empty() {
        let gone = app.corpus.delete(scope, None, Some(&waiting)).await?;
        let gone = i32::try_from(gone.len()).unwrap_or(i32::MAX);
        openai_batches::cancel(&app.db, scope, batch.id, gone).await?;
        batch.cancelled += gone;
    }
    Ok(axum::Json(shown(&app, scope, store, batch).await?))
}

/// Files of a batch.
#[utoipa::path(
    get, path = "/v1/vector_stores/{id}/file_batches/{batch_id}/files", tag = "openai",
    params(("id" = String, Path), ("batch_id" = String, Path), Which, Paging),
    responses(
        (status = 200, body = Listing<StoredObject>), (status = 400, body = OpenAiError),
        (status = 401, body = OpenAiError), (status = 404, body = OpenAiError),
    )
)]
pub(in super::super) async fn files(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, batch)): Path<(String, String)>,
    Query(which): Query<Which>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listing<StoredObject>>, ApiError> {
    let (store, batch) = known(&app, scope, &id, &batch).await?;
    let cut = files::cut(&app, scope, store, &paging).await?;
    files::page(&app, scope, store, (Some(&batch.documents), &which), cut).await
}
