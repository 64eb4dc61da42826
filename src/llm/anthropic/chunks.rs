//! What the events of a message say.
//!
//! A message is a list of blocks: words, thoughts, calls. Blocks are opened,
//! filled and closed by events that name their index. Events that are not known
//! are passed over, as the protocol asks.

use serde_json::{Value, json};

use super::evidence;
use crate::llm::count::{Said, Tally};
use crate::llm::turns::{self, CALLS, CallIds};
use crate::llm::{Delta, FinishReason, Request, ToolCall, remote};

/// Blocks of one answer, at most; more are left out.
const BLOCKS: usize = 10_000;

/// What the events said so far.
pub(in crate::llm) struct Chunks {
    tally: Tally,
    ids: CallIds,
    /// Numbers of the sources, in the order in which they were sent.
    sources: Vec<u32>,
    blocks: Vec<Block>,
    said: Said,
    finish: Option<FinishReason>,
    understood: bool,
    begun: bool,
    done: bool,
}

struct Block {
    index: u64,
    kind: Kind,
}

enum Kind {
    Words {
        text: String,
        /// Citations that came before the words that they belong to.
        waiting: Vec<Delta>,
    },
    Thought {
        text: String,
        signature: String,
    },
    /// Goes back as it came.
    Hidden(Value),
    Call(Call),
    /// Nothing of ours, such as a tool that the provider runs.
    Other,
}

struct Call {
    id: String,
    name: String,
    /// Pieces of the arguments' JSON.
    pieces: String,
    /// The arguments, where they came whole.
    whole: Value,
}

impl Chunks {
    pub(in crate::llm) fn new(request: &Request) -> Self {
        Self {
            tally: Tally::new(request),
            ids: CallIds::new(request),
            sources: evidence::sent(request).map(|source| u32::try_from(source.n).unwrap_or(u32::MAX)).collect(),
            blocks: Vec::new(),
            said: Said::default(),
            finish: None,
            understood: false,
            begun: false,
            done: false,
        }
    }

    /// Opens a block, which may hold something already.
    fn open(&mut self, index: Option<u64>, block: &Value, deltas: &mut Vec<Delta>) {
        if let Some(last) = self.blocks.last_mut() {
            last.release(deltas);
        }
        let index = index.unwrap_or(self.blocks.len() as u64);
        let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
        let kind = match block["type"].as_str().unwrap_or_default() {
            "text" => Kind::Words { text: String::new(), waiting: Vec::new() },
            "thinking" => Kind::Thought { text: String::new(), signature: text("signature") },
            "redacted_thinking" => Kind::Hidden(block.clone()),
            "tool_use" if self.calls_so_far() < CALLS => {
                self.begun = true;
                Kind::Call(Call {
                    id: text("id"),
                    name: text("name"),
                    pieces: String::new(),
                    whole: block["input"].clone(),
                })
            }
            _ => Kind::Other,
        };
        if self.blocks.len() == BLOCKS {
            return;
        }
        self.blocks.push(Block { index, kind });
        self.fill(Some(index), &json!({ "type": "text_delta", "text": block["text"] }), deltas);
        self.fill(Some(index), &json!({ "type": "thinking_delta", "thinking": block["thinking"] }), deltas);
        for citation in block["citations"].as_array().into_iter().flatten() {
            self.fill(Some(index), &json!({ "type": "citations_delta", "citation": citation }), deltas);
        }
    }

    fn calls_so_far(&self) -> usize {
        self.blocks.iter().filter(|block| matches!(block.kind, Kind::Call(_))).count()
    }

    /// The last block of this index; without one, the last of all.
    fn place(&self, index: Option<u64>) -> Option<usize> {
        match index {
            Some(index) => self.blocks.iter().rposition(|block| block.index == index),
            None => self.blocks.len().checked_sub(1),
        }
    }

    fn fill(&mut self, index: Option<u64>, piece: &Value, deltas: &mut Vec<Delta>) {
        let of = piece["type"].as_str().unwrap_or_default();
        if of == "text_delta" && self.place(index).is_none() {
            // Its beginning was lost or never sent.
            self.open(index, &json!({ "type": "text" }), deltas);
        }
        let Some(place) = self.place(index) else { return };
        let text = |name: &str| piece[name].as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        match (&mut self.blocks[place].kind, of) {
            (Kind::Words { text: so_far, .. }, "text_delta") => {
                if let Some(words) = text("text") {
                    so_far.push_str(&words);
                    deltas.push(Delta::Text(words));
                }
            }
            (Kind::Words { text, waiting }, "citations_delta") => {
                let to = if text.is_empty() { waiting } else { deltas };
                to.extend(cited(&self.sources, &piece["citation"]));
            }
            (Kind::Thought { text: so_far, .. }, "thinking_delta") => {
                if let Some(words) = text("thinking") {
                    so_far.push_str(&words);
                    deltas.push(Delta::Reasoning(words));
                }
            }
            (Kind::Thought { signature, .. }, "signature_delta") => *signature = text("signature").unwrap_or_default(),
            (Kind::Call(call), "input_json_delta") => {
                call.pieces.push_str(&text("partial_json").unwrap_or_default());
            }
            _ => {}
        }
    }

    fn close(&mut self, index: Option<u64>, deltas: &mut Vec<Delta>) {
        if let Some(place) = self.place(index) {
            self.blocks[place].release(deltas);
        }
    }

    /// A message that was not streamed.
    fn whole(&mut self, message: &Value, deltas: &mut Vec<Delta>) {
        for block in message["content"].as_array().into_iter().flatten() {
            self.open(None, block, deltas);
            self.close(None, deltas);
        }
        self.count(&message["usage"]);
        self.stop(&message["stop_reason"]);
        self.done = true;
    }

