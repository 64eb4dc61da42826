//! Conversations.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{self, Json, Path, Query};
use super::page::{Page, Size};
use crate::app::App;
use crate::error::Error;
use crate::ids::ConversationId;
use crate::storage::conversations::{self, Conversation};

/// Characters of a title, at most.
const MAX_TITLE: usize = 200;

/// A conversation to begin.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    /// Shown in lists.
    title: Option<String>,
    /// Collections by id or name; all if left out.
    collections: Option<Vec<String>>,
    /// The model that answers; the service's if left out.
    model: Option<String>,
}

/// What may change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Shown in lists.
    title: String,
}

/// Which conversations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Items, at most: 1 to 200.
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<String>,
}

/// Begins a conversation.
#[utoipa::path(
    post, path = "/api/v1/conversations", tag = "conversations", request_body = Begin,
    responses((status = 201, body = Conversation), (status = 404, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn create(
    State(app): State<App>,
    Caller(scope): Caller,
    Json(begin): Json<Begin>,
) -> Result<(StatusCode, axum::Json<Conversation>), ApiError> {
    let title = title(begin.title.as_deref().unwrap_or("New conversation"))?;
    // A model that cannot answer is said to be one now, not at the first question.
    app.models.choose(begin.model.as_deref())?;
    let collections = extract::collections(&app, scope, begin.collections.as_deref()).await?.unwrap_or_default();
    let made = conversations::create(&app.db, scope, title, &collections, begin.model.as_deref()).await?;
    Ok((StatusCode::CREATED, axum::Json(made)))
}

/// Conversations, last used first.
#[utoipa::path(
    get, path = "/api/v1/conversations", tag = "conversations", params(Which), responses((status = 200, body = Page<Conversation>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page<Conversation>>, ApiError> {
    let size = Size::new(which.limit)?;
    let after = which.cursor.as_deref().map(parse_cursor).transpose()?;
    let items = conversations::list(&app.db, scope, after, size.to_load()).await?;
    Ok(size.cut(items, |last| cursor(last.updated_at, last.id)))
}

/// One conversation.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}", tag = "conversations", params(("id" = ConversationId, Path)),
    responses((status = 200, body = Conversation), (status = 404, body = Envelope))
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ConversationId>,
) -> Result<axum::Json<Conversation>, ApiError> {
    let found = conversations::find(&app.db, scope, id).await?.ok_or(Error::NotFound("conversation"))?;
    Ok(axum::Json(found))
}

/// Renames a conversation.
#[utoipa::path(
    patch, path = "/api/v1/conversations/{id}", tag = "conversations", params(("id" = ConversationId, Path)),
    request_body = Change,
    responses((status = 200, body = Conversation), (status = 404, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn rename(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ConversationId>,
    Json(change): Json<Change>,
) -> Result<axum::Json<Conversation>, ApiError> {
    conversations::rename(&app.db, caller.0, id, title(&change.title)?).await?;
    find(State(app), caller, Path(id)).await
}

/// Deletes a conversation with its messages.
#[utoipa::path(
    delete, path = "/api/v1/conversations/{id}", tag = "conversations", params(("id" = ConversationId, Path)),
    responses((status = 204), (status = 404, body = Envelope))
)]
pub(super) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ConversationId>,
) -> Result<StatusCode, ApiError> {
    if conversations::delete(&app.db, scope, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Error::NotFound("conversation").into())
    }
}

fn title(title: &str) -> Result<&str, ApiError> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > MAX_TITLE || title.contains('\0') {
        return Err(ApiError::unprocessable("title", format!("`title` has 1 to {MAX_TITLE} characters")));
    }
    Ok(title)
}

/// A place in the list: when the last one was used, in microseconds, and which.
fn cursor(used: DateTime<Utc>, id: ConversationId) -> String {
    format!("{}.{id}", used.timestamp_micros())
}

fn parse_cursor(text: &str) -> Result<(DateTime<Utc>, ConversationId), ApiError> {
    let parsed = text.split_once('.').and_then(|(used, id)| {
        let used = DateTime::from_timestamp_micros(used.parse().ok()?)?;
        Some((used, id.parse().ok()?))
    });
    parsed.ok_or_else(|| ApiError::unprocessable("cursor", "`cursor` is not one that a page gave"))
}
