//! The reply: chunks of JSON become deltas, and an end becomes a whole answer or
//! an error.
//!
//! Reads the chunks as plain JSON values, since servers differ in all but the
//! few fields that are needed: `choices` may be null, `content` null or a list,
//! reasoning is `reasoning` or `reasoning_content`, `finish_reason` and `usage`
//! may never come, `[DONE]` neither.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::Value;
use tokio::time::Instant;

use super::peer::Peer;
use super::wire;
use crate::llm::sse::Reader;
use crate::llm::{Delta, DeltaStream, FinishReason, LlmError, Request, Usage};

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
    chunks: Chunks,
    ready: VecDeque<Result<Delta, LlmError>>,
    peer: Peer,
    idle: Duration,
}

impl Reply {
    pub(super) fn new(bytes: Bytes, peer: Peer, request: &Request, idle: Duration) -> Self {
        let chunks = Chunks::new(request);
        Self { bytes: Some(bytes), reader: Reader::default(), chunks, ready: VecDeque::new(), peer, idle }
    }

    /// Waits for the first delta, for as long as the caller does.
    ///
    /// # Errors
    /// Whatever comes in its stead.
    pub(super) async fn started(mut self) -> Result<DeltaStream, LlmError> {
        if let Some(first) = self.next(None).await {
            self.ready.push_front(Ok(first?));
        }
        Ok(stream::unfold(self, |mut reply| async move {
            let idle = reply.idle;
            reply.next(Some(idle)).await.map(|delta| (delta, reply))
        })
        .boxed())
    }

