//! Uploads: text, files or web pages into a collection.

mod form;
mod page;

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{StatusCode, header};
use footnote_ingest::corpus::Incoming;
use footnote_ingest::rights::as_owner;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents::{self, Outcome};
use footnote_ingest::store::jobs::{self, Filter};
use footnote_ingest::store::members::Access;
use futures::StreamExt;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::buffer::Buffer;
use super::caller::Who;
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path};
use crate::app::App;
use crate::credentials::Principal;
use crate::ids::{CollectionId, DocumentId, JobId};
use crate::sharing;
use page::WebPage;

/// Characters of a key, at most.
const MAX_KEY: usize = 1000;
/// Bytes of JSON around a text and in its escapes, at most.
const AROUND: usize = 1024 * 1024;

/// How soon before others, 0 unless asked for.
const PRIORITIES: RangeInclusive<i16> = -100..=100;

/// A text to keep as a document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "key": "p4", "title": "The P4", "text": "The pump of the P4 holds 4 bar.", "meta": { "year": 2024 } }))]
#[expect(clippy::struct_field_names, reason = "`text` is the field's name in the API")]
pub(super) struct Text {
    /// The content.
    text: String,
    /// What makes a second upload a change; the title if left out.
    key: Option<String>,
    /// Shown to readers.
    title: Option<String>,
    /// Where it came from.
    uri: Option<String>,
    /// `text/plain`, `text/markdown` or `text/html`.
    media_type: Option<String>,
    /// For filters: an object of scalars or lists of scalars. Left out, a document
    /// keeps what it has.
    #[schema(value_type = Option<Object>)]
    meta: Option<Map<String, Value>>,
    /// Do the work again even if nothing changed.
    #[serde(default)]
    force: bool,
    /// Read before others of its collection that wait, the higher the sooner: -100 to
    /// 100.
    #[serde(default)]
    #[schema(minimum = -100, maximum = 100)]
    priority: i16,
}

/// One document as JSON.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
pub(super) enum OneDocument {
    /// A text.
    Text(Text),
    /// A web page by its URL.
    Page(WebPage),
}

/// Files, each after the fields that describe it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the form to readers of the API")]
pub(super) struct Form {
    /// Key of the next file; its name if left out.
    key: Option<String>,
    /// Title of the next file.
    title: Option<String>,
    /// Where the next file came from.
    uri: Option<String>,
    /// Metadata of the next file, as a JSON object. Left out, a document keeps
    /// what it has.
    meta: Option<String>,
    /// What the source of the next file tells of its version: an `ETag`, a
    /// size and a time. It is kept, and shown as `source_version`.
    version: Option<String>,
    /// `true`: do the work again even if nothing changed; for all files after it.
    force: Option<String>,
    /// Read before others of its collection that wait, the higher the sooner: -100 to
    /// 100; for all files after it.
    priority: Option<String>,
    /// A file. May come several times.
    #[schema(format = Binary, value_type = String)]
    file: Vec<u8>,
}

/// What was taken in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    documents: Vec<Taken>,
}

/// A document that was taken in.
#[derive(Debug, Serialize, ToSchema)]
struct Taken {
    /// Ask for its status under this id.
    id: DocumentId,
    key: String,
    outcome: Outcome,
    /// The job that works on it; none when nothing is left to do.
    job_id: Option<JobId>,
}

impl Taken {
    async fn new(upload: &Upload, id: DocumentId, key: String, outcome: Outcome) -> Result<Self, ApiError> {
        let filter = Filter { document: Some(id), ..Filter::default() };
        let jobs = jobs::list(&upload.app.db, Some(upload.scope), filter, 1).await?;
        Ok(Self { id, key, outcome, job_id: jobs.first().map(|job| job.id) })
    }
}

/// What describes the next file of a form.
#[derive(Debug, Default)]
struct About {
    key: Option<String>,
    title: Option<String>,
    uri: Option<String>,
    meta: Option<Map<String, Value>>,
    version: Option<String>,
}

/// How files are taken in.
#[derive(Debug, Default, Clone, Copy)]
struct How {
    /// Even if nothing changed.
    force: bool,
    priority: i16,
}

/// Takes documents in: a JSON text, a web page by its URL, or a form with files. They are kept when
/// this answers, searchable by words soon after, and by meaning after that.
#[utoipa::path(
    post, path = "/api/v1/collections/{id}/documents", tag = "documents", params(("id" = CollectionId, Path)),
    request_body(content((OneDocument = "application/json"), (Form = "multipart/form-data"))),
    responses(
        (status = 202, body = Accepted), (status = 403, body = Envelope), (status = 404, body = Envelope),
        (status = 413, body = Envelope), (status = 422, body = Envelope), (status = 429, body = Envelope), (status = 503, body = Envelope),
    )
)]
pub(super) async fn upload(
    State(app): State<App>,
    Who(caller): Who,
    Path(collection): Path<CollectionId>,
    request: Request,
) -> Result<(StatusCode, axum::Json<Accepted>), ApiError> {
    // A writer's uploads are the owner's, and count against what the owner may have.
    let owner = sharing::access(&app, caller.scope, collection, Access::Writer).await?;
    as_owner(owner, take_in(app, caller, owner, collection, request)).await
}

