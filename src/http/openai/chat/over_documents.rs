//! A chat that the documents answer, with citations.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use footnote_ingest::scope::Scope;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::Value;

use super::super::super::error::ApiError;
use super::super::super::sse;
use super::super::cited;
use super::super::grounded::{self, Held, Where};
use super::super::heard::{Ending, Heard, News};
use super::super::target::Grounding;
use super::chunks::{Whole, Writer};
use super::request::Completion;
use super::{About, Form};
use crate::app::App;
use crate::chat::{self, Ask, IdempotencyKey};
use crate::ids::MessageId;
use crate::llm::FinishReason;
use crate::storage::events::Event;
use crate::storage::hidden::Origin;

pub(super) async fn answer(
    app: &App,
    scope: Scope,
    grounding: Grounding,
    completion: Completion,
    key: Option<IdempotencyKey>,
    base: String,
) -> Result<Response, ApiError> {
    completion.check_grounded()?;
    let form = completion.form();
    let origin = if completion.store == Some(true) { Origin::Openai } else { Origin::OpenaiOnce };
    let (talk, wishes) = completion.read()?;
    let param = talk.param;
    let question = talk.into_question()?;
    let ask = Ask { key, ..Ask::new(String::new()) };
    let held = grounded::ask(app, scope, Where::New(grounding, origin), question, (wishes, param), ask).await?;
    tell(app, scope, held.asked.answer, Some(held), &form, base).await
}

/// An answer, live until its end, as it was asked for.
pub(super) async fn tell(
    app: &App,
    scope: Scope,
    answer: MessageId,
    held: Option<Held>,
    form: &Form,
    base: String,
) -> Result<Response, ApiError> {
    let about = form.about(answer.0);
    let events = chat::follow(app, scope, answer, 0).await?;
    let reading = Reading { events, heard: Heard::default(), held, base };
    if form.streams {
        let writing = Writing { reading, writer: Writer::new(about), ended: false };
        return Ok(sse::reply(stream::unfold(writing, Writing::next)));
    }
    reading.whole(&about).await
}

/// An answer that is read.
struct Reading {
    events: BoxStream<'static, Arc<Event>>,
    heard: Heard,
    /// What becomes of the answer when its reader goes.
    held: Option<Held>,
    base: String,
}

impl Reading {
    /// It has come to its end.
    fn release(&mut self) {
        if let Some(held) = &mut self.held {
            held.release();
        }
    }

    fn annotations(&self) -> Vec<Value> {
        let marks = cited::marks(&self.heard.text, &self.heard.citations);
        marks.iter().map(|mark| cited::url_citation(mark, &self.base)).collect()
    }

    async fn whole(mut self, about: &About) -> Result<Response, ApiError> {
        while let Some(event) = self.events.next().await {
            self.heard.hear(&event);
        }
        let reason = match self.heard.ended() {
            Ending::Whole(reason) => reason,
            Ending::Cancelled => FinishReason::Stop,
            Ending::Failed(error) => return Err(error),
        };
        self.release();
        let annotations = self.annotations();
        let Heard { text, reasoning, usage, .. } = self.heard;
        let whole = Whole { text, reasoning, annotations, calls: vec![] };
        Ok(axum::Json(whole.into_json(about, reason, &usage)).into_response())
    }
}

/// An answer that is read and written.
struct Writing {
    reading: Reading,
    writer: Writer,
    ended: bool,
}

impl Writing {
    async fn next(mut self) -> Option<(Vec<u8>, Self)> {
        if self.ended {
            return None;
        }
        let mut out = Vec::new();
        let Some(event) = self.reading.events.next().await else {
            self.end(&mut out);
            return Some((out, self));
        };
        match self.reading.heard.hear(&event) {
            News::Text(text) => self.writer.text(&mut out, text),
            News::Reasoning(text) => self.writer.reasoning(&mut out, text),
            News::Ended => self.end(&mut out),
            News::Searched | News::Nothing => {}
        }
        Some((out, self))
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        let reason = match self.reading.heard.ended() {
            Ending::Whole(reason) => reason,
            Ending::Cancelled => FinishReason::Stop,
            Ending::Failed(error) => return Writer::fail(out, &error),
        };
        self.reading.release();
        let annotations = self.reading.annotations();
        if !annotations.is_empty() {
            self.writer.annotations(out, &annotations);
        }
        self.writer.finish(out, reason, &self.reading.heard.usage);
    }
}
