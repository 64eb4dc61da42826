//! Messages: questions, and their answers as a stream or whole.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use footnote_ingest::index::MetaFilter;
use futures::StreamExt;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{self, Json, Path, Query};
use super::page::{Page, Size};
use crate::app::App;
use crate::chat::{self, Ask};
use crate::error::Error;
use crate::ids::{ConversationId, MessageId};
use crate::storage::conversations;
use crate::storage::messages::{self, Message, Status};

/// How often a silent stream says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// Its words.
    content: String,
    /// Collections by id or name; the conversation's if left out.
    collections: Option<Vec<String>>,
    /// Only documents whose metadata fit.
    #[serde(default)]
    filter: MetaFilter,
    /// The model; the conversation's if left out.
    model: Option<String>,
    /// For models that take it: 0 to 2.
    temperature: Option<f32>,
    /// Tokens of the answer, at most.
    max_tokens: Option<u32>,
    /// Answer with a stream of events.
    #[serde(default)]
    stream: bool,
}

/// Which messages to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Items, at most: 1 to 200.
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<MessageId>,
}

/// Messages, oldest first.
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
    let items = messages::list(&app.db, scope, id, which.cursor, size.to_load()).await?;
    Ok(size.cut(items, |last| last.id.to_string()))
}

/// Asks. With `stream: true` the answer comes as server-sent events, each with
/// its number as `id`; they are kept, so a reader that was cut off reads on at
/// the answer's `/stream`. Else the stored answer comes whole.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/messages", tag = "conversations",
    params(("id" = ConversationId, Path)), request_body = Question,
    responses(
        (status = 200, content((Message = "application/json"), (String = "text/event-stream"))),
        (status = 404, body = Envelope), (status = 422, body = Envelope), (status = 502, body = Envelope),
    )
)]
pub(super) async fn ask(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ConversationId>,
    Json(question): Json<Question>,
) -> Result<Response, ApiError> {
    check(&question)?;
    let ask = Ask {
        collections: extract::collections(&app, scope, question.collections.as_deref()).await?,
        content: question.content,
        filter: question.filter,
        model: question.model,
        temperature: question.temperature,
        max_tokens: question.max_tokens,
    };
    let asked = chat::ask(&app, scope, id, ask).await?;
    if question.stream {
        return Ok(events(&app, scope, asked.answer, 0).await?.into_response());
    }
    let answer = chat::wait(&app, scope, asked.answer).await?;
    if answer.status == Status::Failed {
        return Err(failure(&app, scope, &answer).await?);
    }
    Ok((StatusCode::OK, axum::Json(answer)).into_response())
}

fn check(question: &Question) -> Result<(), ApiError> {
    if question.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
        return Err(ApiError::unprocessable("temperature", "`temperature` is from 0 to 2"));
    }
    if question.max_tokens == Some(0) {
        return Err(ApiError::unprocessable("max_tokens", "`max_tokens` is at least 1"));
    }
    Ok(())
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
    Ok(events(&app, scope, message.id, after).await?.into_response())
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

async fn in_conversation(
    app: &App,
    scope: footnote_ingest::scope::Scope,
    (conversation, message): (ConversationId, MessageId),
) -> Result<Message, ApiError> {
    let found = messages::find(&app.db, scope, message).await?;
    let found = found.filter(|found| found.conversation_id == conversation);
    found.ok_or_else(|| Error::NotFound("message").into())
}

async fn events(
    app: &App,
    scope: footnote_ingest::scope::Scope,
    message: MessageId,
    after: i32,
) -> Result<impl IntoResponse + use<>, ApiError> {
    let events = chat::follow(app, scope, message, after).await?.map(|event| {
        let data = event.data.to_string();
        Ok::<_, Infallible>(SseEvent::default().id(event.seq.to_string()).event(&event.name).data(data))
    });
    // Proxies must not hold events back.
    let headers = [("x-accel-buffering", "no"), ("cache-control", "no-store")];
    Ok((headers, Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))))
}

/// The error that ended an answer, as its stream told it.
async fn failure(app: &App, scope: footnote_ingest::scope::Scope, answer: &Message) -> Result<ApiError, ApiError> {
    let mut last = chat::follow(app, scope, answer.id, 0).await?;
    let mut error = None;
    while let Some(event) = last.next().await {
        if event.name == "error" {
            error = Some(event.data["error"].clone());
        }
    }
    let told = error.unwrap_or_default();
    let message = told["message"].as_str().unwrap_or("the answer could not be made").to_owned();
    Ok(match told["code"].as_str().and_then(|code| code.split_once(':')) {
        Some(("upstream", surface)) => ApiError::upstream(surface, message),
        Some(("bad_request", surface)) => ApiError::unprocessable(surface, message),
        _ => ApiError::internal(),
    })
}
