//! A chat completion as it is written: chunks of a stream, or one object.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::super::error::ApiError;
use super::super::super::sse;
use super::super::error::OpenAiError;
use super::About;
use crate::llm::{FinishReason, ToolCall, Usage};

/// Writes the chunks of one answer. Nothing is allocated but the frames.
pub(super) struct Writer {
    about: About,
    begun: bool,
    calls: u32,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "Usages::are_unasked")]
    usage: Usages,
}

/// The totals: left out unless they were asked for, and null before the end.
#[derive(Serialize)]
#[serde(untagged)]
enum Usages {
    Unasked,
    Later,
    Now(Totals),
}

impl Usages {
    fn are_unasked(&self) -> bool {
        matches!(self, Self::Unasked)
    }
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Call<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a [Value]>,
}

#[derive(Serialize)]
struct Call<'a> {
    index: u32,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// The totals.
#[derive(Debug, Clone, Serialize)]
struct Totals {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
    prompt_tokens_details: Details,
}

#[derive(Debug, Clone, Serialize)]
struct Details {
    cached_tokens: u32,
}

impl Totals {
    fn of(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            prompt_tokens_details: Details { cached_tokens: usage.cached_tokens },
        }
    }
}

impl Writer {
    pub(super) fn new(about: About) -> Self {
        Self { about, begun: false, calls: 0 }
    }

    pub(super) fn text(&mut self, out: &mut Vec<u8>, text: &str) {
        self.delta(out, Delta { content: Some(text), ..Delta::default() });
    }

    pub(super) fn reasoning(&mut self, out: &mut Vec<u8>, text: &str) {
        self.delta(out, Delta { reasoning_content: Some(text), ..Delta::default() });
    }

    pub(super) fn call(&mut self, out: &mut Vec<u8>, call: &ToolCall) {
        let function = Function { name: &call.name, arguments: &call.arguments };
        let call = Call { index: self.calls, id: &call.id, kind: "function", function };
        self.delta(out, Delta { tool_calls: Some([call]), ..Delta::default() });
        self.calls += 1;
    }

    pub(super) fn annotations(&mut self, out: &mut Vec<u8>, annotations: &[Value]) {
        self.delta(out, Delta { annotations: Some(annotations), ..Delta::default() });
    }

    /// The end of a whole answer.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, reason: FinishReason, usage: &Usage) {
        self.begin(out);
        let last = Choice { index: 0, delta: Delta::default(), finish_reason: Some(finish_reason(reason)) };
        self.chunk(out, &[last], None);
        if self.about.totals {
            self.chunk(out, &[], Some(Totals::of(usage)));
        }
        out.extend_from_slice(sse::DONE);
    }

    /// The end of an answer that broke off.
    pub(super) fn fail(out: &mut Vec<u8>, error: &ApiError) {
        sse::data(out, &OpenAiError::of(error));
        out.extend_from_slice(sse::DONE);
    }

    fn delta(&mut self, out: &mut Vec<u8>, delta: Delta<'_>) {
        self.begin(out);
        self.chunk(out, &[Choice { index: 0, delta, finish_reason: None }], None);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let delta = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
        self.chunk(out, &[Choice { index: 0, delta, finish_reason: None }], None);
    }

    fn chunk(&self, out: &mut Vec<u8>, choices: &[Choice<'_>], totals: Option<Totals>) {
        let About { id, created, model, totals: wanted } = &self.about;
        let usage = match (wanted, totals) {
            (false, _) => Usages::Unasked,
            (true, None) => Usages::Later,
            (true, Some(totals)) => Usages::Now(totals),
        };
        sse::data(out, &Chunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage });
    }
}

/// A whole answer.
#[derive(Debug, Default)]
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) calls: Vec<ToolCall>,
    pub(super) annotations: Vec<Value>,
}

impl Whole {
    /// As one object.
    pub(super) fn into_json(self, about: &About, reason: FinishReason, usage: &Usage) -> Value {
        let content = if self.text.is_empty() && !self.calls.is_empty() { Value::Null } else { json!(self.text) };
        let mut message = json!({
            "role": "assistant", "content": content, "refusal": null, "annotations": self.annotations,
        });
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = json!(self.reasoning);
        }
        if !self.calls.is_empty() {
            let call = |call: ToolCall| {
                json!({
                    "id": call.id, "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments },
                })
            };
            message["tool_calls"] = self.calls.into_iter().map(call).collect();
        }
        let choice =
            json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(reason) });
        json!({
            "id": about.id, "object": "chat.completion", "created": about.created, "model": about.model,
            "choices": [choice], "usage": Totals::of(usage),
        })
    }
}

fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::Other => "stop",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::ToolCalls => "tool_calls",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(totals: bool) -> About {
        About { id: "chatcmpl-1".into(), created: 7, model: "m".into(), totals }
    }

    fn chunks(out: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(out).expect("text");
        let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }

    fn usage() -> Usage {
        Usage { input_tokens: 5, cached_tokens: 1, output_tokens: 2, estimated: false }
    }

    #[test]
    fn the_role_comes_first_and_the_reason_last() {
        let (mut writer, mut out) = (Writer::new(about(false)), Vec::new());
        writer.text(&mut out, "4 bar");
        writer.finish(&mut out, FinishReason::Stop, &usage());
        assert!(out.ends_with(sse::DONE));
        let chunks = chunks(&out);
        let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
        assert_eq!(
            deltas,
            [&json!({ "role": "assistant", "content": "" }), &json!({ "content": "4 bar" }), &json!({}),]
        );
        assert_eq!(chunks[2]["choices"][0]["finish_reason"], "stop");
        assert!(chunks.iter().all(|chunk| chunk["id"] == "chatcmpl-1" && chunk["created"] == 7));
        // Nobody asked for the totals.
        assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    }

    #[test]
    fn totals_come_when_they_are_asked_for() {
        let (mut writer, mut out) = (Writer::new(about(true)), Vec::new());
        writer.finish(&mut out, FinishReason::Length, &usage());
        let chunks = chunks(&out);
        assert!(chunks[..2].iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
        assert_eq!((&chunks[2]["choices"], &chunks[2]["usage"]["total_tokens"]), (&json!([]), &json!(7)));
    }

    #[test]
    fn each_call_has_a_place_of_its_own() {
        let (mut writer, mut out) = (Writer::new(about(false)), Vec::new());
        for id in ["a", "b"] {
            writer.call(&mut out, &ToolCall { id: id.into(), name: "look".into(), arguments: "{}".into() });
        }
        let chunks = chunks(&out);
        let calls: Vec<&Value> =
            chunks[1..].iter().map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]).collect();
        let call = |index, id| json!({ "index": index, "id": id, "type": "function", "function": { "name": "look", "arguments": "{}" } });
        assert_eq!(calls, [&call(0, "a"), &call(1, "b")]);
    }

    #[test]
    fn a_whole_answer_of_calls_has_no_words() {
        let calls = vec![ToolCall { id: "a".into(), name: "look".into(), arguments: "{}".into() }];
        let whole = Whole { calls, ..Whole::default() };
        let shown = whole.into_json(&about(false), FinishReason::ToolCalls, &usage());
        assert_eq!(shown["choices"][0]["message"]["content"], Value::Null);
        assert_eq!(shown["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(shown["usage"]["prompt_tokens_details"]["cached_tokens"], 1);
    }
}
