//! Errors as callers see them: one envelope, a stable code, a message that
//! helps, and nothing internal.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use footnote_ingest::Error as CorpusError;
use serde::Serialize;
use tower_http::request_id::RequestId;
use utoipa::ToSchema;

use crate::error::Error;
use crate::limits;
use crate::llm::LlmError;

/// Tells clients that try again by themselves whether that is of use.
static SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// What callers are held to.
const LIMITS: &[&str] = &["requests", "streams", "tokens", "documents", "bytes", "pages", "chunks", "fetches"];

/// An error on its way out. The envelope around it is made by [`envelope`],
/// which knows the request's id.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) surface: String,
    pub(super) message: String,
    pub(super) retry_after: Option<u64>,
}

/// What an error looks like.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Envelope {
    error: Body,
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    /// Stable: `kind:surface`.
    code: String,
    /// What went wrong and what to do.
    message: String,
    /// Names the request in the service's log.
    request_id: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, kind: &'static str, surface: &str, message: impl Into<String>) -> Self {
        Self { status, kind, surface: surface.to_owned(), message: message.into(), retry_after: None }
    }

    pub(super) fn not_found(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what, format!("no such {what}"))
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "this route does not take this method; /openapi.json lists what it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "bad_request", "method", message)
    }

    pub(super) fn bad_request(surface: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", surface, message)
    }

    pub(super) fn forbidden(surface: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", surface, message)
    }

    /// Without a credential, or with one that is not good.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "credential", message)
    }

    pub(super) fn too_often(surface: &str, message: impl Into<String>, seconds: u64) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", surface, message);
        Self { retry_after: Some(seconds), ..error }
    }

    pub(super) fn unprocessable(surface: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", surface, message)
    }

    pub(super) fn too_large(surface: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", surface, message)
    }

    /// There is room again when some time has passed.
    pub(super) fn rate_limited(surface: &str, message: impl Into<String>, retry_after: u64) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", surface, message);
        Self { retry_after: Some(retry_after), ..error }
    }

    /// Nothing is freed unless the caller does it, but for what counts by the
    /// day: it is no use to come back soon.
    pub(super) fn quota(surface: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "quota_exceeded", surface, message)
    }

    /// The limit that the caller met, if it is one.
    pub(super) fn limit(&self) -> Option<&'static str> {
        let is_limit = matches!(self.kind, "rate_limited" | "quota_exceeded");
        LIMITS.iter().copied().find(|limit| is_limit && *limit == self.surface)
    }

    pub(super) fn unavailable(surface: &str, message: impl Into<String>, retry_after: u64) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", surface, message);
        Self { retry_after: Some(retry_after), ..error }
    }

    pub(super) fn upstream(surface: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "upstream", surface, message)
    }

    /// Nothing is freed unless somebody does it.
    fn disk_full(error: &Error) -> Self {
        let reason = if let Error::Corpus(error) = error { error.to_string() } else { error.silent() };
        tracing::error!(error = reason, "refused");
        let message = "the service's disk is full and nothing was stored; free some space there, then try again";
        Self::unavailable("disk", message, 60)
    }

    /// What went wrong and what to do.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn internal() -> Self {
        let message = "something went wrong here; the service's log says more under this request id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "service", message)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(what) => Self::not_found(what),
            Error::Invalid { field, .. } => Self::unprocessable(field, error.to_string()),
            Error::Conflict { what, .. } => Self::new(StatusCode::CONFLICT, "conflict", what, error.to_string()),
            Error::Unauthorized(message) => Self::unauthorized(message),
            Error::Forbidden { what, .. } => Self::forbidden(what, error.to_string()),
            Error::TooOften { what, seconds } => Self::too_often(what, error.to_string(), seconds),
            Error::Limited { what, retry_after } => {
                Self::rate_limited(what, error.to_string(), limits::seconds(retry_after))
            }
            Error::UsedUp { what, .. } => Self::quota(what, error.to_string()),
            Error::Busy(what) => Self::unavailable(what, error.to_string(), 1),
            Error::Llm(error) => model(&error),
            full if full.is_disk_full() => Self::disk_full(&full),
            Error::Corpus(error) => corpus(error),
            other => match other.waited_for() {
                Some(what) => {
                    tracing::warn!(error = other.silent(), "the database could not be used");
                    Self::unavailable("database", format!("{what}; try again shortly"), 1)
                }
                None => {
                    tracing::error!(error = other.silent(), "request failed");
                    Self::internal()
                }
            },
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<CorpusError> for ApiError {
    fn from(error: CorpusError) -> Self {
        Error::from(error).into()
    }
}

fn model(error: &LlmError) -> ApiError {
    ApiError::upstream(error.code(), error.to_string())
}

fn corpus(error: CorpusError) -> ApiError {
    match error {
        CorpusError::TooLarge { .. } => ApiError::too_large("file", error.to_string()),
        CorpusError::Quota(exceeded) => ApiError::quota(exceeded.quota.name(), exceeded.to_string()),
        CorpusError::Embedder(_) | CorpusError::EmbedderRefused(_) | CorpusError::EmbedderSetup(_) => {
            tracing::error!(%error, "the embedder failed");
            ApiError::upstream("embedder", "the embedding model failed; search with mode `sparse` still works")
        }
        CorpusError::Index(_) => {
            tracing::error!(%error, "the index failed");
            ApiError::unavailable("index", "the vector index does not answer; try again shortly", 5)
        }
        other => {
            tracing::error!(error = ?other, "request failed");
            ApiError::internal()
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.kind == "quota_exceeded" {
            response.headers_mut().insert(SHOULD_RETRY.clone(), HeaderValue::from_static("false"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every error its body.
pub(super) async fn envelope(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let request_id = id.unwrap_or_default().to_owned();
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return response };
    let code = format!("{}:{}", error.kind, error.surface);
    let body = Envelope { error: Body { code, message: error.message, request_id } };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let (with_body, body) = axum::Json(body).into_response().into_parts();
    parts.headers.extend(with_body.headers);
    Response::from_parts(parts, body)
}
