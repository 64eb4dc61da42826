//! A chat that is passed on to a provider's model, and its answer as it comes.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use footnote_ingest::scope::Scope;
use futures::StreamExt;
use futures::stream::{self, ReadyChunks};
use uuid::Uuid;

use super::super::super::error::ApiError;
use super::super::super::sse;
use super::super::direct::{self, Bill};
use super::chunks::{Whole, Writer};
use super::request::Completion;
use super::{About, now};
use crate::app::App;
use crate::llm::{Delta, DeltaStream, FinishReason, LlmError, Provider};

/// Deltas that are written together when they come in faster than they are read.
const DELTAS: usize = 64;

pub(super) async fn answer(
    app: &App,
    scope: Scope,
    provider: Arc<dyn Provider>,
    completion: Completion,
) -> Result<Response, ApiError> {
    let streams = completion.streams();
    let about = About {
        id: format!("chatcmpl-{}", Uuid::now_v7().simple()),
        created: now(),
        model: completion.model.clone(),
        totals: completion.wants_totals(),
    };
    let (talk, wishes) = completion.read()?;
    let request = talk.into_request(provider.name(), wishes, app.settings.max_answer_tokens)?;
    let (deltas, bill) = direct::ask(app, scope, provider, request).await?;
    if streams {
        let passing = Passing { deltas: deltas.ready_chunks(DELTAS), writer: Writer::new(about), bill, ended: false };
        return Ok(sse::reply(stream::unfold(passing, Passing::next)));
    }
    whole(deltas, bill, &about).await
}

/// An answer on its way through.
struct Passing {
    deltas: ReadyChunks<DeltaStream>,
    writer: Writer,
    bill: Bill,
    ended: bool,
}

impl Passing {
    async fn next(mut self) -> Option<(Vec<u8>, Self)> {
        if self.ended {
            return None;
        }
        let mut out = Vec::with_capacity(512);
        match self.deltas.next().await {
            Some(ready) => ready.into_iter().for_each(|delta| self.take(delta, &mut out)),
            None => self.end(FinishReason::Stop, &mut out),
        }
        Some((out, self))
    }

    fn take(&mut self, delta: Result<Delta, LlmError>, out: &mut Vec<u8>) {
        let delta = match delta {
            Ok(delta) => delta,
            Err(error) => {
                self.bill.broke(error.code());
                self.ended = true;
                return Writer::fail(out, &ApiError::of_provider(&error));
            }
        };
        self.bill.hear(&delta);
        match delta {
            Delta::Text(text) => self.writer.text(out, &text),
            Delta::Reasoning(text) => self.writer.reasoning(out, &text),
            Delta::Call(call) => self.writer.call(out, &call),
            Delta::Finished(reason) => self.end(reason, out),
            Delta::Cited { .. } | Delta::State(_) | Delta::Usage(_) => {}
        }
    }

    fn end(&mut self, reason: FinishReason, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.ended, true) {
            self.writer.finish(out, reason, &self.bill.usage());
        }
    }
}

async fn whole(mut deltas: DeltaStream, mut bill: Bill, about: &About) -> Result<Response, ApiError> {
    let (mut whole, mut reason) = (Whole::default(), FinishReason::Stop);
    while let Some(delta) = deltas.next().await {
        let delta = delta.map_err(|error| {
            bill.broke(error.code());
            ApiError::of_provider(&error)
        })?;
        bill.hear(&delta);
        match delta {
            Delta::Text(text) => whole.text.push_str(&text),
            Delta::Reasoning(text) => whole.reasoning.push_str(&text),
            Delta::Call(call) => whole.calls.push(call),
            Delta::Finished(why) => reason = why,
            Delta::Cited { .. } | Delta::State(_) | Delta::Usage(_) => {}
        }
    }
    Ok(axum::Json(whole.into_json(about, reason, &bill.usage())).into_response())
}
