//! Files of a vector store: documents of the collection. A file that is put in
//! is taken in as any upload is; its attributes are the document's metadata.

use std::collections::HashMap;

use axum::extract::State;
use footnote_ingest::corpus::Incoming;
use footnote_ingest::document::Span;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents::{Outcome, Stage};
use footnote_ingest::store::edits::Edit;
use footnote_ingest::store::revisions;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::super::caller::Caller;
use super::super::super::error::ApiError;
use super::super::super::extract::{Path, Query};
use super::super::error::OpenAiError;
use super::super::extract::Body;
use super::super::ids;
use super::super::list::{Cut, Listing, MOST, Paging, USUAL};
use super::super::responses::Deletion;
use super::check_map;
use crate::app::App;
use crate::ids::{CollectionId, DocumentId};
use crate::storage::openai_files::{self, File};
use crate::storage::openai_stores::{self, StoredFile, Wanted};

/// A file to put into a vector store.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiAttachFile)]
pub(in super::super) struct Attach {
    /// The file.
    pub(super) file_id: String,
    /// For filters: at most 16 texts, numbers or truth values by their keys.
    #[schema(value_type = Option<Object>)]
    pub(super) attributes: Option<Map<String, Value>>,
}

/// What to change of a file in a vector store.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiModifyAttributes)]
pub(in super::super) struct Modify {
    /// For filters; they replace those that there were.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
}

/// Which files to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Which {
    /// Only those that are `in_progress`, `completed`, `failed` or `cancelled`.
    pub(super) filter: Option<String>,
}

/// A file in a vector store.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiVectorStoreFile)]
pub(in super::super) struct StoredObject {
    id: String,
    /// `vector_store.file`.
    object: &'static str,
    /// In seconds since 1970.
    created_at: i64,
    vector_store_id: String,
    /// `in_progress`, `completed` or `failed`.
    status: &'static str,
    usage_bytes: i64,
    #[schema(value_type = Option<Object>)]
    last_error: Option<Value>,
    /// Texts are cut as all documents are.
    #[schema(value_type = Object)]
    chunking_strategy: Value,
    #[schema(value_type = Object)]
    attributes: Value,
}

/// The words of a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiFileContent)]
pub(in super::super) struct Content {
    /// `vector_store.file_content.page`.
    object: &'static str,
    #[schema(value_type = Vec<Object>)]
    data: Vec<Value>,
    has_more: bool,
    next_page: Option<String>,
}

impl Attach {
    /// A file without attributes.
    pub(super) fn plain(file_id: String) -> Self {
        Self { file_id, attributes: None }
    }
}

impl StoredObject {
    pub(super) fn new(store: CollectionId, file: &StoredFile) -> Self {
        Self {
            id: ids::file_of(file.id, &file.key).0,
            object: "vector_store.file",
            created_at: file.created_at.timestamp(),
            vector_store_id: ids::show(ids::STORE, store.0),
            status: status(file.stage),
            usage_bytes: file.bytes,
            last_error: (file.stage == Stage::Failed).then(|| last_error(file)),
            chunking_strategy: json!({ "type": "other" }),
            attributes: attributes(&file.meta),
        }
    }
}

pub(super) fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Queued | Stage::Words => "in_progress",
        Stage::Done => "completed",
        Stage::Failed => "failed",
    }
}

fn last_error(file: &StoredFile) -> Value {
    let code = match file.failure_code.as_deref() {
        Some("unsupported" | "wrong_type" | "not_text") => "unsupported_file",
        Some("internal" | "quota_exceeded") | None => "server_error",
        Some(_) => "invalid_file",
    };
    json!({ "code": code, "message": file.failure_message.as_deref().unwrap_or("the file could not be read") })
}

