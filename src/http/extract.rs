//! Extractors whose refusals are ours: an envelope, and the field by its name.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::error::ApiError;
use crate::error::Error;
use crate::ids::CollectionId;

/// A JSON body.
#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub(super) struct Json<T>(pub T);

/// The query string.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(super) struct Query<T>(pub T);

/// Parts of the path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(super) struct Path<T>(pub T);

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let message = rejection.body_text();
        match rejection {
            // An unknown or wrong field: the text names it.
            JsonRejection::JsonDataError(_) => Self::unprocessable("body", shorten(&message)),
            JsonRejection::MissingJsonContentType(_) => {
                Self::bad_request("content_type", "send JSON, with the header `content-type: application/json`")
            }
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Self::too_large("body", "a JSON body may have 2 MiB; upload long texts as files")
            }
            _ => Self::bad_request("body", shorten(&message)),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::unprocessable("query", shorten(&rejection.body_text()))
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        // What is no id names nothing.
        Self::not_found("resource")
    }
}

/// The libraries' texts may repeat what was sent.
fn shorten(message: &str) -> String {
    let short: String = message.chars().take(300).collect();
    short.trim_start_matches("Failed to deserialize the JSON body into the target type: ").to_owned()
}

/// A field that may be left out, but is no null when it is there.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// The ids of collections that a caller names by id or by name.
pub(super) async fn collections(
    app: &crate::app::App,
    scope: footnote_ingest::scope::Scope,
    named: Option<&[String]>,
) -> Result<Option<Vec<CollectionId>>, ApiError> {
    use footnote_ingest::store::collections as stored;
    let Some(named) = named else { return Ok(None) };
    let mut ids = Vec::with_capacity(named.len());
    for name in named {
        let by_id = match name.parse::<CollectionId>() {
            Ok(id) => stored::find(&app.db, scope, id).await?.map(|collection| collection.id),
            Err(_) => None,
        };
        let id = match by_id {
            Some(id) => Some(id),
            // What no text holds, no name holds.
            None if name.contains('\0') => None,
            None => stored::find_by_name(&app.db, scope, name).await?,
        };
        ids.push(id.ok_or(Error::NotFound("collection"))?);
    }
    Ok(Some(ids))
}
