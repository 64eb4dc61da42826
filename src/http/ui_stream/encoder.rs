//! Events of an answer as parts of the UI message stream. The same events give
//! the same parts, so that a replay is the first stream again.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::part::{Finish, Part};
use super::sources::Sources;
use crate::ids::{ConversationId, MessageId};
use crate::storage::events::Event;

/// What is said of a call whose answer ended before it did.
const CUT_OFF: &str = "the answer ended before the tool did";

/// One answer on its way to a reader.
#[derive(Debug)]
pub(super) struct Encoder {
    conversation: ConversationId,
    message: MessageId,
    begun: bool,
    ended: bool,
    /// Tools have answered: what comes next is the model's next step.
    answered: bool,
    text: Option<Block>,
    /// The id of the reasoning that is open.
    reasoning: Option<String>,
    /// Blocks of text and reasoning so far.
    blocks: usize,
    claims: usize,
    /// Calls that wait for their results: the model's name, and the reader's.
    calls: Vec<(String, String)>,
    /// Readers' names of calls that were given.
    named: HashSet<String>,
    sources: Sources,
}

/// A text that is open.
#[derive(Debug)]
struct Block {
    id: String,
    words: String,
}

impl Encoder {
    pub(super) fn new(conversation: ConversationId, message: MessageId) -> Self {
        Self {
            conversation,
            message,
            begun: false,
            ended: false,
            answered: false,
            text: None,
            reasoning: None,
            blocks: 0,
            claims: 0,
            calls: vec![],
            named: HashSet::new(),
            sources: Sources::default(),
        }
    }

    /// Whether the last part was given.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The parts of the next event.
    pub(super) fn encode(&mut self, event: &Event) -> Vec<Part> {
        let (mut parts, data) = (Vec::new(), &event.data);
        if self.ended {
            return parts;
        }
        if !self.begun {
            self.begin(event, &mut parts);
        }
        match event.name.as_str() {
            "retrieval.completed" => {
                self.sources.learn(&data["passages"]);
                parts.push(Part::DataRetrieval { data: data.clone(), transient: true });
            }
            "text.delta" => self.say(words(data, "text"), &mut parts),
            "reasoning.delta" => self.think(words(data, "text"), &mut parts),
            "citation" => parts.extend(self.sources.cite(&data["citation"])),
            "claim.unsupported" => {
                self.claims += 1;
                parts.push(Part::DataClaim { id: format!("claim-{}", self.claims), data: data.clone() });
            }
            "tool.called" => self.call(data, &mut parts),
            "tool.completed" => self.complete_call(data, &mut parts),
            "approval.requested" => self.ask_leave(data, &mut parts),
            "artifact.updated" => parts.push(artifact(&data["artifact"])),
            "notice" => parts.push(notice(data)),
            "usage" => parts.push(Part::MessageMetadata { message_metadata: usage(data) }),
            "message.completed" => self.complete(&data["message"], &mut parts),
            "message.cancelled" => {
                self.close(&data["message"], &mut parts);
                parts.push(Part::Abort { reason: "the answer was stopped; what there is of it is kept".into() });
            }
            "message.interrupted" | "error" => self.fail(&reason(data), &data["message"], &mut parts),
            // Steps of the search, and what may come to be told later.
            _ => {}
        }
        parts
    }

    /// The end of a stream that waits for leave: its reader comes back with the
    /// decision.
    pub(super) fn pause(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        self.close_blocks(&mut parts);
        parts.push(Part::FinishStep);
        parts.push(Part::Finish { finish_reason: Finish::ToolCalls, message_metadata: Value::Null });
        self.ended = true;
        parts
    }

    /// The end of a stream whose events stopped without one.
    pub(super) fn break_off(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        if !self.begun {
            let nothing = Event { seq: 0, name: String::new(), data: Value::Null };
            self.begin(&nothing, &mut parts);
        }
        self.fail("the stream broke off; read the chat's stream again", &Value::Null, &mut parts);
        parts
    }

    fn begin(&mut self, event: &Event, parts: &mut Vec<Part>) {
        self.begun = true;
        let (question, model) = (&event.data["question_id"], &event.data["model"]);
        let metadata = json!({ "conversationId": self.conversation, "questionId": question, "model": model });
        parts.push(Part::Start { message_id: self.message, message_metadata: metadata });
        parts.push(Part::StartStep);
    }

    fn say(&mut self, words: &str, parts: &mut Vec<Part>) {
        if words.is_empty() {
            return;
        }
        self.next_step(parts);
        self.close_reasoning(parts);
        if self.text.is_none() {
            let id = self.next_block("text");
            parts.push(Part::TextStart { id: id.clone() });
            self.text = Some(Block { id, words: String::new() });
        }
        if let Some(block) = &mut self.text {
            block.words.push_str(words);
            parts.push(Part::TextDelta { id: block.id.clone(), delta: words.to_owned() });
        }
    }

    fn think(&mut self, words: &str, parts: &mut Vec<Part>) {
        if words.is_empty() {
            return;
        }
        self.next_step(parts);
        self.close_text(parts);
        let id = match &self.reasoning {
            Some(id) => id.clone(),
            None => {
                let id = self.next_block("reasoning");
                parts.push(Part::ReasoningStart { id: id.clone() });
                self.reasoning.insert(id).clone()
            }
        };
        parts.push(Part::ReasoningDelta { id, delta: words.to_owned() });
    }