/// A document's metadata as attributes: those values that attributes may have.
pub(super) fn attributes(meta: &Value) -> Value {
    let scalars = meta.as_object().into_iter().flatten();
    let scalars = scalars.filter(|(_, value)| value.is_string() || value.is_number() || value.is_boolean());
    Value::Object(scalars.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Files with their attributes, all of which there must be.
pub(super) async fn known(
    app: &App,
    scope: Scope,
    wanted: Vec<Attach>,
) -> Result<Vec<(File, Map<String, Value>)>, ApiError> {
    let mut asked = Vec::with_capacity(wanted.len());
    for attach in wanted {
        let attributes = attach.attributes.unwrap_or_default();
        check_map(&attributes, "attributes", false)?;
        asked.push((ids::read(ids::FILE, &attach.file_id).ok_or_else(|| ApiError::not_found("file"))?, attributes));
    }
    let all: Vec<Uuid> = asked.iter().map(|(id, _)| *id).collect();
    let found = openai_files::find(&app.db, scope, &all).await?;
    let found: HashMap<Uuid, File> = found.into_iter().map(|file| (file.id, file)).collect();
    let files = asked.into_iter().map(|(id, attributes)| Some((found.get(&id)?.clone(), attributes)));
    files.collect::<Option<_>>().ok_or_else(|| ApiError::not_found("file"))
}

/// Puts files into a store: all, or none. One that is named twice is one.
pub(super) async fn put_all(
    app: &App,
    scope: Scope,
    store: CollectionId,
    wanted: Vec<(File, Map<String, Value>)>,
) -> Result<Vec<DocumentId>, ApiError> {
    let (mut documents, mut added) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (file, attributes) in wanted {
        match put(app, scope, store, &file, attributes).await {
            Ok((document, outcome)) => {
                if outcome == Outcome::Added {
                    added.push(document);
                }
                if !documents.contains(&document) {
                    documents.push(document);
                }
            }
            Err(refused) => {
                app.corpus.delete(scope, Some(store), Some(&added)).await?;
                return Err(refused);
            }
        }
    }
    Ok(documents)
}

/// Puts a file into a store: it is taken in as a document.
async fn put(
    app: &App,
    scope: Scope,
    store: CollectionId,
    file: &File,
    attributes: Map<String, Value>,
) -> Result<(DocumentId, Outcome), ApiError> {
    let incoming = Incoming {
        collection: store,
        key: &ids::key(file.id, &file.filename),
        title: Some(&file.filename),
        uri: None,
        media_type: file.media_type.as_deref(),
        meta: Some(attributes),
        bytes: &[],
        version: None,
        force: false,
        priority: 0,
    };
    let bytes = u64::try_from(file.bytes).unwrap_or_default();
    Ok(app.corpus.submit_kept(scope, &incoming, &file.sha256, bytes).await?)
}

/// A store's file by its id: that of the file that was put in, or of the
/// document.
async fn of_store(app: &App, scope: Scope, store: CollectionId, id: &str) -> Result<StoredFile, ApiError> {
    let gone = || ApiError::not_found("file");
    let id = ids::read(ids::FILE, id).ok_or_else(gone)?;
    let found = openai_stores::file(&app.db, scope, store, DocumentId(id), &ids::key_start(id)).await?;
    found.ok_or_else(gone)
}

/// A page of a store's files: places are documents', ids may be files'.
pub(super) async fn cut(app: &App, scope: Scope, store: CollectionId, paging: &Paging) -> Result<Cut, ApiError> {
    let mut places = [None, None];
    for (place, id) in places.iter_mut().zip([&paging.after, &paging.before]) {
        if let Some(id) = id.as_deref().filter(|id| !id.is_empty()) {
            *place = Some(of_store(app, scope, store, id).await?.id.0);
        }
    }
    paging.cut_at(places[0], places[1], USUAL, MOST)
}

/// The page of files that are of a status.
pub(super) async fn page(
    app: &App,
    scope: Scope,
    store: CollectionId,
    (only, which): (Option<&[DocumentId]>, &Which),
    cut: Cut,
) -> Result<axum::Json<Listing<StoredObject>>, ApiError> {
    let stages: Option<&[&str]> = match which.filter.as_deref() {
        None | Some("") => None,
        Some("in_progress") => Some(&["queued", "words"]),
        Some("completed") => Some(&["done"]),
        Some("failed") => Some(&["failed"]),
        Some("cancelled") => Some(&[]),
        Some(_) => {
            let message = "`filter` is `in_progress`, `completed`, `failed` or `cancelled`";
            return Err(ApiError::bad_request("filter", message));
        }
    };
    let wanted = Wanted { ids: only, stages };
    let files = openai_stores::files(&app.db, scope, store, wanted, cut.window).await?;
    Ok(cut.page(files, |file| {
        let shown = StoredObject::new(store, &file);
        (shown.id.clone(), shown)
    }))
}

/// Puts a file into a vector store.
#[utoipa::path(
    post, path = "/v1/vector_stores/{id}/files", tag = "openai", params(("id" = String, Path)), request_body = Attach,
    responses(
        (status = 200, body = StoredObject), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError), (status = 429, body = OpenAiError), (status = 503, body = OpenAiError),
    )
)]
pub(in super::super) async fn attach(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
    Body(attach): Body<Attach>,
) -> Result<axum::Json<StoredObject>, ApiError> {
    let store = super::known(&app, scope, &id).await?.id;
    let named = attach.file_id.clone();
    let wanted = known(&app, scope, vec![attach]).await?;
    put_all(&app, scope, store, wanted).await?;
    Ok(axum::Json(StoredObject::new(store, &of_store(&app, scope, store, &named).await?)))
}

