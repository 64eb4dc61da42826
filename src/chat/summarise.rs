//! Putting what was said before in short, where it no longer fits.

use super::state::Generation;
use crate::prompt;
use crate::storage::calls::Purpose;
use crate::storage::summaries::{self, Summary};

/// Tokens of a summary, at most.
const SUMMARY: u32 = 400;

impl Generation {
    /// Puts the first `older` exchanges, and half of what comes after them so
    /// that it need not be done each time, into the summary. False when that
    /// could not be done.
    pub(super) async fn summarise(&mut self, older: usize) -> bool {
        let count = older + (self.history.exchanges.len() - older) / 2;
        let notes = self.history.summary.as_deref().unwrap_or("none");
        let exchanges = self.history.exchanges[..count].iter();
        let said: String = exchanges
            .map(|exchange| format!("Person: {}\nAssistant: {}\n\n", exchange.question, exchange.answer))
            .collect();
        // A token has a character at least; what is too long loses its beginning.
        let room = self.provider.context_window() / 2;
        let excess = said.chars().count().saturating_sub(room);
        let said: String = said.chars().skip(excess).collect();
        let prompt = format!("Notes so far:\n{notes}\n\nSaid since:\n{said}");
        let Some(text) = self.aside(Purpose::Summary, prompt::summarise(), prompt, SUMMARY).await else { return false };
        let Some(last) = self.history.exchanges[..count].last() else { return false };
        let summary = Summary { answer_id: last.answer_id, text };
        if let Err(error) = summaries::keep(&self.app.db, self.scope, &summary).await {
            tracing::warn!(message.id = %self.asked.answer, %error, "a summary could not be kept");
        }
        self.history.exchanges.drain(..count);
        self.history.summary = Some(summary.text);
        true
    }
}