    /// Counts are totals so far. What was read from the cache and what was
    /// written to it are no part of the input.
    fn count(&mut self, usage: &Value) {
        let count = |name: &str| usage[name].as_u64().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let cached = count("cache_read_input_tokens");
        let parts = [count("input_tokens"), cached, count("cache_creation_input_tokens")];
        let input = parts.into_iter().flatten().fold(0, u32::saturating_add);
        self.said.input = Some(input).filter(|input| *input > 0).max(self.said.input);
        self.said.cached = cached.unwrap_or_default().max(self.said.cached);
        self.said.output = count("output_tokens").or(self.said.output);
    }

    fn stop(&mut self, reason: &Value) {
        self.finish = match reason.as_str().unwrap_or_default() {
            "" => self.finish,
            "end_turn" | "stop_sequence" => Some(FinishReason::Stop),
            "max_tokens" | "model_context_window_exceeded" => Some(FinishReason::Length),
            "tool_use" => Some(FinishReason::ToolCalls),
            "refusal" => Some(FinishReason::ContentFilter),
            _ => Some(FinishReason::Other),
        };
    }

    /// The calls, each with a name of its own.
    fn called(&mut self) -> Vec<ToolCall> {
        let cut = self.finish == Some(FinishReason::Length);
        let mut calls = Vec::new();
        for block in &mut self.blocks {
            let Kind::Call(call) = &mut block.kind else { continue };
            if call.name.is_empty() {
                continue;
            }
            call.id = self.ids.take(&call.id);
            let arguments = match (call.pieces.trim(), &call.whole) {
                ("", whole) if whole.as_object().is_some_and(|whole| !whole.is_empty()) => whole.to_string(),
                ("", _) if cut => String::new(),
                ("", _) => "{}".to_owned(),
                (_, _) => call.pieces.clone(),
            };
            calls.push(ToolCall { id: call.id.clone(), name: call.name.clone(), arguments });
        }
        // The limit fell into the last one.
        calls.pop_if(|call| cut && !turns::is_object(&call.arguments));
        calls
    }

    /// The blocks in their order, if there are thoughts that must go back.
    fn state(&self) -> Option<Value> {
        let content: Vec<Value> = self.blocks.iter().filter_map(Block::kept).collect();
        let thinks = |block: &Value| matches!(block["type"].as_str(), Some("thinking" | "redacted_thinking"));
        content.iter().any(thinks).then(|| json!({ "content": content }))
    }
}

impl Block {
    /// Lets go of the citations that waited for this block's words.
    fn release(&mut self, deltas: &mut Vec<Delta>) {
        if let Kind::Words { waiting, .. } = &mut self.kind {
            deltas.append(waiting);
        }
    }

    /// What goes back; of a call its place only.
    fn kept(&self) -> Option<Value> {
        match &self.kind {
            Kind::Words { text, .. } if !text.trim().is_empty() => Some(json!({ "type": "text", "text": text })),
            // Without a signature it is refused.
            Kind::Thought { text, signature } if !signature.is_empty() => {
                Some(json!({ "type": "thinking", "thinking": text, "signature": signature }))
            }
            Kind::Hidden(block) => Some(block.clone()),
            Kind::Call(call) if !call.name.is_empty() => Some(json!({ "type": "tool_use", "id": call.id })),
            Kind::Words { .. } | Kind::Thought { .. } | Kind::Call(_) | Kind::Other => None,
        }
    }
}

impl remote::Chunks for Chunks {
    fn take(&mut self, chunk: &Value) -> Vec<Delta> {
        let mut deltas = Vec::new();
        let index = chunk["index"].as_u64();
        match chunk["type"].as_str().unwrap_or_default() {
            "message_start" => {
                self.count(&chunk["message"]["usage"]);
                // Nothing is written yet, whatever it says.
                self.said.output = None;
            }
            "content_block_start" => self.open(index, &chunk["content_block"], &mut deltas),
            "content_block_delta" => self.fill(index, &chunk["delta"], &mut deltas),
            "content_block_stop" => self.close(index, &mut deltas),
            "message_delta" => {
                self.count(&chunk["usage"]);
                self.stop(&chunk["delta"]["stop_reason"]);
            }
            "message_stop" => self.done = true,
            "message" => self.whole(chunk, &mut deltas),
            _ => return deltas,
        }
        self.understood = true;
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
        let mut deltas = Vec::new();
        self.blocks.iter_mut().for_each(|block| block.release(&mut deltas));
        let calls = self.called();
        let state = self.state().filter(|_| !calls.is_empty());
        let usage = self.tally.usage(&self.said, &calls);
        let reason = match self.finish {
            _ if !calls.is_empty() => FinishReason::ToolCalls,
            Some(FinishReason::ToolCalls) => FinishReason::Other,
            reason => reason.unwrap_or(FinishReason::Stop),
        };
        deltas.extend(calls.into_iter().map(Delta::Call));
        deltas.extend(state.map(Delta::State));
        deltas.extend([Delta::Usage(usage), Delta::Finished(reason)]);
        deltas
    }
}

/// A citation of one of our sources; of anything else none.
fn cited(sources: &[u32], citation: &Value) -> Option<Delta> {
    if citation["type"] != "search_result_location" {
        return None;
    }
    let index = usize::try_from(citation["search_result_index"].as_u64()?).ok()?;
    let quote = citation["cited_text"].as_str().filter(|quote| !quote.trim().is_empty())?;
    Some(Delta::Cited { n: *sources.get(index)?, quote: quote.to_owned() })
}