async fn take_in(
    app: App,
    caller: Principal,
    scope: Scope,
    collection: CollectionId,
    request: Request,
) -> Result<(StatusCode, axum::Json<Accepted>), ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let upload = Arc::new(Upload { app, caller, scope, collection });
    let documents = if kind.starts_with("multipart/form-data") {
        let form = Multipart::from_request(request, &()).await.map_err(|_| {
            ApiError::bad_request("form", "the form has no boundary; send it as `multipart/form-data` with files")
        })?;
        form::take_in(&upload, form).await?
    } else {
        let limit = upload.app.corpus.config.max_file_bytes;
        // As long as it is held, so is its room.
        let (document, _held) = one(request, limit).await?;
        match document {
            OneDocument::Page(page) => vec![upload.page(page).await?],
            OneDocument::Text(text) => vec![upload.text(text).await?],
        }
    };
    Ok((StatusCode::ACCEPTED, axum::Json(Accepted { documents })))
}

/// Where an upload goes.
struct Upload {
    app: App,
    /// Who uploads.
    caller: Principal,
    /// Whose the documents become.
    scope: Scope,
    collection: CollectionId,
}

impl Upload {
    async fn text(&self, text: Text) -> Result<Taken, ApiError> {
        let Some(key) = text.key.clone().or_else(|| text.title.clone()) else {
            return Err(ApiError::unprocessable("key", "give a `key` or a `title`, so that the document has a name"));
        };
        let about = About { key: Some(key), title: text.title, uri: text.uri, meta: text.meta, version: None };
        let how = How { force: text.force, priority: text.priority };
        self.take(about, text.media_type.as_deref(), text.text.as_bytes(), how).await
    }

    /// Refuses what comes after the caller's credential or membership has ended: a
    /// form may take its time.
    async fn check(&self) -> Result<(), ApiError> {
        let (app, caller) = (&self.app, &self.caller);
        if !app.credentials.is_still_good(app, caller).await {
            return Err(ApiError::unauthorized("the credential has ended; sign in again"));
        }
        as_owner(caller.scope, sharing::access(app, caller.scope, self.collection, Access::Writer)).await?;
        Ok(())
    }

    async fn take(&self, about: About, media_type: Option<&str>, bytes: &[u8], how: How) -> Result<Taken, ApiError> {
        let key = about.key.unwrap_or_default();
        check_key(&key)?;
        check_priority(how.priority)?;
        self.check().await?;
        let incoming = Incoming {
            collection: self.collection,
            key: &key,
            title: about.title.as_deref(),
            uri: about.uri.as_deref(),
            media_type,
            meta: about.meta,
            bytes,
            version: about.version.as_deref(),
            force: how.force,
            priority: how.priority,
        };
        let (id, outcome) = self.app.corpus.submit(self.scope, &incoming).await?;
        Taken::new(self, id, key, outcome).await
    }
}

fn check_priority(priority: i16) -> Result<(), ApiError> {
    if PRIORITIES.contains(&priority) { Ok(()) } else { Err(unfit_priority()) }
}

fn unfit_priority() -> ApiError {
    let (lowest, highest) = (PRIORITIES.start(), PRIORITIES.end());
    ApiError::unprocessable("priority", format!("`priority` is a whole number from {lowest} to {highest}"))
}

/// Refuses a key that cannot be kept.
pub(super) fn check_key(key: &str) -> Result<(), ApiError> {
    if key.is_empty() || key.chars().count() > MAX_KEY || key.contains('\0') {
        let message = format!("a document's key (by default its file's name) has 1 to {MAX_KEY} characters");
        return Err(ApiError::unprocessable("key", message));
    }
    Ok(documents::check_key(key)?)
}

/// JSON: a text, which may be as large as a file, or where one is.
async fn one(request: Request, limit: u64) -> Result<(OneDocument, Buffer), ApiError> {
    /// Whether there is a URL; everything else is passed over.
    #[derive(Deserialize)]
    struct Look {
        url: Option<IgnoredAny>,
    }

    let (parts, body) = request.into_parts();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(AROUND);
    let (mut body, mut buffer) = (body.into_data_stream(), Buffer::new());
    while let Some(part) = body.next().await {
        buffer.push(&part.map_err(|_| ApiError::bad_request("body", "the body broke off or came too slowly"))?)?;
        if buffer.bytes().len() > limit {
            let message = "the text is larger than a file may be; split it, or raise FOOTNOTE_MAX_FILE_BYTES";
            return Err(ApiError::too_large("body", message));
        }
    }
    let has_url = serde_json::from_slice::<Look>(buffer.bytes()).is_ok_and(|look| look.url.is_some());
    let request = Request::from_parts(parts, buffer.take().into());
    let document = if has_url {
        OneDocument::Page(Json::from_request(request, &()).await?.0)
    } else {
        OneDocument::Text(Json::from_request(request, &()).await?.0)
    };
    Ok((document, buffer))
}
