//! The face of the AI SDK: chats as `useChat` sends and reads them, in its UI
//! message stream, version 1.
//!
//! Owns the translation alone. Chats are ordinary conversations ([`named`]),
//! their streams those of ordinary answers; whoever went away reads them again
//! from the start.
//!
//! [`named`]: crate::chat::named

mod body;
mod encoder;
mod part;
mod plain;
mod sources;
mod stream;
#[cfg(test)]
mod tests;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::{Caller, Who};
use super::error::ApiError;
use super::extract::{Json, Path, Query};
use crate::app::App;
use crate::chat::named;
use crate::credentials::Right;
use crate::ids::MessageId;
use body::{ChatRequest, Wanted};
pub(super) use plain::plain;
use stream::From;

/// Where a reader left off.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Place {
    /// Number of the last event that was read.
    after: Option<i32>,
}

/// Which answer to stop.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StopRequest {
    /// Only this one, if it is the one that is being made.
    message_id: Option<MessageId>,
}

/// What came of stopping.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StopReply {
    /// Whether an answer was being made.
    stopped: bool,
    /// Its message, with what there is of it.
    message_id: Option<MessageId>,
}

/// Asks in a chat, and answers with a UI message stream. The chat's id is of the
/// caller's choice; its conversation is begun with its first question. With an
/// answer whose calls were allowed or refused as the last message, that answer
/// goes on. Errors are plain text.
#[utoipa::path(
    post, path = "/api/chat", tag = "ai-sdk", request_body = ChatRequest,
    responses(
        (status = 200, content((String = "text/event-stream"))), (status = 403, content((String = "text/plain"))),
        (status = 404, content((String = "text/plain"))), (status = 413, content((String = "text/plain"))),
        (status = 422, content((String = "text/plain"))), (status = 502, content((String = "text/plain"))),
    )
)]
pub(super) async fn chat(
    State(app): State<App>,
    who: Who,
    Json(body): Json<ChatRequest>,
) -> Result<Response, ApiError> {
    let scope = who.0.scope;
    match body.read(&app, scope).await? {
        Wanted::Speak(said) => {
            let answering = named::speak(&app, scope, *said).await?;
            stream::reply(&app, scope, answering, From::Start).await
        }
        Wanted::Decide { chat, answer, decisions } => {
            // To allow a call is to let it change something.
            if decisions.iter().any(|(_, approve)| *approve) {
                who.must(Right::Write)?;
            }
            let (answering, last) = named::decide(&app, scope, &chat, answer, &decisions).await?;
            stream::reply(&app, scope, answering, From::Continued(last)).await
        }
    }
}

/// The stream of the answer that is being made in a chat, from its start or, with
/// `Last-Event-ID` or `after`, from where the reader left off. 204 when there is
/// nothing to read.
#[utoipa::path(
    get, path = "/api/chat/{id}/stream", tag = "ai-sdk",
    params(
        ("id" = String, Path, description = "The chat's id"), Place,
        ("Last-Event-ID" = Option<i32>, Header, description = "Number of the last event that was read"),
    ),
    responses(
        (status = 200, content((String = "text/event-stream"))), (status = 204),
        (status = 422, content((String = "text/plain"))),
    )
)]
pub(super) async fn resume(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(chat): Path<String>,
    Query(place): Query<Place>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    body::check_chat(&chat)?;
    let after = read_place(&place, &headers)?;
    if let Some(answering) = named::active(&app, scope, &chat).await? {
        let from = after.map_or(From::Start, From::After);
        return stream::reply(&app, scope, answering, from).await;
    }
    // Who came nearly to its end is not left without it.
    if let Some(after) = after
        && let Some(answering) = named::latest(&app, scope, &chat).await?
        && stream::has_more(&app, scope, answering, after).await?
    {
        return stream::reply(&app, scope, answering, From::After(after)).await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Stops the answer that is being made in a chat; what there is of it is kept.
/// Closing a stream stops nothing. With a `messageId` another answer is left
/// alone.
#[utoipa::path(
    post, path = "/api/chat/{id}/stop", tag = "ai-sdk",
    params(("id" = String, Path, description = "The chat's id")), request_body(content = Option<StopRequest>),
    responses((status = 200, body = StopReply), (status = 404, content((String = "text/plain"))))
)]
pub(super) async fn stop(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(chat): Path<String>,
    body: Bytes,
) -> Result<axum::Json<StopReply>, ApiError> {
    body::check_chat(&chat)?;
    // Whoever says nothing, or nothing of ours, means the one under way.
    let which: StopRequest = match body.is_empty() {
        true => StopRequest::default(),
        false => serde_json::from_slice(&body).map_err(|_| {
            ApiError::unprocessable("body", "the body is empty, or JSON with the `messageId` of an answer")
        })?,
    };
    let stopped = named::stop(&app, scope, &chat, which.message_id).await?;
    Ok(axum::Json(StopReply { stopped: stopped.is_some(), message_id: stopped.map(|message| message.id) }))
}

/// The number of the event that was read last.
fn read_place(place: &Place, headers: &HeaderMap) -> Result<Option<i32>, ApiError> {
    let wrong = || ApiError::unprocessable("last_event_id", "`Last-Event-ID` and `after` are the number of an event");
    let after = match headers.get("last-event-id") {
        Some(id) => Some(id.to_str().ok().and_then(|id| id.parse().ok()).ok_or_else(wrong)?),
        None => place.after,
    };
    after.map(|after| if after >= 0 { Ok(after) } else { Err(wrong()) }).transpose()
}
