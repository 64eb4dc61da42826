//! Room for models that think before they speak: what they think counts among the
//! tokens that they may write, and with a limit meant for the answer alone some
//! never come to their first word. Who ends before it is asked once more with more
//! room; that one thinks is believed of who then comes to it.

use super::converse::{Conversing, Said};
use super::state::Generation;
use crate::error::{Error, Result};
use crate::llm::{FinishReason, Provider};

/// Tokens for thinking, beside those of what is wanted.
const THINKING: u32 = 4_096;

impl Conversing<'_> {
    /// Tokens that the model may write to answer.
    pub(super) fn room(&self) -> u32 {
        self.generation.room(self.provider.as_ref(), self.tried.room)
    }

    /// Asks once more with room to think. What was said before stands if that cannot
    /// be had: not every model may write so much.
    pub(super) async fn think_longer(&mut self, last: bool, said: Said) -> Result<Said> {
        let name = self.provider.name().to_owned();
        if self.generation.ask.options.max_tokens.is_some() || self.generation.app.models.habits().thinks(&name) {
            return Ok(said);
        }
        self.tried.room = true;
        let told = self.generation.record.text().len();
        let asked = Box::pin(self.ask(last)).await;
        let is_untold = self.generation.record.text().len() == told;
        match asked {
            Ok(more) => {
                if !more.is_spent() {
                    self.generation.app.models.habits().note_thinking(&name);
                }
                Ok(more)
            }
            Err(Error::Llm(error)) if is_untold => {
                tracing::warn!(model = name, error = error.silent(), "it may not have more room to think");
                self.generation.close_call(error.code()).await;
                Ok(said)
            }
            // There is no more, beside what it is told.
            Err(Error::Invalid { .. }) if is_untold => Ok(said),
            Err(error) => Err(error),
        }
    }
}

impl Generation {
    /// Tokens that a model may write to answer, with `more` room to think than it is
    /// known to need. Whoever asks for a number gets that number.
    fn room(&self, provider: &dyn Provider, more: bool) -> u32 {
        match self.ask.options.max_tokens {
            Some(wanted) => wanted,
            None => self.room_for(provider, self.max_tokens(), more),
        }
    }

    /// Tokens that a model may write for it to come to `tokens` of what is wanted.
    pub(super) fn room_for(&self, provider: &dyn Provider, tokens: u32, more: bool) -> u32 {
        if !more && !self.app.models.habits().thinks(provider.name()) {
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
