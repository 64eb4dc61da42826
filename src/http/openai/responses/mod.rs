//! Responses, after OpenAI's API reference, "Responses". One that the documents
//! answer is kept unless the request says `store: false`, can be gone on from,
//! and is read again from its answer's events.

mod items;
mod passed_on;
mod reading;
mod request;
mod writer;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use footnote_ingest::index::MetaFilter;
use footnote_ingest::rights::{self, as_owner};
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::caller::Caller;
use super::super::error::ApiError;
use super::super::extract::{Path, Query};
use super::error::OpenAiError;
use super::extract::Keyed;
use super::grounded::{self, Held, Where};
use super::ids;
use super::keyed::{self, Before};
use super::list::{Listing, MOST, Paging, USUAL};
use super::target::{self, Grounding, Target};
use crate::app::App;
use crate::chat::{self, Ask, Options};
use crate::ids::MessageId;
use crate::storage::hidden::Origin;
use crate::storage::messages::{self, Role};
use crate::storage::{events, idempotency, openai_responses};
use reading::Reading;
use request::{Create, Tools};
use writer::Writer;

/// How a response is read again.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Again {
    /// As a stream of events.
    stream: Option<bool>,
    /// Number of the last event that was read.
    starting_after: Option<u64>,
}

/// What was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiDeleted)]
pub(super) struct Deletion {
    pub(super) id: String,
    pub(super) object: &'static str,
    /// Whether it was there.
    pub(super) deleted: bool,
}

/// What is kept of a response beside its answer.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// What it repeats of its request.
    shown: Value,
    /// Whether it shows what was found.
    results: bool,
}

/// How a response is to be given.
struct Form {
    base: Kept,
    kept: bool,
    streams: bool,
    background: bool,
}

impl Form {
    fn of(create: &Create) -> Self {
        let kept = create.is_kept();
        let base = Kept { shown: create.shown(kept), results: create.wants_results() };
        Self { base, kept, streams: create.streams(), background: create.is_background() }
    }
}

/// Makes a response. The model `kb/<name>` answers from that collection; any
/// other from the vector stores of a `file_search` tool and the collections
/// that `metadata.collections` names, or, without them, as its provider does:
/// then nothing is kept. What `file_citation.index` counts is code points.
///
/// The same `Idempotency-Key` with the same request asks once, however often it is
/// sent within a day, and gives the same response: to that end, and with a key only,
/// also what would not be kept is kept for that day, though it cannot be read by its
/// id. A stream that is sent again or read slowly may come in larger pieces. A
/// response under a key goes on for a while when its reader goes away; one that
/// failed or broke off is made anew when it is sent again.
#[utoipa::path(
    post, path = "/v1/responses", tag = "openai", request_body = Create,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own key for this request"),
    ),
    responses(
        (status = 200, content((Object = "application/json"), (String = "text/event-stream"))),
        (status = 400, body = OpenAiError), (status = 401, body = OpenAiError), (status = 403, body = OpenAiError),
        (status = 404, body = OpenAiError), (status = 413, body = OpenAiError), (status = 429, body = OpenAiError),
        (status = 502, body = OpenAiError), (status = 503, body = OpenAiError),
    )
)]
pub(in super::super) async fn create(
    State(app): State<App>,
    Caller(scope): Caller,
    Keyed(create, key): Keyed<Create>,
) -> Result<Response, ApiError> {
    match keyed::before(&app, scope, key.as_ref()).await? {
        Some(Before::Asked(asked)) => return tell(&app, scope, asked.answer, None, Form::of(&create)).await,
        Some(Before::Told(reply)) => return passed_on::tell(reply, &create).await,
        None => {}
    }
    create.check()?;
    let mut tools = create.tools()?;
    for store in &tools.stores {
        collections::find(&app.db, scope, *store).await?.ok_or_else(|| ApiError::not_found("vector store"))?;
    }
    let mut also = target::of_metadata(&app, scope, create.metadata.as_ref()).await?;
    also.extend(tools.stores.iter().copied());
    let previous = match create.previous_response_id.as_deref() {
        Some(id) => Some(previous(&app, scope, id).await?),
        None => None,
    };
    let place = match (target::find(&app, scope, &create.model, also).await?, previous) {
        (Target::Provider(provider), None) => {
            return passed_on::answer(&app, scope, provider, create, tools.functions, key).await;
        }
        (Target::Provider(_), Some(answer)) => {
            let grounding = Grounding { model: Some(create.model.clone()), ..Grounding::default() };
            Where::After(answer, Some(grounding))
        }
        (Target::Documents(grounding), Some(answer)) => Where::After(answer, Some(grounding)),
        (Target::Documents(grounding), None) => {
            Where::New(grounding, if create.is_kept() { Origin::Openai } else { Origin::OpenaiOnce })
        }
    };
    create.check_grounded(&tools)?;
    let filter = filter(&mut tools)?;
    let options = Options { filter: Some(filter), ..Options::default() };
    over_documents(&app, scope, place, create, Ask { options, key, ..Ask::new(String::new()) }).await
}

