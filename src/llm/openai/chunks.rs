//! What the chunks of a chat completion say.
//!
//! Reads them as plain JSON values, since servers differ in all but the few
//! fields that are needed: `choices` may be null, `content` null or a list,
//! reasoning is `reasoning` or `reasoning_content`, `finish_reason` and `usage`
//! may never come, `[DONE]` neither; a call's `index` may be missing and its
//! `arguments` an object.

use serde_json::{Map, Value, json};

use crate::llm::count::{Said, Tally};
use crate::llm::turns::{self, CALLS, CallIds};
use crate::llm::{Delta, FinishReason, Request, ToolCall, remote};

/// What the chunks said so far.
pub(in crate::llm) struct Chunks {
    tally: Tally,
    ids: CallIds,
    said: Said,
    finish: Option<FinishReason>,
    calls: Vec<Call>,
    /// Reasoning and signatures under the names they came by.
    returned: Map<String, Value>,
    understood: bool,
    begun: bool,
    done: bool,
}

/// A call in the making.
#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    extra: Option<Value>,
}

impl Chunks {
    pub(in crate::llm) fn new(request: &Request) -> Self {
        Self {
            tally: Tally::new(request),
            ids: CallIds::new(request),
            said: Said::default(),
            finish: None,
            calls: Vec::new(),
            returned: Map::new(),
            understood: false,
            begun: false,
            done: false,
        }
    }

    /// Reasoning, and what else the server may want back beside calls.
    fn keep(&mut self, delta: &Value) {
        for name in ["reasoning", "reasoning_content"] {
            if let Some(text) = delta[name].as_str() {
                match self.returned.get_mut(name) {
                    Some(Value::String(so_far)) => so_far.push_str(text),
                    _ => drop(self.returned.insert(name.into(), json!(text))),
                }
            }
        }
        if let Some(details) = delta["reasoning_details"].as_array() {
            match self.returned.get_mut("reasoning_details") {
                Some(Value::Array(so_far)) => so_far.extend(details.iter().cloned()),
                _ => drop(self.returned.insert("reasoning_details".into(), json!(details))),
            }
        }
        if delta["extra_content"].is_object() {
            self.returned.insert("extra_content".into(), delta["extra_content"].clone());
        }
    }

    /// A piece of a call: by its index, else its id, else the one before, else
    /// a new one.
    fn call(&mut self, piece: &Value) {
        let (index, id) = (piece["index"].as_u64(), piece["id"].as_str().filter(|id| !id.is_empty()));
        let function = &piece["function"];
        let names = function["name"].as_str().is_some_and(|name| !name.is_empty());
        let known = match (index, id) {
            // The last of them: some servers number every call 0.
            (Some(index), _) => self.calls.iter().rposition(|call| call.index == Some(index)),
            (None, Some(id)) => self.calls.iter().rposition(|call| call.id == id),
            (None, None) if names => None,
            (None, None) => self.calls.len().checked_sub(1),
        };
        let other = known.is_some_and(|place| names && self.calls[place].is_followed_by(id, function));
        let place = match known.filter(|_| !other) {
            Some(place) => place,
            None if self.calls.len() < CALLS => {
                self.calls.push(Call { index, ..Call::default() });
                self.calls.len() - 1
            }
            None => return,
        };
        let call = &mut self.calls[place];
        if let Some(id) = id {
            id.clone_into(&mut call.id);
        }
        match function["name"].as_str() {
            // Some servers repeat the name, others send it in pieces.
            Some(name) if call.name != name => call.name.push_str(name),
            _ => {}
        }
        match &function["arguments"] {
            Value::String(text) => call.arguments.push_str(text),
            Value::Null => {}
            whole => call.arguments = whole.to_string(),
        }
        if piece["extra_content"].is_object() {
            call.extra = Some(piece["extra_content"].clone());
        }
    }

