//! The reply: chunks of JSON become deltas, and an end becomes a whole answer or
//! an error.
//!
//! Owns framing, time between events, and how a reply may end; what the JSON
//! says is the dialect's [`Chunks`]' to know.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::Value;
use tokio::time::Instant;

use super::Chunks;
use super::peer::Peer;
use crate::llm::sse::Reader;
use crate::llm::{Delta, DeltaStream, LlmError};

/// Marks the end of OpenAI's streams.
const DONE: &str = "[DONE]";
/// How long the totals may take after the answer's last word.
const AFTER_FINISH: Duration = Duration::from_secs(5);
/// Variable that sets the time between tokens.
const IDLE_SETTING: &str = "FOOTNOTE_IDLE_TIMEOUT";

/// Bytes of a body, or what the network said when it broke.
pub(super) type Bytes = BoxStream<'static, Result<Vec<u8>, String>>;

/// A reply as it comes in. Dropping it closes the connection.
pub(super) struct Reply {
    /// None once there is nothing more to read.
    bytes: Option<Bytes>,
    reader: Reader,
    chunks: Box<dyn Chunks>,
    /// The model that was asked, for messages.
    model: String,
    ready: VecDeque<Result<Delta, LlmError>>,
    peer: Peer,
    idle: Duration,
}

impl Reply {
    pub(super) fn new(bytes: Bytes, peer: Peer, chunks: Box<dyn Chunks>, model: &str, idle: Duration) -> Self {
        let (reader, ready) = (Reader::default(), VecDeque::new());
        Self { bytes: Some(bytes), reader, chunks, model: model.to_owned(), ready, peer, idle }
    }

    /// Waits until the answer begins, for as long as the caller does. A call
    /// begins long before it is whole and becomes a delta.
    ///
    /// # Errors
    /// Whatever comes in its stead.
    pub(super) async fn started(mut self) -> Result<DeltaStream, LlmError> {
        let mut since = Instant::now();
        while self.ready.is_empty() && self.bytes.is_some() && !self.chunks.begun() {
            self.read(None, &mut since).await;
        }
        if let Some(Err(error)) = self.ready.pop_front_if(|first| first.is_err()) {
            return Err(error);
        }
        Ok(stream::unfold(self, |mut reply| async move { reply.next().await.map(|delta| (delta, reply)) }).boxed())
    }

    /// The next delta; none after the end or an error.
    async fn next(&mut self) -> Option<Result<Delta, LlmError>> {
        let mut since = Instant::now();
        while self.ready.is_empty() && self.bytes.is_some() {
            self.read(Some(self.idle), &mut since).await;
        }
        self.ready.pop_front()
    }

    /// Reads once. Only events count as life: a server may send comments for
    /// ever.
    async fn read(&mut self, idle: Option<Duration>, since: &mut Instant) {
        let Some(bytes) = self.bytes.as_mut() else { return };
        let limit = if self.chunks.is_complete() { Some(idle.unwrap_or(AFTER_FINISH).min(AFTER_FINISH)) } else { idle };
        let read = match limit {
            Some(limit) => tokio::time::timeout_at(*since + limit, bytes.next()).await,
            None => Ok(bytes.next().await),
        };
        match read {
            Ok(Some(Ok(bytes))) => {
                if self.take(&bytes) {
                    *since = Instant::now();
                }
            }
            Ok(None) => self.end("the connection was closed"),
            Ok(Some(Err(lost))) => self.end(&lost),
            Err(_) if self.chunks.is_complete() => self.end(""),
            Err(_) => self.fail(self.peer.timeout("token", limit.unwrap_or_default(), IDLE_SETTING)),
        }
    }

    /// Takes bytes; whether they held an event.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let events = match self.reader.push(bytes) {
            Ok(events) => events,
            Err(unreadable) => {
                self.fail(self.peer.protocol(&unreadable.to_string()));
                return true;
            }
        };
        let mut alive = false;
        for event in events {
            alive = true;
            if event.trim() == DONE {
                self.chunks.mark_end();
                self.end("");
                break;
            }
            if let Err(error) = self.event(&event) {
                self.fail(error);
                break;
            }
        }
        alive
    }

    fn event(&mut self, data: &str) -> Result<(), LlmError> {
        let Some(values) = values(data) else {
            return Err(self.peer.protocol("an event is no JSON"));
        };
        for value in values {
            if let Some(error) = error_of(&value) {
                let error = self.peer.said(error, &self.model);
                return Err(match error {
                    // What was shown cannot be taken back and tried again.
                    LlmError::Transient { details, .. } if self.chunks.begun() => self.peer.interrupted(&details),
                    error => error,
                });
            }
            self.ready.extend(self.chunks.take(&value).into_iter().map(Ok));
        }
        // The mark may stand in the last lines of an event without blank lines.
        if data.trim_end().ends_with(DONE) {
            self.chunks.mark_end();
        }
        Ok(())
    }

    /// The body ended, rightly or not.
    fn end(&mut self, how: &str) {
        let rest = if self.chunks.has_ended() { None } else { self.reader.finish() };
        let had_rest = rest.is_some();
        let understood = match rest.as_deref().map(str::trim) {
            Some(DONE) => {
                self.chunks.mark_end();
                Ok(())
            }
            Some(data) => self.event(data),
            None => Ok(()),
        };
        match understood {
            // A chunk that was cut is a loss, not a fault.
            Err(LlmError::Protocol { .. }) if self.chunks.understood() => {}
            Err(error) => return self.fail(error),
            Ok(()) => {}
        }
        if self.chunks.is_complete() {
            self.ready.extend(self.chunks.finish().into_iter().map(Ok));
            self.bytes = None;
            return;
        }
        let error = if self.chunks.begun() {
            self.peer.interrupted(how)
        } else if had_rest {
            self.peer.protocol("it holds no answer")
        } else {
            self.peer.transient(how)
        };
        self.fail(error);
    }

    fn fail(&mut self, error: LlmError) {
        self.ready.push_back(Err(error));
        self.bytes = None;
    }
}

/// The JSON texts of an event: one, or one a line where a server leaves out the
/// blank lines between events. None if it is something else.
fn values(data: &str) -> Option<Vec<Value>> {
    if let Ok(value) = serde_json::from_str(data) {
        return Some(vec![value]);
    }
    let lines = data.lines().map(str::trim).filter(|line| !line.is_empty() && *line != DONE);
    lines.map(|line| serde_json::from_str(line).ok()).collect()
}

/// The error that a chunk is or carries.
fn error_of(chunk: &Value) -> Option<&Value> {
    // Gemini wraps it into a list.
    if let Value::Array(chunks) = chunk {
        return chunks.iter().find_map(error_of);
    }
    let carried = chunk.get("error").filter(|error| !error.is_null());
    carried.or_else(|| (chunk["object"] == "error").then_some(chunk))
}

/// What a body becomes that comes in these pieces and then ends.
#[cfg(test)]
pub(in crate::llm) async fn replay(
    pieces: impl IntoIterator<Item = Vec<u8>>,
    chunks: Box<dyn Chunks>,
) -> Vec<Result<Delta, LlmError>> {
    let pieces: Vec<_> = pieces.into_iter().map(Ok).collect();
    let names = super::Names { key: "API_KEY".into(), url: "BASE_URL".into() };
    let peer = Peer::new("api.test".into(), Some("sk-canary"), names);
    let reply = Reply::new(stream::iter(pieces).boxed(), peer, chunks, "m", Duration::from_secs(30));
    match reply.started().await {
        Ok(deltas) => deltas.collect().await,
        Err(error) => vec![Err(error)],
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
