//! Conversations as files.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::attachment::disposition;
use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Path, Query};
use crate::app::App;
use crate::conversations::{self, Format, Whole};
use crate::ids::ConversationId;

/// What kind of file.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Kind {
    /// `markdown`, unless told otherwise: the branch that is shown, with what is
    /// cited in footnotes; or `json`: the conversation with all its messages.
    #[serde(default)]
    #[param(required = false, inline)]
    format: Format,
}

/// A conversation as a file to keep.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/export", tag = "conversations",
    params(("id" = ConversationId, Path), Kind),
    responses(
        (status = 200, content((String = "text/markdown"), (Whole = "application/json"))),
        (status = 404, body = Envelope), (status = 422, body = Envelope),
    )
)]
pub(super) async fn export(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ConversationId>,
    Query(kind): Query<Kind>,
) -> Result<Response, ApiError> {
    let exported = conversations::export(&app.db, scope, id, kind.format).await?;
    let (media_type, ending) = match kind.format {
        Format::Markdown => ("text/markdown; charset=utf-8", "md"),
        Format::Json => ("application/json", "json"),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_DISPOSITION, disposition(&exported.title, ending)),
    ];
    // A file that breaks off is seen to: its reply does not end as it should.
    let text = exported.text.inspect_err(|error| tracing::error!(error = error.silent(), "an export broke off"));
    Ok((headers, Body::from_stream(text)).into_response())
}
