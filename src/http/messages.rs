//! Messages: reading them, following their streams, stopping them.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Path, Query};
use super::page::{Page, Size};
use super::pictures::{self, Pictures};
use super::sse;
use crate::app::App;
use crate::chat;
use crate::error::Error;
use crate::ids::{ConversationId, MessageId};
use crate::storage::conversations;
use crate::storage::messages::{self, Message};

/// How often a silent stream says that it is alive.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a reader that was cut off waits before it comes again (`retry:`).
const RECONNECT: Duration = Duration::from_secs(1);

/// Which messages to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Items, at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<MessageId>,
    /// How pictures are given: `whole`, unless told otherwise, or by `reference`.
    #[serde(default)]
    #[param(required = false, inline)]
    images: Pictures,
}

/// Messages, oldest first. A page whose pictures are given whole ends before their
/// bytes are more than 16 MiB, unless those of one message are; the next page goes on
/// from there.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/messages", tag = "conversations",
    params(("id" = ConversationId, Path), Which),
    responses((status = 200, body = Page<Message>), (status = 404, body = Envelope))
)]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ConversationId>,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page<Message>>, ApiError> {
    let size = Size::new(which.limit)?;
    conversations::find(&app.db, scope, id).await?.ok_or(Error::NotFound("conversation"))?;
    let whole = which.images == Pictures::Whole;
    let (mut items, more) = messages::page(&app.db, scope, id, which.cursor, size.limit(), whole).await?;
    if !whole {
        items.iter_mut().for_each(pictures::refer);
    }
    Ok(Page::new(items, more, |last| last.id.to_string()))
}

/// One message.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/messages/{message_id}", tag = "conversations",
    params(("id" = ConversationId, Path), ("message_id" = MessageId, Path)),
    responses((status = 200, body = Message), (status = 404, body = Envelope))
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(path): Path<(ConversationId, MessageId)>,
) -> Result<axum::Json<Message>, ApiError> {
    Ok(axum::Json(in_conversation(&app, scope, path).await?))
}

/// The events of an answer after the one that `Last-Event-ID` names, stored
/// and live, until it ends.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/messages/{message_id}/stream", tag = "conversations",
    params(
        ("id" = ConversationId, Path), ("message_id" = MessageId, Path),
        ("Last-Event-ID" = Option<i32>, Header, description = "Number of the last event that was read"),
    ),
    responses((status = 200, content((String = "text/event-stream"))), (status = 404, body = Envelope))
)]
pub(super) async fn stream(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(path): Path<(ConversationId, MessageId)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let message = in_conversation(&app, scope, path).await?;
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(id) => id
            .to_str()
            .ok()
            .and_then(|id| id.parse().ok())
            .filter(|id| *id >= 0)
            .ok_or_else(|| ApiError::unprocessable("last_event_id", "`Last-Event-ID` is the number of an event"))?,
    };
    events(&app, scope, message.id, after).await
}

/// Stops an answer; what there is of it is kept.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/messages/{message_id}/cancel", tag = "conversations",
    params(("id" = ConversationId, Path), ("message_id" = MessageId, Path)),
    responses((status = 200, body = Message), (status = 404, body = Envelope))
)]
pub(super) async fn cancel(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(path): Path<(ConversationId, MessageId)>,
) -> Result<axum::Json<Message>, ApiError> {
    let message = in_conversation(&app, scope, path).await?;
    Ok(axum::Json(chat::cancel(&app, scope, message.id).await?))
}

pub(super) async fn in_conversation(
    app: &App,
    scope: footnote_ingest::scope::Scope,
    (conversation, message): (ConversationId, MessageId),
) -> Result<Message, ApiError> {
    let found = messages::find(&app.db, scope, message).await?;
    let found = found.filter(|found| found.conversation_id == conversation);
    found.ok_or_else(|| Error::NotFound("message").into())
}

pub(super) async fn events(
    app: &App,
    scope: footnote_ingest::scope::Scope,
    message: MessageId,
    after: i32,
) -> Result<Response, ApiError> {
    let events = chat::follow(app, scope, message, after).await?;
    Ok(sse::reply(events.map(|event| {
        // With the event, not with the connection: what comes again is the same bytes.
        let retry = (event.seq == 1).then_some(RECONNECT);
        sse::numbered(event.seq, &event.name, &event.data, retry)
    })))
}
