//! A response of a provider's model, as it comes. It is not kept.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use footnote_ingest::scope::Scope;
use futures::StreamExt;
use futures::stream::{self, ReadyChunks};
use serde_json::{Value, json};

use super::super::super::error::ApiError;
use super::super::super::sse;
use super::super::heard::Ending;
use super::super::keyed::{self, Reply};
use super::super::{direct, ids};
use super::request::Create;
use super::writer::Writer;
use crate::app::App;
use crate::chat::IdempotencyKey;
use crate::llm::{Delta, DeltaStream, LlmError, Provider, ToolSpec, Usage};

/// Deltas that are written together when they come in faster than they are read.
const DELTAS: usize = 64;

pub(super) async fn answer(
    app: &App,
    scope: Scope,
    provider: Arc<dyn Provider>,
    create: Create,
    functions: Vec<ToolSpec>,
    key: Option<IdempotencyKey>,
) -> Result<Response, ApiError> {
    let (shown, streams) = (create.shown(false), create.streams());
    let (talk, wishes) = create.read(functions, |_| None)?;
    let request = talk.into_request(provider.name(), wishes, app.settings.max_answer_tokens)?;
    let reply = keyed::pass_on(app, scope, provider, request, key).await;
    let reply = reply.map_err(|error| match error.surface.as_str() {
        "messages" => error.about("input"),
        "max_completion_tokens" => error.about("max_output_tokens"),
        _ => error,
    })?;
    write(reply, shown, streams).await
}

/// A provider's reply that was kept, as it was asked for.
pub(super) async fn tell(reply: Reply, create: &Create) -> Result<Response, ApiError> {
    write(reply, create.shown(false), create.streams()).await
}

async fn write(reply: Reply, mut shown: Value, streams: bool) -> Result<Response, ApiError> {
    shown["id"] = json!(ids::show(ids::RESPONSE, reply.id));
    shown["created_at"] = json!(ids::made_at(reply.id));
    let writer = Writer::new(shown, reply.id.simple().to_string());
    let deltas = reply.deltas.ready_chunks(DELTAS);
    let passing = Passing { deltas, writer, usage: Usage::default(), begun: false, ending: None };
    if streams {
        return Ok(sse::reply(stream::unfold(Some(passing), Passing::next)));
    }
    Ok(axum::Json(passing.whole().await?).into_response())
}

/// A response on its way through.
struct Passing {
    deltas: ReadyChunks<DeltaStream>,
    writer: Writer,
    usage: Usage,
    begun: bool,
    ending: Option<Ending>,
}

impl Passing {
    async fn next(passing: Option<Self>) -> Option<(Vec<u8>, Option<Self>)> {
        let mut passing = passing?;
        let mut out = Vec::with_capacity(512);
        if !std::mem::replace(&mut passing.begun, true) {
            passing.writer.begin(&mut out);
        }
        let goes_on = passing.read(&mut out).await;
        if !goes_on {
            passing.end(&mut out);
        }
        Some((out, goes_on.then_some(passing)))
    }

    async fn whole(mut self) -> Result<Value, ApiError> {
        self.writer = self.writer.silent();
        while self.read(&mut Vec::new()).await {}
        if let Some(Ending::Failed(error)) = self.ending {
            return Err(error);
        }
        self.end(&mut Vec::new());
        Ok(self.writer.response())
    }

    /// Takes what is there; whether more may come.
    async fn read(&mut self, out: &mut Vec<u8>) -> bool {
        match self.deltas.next().await {
            Some(ready) => ready.into_iter().for_each(|delta| self.take(delta, out)),
            None => self.ending = self.ending.take().or_else(|| Some(Ending::Failed(direct::broken_off()))),
        }
        self.ending.is_none()
    }

    fn take(&mut self, delta: Result<Delta, LlmError>, out: &mut Vec<u8>) {
        match delta {
            Ok(Delta::Text(text)) => self.writer.text(out, &text),
            Ok(Delta::Call(call)) => self.writer.call(out, &call),
            Ok(Delta::Usage(usage)) => self.usage = usage,
            Ok(Delta::Finished(reason)) => self.ending = Some(Ending::Whole(reason)),
            Ok(Delta::Reasoning(_) | Delta::Cited { .. } | Delta::State(_)) => {}
            Err(error) => self.ending = Some(Ending::Failed(ApiError::of_provider(&error))),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let ending = self.ending.take().unwrap_or_else(|| Ending::Failed(direct::broken_off()));
        self.writer.end(out, ending, &[], std::mem::take(&mut self.usage));
    }
}
