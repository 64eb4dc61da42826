//! A response that the documents answer, read from the events of its answer.

use std::sync::Arc;

use axum::response::Response;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::revisions;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::{Value, json};

use super::super::super::error::ApiError;
use super::super::super::sse;
use super::super::cited;
use super::super::grounded::Held;
use super::super::heard::{Ending, Found, Heard, News};
use super::writer::Writer;
use crate::app::App;
use crate::storage::events::Event;

/// A response that is read and written.
pub(super) struct Reading {
    pub(super) app: App,
    pub(super) scope: Scope,
    pub(super) events: BoxStream<'static, Arc<Event>>,
    pub(super) writer: Writer,
    /// Whether what was found is shown.
    pub(super) results: bool,
    /// What becomes of the answer when its reader goes.
    pub(super) held: Option<Held>,
}

impl Reading {
    /// The response as a stream.
    pub(super) fn stream(self) -> Response {
        let frames = stream::unfold(Some((self, Heard::default(), true)), |state| async move {
            let (mut reading, mut heard, first) = state?;
            let mut out = Vec::new();
            if first {
                reading.writer.begin(&mut out);
                return Some((out, Some((reading, heard, false))));
            }
            let goes_on = reading.step(&mut heard, &mut out).await;
            Some((out, goes_on.then_some((reading, heard, false))))
        });
        sse::reply(frames)
    }

    /// The response as one object, when its events have ended.
    ///
    /// # Errors
    /// What ended the answer in its stead.
    pub(super) async fn whole(mut self) -> Result<Value, ApiError> {
        let mut heard = Heard::default();
        let mut failed = None;
        while let Some(event) = self.events.next().await {
            self.take(&event, &mut heard, &mut Vec::new()).await;
            if let Some(Ending::Failed(error)) = &heard.ending {
                failed = Some(error.clone());
            }
        }
        let ending = failed.map_or_else(|| heard.ended(), Ending::Failed);
        if let Ending::Failed(error) = ending {
            return Err(error);
        }
        self.end(ending, &heard, &mut Vec::new());
        Ok(self.writer.response())
    }

    /// The response as far as it has come.
    pub(super) async fn so_far(mut self) -> Value {
        let mut heard = Heard::default();
        while let Some(event) = self.events.next().await {
            self.take(&event, &mut heard, &mut Vec::new()).await;
        }
        if let Some(ending) = heard.ending.take() {
            self.end(ending, &heard, &mut Vec::new());
        }
        self.writer.response()
    }

    /// Takes the next event; whether there are more.
    async fn step(&mut self, heard: &mut Heard, out: &mut Vec<u8>) -> bool {
        let event = self.events.next().await;
        if let Some(event) = &event {
            self.take(event, heard, out).await;
        }
        if event.is_some() && heard.ending.is_none() {
            return true;
        }
        let ending = heard.ended();
        self.end(ending, heard, out);
        false
    }

    async fn take(&mut self, event: &Event, heard: &mut Heard, out: &mut Vec<u8>) {
        match heard.hear(event) {
            News::Searched => {
                let results =
                    if self.results { Some(found(&self.app, self.scope, &heard.passages).await) } else { None };
                self.writer.searched(out, &heard.queries, results.as_deref());
            }
            News::Text(text) => self.writer.text(out, text),
            News::Reasoning(_) | News::Ended | News::Nothing => {}
        }
    }

    fn end(&mut self, ending: Ending, heard: &Heard, out: &mut Vec<u8>) {
        if let Some(held) = &mut self.held {
            held.release();
        }
        let marks = cited::marks(&heard.text, &heard.citations);
        let annotation = |mark: &cited::Mark<'_>| {
            let (file_id, filename) = heard.file(mark.citation);
            json!({ "type": "file_citation", "file_id": file_id, "filename": filename, "index": mark.start })
        };
        let annotations: Vec<Value> = marks.iter().map(annotation).collect();
        self.writer.end(out, ending, &annotations, heard.usage.clone());
    }
}

/// What was found, with its words; what was deleted since is left out.
async fn found(app: &App, scope: Scope, passages: &[Found]) -> Vec<Value> {
    let ranges: Vec<_> = passages.iter().map(Found::range).collect();
    match revisions::text_parts(&app.db, scope, &ranges).await {
        Ok(texts) => passages.iter().zip(texts).filter_map(|(passage, text)| Some(passage.result(&text?))).collect(),
        Err(error) => {
            tracing::warn!(%error, "what an answer found cannot be read");
            vec![]
        }
    }
}