    /// The calls, each with a name of its own.
    fn called(&mut self) -> Vec<ToolCall> {
        let cut = self.finish == Some(FinishReason::Length);
        self.calls.retain(|call| !call.name.is_empty());
        // The limit fell into the last one.
        self.calls.pop_if(|call| cut && !turns::is_object(&call.arguments));
        let Self { calls, ids, .. } = self;
        let given = calls.iter().map(|call| ToolCall {
            id: ids.take(&call.id),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
        });
        given.collect()
    }

    /// What goes back with the calls, by the names that they were given.
    fn state(&self, given: &[ToolCall]) -> Option<Value> {
        let extras = self.calls.iter().zip(given);
        let extras = extras.filter_map(|(call, given)| Some((given.id.clone(), call.extra.clone()?)));
        let extras: Map<String, Value> = extras.collect();
        let nothing = given.is_empty() || extras.is_empty() && self.returned.is_empty();
        (!nothing).then(|| json!({ "message": self.returned, "calls": extras }))
    }
}

impl Call {
    /// Whether a piece that names a tool begins another call than this one.
    fn is_followed_by(&self, id: Option<&str>, function: &Value) -> bool {
        let is_whole = turns::is_object(&self.arguments);
        let brings_more = match &function["arguments"] {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            _ => true,
        };
        id.is_some_and(|id| !self.id.is_empty() && self.id != id)
            || is_whole && (brings_more || function["name"] != self.name)
    }
}

impl remote::Chunks for Chunks {
    fn take(&mut self, chunk: &Value) -> Vec<Delta> {
        let mut deltas = Vec::new();
        let choices = chunk["choices"].as_array().map_or(&[][..], Vec::as_slice);
        self.understood |= chunk.get("choices").is_some() || chunk.get("usage").is_some();
        if let Some(said) = usage_of(&chunk["usage"]) {
            self.said = said;
            // Totals without a choice come last.
            self.done |= choices.is_empty() && self.begun;
        }
        // We ask for one choice; more would be other answers to the same.
        for choice in choices.iter().filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
            // A server that does not stream sends a whole `message`.
            let delta = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            // Totals that came before were not the last.
            self.done = choice["message"].is_object() && !choice["delta"].is_object();
            let is_said = |name: &&str| delta[*name].as_str().is_some_and(|text| !text.is_empty());
            let reasoning = ["reasoning", "reasoning_content"].into_iter().find(is_said);
            parts(&delta[reasoning.unwrap_or("reasoning_content")], true, &mut deltas);
            parts(&delta["content"], false, &mut deltas);
            parts(&delta["refusal"], false, &mut deltas);
            self.keep(delta);
            for piece in delta["tool_calls"].as_array().into_iter().flatten() {
                self.begun = true;
                self.call(piece);
            }
            self.finish = choice["finish_reason"].as_str().and_then(finish_reason).or(self.finish);
        }
        self.tally.hear(&deltas);
        self.begun |= !deltas.is_empty();
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
        let state = self.state(&calls);
        let usage = self.tally.usage(&self.said, &calls);
        let reason = match self.finish {
            // Some servers say `stop` although they call a tool.
            _ if !calls.is_empty() => FinishReason::ToolCalls,
            Some(FinishReason::ToolCalls) => FinishReason::Other,
            reason => reason.unwrap_or(FinishReason::Stop),
        };
        let calls = calls.into_iter().map(Delta::Call);
        calls.chain(state.map(Delta::State)).chain([Delta::Usage(usage), Delta::Finished(reason)]).collect()
    }
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
fn usage_of(usage: &Value) -> Option<Said> {
    let count = |value: &Value| value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
    // DeepSeek has a name of its own for them.
    let cached = count(&usage["prompt_tokens_details"]["cached_tokens"]).or(count(&usage["prompt_cache_hit_tokens"]));
    let (input, output) = (count(&usage["prompt_tokens"]), count(&usage["completion_tokens"]));
    // xAI counts what was thought in the whole only.
    let rest = input.zip(count(&usage["total_tokens"])).and_then(|(input, all)| all.checked_sub(input));
    let output = output.zip(rest).map(|(output, rest)| output.max(rest)).or(output);
    let said = Said { input, cached: cached.unwrap_or_default(), output };
    (said.input.is_some() || said.output.is_some()).then_some(said)
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
