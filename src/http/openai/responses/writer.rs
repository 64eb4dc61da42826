//! A response as it is written: numbered events of a stream, and the object
//! that it amounts to. After OpenAI's API reference, "Streaming events" of
//! responses. The same answer is written the same each time, so that a reader
//! can come back after any event.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::super::error::ApiError;
use super::super::super::sse;
use super::super::error::OpenAiProblem;
use super::super::heard::Ending;
use super::super::ids;
use crate::llm::{FinishReason, ToolCall, Usage};

/// Writes one response.
pub(super) struct Writer {
    /// What it repeats of its request.
    shown: Map<String, Value>,
    /// What the ids of its items end with.
    suffix: String,
    /// Number of the next event.
    next: u64,
    /// Events up to here are known to the reader; `None` if none are.
    known: Option<u64>,
    /// Whether anything is written.
    writes: bool,
    /// Items that are whole.
    output: Vec<Value>,
    /// Words of the message that is open.
    open: Option<String>,
    status: &'static str,
    usage: Option<Usage>,
    error: Option<Value>,
    incomplete: Option<&'static str>,
}

#[derive(Serialize)]
struct TextDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    content_index: usize,
    delta: &'a str,
    logprobs: [(); 0],
}

impl Writer {
    /// Of a response that repeats this of its request.
    pub(super) fn new(shown: Value, suffix: String) -> Self {
        let Value::Object(shown) = shown else { return Self::new(json!({}), suffix) };
        Self {
            shown,
            suffix,
            next: 0,
            known: None,
            writes: true,
            output: Vec::new(),
            open: None,
            status: "in_progress",
            usage: None,
            error: None,
            incomplete: None,
        }
    }

    /// For the object alone.
    pub(super) fn silent(mut self) -> Self {
        self.writes = false;
        self
    }

    /// For a reader who knows the events up to this one.
    pub(super) fn after(mut self, known: Option<u64>) -> Self {
        self.known = known;
        self
    }

    /// The response as it stands.
    pub(super) fn response(&self) -> Value {
        let mut response = self.shown.clone();
        let output: Vec<Value> = self.output.iter().cloned().chain(self.unfinished()).collect();
        let usage = self.usage.as_ref().map(totals);
        let incomplete = self.incomplete.map(|reason| json!({ "reason": reason }));
        let rest = [
            ("status", json!(self.status)),
            ("output", Value::Array(output)),
            ("usage", json!(usage)),
            ("error", json!(self.error)),
            ("incomplete_details", json!(incomplete)),
        ];
        response.extend(rest.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(response)
    }

    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        for kind in ["response.created", "response.in_progress"] {
            self.whole(out, kind);
        }
    }

    /// Documents were looked at.
    pub(super) fn searched(&mut self, out: &mut Vec<u8>, queries: &[String], results: Option<&[Value]>) {
        let (id, index) = (self.id("fs_"), self.output.len());
        let item = |status: &str, queries: &[String], results: Option<&[Value]>| json!({ "type": "file_search_call", "id": id, "status": status, "queries": queries, "results": results });
        self.item(out, "added", index, &item("in_progress", &[], None));
        for stage in ["in_progress", "searching", "completed"] {
            let about = json!({ "item_id": id, "output_index": index });
            self.event(out, &format!("response.file_search_call.{stage}"), about);
        }
        let done = item("completed", queries, results);
        self.item(out, "done", index, &done);
        self.output.push(done);
    }

    pub(super) fn text(&mut self, out: &mut Vec<u8>, text: &str) {
        self.open_message(out);
        if let Some(said) = &mut self.open {
            said.push_str(text);
        }
        if self.is_new() {
            let kind = "response.output_text.delta";
            let delta = TextDelta {
                kind,
                sequence_number: self.next,
                item_id: &self.id(ids::MESSAGE),
                output_index: self.output.len(),
                content_index: 0,
                delta: text,
                logprobs: [],
            };
            sse::event(out, kind, &delta);
        }
        self.next += 1;
    }

    /// A function that the client is to call.
    pub(super) fn call(&mut self, out: &mut Vec<u8>, call: &ToolCall) {
        self.close_message(out, "completed", &[]);
        let index = self.output.len();
        let id = format!("{}_{index}", self.id("fc_"));
        let item = |status: &str, arguments: &str| {
            json!({
                "type": "function_call", "id": id, "call_id": call.id, "name": call.name, "arguments": arguments,
                "status": status,
            })
        };
        self.item(out, "added", index, &item("in_progress", ""));
        let about = |field: &str| json!({ "item_id": id, "output_index": index, field: call.arguments });
        self.event(out, "response.function_call_arguments.delta", about("delta"));
        let mut whole = about("arguments");
        whole["name"] = json!(call.name);
        self.event(out, "response.function_call_arguments.done", whole);
        let done = item("completed", &call.arguments);
        self.item(out, "done", index, &done);
        self.output.push(done);
    }

