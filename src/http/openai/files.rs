//! Files, after OpenAI's API reference, "Files". Their bytes are kept beside
//! those of documents; a file that is put into a vector store becomes a
//! document of it.

use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use footnote_ingest::scope::Scope;
use footnote_ingest::store::originals;
use footnote_ingest::store::usage::{self, Gate};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::buffer::Buffer;
use super::super::caller::Caller;
use super::super::error::ApiError;
use super::super::extract::{Path, Query};
use super::error::OpenAiError;
use super::ids;
use super::list::{Listing, Paging};
use super::responses::Deletion;
use crate::app::App;
use crate::storage::openai_files::{self, File, New};
use crate::storage::openai_stores;

/// Characters of a file's name, at most.
const MAX_NAME: usize = 255;
/// Bytes of a field that is no file, at most.
const MAX_FIELD: usize = 512;
/// Fields of a form, at most.
const MAX_FIELDS: usize = 32;
/// Bytes of all fields that are not known, at most.
const MAX_UNKNOWN: usize = 64 * 1024;
/// Files of a page, at most and unless asked otherwise.
const PAGE: i64 = 10_000;
/// Files of an owner, at most.
const MAX_FILES: i64 = 1_000_000;

/// A file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiFile)]
pub(super) struct FileObject {
    id: String,
    /// `file`.
    object: &'static str,
    bytes: i64,
    /// In seconds since 1970.
    created_at: i64,
    filename: String,
    purpose: String,
    /// `processed`: it is kept as it came.
    status: &'static str,
    expires_at: Option<i64>,
}

/// A file to keep.
#[derive(Debug, ToSchema)]
#[schema(as = OpenAiUpload)]
#[expect(dead_code, reason = "describes the form to readers of the API")]
pub(super) struct Form {
    /// The file.
    #[schema(format = Binary, value_type = String)]
    file: Vec<u8>,
    /// What it is for, such as `assistants` or `user_data`.
    purpose: String,
}

/// Which files to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Purpose {
    /// Only those that were uploaded for this.
    purpose: Option<String>,
}

/// What a form held.
#[derive(Debug, Default)]
struct Upload {
    filename: Option<String>,
    media_type: Option<String>,
    bytes: Option<Buffer>,
    purpose: Option<String>,
}

impl From<File> for FileObject {
    fn from(file: File) -> Self {
        Self {
            id: ids::show(ids::FILE, file.id),
            object: "file",
            bytes: file.bytes,
            created_at: file.created_at.timestamp(),
            filename: file.filename,
            purpose: file.purpose,
            status: "processed",
            expires_at: None,
        }
    }
}

/// Keeps a file.
#[utoipa::path(
    post, path = "/v1/files", tag = "openai", request_body(content = Form, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = FileObject), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 413, body = OpenAiError), (status = 429, body = OpenAiError), (status = 503, body = OpenAiError),
    )
)]
pub(super) async fn upload(
    State(app): State<App>,
    Caller(scope): Caller,
    request: Request,
) -> Result<axum::Json<FileObject>, ApiError> {
    let form = Multipart::from_request(request, &()).await;
    let form = form.map_err(|_| ApiError::bad_request("form", "send a form: `multipart/form-data` with a `file`"))?;
    let upload = read(&app, form).await?;
    let missing = |field: &str| ApiError::bad_request(field, format!("the form lacks its `{field}`"));
    let held = upload.bytes.ok_or_else(|| missing("file"))?;
    let bytes = held.bytes();
    let purpose = upload.purpose.filter(|purpose| !purpose.is_empty()).ok_or_else(|| missing("purpose"))?;
    let filename = filename(upload.filename.as_deref().unwrap_or_default())?;
    let new = New {
        filename: &filename,
        purpose: &purpose,
        media_type: upload.media_type.as_deref(),
        bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        sha256: &Sha256::digest(bytes),
    };
    Ok(axum::Json(keep(&app, scope, &new, bytes).await?.into()))
}

async fn read(app: &App, mut form: Multipart) -> Result<Upload, ApiError> {
    let mut upload = Upload::default();
    let (mut fields, mut unknown) = (0, 0);
    while let Some(mut field) = form.next_field().await.map_err(|error| malformed(&error))? {
        fields += 1;
        if fields > MAX_FIELDS {
            return Err(ApiError::bad_request("form", format!("the form has {MAX_FIELDS} fields at most")));
        }
        match field.name() {
            Some("file") => {
                upload.filename = field.file_name().map(str::to_owned);
                let kind = field.content_type().filter(|kind| *kind != "application/octet-stream");
                upload.media_type = kind.map(str::to_owned);
                let mut buffer = Buffer::new();
                while let Some(part) = field.chunk().await.map_err(|error| malformed(&error))? {
                    buffer.push(&part)?;
                    // Refused as soon as it is too large, not after all of it came.
                    app.corpus.check_size("file", buffer.bytes().len() as u64)?;
                }
                upload.bytes = Some(buffer);
            }
            Some("purpose") => upload.purpose = Some(words(field).await?),
            // What is not known is passed over, while it is small.
            _ => {
                while let Some(part) = field.chunk().await.map_err(|error| malformed(&error))? {
                    unknown += part.len();
                    if unknown > MAX_UNKNOWN {
                        let message = format!("fields beside `file` and `purpose` have {MAX_UNKNOWN} bytes at most");
                        return Err(ApiError::too_large("form", message));
                    }
                }
            }
        }
    }
    Ok(upload)
}

