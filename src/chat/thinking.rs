//! Room for models that think before they speak: what they think counts among the
//! tokens that they may write, and with a limit meant for the answer alone some
//! never come to their first word.

use super::state::Generation;
use crate::llm::{FinishReason, Provider};

/// Tokens for thinking, beside those of what is wanted.
const THINKING: u32 = 4_096;

impl Generation {
    /// Tokens that a model may write to answer. Whoever asks for a number gets that
    /// number.
    pub(super) fn room(&self, provider: &dyn Provider) -> u32 {
        match self.ask.options.max_tokens {
            Some(wanted) => wanted,
            None => self.room_for(provider, self.max_tokens()),
        }
    }

    /// Tokens that a model may write for it to come to `tokens` of what is wanted.
    pub(super) fn room_for(&self, provider: &dyn Provider, tokens: u32) -> u32 {
        if !self.app.models.thinks(provider.name()) {
            return tokens;
        }
        let quarter = u32::try_from(provider.context_window() / 4).unwrap_or(u32::MAX);
        tokens.saturating_add(THINKING.min(quarter))
    }
}

/// Whether a model ended before its first word because its tokens were used up.
pub(super) fn is_spent(text: &str, finish: Option<FinishReason>) -> bool {
    finish == Some(FinishReason::Length) && text.trim().is_empty()
}
