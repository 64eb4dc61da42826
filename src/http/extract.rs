//! Extractors whose refusals are ours: an envelope, and the field by its name.

use axum::body::{Body, Bytes};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::error::ApiError;
use super::nul;
use crate::error::Error;
use crate::ids::CollectionId;

/// Collections that one request may name.
pub(super) const MAX_COLLECTIONS: usize = 100;

/// A JSON body, without the character NUL.
#[derive(Debug)]
pub(super) struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let bytes = bytes.map_err(JsonRejection::from)?;
        let request = Request::from_parts(parts, Body::from(bytes.clone()));
        let axum::Json(value) = axum::Json::from_request(request, state).await?;
        nul::in_json(&bytes).map_or(Ok(Self(value)), |place| Err(holds_nul(&place)))
    }
}

/// The query string, without the character NUL.
#[derive(Debug)]
pub(super) struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let axum::extract::Query(value) = axum::extract::Query::from_request_parts(parts, state).await?;
        nul::in_query(&parts.uri).map_or(Ok(Self(value)), |name| Err(holds_nul(&name)))
    }
}

/// Parts of the path, without the character NUL.
#[derive(Debug)]
pub(super) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let axum::extract::Path(value) = axum::extract::Path::from_request_parts(parts, state).await?;
        // What no text holds, no name holds.
        if nul::in_path(&parts.uri) { Err(ApiError::not_found("resource")) } else { Ok(Self(value)) }
    }
}

/// The refusal of a text with a NUL, by the field in which it stands.
pub(super) fn holds_nul(place: &str) -> ApiError {
    let field = place.split(['.', '[']).next().filter(|field| !field.is_empty()).unwrap_or("body");
    let place = if place.is_empty() { field } else { place };
    let message = format!("`{place}` holds the character NUL, which no text has; leave it out");
    ApiError::unprocessable(field, shorten(&message))
}

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
    if named.len() > MAX_COLLECTIONS {
        let problem = format!("names {} collections; at most {MAX_COLLECTIONS} are taken", named.len());
        return Err(Error::Invalid { field: "collections", problem }.into());
    }
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
        let id = id.ok_or(Error::NotFound("collection"))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(Some(ids))
}
