//! What the events of an answer tell, as the parts that its message keeps: folded
//! while the answer is made, and once more from what is stored when its maker is
//! gone. Pure.

use serde::Deserialize;
use serde_json::Value;

use crate::citations::Citation;
use crate::storage::events::Event;
use crate::storage::messages::Part;

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    text: String,
    reasoning: String,
    /// Calls of tools and what came of them.
    calls: Vec<Part>,
    /// What a call made whose end comes next.
    made: Vec<Part>,
    /// In the order of their numbers.
    citations: Vec<Part>,
    unsupported: Vec<Part>,
    notices: Vec<Part>,
}

impl Told {
    /// Takes the next event.
    pub(super) fn hear(&mut self, event: &Event) {
        let data = &event.data;
        match event.name.as_str() {
            "text.delta" => self.text.push_str(words(data, "text")),
            "reasoning.delta" => self.reasoning.push_str(words(data, "text")),
            "tool.called" => self.calls.push(called(data)),
            "tool.completed" => {
                self.calls.push(completed(data));
                self.calls.append(&mut self.made);
            }
            // It is told before the end of the call that made it, and kept after.
            "artifact.updated" => self.made.extend(Part::deserialize(&data["artifact"])),
            "citation" => {
                let citation = Citation::deserialize(&data["citation"]);
                self.citations.extend(citation.map(|citation| Part::Citation { citation }));
            }
            "claim.unsupported" => self.unsupported.extend(unsupported(data)),
            "notice" => {
                if let Some(text) = data["text"].as_str() {
                    self.notice(words(data, "code"), text);
                }
            }
            // Steps of the search, and what may come to be told later.
            _ => {}
        }
    }

    /// Takes what the message tells and its stream does not.
    pub(super) fn notice(&mut self, code: &str, text: impl Into<String>) {
        self.notices.push(Part::Notice { code: code.to_owned(), text: text.into() });
    }

    /// The answer's words.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing of an answer was told.
    pub(super) fn is_blank(&self) -> bool {
        self.is_thought_only() && self.reasoning.is_empty()
    }

    /// Whether no more than reasoning was told.
    pub(super) fn is_thought_only(&self) -> bool {
        self.text.is_empty() && self.calls.is_empty()
    }

    /// The message's parts.
    pub(super) fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        if !self.reasoning.is_empty() {
            parts.push(Part::Reasoning { text: self.reasoning.clone() });
        }
        parts.extend_from_slice(&self.calls);
        parts.extend_from_slice(&self.made);
        parts.push(Part::Text { text: self.text.clone() });
        for rest in [&self.citations, &self.unsupported, &self.notices] {
            parts.extend_from_slice(rest);
        }
        parts
    }
}

fn called(data: &Value) -> Part {
    Part::ToolCall { id: owned(data, "id"), name: owned(data, "name"), arguments: owned(data, "arguments") }
}

fn completed(data: &Value) -> Part {
    let failed = data["failed"] == true;
    Part::ToolResult { id: owned(data, "id"), name: owned(data, "name"), text: owned(data, "text"), failed }
}

fn unsupported(data: &Value) -> Option<Part> {
    let place = |field: &str| data[field].as_u64().and_then(|place| usize::try_from(place).ok());
    Some(Part::Unsupported { start: place("start")?, end: place("end")? })
}

fn words<'d>(data: &'d Value, field: &str) -> &'d str {
    data[field].as_str().unwrap_or_default()
}