/// Files of a vector store: all documents of the collection.
#[utoipa::path(
    get, path = "/v1/vector_stores/{id}/files", tag = "openai", params(("id" = String, Path), Which, Paging),
    responses(
        (status = 200, body = Listing<StoredObject>), (status = 400, body = OpenAiError),
        (status = 401, body = OpenAiError), (status = 404, body = OpenAiError),
    )
)]
pub(in super::super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
    Query(which): Query<Which>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listing<StoredObject>>, ApiError> {
    let store = super::known(&app, scope, &id).await?.id;
    let cut = cut(&app, scope, store, &paging).await?;
    page(&app, scope, store, (None, &which), cut).await
}

/// One file of a vector store.
#[utoipa::path(
    get, path = "/v1/vector_stores/{id}/files/{file_id}", tag = "openai",
    params(("id" = String, Path), ("file_id" = String, Path)),
    responses((status = 200, body = StoredObject), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(in super::super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, file)): Path<(String, String)>,
) -> Result<axum::Json<StoredObject>, ApiError> {
    let store = super::known(&app, scope, &id).await?.id;
    Ok(axum::Json(StoredObject::new(store, &of_store(&app, scope, store, &file).await?)))
}

/// Changes the attributes of a file in a vector store.
#[utoipa::path(
    post, path = "/v1/vector_stores/{id}/files/{file_id}", tag = "openai",
    params(("id" = String, Path), ("file_id" = String, Path)), request_body = Modify,
    responses(
        (status = 200, body = StoredObject), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError),
    )
)]
pub(in super::super) async fn modify(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, file)): Path<(String, String)>,
    Body(modify): Body<Modify>,
) -> Result<axum::Json<StoredObject>, ApiError> {
    let store = super::known(&app, scope, &id).await?.id;
    let document = of_store(&app, scope, store, &file).await?.id;
    let attributes = modify.attributes.unwrap_or_default();
    check_map(&attributes, "attributes", false)?;
    app.corpus.edit(scope, document, &Edit { meta: Some(&attributes), ..Edit::default() }).await?;
    Ok(axum::Json(StoredObject::new(store, &of_store(&app, scope, store, &file).await?)))
}

/// Takes a file out of a vector store. The file itself stays.
#[utoipa::path(
    delete, path = "/v1/vector_stores/{id}/files/{file_id}", tag = "openai",
    params(("id" = String, Path), ("file_id" = String, Path)),
    responses((status = 200, body = Deletion), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(in super::super) async fn detach(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, file)): Path<(String, String)>,
) -> Result<axum::Json<Deletion>, ApiError> {
    let store = super::known(&app, scope, &id).await?.id;
    let document = of_store(&app, scope, store, &file).await?.id;
    let gone = app.corpus.delete(scope, None, Some(&[document])).await?;
    Ok(axum::Json(Deletion { id: file, object: "vector_store.file.deleted", deleted: !gone.is_empty() }))
}

/// The words of a file in a vector store, as searches see them.
#[utoipa::path(
    get, path = "/v1/vector_stores/{id}/files/{file_id}/content", tag = "openai",
    params(("id" = String, Path), ("file_id" = String, Path)),
    responses((status = 200, body = Content), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(in super::super) async fn content(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, file)): Path<(String, String)>,
) -> Result<axum::Json<Content>, ApiError> {
    let store = super::known(&app, scope, &id).await?.id;
    let stored = of_store(&app, scope, store, &file).await?;
    let text = match stored.revision_id {
        Some(revision) => revisions::text_part(&app.db, scope, revision, Span { start: 0, end: usize::MAX }).await?,
        // Nothing of it is read yet.
        None => None,
    };
    let data = text.into_iter().map(|part| json!({ "type": "text", "text": part.text })).collect();
    Ok(axum::Json(Content { object: "vector_store.file_content.page", data, has_more: false, next_page: None }))
}
