//! Giving an answer again that was made from just the same: question, passages,
//! history, instructions, model.
//!
//! The passages are looked for each time, with the rights of the one who asks,
//! and stand in the key with their revisions: what is changed, deleted or not
//! to be seen any more changes the key.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::record::New;
use super::state::Generation;
use crate::error::Result;
use crate::prompt;
use crate::storage::answers::{self, Known};
use crate::storage::messages::Part;

/// What is said of an answer that is given again.
const AGAIN: &str = "The same was answered before from the same passages; this is that answer.";

impl Generation {
    /// The answer as it was given before, if it was: whether it is grounded.
    pub(super) async fn repeat(&mut self) -> Result<Option<bool>> {
        let settings = &self.app.settings;
        if !settings.answer_cache || !self.provider.capabilities().instructed || self.evidence.is_empty() {
            return Ok(None);
        }
        let key = self.made_from();
        let known = if self.ask.afresh { None } else { answers::known(&self.app.db, self.scope, &key).await? };
        self.key = Some(key);
        match known {
            Some(known) => self.give_again(known).await.map(Some),
            None => Ok(None),
        }
    }

    /// SHA-256 of all that the answer will be made from.
    fn made_from(&self) -> Vec<u8> {
        let evidence: Vec<_> = self
            .evidence
            .passages()
            .iter()
            .map(|passage| json!([passage.revision_id, passage.start, passage.end, passage.title, passage.uri]))
            .collect();
        let history: Vec<_> =
            self.history.exchanges.iter().map(|exchange| json!([exchange.question, exchange.answer])).collect();
        let instructions = prompt::Instructions {
            fence: "",
            cites: self.provider.capabilities().citations,
            tools: !self.tools.is_empty(),
            own: self.conversation.system_prompt.as_deref(),
            locale: self.ask.options.locale.as_deref(),
        };
        let images: Vec<&str> = self.ask.images.iter().map(|image| &*image.base64).collect();
        let whole = json!([
            self.provider.provider(),
            self.provider.name(),
            prompt::system(instructions),
            self.tools.json(),
            self.ask.options.tool_choice.clone().unwrap_or_default(),
            self.ask.content,
            images,
            evidence,
            self.history.summary,
            history,
            self.ask.options.temperature,
            self.max_tokens(),
        ]);
        Sha256::digest(whole.to_string()).to_vec()
    }

    async fn give_again(&mut self, known: Known) -> Result<bool> {
        self.receipt.cached_from = Some(known.id);
        let mut events: Vec<New> = std::mem::take(&mut self.pending);
        events.push(("notice", json!({ "code": "cached", "text": AGAIN, "message_id": known.id })));
        let mut notices = Vec::new();
        for part in known.parts.0 {
            match part {
                Part::Citation { citation } => events.push(("citation", json!({ "citation": citation }))),
                Part::Text { text } => events.push(("text.delta", json!({ "text": text }))),
                Part::Unsupported { start, end } => {
                    events.push(("claim.unsupported", json!({ "start": start, "end": end })));
                }
                Part::Notice { code, text } if code != "cached" => notices.push((code, text)),
                _ => {}
            }
        }
        // Citations before the text that shows their numbers.
        events.sort_by_key(|(name, _)| *name == "text.delta");
        self.record.push(events).await?;
        for (code, text) in notices {
            self.record.notice(&code, text);
        }
        Ok(known.grounded.unwrap_or_default())
    }
}