async fn previous(app: &App, scope: Scope, id: &str) -> Result<MessageId, ApiError> {
    let answer = ids::read(ids::RESPONSE, id).map(MessageId);
    let known = match answer {
        Some(answer) => openai_responses::find(&app.db, scope, answer).await?.and(Some(answer)),
        None => None,
    };
    known.ok_or_else(|| ApiError::not_found("previous_response"))
}

/// What a file search is restricted to, which the index must be able to tell.
fn filter(tools: &mut Tools) -> Result<MetaFilter, ApiError> {
    let Some(filter) = tools.filter.take() else { return Ok(MetaFilter::default()) };
    let (filter, rest) = filter.split();
    if rest.is_some() {
        let message = "`filters` of a `file_search` are `eq`, `in`, bounds, and `and` of them, once for each key; \
                       the others are for POST /v1/vector_stores/{id}/search";
        return Err(ApiError::bad_request("tools", message));
    }
    Ok(filter)
}

async fn over_documents(app: &App, scope: Scope, place: Where, create: Create, ask: Ask) -> Result<Response, ApiError> {
    let form = Form::of(&create);
    let referred = referred(app, scope, &create.references()).await?;
    let (talk, wishes) = create.read(vec![], |id| referred.get(&id).cloned())?;
    let param = talk.param;
    let question = talk.into_question()?;
    let mut held = grounded::ask(app, scope, place, question, (wishes, param), ask).await?;
    let answer = held.asked.answer;
    if form.background {
        held.release();
        listen(app, scope, answer);
    }
    tell(app, scope, answer, Some(held), form).await
}

/// The response of an answer, live until its end, as it was asked for.
async fn tell(
    app: &App,
    scope: Scope,
    answer: MessageId,
    held: Option<Held>,
    form: Form,
) -> Result<Response, ApiError> {
    let Form { mut base, kept, streams, background } = form;
    base.shown["id"] = json!(ids::show(ids::RESPONSE, answer.0));
    base.shown["created_at"] = json!(ids::made_at(answer.0));
    if kept {
        let base = serde_json::to_value(&base).map_err(|_| ApiError::internal())?;
        if held.is_some() {
            openai_responses::keep(&app.db, scope, answer, &base).await?;
        } else if !openai_responses::keep_again(&app.db, scope, answer, &base).await? {
            return Err(ApiError::not_found("response"));
        }
    }
    let reading = Reading { held, ..follow(app, scope, answer, base).await? };
    if streams {
        return Ok(reading.stream());
    }
    if background {
        return Ok(axum::Json(reading.writer.response()).into_response());
    }
    let reading = Reading { writer: reading.writer.silent(), ..reading };
    Ok(axum::Json(reading.whole().await?).into_response())
}

/// An answer in the background has a listener of its own, so that it is not
/// given up for want of one.
fn listen(app: &App, scope: Scope, answer: MessageId) {
    let app = app.clone();
    rights::spawn(as_owner(scope, async move {
        if let Err(error) = chat::wait(&app, scope, answer).await {
            tracing::debug!(message.id = %answer, %error, "an answer in the background was not followed to its end");
        }
    }));
}