fn owned(data: &Value, field: &str) -> String {
    words(data, field).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(events: &[(&str, Value)]) -> Told {
        let mut told = Told::default();
        for (seq, (name, data)) in (1..).zip(events) {
            told.hear(&Event { seq, name: (*name).to_owned(), data: data.clone() });
        }
        told
    }

    fn parts(events: &[(&str, Value)]) -> Value {
        json!(told(events).parts())
    }

    fn called(id: &str) -> (&'static str, Value) {
        ("tool.called", json!({ "id": id, "name": "make", "arguments": "{}" }))
    }

    fn completed(id: &str, failed: bool) -> (&'static str, Value) {
        ("tool.completed", json!({ "id": id, "name": "make", "failed": failed, "text": "done", "data": { "n": 1 } }))
    }

    fn call(id: &str) -> Value {
        json!({ "type": "tool_call", "id": id, "name": "make", "arguments": "{}" })
    }

    fn result(id: &str, failed: bool) -> Value {
        json!({ "type": "tool_result", "id": id, "name": "make", "text": "done", "failed": failed })
    }

    fn artifact(title: &str) -> Value {
        let id = "0190a0b0-0000-7000-8000-000000000000";
        json!({ "type": "artifact", "id": id, "version": 1, "kind": "text", "title": title })
    }

    fn citation() -> Value {
        let id = "0190a0b0-0000-7000-8000-000000000001";
        json!({
            "n": 1, "document_id": id, "revision_id": id, "title": "Pumps", "uri": null, "page": 3, "start": 5, "end": 9,
            "quote": "4 bar", "support": "quoted", "score": 1.0,
        })
    }

    #[test]
    fn parts_stand_in_the_order_of_their_kinds_however_they_were_told() {
        let events = [
            ("message.started", json!({ "message_id": 1, "question_id": 2, "model": "m" })),
            ("reasoning.delta", json!({ "text": "Let me " })),
            ("text.delta", json!({ "text": "I look. " })),
            ("retrieval.completed", json!({ "passages": [], "queries": ["q"] })),
            ("notice", json!({ "code": "fallback", "text": "Another answers.", "model": "n" })),
            called("a"),
            completed("a", false),
            ("reasoning.delta", json!({ "text": "see." })),
            ("claim.unsupported", json!({ "start": 0, "end": 7 })),
            ("citation", json!({ "citation": citation() })),
            ("text.delta", json!({ "text": "It is 4 bar [1]." })),
            ("usage", json!({ "usage": {}, "cost_usd": 0.1 })),
        ];
        let expected = json!([
            { "type": "reasoning", "text": "Let me see." },
            call("a"),
            result("a", false),
            { "type": "text", "text": "I look. It is 4 bar [1]." },
            { "type": "citation", "citation": citation() },
            { "type": "unsupported", "start": 0, "end": 7 },
            { "type": "notice", "code": "fallback", "text": "Another answers." },
        ]);
        assert_eq!(parts(&events), expected);
    }

    #[test]
    fn what_a_call_made_stands_behind_its_result() {
        let made = |title: &str| ("artifact.updated", json!({ "artifact": artifact(title) }));
        let events = [called("a"), called("b"), made("One"), completed("a", false), made("Two"), completed("b", false)];
        let expected = json!([
            call("a"), call("b"), result("a", false), artifact("One"), result("b", false), artifact("Two"),
            { "type": "text", "text": "" },
        ]);
        assert_eq!(parts(&events), expected);
        let cut_off = json!([call("a"), call("b"), artifact("One"), { "type": "text", "text": "" }]);
        assert_eq!(parts(&events[..3]), cut_off);
    }

    #[test]
    fn a_call_that_has_not_ended_has_no_result_and_one_that_failed_says_so() {
        let events = [called("a"), called("b"), completed("b", true)];
        let text = json!({ "type": "text", "text": "" });
        assert_eq!(parts(&events), json!([call("a"), call("b"), result("b", true), text]));
    }

    #[test]
    fn what_cannot_be_understood_is_left_out() {
        let events = [
            ("text.delta", json!({ "text": 7 })),
            ("citation", json!({ "citation": { "n": 1 } })),
            ("artifact.updated", json!({})),
            ("claim.unsupported", json!({ "start": -1, "end": 4 })),
            ("notice", json!({ "code": "cached", "message_id": 1 })),
            ("of.a.later.version", json!(null)),
        ];
        assert_eq!(parts(&events), json!([{ "type": "text", "text": "" }]));
        assert!(told(&events).is_blank());
    }

    #[test]
    fn an_answer_is_blank_until_it_thinks_calls_or_speaks() {
        assert!(
            told(&[("retrieval.completed", json!({})), ("notice", json!({ "code": "c", "text": "t" }))]).is_blank()
        );
        for event in [called("a"), ("reasoning.delta", json!({ "text": "r" })), ("text.delta", json!({ "text": "t" }))]
        {
            assert!(!told(&[event]).is_blank());
        }
    }
}
