//! A response of a provider's model, as it comes. It is not kept.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use footnote_ingest::scope::Scope;
use futures::StreamExt;
use futures::stream::{self, ReadyChunks};
use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::sse;
use super::super::direct::{self, Bill};
use super::super::heard::Ending;
use super::super::talk::{Talk, Wishes};
use super::writer::Writer;
use crate::app::App;
use crate::llm::{Delta, DeltaStream, FinishReason, LlmError, Provider};

/// Deltas that are written together when they come in faster than they are read.
const DELTAS: usize = 64;

pub(super) async fn answer(
    app: &App,
    scope: Scope,
    provider: Arc<dyn Provider>,
    (talk, wishes): (Talk, Wishes),
    writer: Writer,
    streams: bool,
) -> Result<Response, ApiError> {
    let request = talk.into_request(provider.name(), wishes, app.settings.max_answer_tokens)?;
    let (deltas, bill) =
        direct::ask(app, scope, provider, request).await.map_err(|error| match error.surface.as_str() {
            "messages" => error.about("input"),
            "max_completion_tokens" => error.about("max_output_tokens"),
            _ => error,
        })?;
    let passing = Passing { deltas: deltas.ready_chunks(DELTAS), writer, bill, begun: false, ending: None };
    if streams {
        return Ok(sse::reply(stream::unfold(Some(passing), Passing::next)));
    }
    Ok(axum::Json(passing.whole().await?).into_response())
}

/// A response on its way through.
struct Passing {
    deltas: ReadyChunks<DeltaStream>,
    writer: Writer,
    bill: Bill,
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
            None => self.ending = self.ending.take().or(Some(Ending::Whole(FinishReason::Stop))),
        }
        self.ending.is_none()
    }

    fn take(&mut self, delta: Result<Delta, LlmError>, out: &mut Vec<u8>) {
        let delta = match delta {
            Ok(delta) => delta,
            Err(error) => {
                self.bill.broke(error.code());
                self.ending = Some(Ending::Failed(ApiError::of_provider(&error)));
                return;
            }
        };
        self.bill.hear(&delta);
        match delta {
            Delta::Text(text) => self.writer.text(out, &text),
            Delta::Call(call) => self.writer.call(out, &call),
            Delta::Finished(reason) => self.ending = Some(Ending::Whole(reason)),
            Delta::Reasoning(_) | Delta::Cited { .. } | Delta::State(_) | Delta::Usage(_) => {}
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let ending = self.ending.take().unwrap_or(Ending::Whole(FinishReason::Stop));
        self.writer.end(out, ending, &[], self.bill.usage());
    }
}