    /// The end, with the citations of the message.
    pub(super) fn end(&mut self, out: &mut Vec<u8>, ending: Ending, annotations: &[Value], usage: Usage) {
        let cut = match &ending {
            Ending::Whole(FinishReason::Length) => Some("max_output_tokens"),
            Ending::Whole(FinishReason::ContentFilter) => Some("content_filter"),
            _ => None,
        };
        let is_whole = matches!(ending, Ending::Whole(_)) && cut.is_none();
        if is_whole && self.output.iter().all(|item| item["type"] == "file_search_call") {
            // An answer of no words is a message all the same.
            self.open_message(out);
        }
        self.close_message(out, if is_whole { "completed" } else { "incomplete" }, annotations);
        (self.usage, self.incomplete) = (Some(usage), cut);
        let kind = match ending {
            Ending::Whole(_) if is_whole => ("completed", "response.completed"),
            Ending::Whole(_) => ("incomplete", "response.incomplete"),
            Ending::Cancelled => ("cancelled", "response.incomplete"),
            Ending::Failed(error) => {
                self.fail(out, &error);
                ("failed", "response.failed")
            }
        };
        self.status = kind.0;
        self.whole(out, kind.1);
    }

    /// Clients differ in where they look for an error: beside its type, or
    /// under `error`.
    fn fail(&mut self, out: &mut Vec<u8>, error: &ApiError) {
        let problem = OpenAiProblem::of(error);
        self.usage = None;
        self.error = Some(json!({ "code": "server_error", "message": problem.message }));
        let about = json!({
            "code": problem.code, "message": problem.message, "param": problem.param, "error": problem,
        });
        self.event(out, "error", about);
    }

    fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.suffix)
    }

    fn message(&self, status: &str, content: &Value) -> Value {
        let id = self.id(ids::MESSAGE);
        json!({ "type": "message", "id": id, "status": status, "role": "assistant", "content": content })
    }

    fn unfinished(&self) -> Option<Value> {
        let text = self.open.as_ref()?;
        Some(self.message("in_progress", &json!([part(text, &[])])))
    }

    fn open_message(&mut self, out: &mut Vec<u8>) {
        if self.open.is_some() {
            return;
        }
        self.open = Some(String::new());
        let (item, index) = (self.message("in_progress", &json!([])), self.output.len());
        self.item(out, "added", index, &item);
        let about = self.place(json!({ "part": part("", &[]) }));
        self.event(out, "response.content_part.added", about);
    }

    fn close_message(&mut self, out: &mut Vec<u8>, status: &str, annotations: &[Value]) {
        let Some(text) = self.open.take() else { return };
        for (n, annotation) in annotations.iter().enumerate() {
            let about = self.place(json!({ "annotation_index": n, "annotation": annotation }));
            self.event(out, "response.output_text.annotation.added", about);
        }
        let about = self.place(json!({ "text": text, "logprobs": [] }));
        self.event(out, "response.output_text.done", about);
        let part = part(&text, annotations);
        let about = self.place(json!({ "part": part }));
        self.event(out, "response.content_part.done", about);
        let (item, index) = (self.message(status, &json!([part])), self.output.len());
        self.item(out, "done", index, &item);
        self.output.push(item);
    }

    /// Where the words of the message stand, beside what is told of them.
    fn place(&self, mut about: Value) -> Value {
        about["item_id"] = json!(self.id(ids::MESSAGE));
        about["output_index"] = json!(self.output.len());
        about["content_index"] = json!(0);
        about
    }

    fn item(&mut self, out: &mut Vec<u8>, what: &str, index: usize, item: &Value) {
        self.event(out, &format!("response.output_item.{what}"), json!({ "output_index": index, "item": item }));
    }

    fn whole(&mut self, out: &mut Vec<u8>, kind: &str) {
        let response = if self.is_new() { self.response() } else { Value::Null };
        self.event(out, kind, json!({ "response": response }));
    }

    fn event(&mut self, out: &mut Vec<u8>, kind: &str, mut about: Value) {
        if self.is_new() {
            about["type"] = json!(kind);
            about["sequence_number"] = json!(self.next);
            sse::event(out, kind, &about);
        }
        self.next += 1;
    }

    /// Whether the next event is to be written.
    fn is_new(&self) -> bool {
        self.writes && self.known.is_none_or(|known| self.next > known)
    }
}

fn part(text: &str, annotations: &[Value]) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": annotations, "logprobs": [] })
}

fn totals(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input_tokens, "input_tokens_details": { "cached_tokens": usage.cached_tokens },
        "output_tokens": usage.output_tokens, "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
    })
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
