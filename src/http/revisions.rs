//! Revisions: what citations point at.

use axum::extract::State;
use footnote_ingest::document::Span;
use footnote_ingest::store::revisions::{self, TextPart};
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Path, Query};
use crate::app::App;
use crate::error::Error;
use crate::ids::RevisionId;

/// A range.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// First code point; 0 if left out.
    #[serde(default)]
    start: usize,
    /// One past the last code point; the text's end if left out.
    end: Option<usize>,
}

/// The characters `[start, end)` of a revision's text, in code points.
#[utoipa::path(
    get, path = "/api/v1/revisions/{id}/text", tag = "documents", params(("id" = RevisionId, Path), Range),
    responses((status = 200, body = TextPart), (status = 404, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn text(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<RevisionId>,
    Query(range): Query<Range>,
) -> Result<axum::Json<TextPart>, ApiError> {
    let span = Span { start: range.start, end: range.end.unwrap_or(usize::MAX) };
    if span.end < span.start {
        return Err(ApiError::unprocessable("end", "`end` lies before `start`"));
    }
    let part = revisions::text_part(&app.db, scope, id, span).await?.ok_or(Error::NotFound("revision"))?;
    Ok(axum::Json(part))
}