    /// The next delta; none after the end or an error. Only events count as
    /// life: a server may send comments for ever.
    async fn next(&mut self, idle: Option<Duration>) -> Option<Result<Delta, LlmError>> {
        let mut since = Instant::now();
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Some(delta);
            }
            let bytes = self.bytes.as_mut()?;
            let limit =
                if self.chunks.is_complete() { Some(idle.unwrap_or(AFTER_FINISH).min(AFTER_FINISH)) } else { idle };
            let read = match limit {
                Some(limit) => tokio::time::timeout_at(since + limit, bytes.next()).await,
                None => Ok(bytes.next().await),
            };
            match read {
                Ok(Some(Ok(bytes))) => {
                    if self.take(&bytes) {
                        since = Instant::now();
                    }
                }
                Ok(None) => self.end("the connection was closed"),
                Ok(Some(Err(lost))) => self.end(&lost),
                Err(_) if self.chunks.is_complete() => self.end(""),
                Err(_) => self.fail(self.peer.timeout("token", limit.unwrap_or_default(), IDLE_SETTING)),
            }
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
                self.chunks.done = true;
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
                let error = self.peer.said(error, &self.chunks.model);
                return Err(match error {
                    // What was shown cannot be taken back and tried again.
                    LlmError::Transient { details, .. } if self.chunks.begun => self.peer.interrupted(&details),
                    error => error,
                });
            }
            self.ready.extend(self.chunks.take(&value).into_iter().map(Ok));
        }
        // The mark may stand in the last lines of an event without blank lines.
        self.chunks.done |= data.trim_end().ends_with(DONE);
        Ok(())
    }

    /// The body ended, rightly or not.
    fn end(&mut self, how: &str) {
        let rest = if self.chunks.done { None } else { self.reader.finish() };
        let had_rest = rest.is_some();
        let understood = match rest.as_deref().map(str::trim) {
            Some(DONE) => {
                self.chunks.done = true;
                Ok(())
            }
            Some(data) => self.event(data),
            None => Ok(()),
        };
        match understood {
            // A chunk that was cut is a loss, not a fault.
            Err(LlmError::Protocol { .. }) if self.chunks.seen > 0 => {}
            Err(error) => return self.fail(error),
            Ok(()) => {}
        }
        if self.chunks.is_complete() {
            self.ready.extend(self.chunks.finish().into_iter().map(Ok));
            self.bytes = None;
            return;
        }
        let error = if self.chunks.begun {
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

/// What the chunks said so far.
struct Chunks {
    model: String,
    /// Tokens of the request, estimated.
    input: usize,
    /// Everything that the model wrote, to estimate its tokens.
    output: String,
    usage: Option<(u32, u32)>,
    finish: Option<FinishReason>,
    calls_tools: bool,
    /// Chunks understood.
    seen: usize,
    /// Whether a delta came.
    begun: bool,
    /// Whether the end was marked.
    done: bool,
}

impl Chunks {
    fn new(request: &Request) -> Self {
        Self {
            model: request.model.clone(),
            input: wire::estimate_request(request),
            output: String::new(),
            usage: None,
            finish: None,
            calls_tools: false,
            seen: 0,
            begun: false,
            done: false,
        }
    }

    /// Whether nothing is missing but perhaps the totals.
    fn is_complete(&self) -> bool {
        self.done || self.finish.is_some()
    }

    fn take(&mut self, chunk: &Value) -> Vec<Delta> {
        let mut deltas = Vec::new();
        let choices = chunk["choices"].as_array().map_or(&[][..], Vec::as_slice);
        self.seen += usize::from(chunk.get("choices").is_some() || chunk.get("usage").is_some());
        if let Some(usage) = usage_of(&chunk["usage"]) {
            self.usage = Some(usage);
            // Totals without a choice come last.
            self.done |= choices.is_empty() && self.begun;
        }
        // We ask for one choice; more would be other answers to the same.
        for choice in choices.iter().filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
            // A server that does not stream sends a whole `message`.
            let delta = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            self.done |= choice["message"].is_object() && !choice["delta"].is_object();
            let reasoning = if delta["reasoning"].is_string() { "reasoning" } else { "reasoning_content" };
            parts(&delta[reasoning], true, &mut deltas);
            parts(&delta["content"], false, &mut deltas);
            parts(&delta["refusal"], false, &mut deltas);
            self.calls_tools |= delta["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
            self.finish = choice["finish_reason"].as_str().and_then(finish_reason).or(self.finish);
        }
        for delta in &deltas {
            if let Delta::Text(text) | Delta::Reasoning(text) = delta {
                self.output.push_str(text);
            }
        }
        self.begun |= !deltas.is_empty();
        deltas
    }

    /// The last deltas of a whole answer.
    fn finish(&self) -> [Delta; 2] {
        let (input_tokens, output_tokens) = self.usage.unwrap_or_else(|| {
            let tokens = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            (tokens(self.input), tokens(wire::estimate(&self.output)))
        });
        let reason = match self.finish {
            // Some servers say `stop` although they call a tool.
            Some(FinishReason::Stop) | None if self.calls_tools => FinishReason::ToolCalls,
            reason => reason.unwrap_or(FinishReason::Stop),
        };
        let usage = Usage { input_tokens, output_tokens, estimated: self.usage.is_none() };
        [Delta::Usage(usage), Delta::Finished(reason)]
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
    let chunk = chunk.get(0).unwrap_or(chunk);
    let carried = chunk.get("error").filter(|error| !error.is_null());
    carried.or_else(|| (chunk["object"] == "error").then_some(chunk))
}

/// Texts of a `content`, which is a text or a list of typed parts.
fn parts(content: &Value, reasoning: bool, deltas: &mut Vec<Delta>) {
    match content {
        Value::String(text) if !text.is_empty() => {
            deltas.push(if reasoning { Delta::Reasoning(text.clone()) } else { Delta::Text(text.clone()) });
        }
        Value::Array(list) => {
            for part in list {
                parts(&part["text"], reasoning, deltas);
                // Mistral nests its thoughts once more.
                part["thinking"].as_array().into_iter().flatten().for_each(|part| parts(&part["text"], true, deltas));
            }
        }
        _ => {}
    }
}

/// Input and output tokens. Zeros are what a server says that does not count.
fn usage_of(usage: &Value) -> Option<(u32, u32)> {
    let count = |name: &str| usage[name].as_u64().and_then(|count| u32::try_from(count).ok());
    let input = count("prompt_tokens").filter(|tokens| *tokens > 0)?;
    Some((input, count("completion_tokens")?))
}

fn finish_reason(name: &str) -> Option<FinishReason> {
    Some(match name {
        "" => return None,
        "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" => FinishReason::Stop,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "content_filter" => FinishReason::ContentFilter,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        _ => FinishReason::Other,
    })
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