async fn words(mut field: Field<'_>) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(part) = field.chunk().await.map_err(|error| malformed(&error))? {
        bytes.extend_from_slice(&part);
        if bytes.len() > MAX_FIELD {
            return Err(ApiError::bad_request("purpose", format!("`purpose` has {MAX_FIELD} bytes at most")));
        }
    }
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| ApiError::bad_request("purpose", "`purpose` is a text"))
}

fn malformed(error: &MultipartError) -> ApiError {
    ApiError::bad_request("form", format!("the form cannot be read: {}", error.body_text()))
}

/// A file's name without the folders that some clients send along.
fn filename(given: &str) -> Result<String, ApiError> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.chars().count() > MAX_NAME || name.contains(char::is_control) {
        return Err(ApiError::bad_request("file", format!("a file's name has {MAX_NAME} visible characters at most")));
    }
    Ok(if name.is_empty() { "file".to_owned() } else { name.to_owned() })
}

/// Keeps the bytes and the row together. Files count against the same limits
/// as documents, by themselves: a file that becomes a document is both.
async fn keep(app: &App, scope: Scope, new: &New<'_>, bytes: &[u8]) -> Result<File, ApiError> {
    app.corpus.check_disk(bytes.len() as u64)?;
    let mut tx = app.db.begin().await?;
    // Its owner's turn: nobody adds a file between the count and this one.
    let _gate = Gate::open(&mut tx, app.corpus.config.quotas, [scope.owner()]).await?;
    let quotas = *app.corpus.config.quotas.of(usage::tier(&mut *tx, scope).await?);
    let (files, held) = openai_files::total(&mut *tx, scope).await?;
    let limit = |limit: u64| i64::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(i64::MAX);
    if files >= limit(quotas.documents).min(MAX_FILES) || held.saturating_add(new.bytes) > limit(quotas.bytes) {
        let message = "there is no room for more files; delete some with DELETE /v1/files/{id}";
        return Err(ApiError::quota("files", message));
    }
    originals::keep(&mut tx, scope, new.sha256, bytes).await?;
    let file = openai_files::insert(&mut *tx, scope, new).await?;
    tx.commit().await?;
    Ok(file)
}

/// The file of an id.
///
/// # Errors
/// One that the scope does not have.
pub(super) async fn known(app: &App, scope: Scope, id: &str) -> Result<File, ApiError> {
    let found = match ids::read(ids::FILE, id) {
        Some(id) => openai_files::find(&app.db, scope, &[id]).await?.pop(),
        None => None,
    };
    found.ok_or_else(|| ApiError::not_found("file"))
}

/// Files.
#[utoipa::path(
    get, path = "/v1/files", tag = "openai", params(Purpose, Paging),
    responses(
        (status = 200, body = Listing<FileObject>), (status = 400, body = OpenAiError),
        (status = 401, body = OpenAiError),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(purpose): Query<Purpose>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listing<FileObject>>, ApiError> {
    let cut = paging.cut(ids::FILE, PAGE, PAGE)?;
    // What no text holds, no purpose holds.
    let purpose = purpose.purpose.map(|purpose| purpose.replace('\0', "\u{fffd}"));
    let files = openai_files::list(&app.db, scope, purpose.as_deref(), cut.window).await?;
    Ok(cut.page(files, |file| (ids::show(ids::FILE, file.id), file.into())))
}

/// One file.
#[utoipa::path(
    get, path = "/v1/files/{id}", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = FileObject), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<FileObject>, ApiError> {
    Ok(axum::Json(known(&app, scope, &id).await?.into()))
}

/// Deletes a file, and takes it out of every vector store.
#[utoipa::path(
    delete, path = "/v1/files/{id}", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = Deletion), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(super) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<Deletion>, ApiError> {
    let file: Uuid = known(&app, scope, &id).await?.id;
    let documents = openai_stores::attached(&app.db, scope, &ids::key_start(file)).await?;
    if !documents.is_empty() {
        app.corpus.delete(scope, None, Some(&documents)).await?;
    }
    let deleted = openai_files::delete(&app.db, scope, file).await?;
    Ok(axum::Json(Deletion { id, object: "file", deleted }))
}

/// The bytes of a file.
#[utoipa::path(
    get, path = "/v1/files/{id}/content", tag = "openai", params(("id" = String, Path)),
    responses(
        (status = 200, content_type = "application/octet-stream"), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError),
    )
)]
pub(super) async fn content(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let file = known(&app, scope, &id).await?.id;
    let bytes = openai_files::content(&app.db, scope, file).await?.ok_or_else(|| ApiError::not_found("file"))?;
    // Always a download, never a page of ours.
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, "attachment")];
    Ok((headers, Body::from(bytes)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_the_file_alone() {
        for (given, name) in [("p4.md", "p4.md"), ("../a/b.txt", "b.txt"), ("C:\\x\\y.pdf", "y.pdf"), ("", "file")] {
            assert_eq!(filename(given).expect("a name"), name);
        }
        assert!(filename("a\0b").is_err() && filename(&"x".repeat(256)).is_err());
    }
}
