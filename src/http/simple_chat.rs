//! A chat in one route: a message in, an answer out, stored together or not at
//! all.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use footnote_ingest::rights::{self, as_owner};
use footnote_ingest::scope::Scope;
use futures::stream::{self, BoxStream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::asking::idempotency_key;
use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path};
use super::messages::KEEP_ALIVE;
use crate::app::App;
use crate::chat::{self, Ask, Asked, IdempotencyKey, Options, Unanswered};
use crate::citations::Citation;
use crate::error::Error;
use crate::ids::{ConversationId, MessageId, UserId};
use crate::limits::Who;
use crate::storage::conversations::{self, New};
use crate::storage::events::Event;
use crate::storage::messages::{Message, Part};
use crate::storage::withdrawals;

/// A message.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "message": "How long is the warranty of the P4?" }))]
pub(super) struct ChatMessage {
    /// Its words.
    message: String,
    /// The conversation that it goes on with; a new one if left out.
    conversation_id: Option<ConversationId>,
    /// The model; the conversation's if left out.
    model: Option<String>,
    /// Answer with lines `data: {"content": "..."}` and a last one that is done.
    #[serde(default)]
    stream: bool,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatReply {
    /// Its words, with markers `[n]` where the citation `n` backs them.
    response: String,
    /// Tools that were called.
    tool_calls: Vec<ChatToolCall>,
    /// What it cites, by the numbers of the markers.
    citations: Vec<Citation>,
    /// The answer's message.
    message_id: MessageId,
    /// Its conversation.
    conversation_id: ConversationId,
    /// When it was whole.
    timestamp: DateTime<Utc>,
}

/// A call of a tool.
#[derive(Debug, Serialize, ToSchema)]
struct ChatToolCall {
    /// The call's name within the answer.
    id: String,
    /// The tool.
    name: String,
    /// Its arguments; as text where they are no JSON.
    #[schema(value_type = Object)]
    arguments: Value,
    /// What the model was told; null where the call did not come to an end.
    result: Option<String>,
    /// Whether it failed.
    failed: bool,
}

/// Asks, as the user whose credential is used. The history is the conversation's
/// own. If the answer cannot be made to its end, neither it nor the message is
/// kept. With `stream: true` a last line `{"error": "...", "done": true}` says so. The
/// same `Idempotency-Key` with the same message asks once, however often it is sent
/// within a day.
#[utoipa::path(
    post, path = "/api/{user_id}/chat", tag = "chat",
    params(
        ("user_id" = UserId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own key for this request"),
    ),
    request_body = ChatMessage,
    responses(
        (status = 200, content((ChatReply = "application/json"), (String = "text/event-stream"))),
        (status = 403, body = Envelope), (status = 404, body = Envelope), (status = 422, body = Envelope),
        (status = 502, body = Envelope),
    )
)]
pub(super) async fn chat(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(user): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Json(say): Json<ChatMessage>,
) -> Result<Response, ApiError> {
    if user.parse::<UserId>().ok() != Some(scope.owner()) {
        return Err(ApiError::forbidden("user", "the path names another user than the one whose credential is used"));
    }
    let (stream, key) = (say.stream, idempotency_key(&headers, uri.path(), &say)?);
    // In a task of its own: a caller that goes away in the middle must not leave
    // a conversation without its question.
    let who = Who::present(scope.owner());
    let (asked, events, unanswered) = rights::spawn(as_owner(scope, who.during(take(app.clone(), scope, say, key))))
        .await
        .map_err(anyhow::Error::from)
        .map_err(Error::from)??;
    let telling = Telling { app, scope, asked, unanswered, events };
    if stream {
        let headers = [("x-accel-buffering", "no"), ("cache-control", "no-store")];
        return Ok(
            (headers, Sse::new(lines(telling)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response()
        );
    }
    Ok(axum::Json(telling.whole().await?).into_response())
}

/// Stores the message, in a new conversation where none is named.
async fn take(
    app: App,
    scope: Scope,
    say: ChatMessage,
    key: Option<IdempotencyKey>,
) -> Result<(Asked, BoxStream<'static, Arc<Event>>, Unanswered), Error> {
    if let Some(key) = &key
        && let Some(asked) = chat::asked_before(&app, scope, key).await?
    {
        // Whoever asked first takes it back.
        return Ok((asked, chat::follow_again(&app, scope, asked).await?, Unanswered::Kept));
    }
    let (conversation, unanswered) = match say.conversation_id {
        Some(id) => (id, Unanswered::Withdrawn),
        None => (conversations::create(&app.db, scope, &New::default()).await?.id, Unanswered::WithdrawnWhole),
    };
    let options = Options { model: say.model, ..Options::default() };
    let ask = Ask { options, key, unanswered, ..Ask::new(say.message) };
    let followed = chat::ask_and_follow(&app, scope, conversation, ask).await.map_err(named);
    // Refused, or asked by somebody else meanwhile: one that holds a message stays.
    if unanswered == Unanswered::WithdrawnWhole {
        withdrawals::forget(&app.db, scope, conversation).await?;
    }
    let (asked, events) = followed?;
    Ok((asked, events, unanswered))
}

/// A refusal by the names of this route.
fn named(error: Error) -> Error {
    match error {
        Error::Invalid { field: "content", problem } => Error::Invalid { field: "message", problem },
        other => other,
    }
}

/// An answer that is told to its caller.
struct Telling {
    app: App,
    scope: Scope,
    asked: Asked,
    unanswered: Unanswered,
    events: BoxStream<'static, Arc<Event>>,
}

/// What the next event says.
enum Told {
    Words(String),
    Whole(Box<ChatReply>),
    Failed(Problem),
}

/// Why there is no answer.
struct Problem {
    code: String,
    message: String,
}

impl Telling {
    async fn whole(mut self) -> Result<ChatReply, ApiError> {
        loop {
            match self.next().await {
                Told::Words(_) => {}
                Told::Whole(said) => return Ok(*said),
                Told::Failed(problem) => return Err(problem.into()),
            }
        }
    }

    /// What is told next. After what is whole or has failed, nothing is.
    async fn next(&mut self) -> Told {
        loop {
            let Some(event) = self.events.next().await else {
                return self.failed(&Value::Null).await;
            };
            match event.name.as_str() {
                "text.delta" => return Told::Words(event.data["text"].as_str().unwrap_or_default().to_owned()),
                // One that somebody stopped is kept, and given as far as it is.
                "message.completed" | "message.cancelled" => {
                    return match Message::deserialize(&event.data["message"]) {
                        Ok(message) => Told::Whole(Box::new(ChatReply::from(message))),
                        Err(_) => self.failed(&Value::Null).await,
                    };
                }
                "message.interrupted" | "error" => return self.failed(&event.data["error"]).await,
                _ => {}
            }
        }
    }

    /// Its maker has taken it back, unless it is gone itself.
    async fn failed(&mut self, problem: &Value) -> Told {
        let begun = self.unanswered == Unanswered::WithdrawnWhole;
        if self.unanswered != Unanswered::Kept
            && let Err(error) = withdrawals::withdraw(&self.app.db, self.scope, self.asked.answer, begun).await
        {
            tracing::error!(message.id = %self.asked.answer, %error, "an answer that broke off could not be removed");
        }
        let text = |field: &str, otherwise: &str| problem[field].as_str().unwrap_or(otherwise).to_owned();
        let message = text("message", "the answer broke off and nothing of it was kept; ask again");
        Told::Failed(Problem { code: text("code", "internal:message"), message })
    }
}

/// What is said, a line each, until it is done.
fn lines(telling: Telling) -> impl futures::Stream<Item = Result<SseEvent, Infallible>> {
    stream::unfold(Some(telling), |telling| async move {
        let mut telling = telling?;
        let (line, rest) = match telling.next().await {
            Told::Words(words) => (json!({ "content": words }), Some(telling)),
            Told::Whole(said) => {
                let mut line = serde_json::to_value(said).unwrap_or_default();
                line["done"] = json!(true);
                (line, None)
            }
            Told::Failed(problem) => (json!({ "error": problem.message, "code": problem.code, "done": true }), None),
        };
        Some((Ok(SseEvent::default().data(line.to_string())), rest))
    })
}

impl From<Message> for ChatReply {
    fn from(message: Message) -> Self {
        let response = message.text();
        let (mut tool_calls, mut citations): (Vec<ChatToolCall>, _) = (vec![], vec![]);
        for part in message.parts.0 {
            match part {
                Part::Citation { citation } => citations.push(citation),
                Part::ToolCall { id, name, arguments } => {
                    let arguments = serde_json::from_str(&arguments).unwrap_or_else(|_| json!(arguments));
                    tool_calls.push(ChatToolCall { id, name, arguments, result: None, failed: false });
                }
                Part::ToolResult { id, text, failed, .. } => {
                    let call = tool_calls.iter_mut().find(|call| call.id == id && call.result.is_none());
                    if let Some(call) = call {
                        (call.result, call.failed) = (Some(text), failed);
                    }
                }
                _ => {}
            }
        }
        let (message_id, conversation_id, timestamp) = (message.id, message.conversation_id, message.updated_at);
        Self { response, tool_calls, citations, message_id, conversation_id, timestamp }
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let Problem { code, message } = problem;
        match code.split_once(':') {
            Some(("upstream", surface)) => Self::upstream(surface, message),
            Some(("bad_request", surface)) => Self::unprocessable(surface, message),
            Some(("busy", surface)) => Self::unavailable(surface, message, 1),
            _ => Self::internal(),
        }
    }
}