/// The words of messages of earlier responses.
async fn referred(app: &App, scope: Scope, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, ApiError> {
    let mut words = HashMap::new();
    for id in ids {
        let found = messages::find(&app.db, scope, MessageId(*id)).await?;
        words.extend(found.filter(|found| found.role == Role::Assistant).map(|found| (*id, found.text())));
    }
    Ok(words)
}

/// The response of an answer, live until its end.
async fn follow(app: &App, scope: Scope, answer: MessageId, base: Kept) -> Result<Reading, ApiError> {
    let events = chat::follow(app, scope, answer, 0).await?;
    let writer = Writer::new(base.shown, answer.0.simple().to_string());
    Ok(Reading { app: app.clone(), scope, events, writer, results: base.results, held: None })
}

/// The response of an answer as far as it is stored.
async fn stored(app: &App, scope: Scope, answer: MessageId, base: Kept) -> Result<Value, ApiError> {
    let stored = events::after(&app.db, scope, answer, 0, None).await?;
    let writer = Writer::new(base.shown, answer.0.simple().to_string()).silent();
    let events = stream::iter(stored.into_iter().map(Arc::new)).boxed();
    let reading = Reading { app: app.clone(), scope, events, writer, results: base.results, held: None };
    Ok(reading.so_far().await)
}

async fn known(app: &App, scope: Scope, id: &str) -> Result<(MessageId, Kept), ApiError> {
    let gone = || ApiError::not_found("response");
    let answer = MessageId(ids::read(ids::RESPONSE, id).ok_or_else(gone)?);
    let base = openai_responses::find(&app.db, scope, answer).await?.ok_or_else(gone)?;
    let base = serde_json::from_value(base).map_err(|_| ApiError::internal())?;
    Ok((answer, base))
}

/// A response that is kept. With `stream=true` its events from the first, or
/// from after the one that `starting_after` names, until it ends.
#[utoipa::path(
    get, path = "/v1/responses/{id}", tag = "openai", params(("id" = String, Path), Again),
    responses(
        (status = 200, content((Object = "application/json"), (String = "text/event-stream"))),
        (status = 400, body = OpenAiError), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError),
    )
)]
pub(in super::super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
    Query(again): Query<Again>,
) -> Result<Response, ApiError> {
    let (answer, base) = known(&app, scope, &id).await?;
    if again.stream != Some(true) {
        return Ok(axum::Json(stored(&app, scope, answer, base).await?).into_response());
    }
    let reading = follow(&app, scope, answer, base).await?;
    let writer = reading.writer.after(again.starting_after);
    Ok(Reading { writer, ..reading }.stream())
}

/// Deletes a response. One that is being made is stopped. The conversation
/// behind it goes with the last response of it.
#[utoipa::path(
    delete, path = "/v1/responses/{id}", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = Deletion), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(in super::super) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<Deletion>, ApiError> {
    let (answer, _) = known(&app, scope, &id).await?;
    chat::cancel(&app, scope, answer).await?;
    let mut tx = app.db.begin().await?;
    // Its request, sent again, asks anew.
    idempotency::free(&mut *tx, scope, answer).await?;
    let deleted = openai_responses::delete(&mut tx, scope, answer).await?;
    tx.commit().await?;
    Ok(axum::Json(Deletion { id, object: "response", deleted }))
}

/// Stops a response; what there is of it is kept.
#[utoipa::path(
    post, path = "/v1/responses/{id}/cancel", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(in super::super) async fn cancel(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<Value>, ApiError> {
    let (answer, base) = known(&app, scope, &id).await?;
    chat::cancel(&app, scope, answer).await?;
    Ok(axum::Json(stored(&app, scope, answer, base).await?))
}

/// What a response was asked with, since the one before it.
#[utoipa::path(
    get, path = "/v1/responses/{id}/input_items", tag = "openai", params(("id" = String, Path), Paging),
    responses(
        (status = 200, body = Listing<Object>), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError),
    )
)]
pub(in super::super) async fn input_items(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listing<Value>>, ApiError> {
    let cut = paging.cut(ids::MESSAGE, USUAL, MOST)?;
    let (answer, base) = known(&app, scope, &id).await?;
    let before = base.shown["previous_response_id"].as_str().and_then(|id| ids::read(ids::RESPONSE, id));
    let items = items::of(&app, scope, answer, before.map(MessageId)).await?;
    Ok(cut.page(items::window(items, cut.window), |item| (item["id"].as_str().unwrap_or_default().to_owned(), item)))
}
