//! Asking: a question, again in other words, again as it was; and leave for the
//! tools that an answer wants to call.

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use footnote_ingest::index::MetaFilter;
use footnote_ingest::scope::Scope;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::{Caller, Who};
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path};
use super::given::{Given, Hints};
use super::messages::{events, in_conversation};
use super::parts::{self, QuestionPart, Read};
use crate::app::App;
use crate::chat::{self, Ask, Asked, IdempotencyKey};
use crate::credentials::Right;
use crate::ids::{ApprovalId, ConversationId, MessageId};
use crate::llm::ToolChoice;
use crate::storage::answers::Place;
use crate::storage::approvals::Approval;
use crate::storage::conversations::Patch;
use crate::storage::messages::{Message, Status};

/// The header that holds an idempotency key.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Characters of an idempotency key, at most.
const MAX_KEY: usize = 255;

/// A question.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "content": "How long is the warranty of the P4?", "stream": true }))]
pub(super) struct Question {
    /// Its words; or `parts`.
    content: Option<String>,
    /// Its words, pictures and documents; or `content`.
    parts: Option<Vec<QuestionPart>>,
    /// The answer that it follows: the last one shown if left out, none if null.
    #[serde(default, skip_serializing_if = "is_left_out")]
    #[schema(value_type = Option<MessageId>)]
    parent_id: Patch<MessageId>,
    /// Collections by id or name; the conversation's if left out.
    collections: Option<Vec<String>>,
    /// Only documents whose metadata fit; all if left out.
    filter: Option<MetaFilter>,
    /// The model; the conversation's if left out.
    model: Option<String>,
    /// For models that take it: 0 to 2.
    temperature: Option<f32>,
    /// Tokens of the answer, at most.
    max_tokens: Option<u32>,
    /// Tools that may be called; the conversation's if left out.
    tools: Option<Vec<String>>,
    /// `auto`, `none`, `required` or `{"name": "..."}`; `auto` if left out.
    tool_choice: Option<ToolChoice>,
    /// Where the reader is.
    #[serde(default)]
    hints: Hints,
    /// Answer with a stream of events.
    #[serde(default)]
    stream: bool,
}

/// How a question is to be answered anew. What is left out is as the question
/// was asked.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "temperature": 1.0, "stream": true }))]
pub(super) struct Again {
    /// Collections by id or name; the conversation's if there are none.
    collections: Option<Vec<String>>,
    /// Only documents whose metadata fit; all if it is empty.
    filter: Option<MetaFilter>,
    /// The model.
    model: Option<String>,
    /// For models that take it: 0 to 2.
    temperature: Option<f32>,
    /// Tokens of the answer, at most.
    max_tokens: Option<u32>,
    /// Tools that may be called.
    tools: Option<Vec<String>>,
    /// `auto`, `none`, `required` or `{"name": "..."}`.
    tool_choice: Option<ToolChoice>,
    /// Where the reader is.
    #[serde(default)]
    hints: Hints,
    /// Answer with a stream of events.
    #[serde(default)]
    stream: bool,
}

/// Whether a call may be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "approve": true }))]
pub(super) struct Decision {
    /// It may.
    approve: bool,
}

/// Asks. With `stream: true` the answer comes as server-sent events, each with
/// its number as `id`; they are kept, so a reader that was cut off reads on at
/// the answer's `/stream`. Else the stored answer comes whole. The same
/// `Idempotency-Key` with the same question asks once, however often it is sent
/// within a day.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/messages", tag = "conversations",
    params(
        ("id" = ConversationId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own key for this request"),
    ),
    request_body = Question,
    responses(
        (status = 200, content((Message = "application/json"), (String = "text/event-stream"))),
        (status = 403, body = Envelope), (status = 404, body = Envelope), (status = 422, body = Envelope),
        (status = 502, body = Envelope),
    )
)]
pub(super) async fn ask(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ConversationId>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Result<Response, ApiError> {
    let (stream, key) = (question.stream, idempotency_key(&headers, uri.path(), &question)?);
    let ask = Ask { key, ..to_ask(&app, scope, question).await? };
    let asked = chat::ask(&app, scope, id, ask).await?;
    reply(&app, scope, asked, stream).await
}

/// Asks a question in other words: another branch beside it. What stands beside
/// its words and parts and is left out is as the question was asked before.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/messages/{message_id}/edit", tag = "conversations",
    params(
        ("id" = ConversationId, Path), ("message_id" = MessageId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own key for this request"),
    ),
    request_body = Question,
    responses(
        (status = 200, content((Message = "application/json"), (String = "text/event-stream"))),
        (status = 403, body = Envelope), (status = 404, body = Envelope), (status = 422, body = Envelope),
        (status = 502, body = Envelope),
    )
)]
pub(super) async fn edit(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, message)): Path<(ConversationId, MessageId)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Result<Response, ApiError> {
    if question.parent_id.changes() {
        return Err(ApiError::unprocessable("parent_id", "`parent_id` is that of the question that is edited"));
    }
    let (stream, key) = (question.stream, idempotency_key(&headers, uri.path(), &question)?);
    let ask = Ask { key, ..to_ask(&app, scope, question).await? };
    let asked = chat::edit(&app, scope, id, message, ask).await?;
    reply(&app, scope, asked, stream).await
}

