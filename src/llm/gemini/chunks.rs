//! What the chunks of a generated content say.
//!
//! Each holds a few parts: words, thoughts, whole calls. There is no mark of the
//! end: the body ends after a chunk with a `finishReason`.

use serde_json::{Value, json};

use crate::llm::count::{Said, Tally};
use crate::llm::turns::{CALLS, CallIds};
use crate::llm::{Delta, FinishReason, Request, ToolCall, remote};

/// Reasons that are a filter's.
const FILTERS: &[&str] = &[
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "JAILBREAK",
    "ESCALATION",
];

/// What the chunks said so far.
pub(in crate::llm) struct Chunks {
    tally: Tally,
    ids: CallIds,
    /// The answer as it goes back.
    parts: Vec<Value>,
    /// How many of them are calls.
    calls: usize,
    said: Said,
    finish: Option<FinishReason>,
    understood: bool,
    begun: bool,
    done: bool,
}

impl Chunks {
    pub(in crate::llm) fn new(request: &Request) -> Self {
        Self {
            tally: Tally::new(request),
            ids: CallIds::new(request),
            parts: Vec::new(),
            calls: 0,
            said: Said::default(),
            finish: None,
            understood: false,
            begun: false,
            done: false,
        }
    }

    fn chunk(&mut self, chunk: &Value, deltas: &mut Vec<Delta>) {
        self.understood |=
            ["candidates", "promptFeedback", "usageMetadata"].iter().any(|name| chunk.get(name).is_some());
        self.count(&chunk["usageMetadata"]);
        if chunk["promptFeedback"]["blockReason"].is_string() {
            self.finish = Some(FinishReason::ContentFilter);
        }
        // We ask for one candidate; more would be other answers to the same.
        let candidates = chunk["candidates"].as_array().into_iter().flatten();
        for candidate in candidates.filter(|candidate| candidate["index"].as_u64().unwrap_or(0) == 0) {
            for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                self.part(part, deltas);
            }
            self.finish = candidate["finishReason"].as_str().and_then(finish_reason).or(self.finish);
        }
    }

    fn part(&mut self, part: &Value, deltas: &mut Vec<Delta>) {
        let text = part["text"].as_str().filter(|text| !text.is_empty());
        let (is_thought, is_signed) = (part["thought"] == true, part["thoughtSignature"].is_string());
        if let Some(text) = text {
            let text = text.to_owned();
            deltas.push(if is_thought { Delta::Reasoning(text) } else { Delta::Text(text) });
        }
        let is_call = part["functionCall"].is_object();
        let is_named = part["functionCall"]["name"].as_str().is_some_and(|name| !name.is_empty());
        if is_call && (!is_named || self.calls == CALLS) {
            return;
        }
        self.calls += usize::from(is_call);
        self.begun |= is_call;
        match text {
            _ if is_call || is_signed => self.parts.push(part.clone()),
            // Thoughts without a signature need not go back.
            Some(text) if !is_thought => match self.parts.last_mut().and_then(words) {
                Some(so_far) => so_far.push_str(text),
                None => self.parts.push(json!({ "text": text })),
            },
            _ => {}
        }
    }

    /// Counts are totals so far.
    fn count(&mut self, usage: &Value) {
        let count = |name: &str| usage[name].as_u64().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        // What the tools of the provider put in is counted apart.
        let input =
            count("promptTokenCount").unwrap_or(0).saturating_add(count("toolUsePromptTokenCount").unwrap_or(0));
        self.said.input = Some(input).filter(|input| *input > 0).or(self.said.input);
        self.said.cached = count("cachedContentTokenCount").unwrap_or(self.said.cached);
        let written = [count("candidatesTokenCount"), count("thoughtsTokenCount")];
        self.said.output = written.into_iter().flatten().reduce(u32::saturating_add).or(self.said.output);
    }

    /// The calls, each with a name of its own.
    fn called(&mut self) -> Vec<ToolCall> {
        let calls = self.parts.iter().map(|part| &part["functionCall"]).filter(|call| call.is_object());
        let mut called = Vec::new();
        for call in calls {
            let text = |name: &str| call[name].as_str().unwrap_or_default();
            let arguments = if call["args"].is_null() { "{}".to_owned() } else { call["args"].to_string() };
            called.push(ToolCall { id: self.ids.take(text("id")), name: text("name").to_owned(), arguments });
        }
        called
    }
}

impl remote::Chunks for Chunks {
    fn take(&mut self, chunk: &Value) -> Vec<Delta> {
        let mut deltas = Vec::new();
        match chunk {
            // So it comes where `alt=sse` was lost.
            Value::Array(chunks) => chunks.iter().for_each(|chunk| self.chunk(chunk, &mut deltas)),
            chunk => self.chunk(chunk, &mut deltas),
        }
        self.begun |= !deltas.is_empty();
        self.tally.hear(&deltas);
        deltas
    }

    fn begun(&self) -> bool {
        self.begun
    }

    fn understood(&self) -> bool {
        self.understood
    }

    fn is_complete(&self) -> bool {
        self.done || self.finish.is_some()
    }

    fn mark_end(&mut self) {
        self.done = true;
    }

    fn has_ended(&self) -> bool {
        self.done
    }

    fn finish(&mut self) -> Vec<Delta> {
        let calls = self.called();
        let ids: Vec<&str> = calls.iter().map(|call| call.id.as_str()).collect();
        let state = (!calls.is_empty()).then(|| json!({ "parts": self.parts, "calls": ids }));
        let usage = self.tally.usage(&self.said, &calls);
        let reason = match self.finish {
            // It says `STOP` although it calls a tool.
            _ if !calls.is_empty() => FinishReason::ToolCalls,
            reason => reason.unwrap_or(FinishReason::Stop),
        };
        let calls = calls.into_iter().map(Delta::Call);
        calls.chain(state.map(Delta::State)).chain([Delta::Usage(usage), Delta::Finished(reason)]).collect()
    }
}

/// The words of a part that is words and nothing else.
fn words(part: &mut Value) -> Option<&mut String> {
    match part.as_object_mut().filter(|part| part.len() == 1)?.get_mut("text")? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn finish_reason(name: &str) -> Option<FinishReason> {
    Some(match name {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" | "CONTINUATION" => FinishReason::Length,
        name if FILTERS.contains(&name) => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    })
}