    fn call(&mut self, data: &Value, parts: &mut Vec<Part>) {
        self.next_step(parts);
        self.close_blocks(parts);
        let (id, arguments) = (words(data, "id"), words(data, "arguments"));
        let shown = self.name_call(id);
        self.calls.push((id.to_owned(), shown.clone()));
        parts.push(Part::ToolInputAvailable {
            tool_call_id: shown,
            tool_name: words(data, "name").to_owned(),
            input: serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments)),
            provider_executed: true,
            dynamic: true,
        });
    }

    /// A name that no other call has: models may use one again.
    fn name_call(&mut self, id: &str) -> String {
        let mut shown = if id.is_empty() { "call".to_owned() } else { id.to_owned() };
        let mut n = 1;
        while !self.named.insert(shown.clone()) {
            n += 1;
            shown = format!("{id}-{n}");
        }
        shown
    }

    fn complete_call(&mut self, data: &Value, parts: &mut Vec<Part>) {
        let id = words(data, "id");
        let Some(place) = self.calls.iter().position(|(own, _)| own == id) else { return };
        let (_, tool_call_id) = self.calls.remove(place);
        self.answered = true;
        self.sources.learn(&data["data"]["passages"]);
        let (text, value) = (words(data, "text"), &data["data"]);
        parts.push(if data["failed"] == true {
            let error_text = text.to_owned();
            Part::ToolOutputError { tool_call_id, error_text, provider_executed: true, dynamic: true }
        } else {
            let output = if value.is_null() { json!(text) } else { value.clone() };
            Part::ToolOutputAvailable { tool_call_id, output, provider_executed: true, dynamic: true }
        });
    }

    fn ask_leave(&mut self, data: &Value, parts: &mut Vec<Part>) {
        let call = words(data, "call");
        if let Some((_, shown)) = self.calls.iter().find(|(own, _)| own == call) {
            let approval_id = words(&data["approval"], "id").to_owned();
            parts.push(Part::ToolApprovalRequest { approval_id, tool_call_id: shown.clone() });
        }
    }

    fn complete(&mut self, message: &Value, parts: &mut Vec<Part>) {
        let has = |code: &str| {
            let mut notices = notices(message);
            notices.any(|notice| notice["code"] == code)
        };
        let finish_reason = match () {
            () if has("length") => Finish::Length,
            () if has("content_filter") => Finish::ContentFilter,
            () => Finish::Stop,
        };
        self.close(message, parts);
        parts.push(Part::Finish { finish_reason, message_metadata: json!({ "grounded": message["grounded"] }) });
    }

    fn fail(&mut self, why: &str, message: &Value, parts: &mut Vec<Part>) {
        self.close(message, parts);
        parts.push(Part::Error { error_text: why.to_owned() });
        parts.push(Part::Finish { finish_reason: Finish::Error, message_metadata: Value::Null });
    }

    /// All that must stand before the end of an answer.
    fn close(&mut self, message: &Value, parts: &mut Vec<Part>) {
        self.ended = true;
        self.close_blocks(parts);
        for (_, tool_call_id) in self.calls.drain(..) {
            let error_text = CUT_OFF.to_owned();
            parts.push(Part::ToolOutputError { tool_call_id, error_text, provider_executed: true, dynamic: true });
        }
        parts.extend(notices(message).map(notice));
        if message["grounded"].is_boolean() {
            let data = json!({ "grounded": message["grounded"] });
            parts.push(Part::DataGrounded { id: "grounded".into(), data });
        }
        parts.push(Part::FinishStep);
    }

    fn next_step(&mut self, parts: &mut Vec<Part>) {
        if std::mem::take(&mut self.answered) {
            self.close_blocks(parts);
            parts.extend([Part::FinishStep, Part::StartStep]);
        }
    }

    fn next_block(&mut self, kind: &str) -> String {
        self.blocks += 1;
        format!("{kind}-{}", self.blocks)
    }

    fn close_blocks(&mut self, parts: &mut Vec<Part>) {
        self.close_reasoning(parts);
        self.close_text(parts);
    }

    fn close_text(&mut self, parts: &mut Vec<Part>) {
        if let Some(Block { id, words }) = self.text.take() {
            parts.push(Part::TextEnd { id, citations: self.sources.backings(&words) });
        }
    }

    fn close_reasoning(&mut self, parts: &mut Vec<Part>) {
        if let Some(id) = self.reasoning.take() {
            parts.push(Part::ReasoningEnd { id });
        }
    }
}

fn words<'d>(data: &'d Value, field: &str) -> &'d str {
    data[field].as_str().unwrap_or_default()
}

/// The notices of a stored message.
fn notices(message: &Value) -> impl Iterator<Item = &Value> {
    let parts = message["parts"].as_array().into_iter().flatten();
    parts.filter(|part| part["type"] == "notice")
}

fn notice(data: &Value) -> Part {
    let code = words(data, "code");
    Part::DataNotice { id: format!("notice-{code}"), data: json!({ "code": code, "text": words(data, "text") }) }
}

fn artifact(data: &Value) -> Part {
    Part::DataArtifact { id: format!("artifact-{}", words(data, "id")), data: data.clone() }
}

/// Tokens under the names that the AI SDK has for them.
fn usage(data: &Value) -> Value {
    let count = |field: &str| data["usage"][field].as_u64().unwrap_or_default();
    let (read, wrote) = (count("input_tokens"), count("output_tokens"));
    let usage = json!({
        "inputTokens": read, "outputTokens": wrote, "totalTokens": read + wrote,
        "cachedInputTokens": count("cached_tokens"), "estimated": data["usage"]["estimated"],
    });
    json!({ "usage": usage, "costUsd": data["cost_usd"] })
}

/// Why an answer broke off.
fn reason(data: &Value) -> String {
    match (&data["error"]["message"], &data["reason"]) {
        (Value::String(message), _) => message.clone(),
        (_, Value::String(reason)) => format!("the answer broke off: {reason}; ask again"),
        _ => "the answer broke off; ask again".into(),
    }
}
