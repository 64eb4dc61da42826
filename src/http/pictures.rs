//! Pictures that were sent along with questions, one by one.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::Path;
use super::parts::KINDS;
use crate::app::App;
use crate::error::Error;
use crate::ids::{ConversationId, MessageId};
use crate::storage::messages::{self, Message, Part};

/// How the pictures of messages are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pictures {
    /// With their bytes.
    #[default]
    Whole,
    /// By the `url` of each.
    Reference,
}

/// Names the pictures of a message, which come without their bytes.
pub(super) fn refer(message: &mut Message) {
    let base = format!("/api/v1/conversations/{}/messages/{}/images", message.conversation_id, message.id);
    let pictures = message.parts.iter_mut().filter_map(|part| match part {
        Part::Image { url, .. } => Some(url),
        _ => None,
    });
    for (url, number) in pictures.zip(1..) {
        *url = Some(format!("{base}/{number}"));
    }
}

/// A picture that was sent along with a question, by its number among the
/// question's pictures, from 1.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/messages/{message_id}/images/{number}", tag = "conversations",
    params(
        ("id" = ConversationId, Path), ("message_id" = MessageId, Path),
        ("number" = u16, Path, description = "From 1"),
    ),
    responses(
        (status = 200, content_type = "image/*", description = "PNG, JPEG, GIF or WebP"),
        (status = 404, body = Envelope),
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, message, number)): Path<(ConversationId, MessageId, u16)>,
) -> Result<Response, ApiError> {
    let picture = match number.checked_sub(1) {
        Some(place) => messages::picture(&app.db, scope, id, message, place).await?,
        None => None,
    };
    let Some(Part::Image { media_type, base64, .. }) = picture else { return Err(Error::NotFound("image").into()) };
    let bytes = STANDARD.decode(base64).map_err(|_| ApiError::internal())?;
    let kind = KINDS.into_iter().find(|kind| *kind == media_type).unwrap_or("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response())
}
