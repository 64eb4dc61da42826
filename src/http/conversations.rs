//! Conversations.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{self, Json, Path, Query, given};
use super::page::{Page, Size};
use crate::app::App;
use crate::error::Error;
use crate::ids::{ConversationId, MessageId};
use crate::storage::conversations::{self, Conversation, Patch};
use crate::storage::messages;

/// Characters of a title, at most.
const MAX_TITLE: usize = 200;
/// Characters of a system prompt, at most.
const MAX_PROMPT: usize = 8_000;
/// Names of tools, at most.
const MAX_TOOLS: usize = 128;
/// Characters of a tool's name, at most.
const MAX_TOOL: usize = 128;

/// A conversation to begin.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "title": "The P4", "system_prompt": "Answer in one sentence.", "tools": ["calculate"] }))]
pub(super) struct Begin {
    /// Shown in lists.
    title: Option<String>,
    /// Collections by id or name; all if left out.
    collections: Option<Vec<String>>,
    /// The model that answers; the service's if left out.
    model: Option<String>,
    /// What the model is told about how to answer, in at most 8,000 characters.
    #[schema(max_length = 8000)]
    system_prompt: Option<String>,
    /// Tools that the model may call; all if left out.
    tools: Option<Vec<String>>,
}

/// What to change of a conversation; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "title": "Warranty of the P4", "archived": false }))]
#[schema(as = ConversationChange)]
pub(super) struct Change {
    /// Shown in lists.
    #[serde(default, deserialize_with = "given")]
    title: Option<String>,
    /// Whether it is taken out of the usual list.
    #[serde(default, deserialize_with = "given")]
    archived: Option<bool>,
    /// Collections by id or name; all if there are none.
    #[serde(default, deserialize_with = "given")]
    collections: Option<Vec<String>>,
    /// The model that answers; null means the service's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    model: Patch<String>,
    /// What the model is told about how to answer, in at most 8,000 characters;
    /// null means nothing.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 8000)]
    system_prompt: Patch<String>,
    /// Tools that the model may call; null means all.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    tools: Patch<Vec<String>>,
    /// The last message of the branch that is shown: one of the conversation's;
    /// null means the latest.
    #[serde(default)]
    #[schema(value_type = Option<MessageId>)]
    leaf_id: Patch<MessageId>,
}

/// Which conversations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Those that are archived, in place of those that are not.
    #[serde(default)]
    #[param(required = false)]
    archived: bool,
    /// Items, at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<String>,
}

/// Begins a conversation, set up as it is to be: what is given here may be
/// changed later.
#[utoipa::path(
    post, path = "/api/v1/conversations", tag = "conversations", request_body = Begin,
    responses((status = 201, body = Conversation), (status = 404, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn create(
    State(app): State<App>,
    Caller(scope): Caller,
    Json(begin): Json<Begin>,
) -> Result<(StatusCode, axum::Json<Conversation>), ApiError> {
    let title = begin.title.as_deref().map(title).transpose()?;
    // A model that cannot answer is said to be one now, not at the first question.
    app.models.choose(begin.model.as_deref())?;
    begin.system_prompt.as_deref().map_or(Ok(()), check_prompt)?;
    begin.tools.as_deref().map_or(Ok(()), check_tools)?;
    let collections = extract::collections(&app, scope, begin.collections.as_deref()).await?.unwrap_or_default();
    let new = conversations::New {
        title,
        collections: &collections,
        model: begin.model.as_deref(),
        system_prompt: begin.system_prompt.as_deref(),
        tools: begin.tools.as_deref(),
    };
    let made = conversations::create(&app.db, scope, &new).await?;
    Ok((StatusCode::CREATED, axum::Json(made)))
}

/// Conversations, archived or not, last used first.
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
    let items = conversations::list(&app.db, scope, which.archived, after, size.to_load()).await?;
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

/// Renames, archives or sets up a conversation.
#[utoipa::path(
    patch, path = "/api/v1/conversations/{id}", tag = "conversations", params(("id" = ConversationId, Path)),
    request_body = Change,
    responses((status = 200, body = Conversation), (status = 404, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn change(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ConversationId>,
    Json(change): Json<Change>,
) -> Result<axum::Json<Conversation>, ApiError> {
    conversations::find(&app.db, scope, id).await?.ok_or(Error::NotFound("conversation"))?;
    let title = change.title.as_deref().map(title).transpose()?;
    if let Some(model) = change.model.value() {
        app.models.choose(Some(model))?;
    }
    change.system_prompt.value().map_or(Ok(()), |prompt| check_prompt(prompt))?;
    change.tools.value().map_or(Ok(()), |tools| check_tools(tools))?;
    if let Some(leaf) = change.leaf_id.value() {
        let leaf = messages::find(&app.db, scope, *leaf).await?;
        if leaf.is_none_or(|leaf| leaf.conversation_id != id) {
            return Err(ApiError::unprocessable("leaf_id", "`leaf_id` is the id of a message of this conversation"));
        }
    }
    let change = conversations::Change {
        title: title.map(str::to_owned),
        archived: change.archived,
        collections: extract::collections(&app, scope, change.collections.as_deref()).await?,
        model: change.model,
        system_prompt: change.system_prompt,
        tools: change.tools,
        leaf: change.leaf_id,
    };
    let changed = conversations::change(&app.db, scope, id, &change).await?.ok_or(Error::NotFound("conversation"))?;
    Ok(axum::Json(changed))
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

fn check_prompt(prompt: &str) -> Result<(), ApiError> {
    if prompt.trim().is_empty() || prompt.chars().nth(MAX_PROMPT).is_some() || prompt.contains('\0') {
        let problem = format!("`system_prompt` has 1 to {MAX_PROMPT} characters; null takes it away");
        return Err(ApiError::unprocessable("system_prompt", problem));
    }
    Ok(())
}

fn check_tools(tools: &[String]) -> Result<(), ApiError> {
    let is_name = |name: &String| {
        !name.trim().is_empty() && name.chars().nth(MAX_TOOL).is_none() && !name.contains(char::is_control)
    };
    if tools.len() > MAX_TOOLS || !tools.iter().all(is_name) {
        let problem = format!("`tools` has at most {MAX_TOOLS} names of 1 to {MAX_TOOL} characters; null means all");
        return Err(ApiError::unprocessable("tools", problem));
    }
    Ok(())
}

/// A place in the list: when the last one was used, in microseconds, and which.
fn cursor(used: DateTime<Utc>, id: ConversationId) -> String {
    format!("{}.{id}", used.timestamp_micros())
}

fn parse_cursor(text: &str) -> Result<(DateTime<Utc>, ConversationId), ApiError> {
    let parsed = text.split_once('.').and_then(|(used, id)| {
        // None is older than this service, and Postgres knows no time before 4713 BC.
        let used = used.parse().ok().filter(|used: &i64| *used >= 0)?;
        Some((DateTime::from_timestamp_micros(used)?, id.parse().ok()?))
    });
    parsed.ok_or_else(|| ApiError::unprocessable("cursor", "`cursor` is not one that a page gave"))
}