/// Answers a question anew: another branch beside the answer. It is asked with
/// what it was asked with, unless the request says otherwise.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/messages/{message_id}/regenerate", tag = "conversations",
    params(
        ("id" = ConversationId, Path), ("message_id" = MessageId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own key for this request"),
    ),
    request_body = Again,
    responses(
        (status = 200, content((Message = "application/json"), (String = "text/event-stream"))),
        (status = 404, body = Envelope), (status = 422, body = Envelope), (status = 502, body = Envelope),
    )
)]
pub(super) async fn regenerate(
    State(app): State<App>,
    Caller(scope): Caller,
    Path((id, message)): Path<(ConversationId, MessageId)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Json(again): Json<Again>,
) -> Result<Response, ApiError> {
    let (stream, key) = (again.stream, idempotency_key(&headers, uri.path(), &again)?);
    let given = Given {
        collections: again.collections,
        filter: again.filter,
        model: again.model,
        temperature: again.temperature,
        max_tokens: again.max_tokens,
        tools: again.tools,
        tool_choice: again.tool_choice,
        hints: again.hints,
    };
    let ask = Ask { key, ..given.read(&app, scope).await? };
    let asked = chat::regenerate(&app, scope, id, message, ask).await?;
    reply(&app, scope, asked, stream).await
}

/// Decides whether an answer may make a call that changes something. Once
/// decided, or too late, there is nothing to decide.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/messages/{message_id}/approvals/{approval_id}", tag = "conversations",
    params(
        ("id" = ConversationId, Path), ("message_id" = MessageId, Path), ("approval_id" = ApprovalId, Path),
    ),
    request_body = Decision,
    responses((status = 200, body = Approval), (status = 403, body = Envelope), (status = 404, body = Envelope))
)]
pub(super) async fn decide(
    State(app): State<App>,
    who: Who,
    Path((id, message, approval)): Path<(ConversationId, MessageId, ApprovalId)>,
    Json(decision): Json<Decision>,
) -> Result<axum::Json<Approval>, ApiError> {
    // To allow a call is to let it change something.
    if decision.approve {
        who.must(Right::Write)?;
    }
    let scope = who.0.scope;
    in_conversation(&app, scope, (id, message)).await?;
    Ok(axum::Json(chat::decide(&app, scope, message, approval, decision.approve).await?))
}

async fn to_ask(app: &App, scope: Scope, question: Question) -> Result<Ask, ApiError> {
    let read = match (question.content, question.parts) {
        (Some(words), None) => Read { words, ..Read::default() },
        (None, Some(parts)) => parts::read(parts)?,
        _ => return Err(ApiError::unprocessable("content", "give either `content` or `parts`")),
    };
    let place = match question.parent_id {
        Patch::Keep => Place::Last,
        Patch::Clear => Place::After(None),
        Patch::Set(parent) => Place::After(Some(parent)),
    };
    let given = Given {
        collections: question.collections,
        filter: question.filter,
        model: question.model,
        temperature: question.temperature,
        max_tokens: question.max_tokens,
        tools: question.tools,
        tool_choice: question.tool_choice,
        hints: question.hints,
    };
    let Read { words: content, images, documents } = read;
    Ok(Ask { content, images, documents, place, ..given.read(app, scope).await? })
}

/// The caller's own key for a request. The request is what was understood of
/// it, so that spaces and the order of fields do not matter.
pub(super) fn idempotency_key(
    headers: &HeaderMap,
    path: &str,
    request: &impl Serialize,
) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_KEY);
    let wrong = || {
        let message = format!("`Idempotency-Key` has 1 to {MAX_KEY} visible characters");
        ApiError::unprocessable("idempotency_key", message)
    };
    let request = serde_json::to_vec(request).map_err(|_| ApiError::internal())?;
    Ok(Some(IdempotencyKey::new(key.ok_or_else(wrong)?, path, &request)))
}

async fn reply(app: &App, scope: Scope, asked: Asked, stream: bool) -> Result<Response, ApiError> {
    if stream {
        return events(app, scope, asked.answer, 0).await;
    }
    let answer = chat::wait(app, scope, asked.answer).await?;
    if answer.status == Status::Failed {
        return Err(failure(app, scope, &answer).await?);
    }
    Ok((StatusCode::OK, axum::Json(answer)).into_response())
}

fn is_left_out(parent: &Patch<MessageId>) -> bool {
    !parent.changes()
}

/// The error that ended an answer, as its stream told it.
async fn failure(app: &App, scope: Scope, answer: &Message) -> Result<ApiError, ApiError> {
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
        Some(("busy", surface)) => ApiError::unavailable(surface, message, 1),
        Some(("bad_request", surface)) => ApiError::unprocessable(surface, message),
        _ => ApiError::internal(),
    })
}
