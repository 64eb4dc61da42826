//! Ends of a talk that are no answer: a model that calls and calls, or that has
//! nothing to say in the end.

use super::converse::Conversing;
use crate::error::{Error, Result};
use crate::llm::{FinishReason, LlmError};
use crate::tools::Effect;

impl Conversing<'_> {
    /// It wants more calls than it may have. If it has cited nothing yet, what it
    /// said only led to its calls, and the documents' own sentences answer. When they
    /// cannot, what it said stays. How they ended is returned where they answered.
    pub(super) async fn stop_calling(&mut self) -> Result<Option<FinishReason>> {
        let steps = self.steps.len() + 1;
        let text = format!("The model wanted to go on calling tools after {steps} steps; it was stopped.");
        self.generation.record.notice("steps", text);
        self.generation.key = None;
        self.answer_by_documents().await
    }

    /// It says nothing more after its calls. Where they only looked something up, the
    /// documents' own sentences answer, and how they ended is returned; else what the
    /// calls did is what was asked for.
    pub(super) async fn fall_silent(&mut self) -> Result<Option<FinishReason>> {
        if self.steps.is_empty() {
            return Ok(None);
        }
        if self.has_done_something() {
            self.is_done = true;
            if self.is_blank() {
                self.generation.record.notice("no_words", "The model called its tools and said nothing beside them.");
            }
            return Ok(None);
        }
        let text = "The model looked further and ended without an answer of its own.";
        self.generation.record.notice("no_words", text);
        self.answer_by_documents().await
    }

    /// The documents' own sentences answer, if the model has cited nothing yet.
    async fn answer_by_documents(&mut self) -> Result<Option<FinishReason>> {
        // Behind it comes no further look.
        let refused = self.gate.refused();
        self.show_held().await?;
        let is_blank = self.generation.record.text().trim().is_empty();
        if self.verifier.has_cited() || self.generation.evidence.is_empty() {
            self.nothing_found = refused || is_blank;
            return Ok(None);
        }
        // What tools found is evidence like the rest.
        self.generation.receipt.found = self.generation.evidence.passages().len();
        self.generation.close_call("ok").await;
        self.provider = self.generation.app.models.extractive();
        self.steps.clear();
        match Box::pin(self.ask(true)).await {
            Err(Error::Llm(error)) if !is_blank => {
                tracing::warn!(%error, "the documents' own sentences cannot answer; what was said stays");
                self.generation.close_call(error.code()).await;
                Ok(None)
            }
            asked => asked.map(|said| said.finish),
        }
    }

    /// An answer without a word is none, but where a filter or a limit that was
    /// asked for says why.
    pub(super) fn check_said(&self, finish: FinishReason) -> Result<()> {
        let provider = self.provider.provider().to_owned();
        match finish {
            _ if !self.is_blank() => Ok(()),
            FinishReason::ContentFilter => Ok(()),
            FinishReason::Length if self.generation.ask.options.max_tokens.is_some() => Ok(()),
            FinishReason::Length => Err(LlmError::Spent { provider, tokens: self.room() }.into()),
            FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other => {
                Err(LlmError::Blank { provider }.into())
            }
        }
    }

    /// Whether a call did more than look something up.
    fn has_done_something(&self) -> bool {
        let toolbox = &self.generation.tools.toolbox;
        let mut results = self.steps.iter().flat_map(|step| &step.results);
        results.any(|result| {
            !result.failed && toolbox.get(&result.name).is_some_and(|tool| tool.effect() != Effect::ReadOnly)
        })
    }

    /// Whether nothing was said so far in this talk.
    pub(super) fn is_blank(&self) -> bool {
        self.generation.record.text().chars().skip(self.before).all(char::is_whitespace)
    }
}
