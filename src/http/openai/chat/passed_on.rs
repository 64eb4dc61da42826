//! A chat that is passed on to a provider's model, and its answer as it comes.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use footnote_ingest::scope::Scope;
use futures::StreamExt;
use futures::stream::{self, ReadyChunks};

use super::super::super::error::ApiError;
use super::super::super::sse;
use super::super::direct;
use super::super::keyed::{self, Reply};
use super::chunks::{Whole, Writer};
use super::request::Completion;
use super::{About, Form};
use crate::app::App;
use crate::chat::IdempotencyKey;
use crate::llm::{Delta, DeltaStream, LlmError, Provider, Usage};

/// Deltas that are written together when they come in faster than they are read.
const DELTAS: usize = 64;

pub(super) async fn answer(
    app: &App,
    scope: Scope,
    provider: Arc<dyn Provider>,
    completion: Completion,
    key: Option<IdempotencyKey>,
) -> Result<Response, ApiError> {
    let form = completion.form();
    let (talk, wishes) = completion.read()?;
    let request = talk.into_request(provider.name(), wishes, app.settings.max_answer_tokens)?;
    tell(keyed::pass_on(app, scope, provider, request, key).await?, &form).await
}

/// A provider's reply as it was asked for.
pub(super) async fn tell(reply: Reply, form: &Form) -> Result<Response, ApiError> {
    let about = form.about(reply.id);
    if form.streams {
        let deltas = reply.deltas.ready_chunks(DELTAS);
        let passing = Passing { deltas, writer: Writer::new(about), usage: Usage::default(), ended: false };
        return Ok(sse::reply(stream::unfold(passing, Passing::next)));
    }
    whole(reply.deltas, &about).await
}

/// An answer on its way through.
struct Passing {
    deltas: ReadyChunks<DeltaStream>,
    writer: Writer,
    usage: Usage,
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
            None => self.fail(&direct::broken_off(), &mut out),
        }
        Some((out, self))
    }

    fn take(&mut self, delta: Result<Delta, LlmError>, out: &mut Vec<u8>) {
        match delta {
            Ok(Delta::Text(text)) => self.writer.text(out, &text),
            Ok(Delta::Reasoning(text)) => self.writer.reasoning(out, &text),
            Ok(Delta::Call(call)) => self.writer.call(out, &call),
            Ok(Delta::Usage(usage)) => self.usage = usage,
            Ok(Delta::Finished(reason)) => {
                if !std::mem::replace(&mut self.ended, true) {
                    self.writer.finish(out, reason, &self.usage);
                }
            }
            Ok(Delta::Cited { .. } | Delta::State(_)) => {}
            Err(error) => self.fail(&ApiError::of_provider(&error), out),
        }
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        self.ended = true;
        Writer::fail(out, error);
    }
}

async fn whole(mut deltas: DeltaStream, about: &About) -> Result<Response, ApiError> {
    let (mut whole, mut usage, mut reason) = (Whole::default(), Usage::default(), None);
    while let Some(delta) = deltas.next().await {
        match delta.map_err(|error| ApiError::of_provider(&error))? {
            Delta::Text(text) => whole.text.push_str(&text),
            Delta::Reasoning(text) => whole.reasoning.push_str(&text),
            Delta::Call(call) => whole.calls.push(call),
            Delta::Usage(took) => usage = took,
            Delta::Finished(why) => reason = Some(why),
            Delta::Cited { .. } | Delta::State(_) => {}
        }
    }
    let reason = reason.ok_or_else(direct::broken_off)?;
    Ok(axum::Json(whole.into_json(about, reason, &usage)).into_response())
}
