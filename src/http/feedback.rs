//! What callers think of answers.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path};
use crate::app::App;
use crate::error::Error;
use crate::ids::{ConversationId, MessageId};
use crate::storage::feedback::{self, Vote};
use crate::storage::messages::{self, Message, Role};

/// Reasons, at most.
const MAX_REASONS: usize = 20;
/// Characters of a reason, at most.
const MAX_REASON: usize = 100;
/// Characters of a comment, at most.
const MAX_COMMENT: usize = 4_000;

/// What one thinks of an answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "vote": "up", "reasons": ["correct"] }))]
pub(super) struct Opinion {
    /// Whether it helped; null takes back what was said before.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true)]
    vote: Option<Vote>,
    /// Why: at most 20, of at most 100 characters each.
    #[serde(default)]
    reasons: Vec<String>,
    /// Why, in at most 4,000 characters.
    comment: Option<String>,
}

impl Opinion {
    fn check(&self) -> Result<(), ApiError> {
        let is_reason = |reason: &String| {
            !reason.trim().is_empty() && reason.chars().nth(MAX_REASON).is_none() && !reason.contains('\0')
        };
        if self.reasons.len() > MAX_REASONS || !self.reasons.iter().all(is_reason) {
            let problem = format!("`reasons` has at most {MAX_REASONS} items of 1 to {MAX_REASON} characters");
            return Err(ApiError::unprocessable("reasons", problem));
        }
        let comment = self.comment.as_deref().unwrap_or_default();
        if comment.chars().nth(MAX_COMMENT).is_some() || comment.contains('\0') {
            let problem = format!("`comment` has at most {MAX_COMMENT} characters");
            return Err(ApiError::unprocessable("comment", problem));
        }
        if self.vote.is_none() && !(self.reasons.is_empty() && comment.trim().is_empty()) {
            let problem = "a `vote` that is taken back has no `reasons` and no `comment`; vote `up` or `down`";
            return Err(ApiError::unprocessable("vote", problem));
        }
        Ok(())
    }
}

/// Votes on an answer, in place of an earlier vote.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/messages/{message_id}/feedback", tag = "conversations",
    params(("id" = ConversationId, Path), ("message_id" = MessageId, Path)), request_body = Opinion,
    responses((status = 200, body = Message), (status = 404, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn give(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((conversation, id)): Path<(ConversationId, MessageId)>,
    Json(opinion): Json<Opinion>,
) -> Result<axum::Json<Message>, ApiError> {
    opinion.check()?;
    let message = messages::find(&app.db, scope, id).await?;
    let message = message.filter(|found| found.conversation_id == conversation).ok_or(Error::NotFound("message"))?;
    if message.role != Role::Assistant {
        return Err(ApiError::unprocessable("message_id", "this message is a question; vote on its answer"));
    }
    match opinion.vote {
        Some(vote) => {
            let comment = opinion.comment.as_deref().filter(|comment| !comment.trim().is_empty());
            if !feedback::give(&app.db, scope, id, vote, &opinion.reasons, comment).await? {
                return Err(Error::NotFound("message").into());
            }
        }
        None => feedback::take_back(&app.db, scope, id).await?,
    }
    let message = messages::find(&app.db, scope, id).await?.ok_or(Error::NotFound("message"))?;
    Ok(axum::Json(message))
}
