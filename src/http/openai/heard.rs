//! What the events of an answer amount to, for whoever writes them in another
//! shape: words, citations, what was looked at, how it ended.

use std::collections::HashMap;

use footnote_ingest::document::Span;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::error::ApiError;
use super::ids;
use crate::citations::Citation;
use crate::ids::{DocumentId, RevisionId};
use crate::llm::{FinishReason, Usage};
use crate::storage::events::Event;

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) citations: Vec<Citation>,
    pub(super) usage: Usage,
    /// What was looked for.
    pub(super) queries: Vec<String>,
    /// What the first search found.
    pub(super) passages: Vec<Found>,
    /// Keys of documents that were found.
    keys: HashMap<DocumentId, String>,
    pub(super) ending: Option<Ending>,
}

/// How an answer ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// As it should, or at a limit.
    Whole(FinishReason),
    /// It was stopped.
    Cancelled,
    /// It could not be made, or broke off.
    Failed(ApiError),
}

/// What an event says that a reader is shown at once.
#[derive(Debug, PartialEq)]
pub(super) enum News<'a> {
    /// Passages were found.
    Searched,
    /// Words.
    Text(&'a str),
    /// Words that the model thinks aloud.
    Reasoning(&'a str),
    /// It ended.
    Ended,
    /// Nothing that is shown.
    Nothing,
}

/// A passage that was found.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Found {
    document_id: DocumentId,
    revision_id: RevisionId,
    key: String,
    start: usize,
    end: usize,
    score: f64,
}

impl Found {
    /// Where its words are.
    pub(super) fn range(&self) -> (RevisionId, Span) {
        (self.revision_id, Span { start: self.start, end: self.end })
    }

    /// As the result of a file search.
    pub(super) fn result(&self, text: &str) -> Value {
        let (file_id, filename) = ids::file_of(self.document_id, &self.key);
        json!({ "file_id": file_id, "filename": filename, "score": share(self.score), "text": text, "attributes": {} })
    }
}

/// A fused score as a share of the best that there can be: first in both lists,
/// by reciprocal rank fusion with k = 60.
pub(super) fn share(fused: f64) -> f64 {
    const BEST: f64 = 2.0 / 61.0;
    (fused / BEST).clamp(0.0, 1.0)
}

impl Heard {
    /// Takes the next event.
    pub(super) fn hear<'a>(&mut self, event: &'a Event) -> News<'a> {
        let data = &event.data;
        match event.name.as_str() {
            "text.delta" => {
                let text = data["text"].as_str().unwrap_or_default();
                self.text.push_str(text);
                return News::Text(text);
            }
            "reasoning.delta" => {
                let text = data["text"].as_str().unwrap_or_default();
                self.reasoning.push_str(text);
                return News::Reasoning(text);
            }
            "retrieval.completed" => {
                self.queries = read(&data["queries"]);
                self.passages = read(&data["passages"]);
                self.note(&data["passages"]);
                return News::Searched;
            }
            "tool.completed" => self.note(&data["data"]["passages"]),
            "citation" => self.citations.extend(serde_json::from_value::<Citation>(data["citation"].clone())),
            "usage" => self.usage = read(&data["usage"]),
            "message.completed" => self.ending = Some(Ending::Whole(finish(&data["message"]))),
            "message.cancelled" => self.ending = Some(Ending::Cancelled),
            "message.interrupted" if data["error"].is_object() => {
                self.ending = Some(Ending::Failed(ApiError::of_event(&data["error"])));
            }
            "message.interrupted" => {
                let message = "the service was restarted while it answered; ask again";
                self.ending = Some(Ending::Failed(ApiError::unavailable("service", message, 1)));
            }
            "error" => self.ending = Some(Ending::Failed(ApiError::of_event(&data["error"]))),
            _ => {}
        }
        if self.ending.is_some() { News::Ended } else { News::Nothing }
    }

    /// Keeps the keys of what was found: citations name documents alone.
    fn note(&mut self, passages: &Value) {
        let found: Vec<Found> = read(passages);
        self.keys.extend(found.into_iter().map(|found| (found.document_id, found.key)));
    }

    /// Id and name of the file that a citation cites.
    pub(super) fn file(&self, citation: &Citation) -> (String, String) {
        let document = DocumentId(citation.document_id);
        ids::file_of(document, self.keys.get(&document).map_or(citation.title.as_str(), String::as_str))
    }

    /// How it ended; one whose events ended without an end broke off.
    pub(super) fn ended(&mut self) -> Ending {
        self.ending.take().unwrap_or_else(|| Ending::Failed(ApiError::internal()))
    }
}

fn read<T: Default + serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// Why a whole answer ended, as its notices tell.
fn finish(message: &Value) -> FinishReason {
    let parts = message["parts"].as_array().into_iter().flatten();
    let mut notices = parts.filter(|part| part["type"] == "notice").filter_map(|part| part["code"].as_str());
    let told = notices.find_map(|code| match code {
        "length" => Some(FinishReason::Length),
        "content_filter" => Some(FinishReason::ContentFilter),
        _ => None,
    });
    told.unwrap_or(FinishReason::Stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: Value) -> Event {
        Event { seq: 1, name: name.into(), data }
    }

    #[test]
    fn an_answer_is_heard_from_its_events() {
        let (document, revision) = (DocumentId::new(), RevisionId::new());
        let passage = json!({
            "n": 1, "document_id": document, "revision_id": revision, "key": "docs/p4.md", "title": "P4",
            "page": null, "start": 0, "end": 9, "score": 2.0 / 61.0,
        });
        let mut heard = Heard::default();
        let searched = event("retrieval.completed", json!({ "passages": [passage], "queries": ["How much?"] }));
        assert_eq!(heard.hear(&searched), News::Searched);
        assert_eq!(heard.hear(&event("text.delta", json!({ "text": "4 bar" }))), News::Text("4 bar"));
        let usage = json!({ "input_tokens": 3, "cached_tokens": 1, "output_tokens": 2, "estimated": false });
        assert_eq!(heard.hear(&event("usage", json!({ "usage": usage, "cost_usd": null }))), News::Nothing);
        let parts = json!([{ "type": "notice", "code": "length", "text": "cut" }]);
        assert_eq!(heard.hear(&event("message.completed", json!({ "message": { "parts": parts } }))), News::Ended);
        assert!(matches!(heard.ended(), Ending::Whole(FinishReason::Length)));
        assert_eq!((heard.text.as_str(), heard.usage.output_tokens), ("4 bar", 2));
        let result = heard.passages[0].result("words");
        assert_eq!((&result["filename"], &result["score"]), (&json!("p4.md"), &json!(1.0)));
    }

    #[test]
    fn an_answer_without_an_end_broke_off() {
        let mut heard = Heard::default();
        assert!(matches!(heard.ended(), Ending::Failed(error) if error.kind == "internal"));
        let restarted = event("message.interrupted", json!({ "message_id": 1, "reason": "restarted" }));
        assert_eq!(heard.hear(&restarted), News::Ended);
        assert!(matches!(heard.ended(), Ending::Failed(error) if error.kind == "busy"));
    }
}
