//! Talking with a model until it has answered: it is asked, it may call tools,
//! it is told what came of them and asked again, and what it says is checked
//! while it is shown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};

use super::evidence::{Pages, Part};
use super::gate::RefusalGate;
use super::record::{New, printable};
use super::state::Generation;
use super::thinking;
use crate::citations::{Piece, Summary, Verifier};
use crate::error::{Error, Result};
use crate::llm::{Delta, FinishReason, LlmError, Provider, Step, ToolCall, ToolResult};
use crate::storage::calls::Purpose;

/// Deltas that are checked and stored together when they come in faster than
/// they can be stored.
const DELTAS: usize = 64;

/// How a talk ended.
pub(super) struct Answered {
    pub(super) refused: bool,
    pub(super) summary: Summary,
    pub(super) finish: FinishReason,
}

/// A talk with one model.
pub(super) struct Conversing<'a> {
    pub(super) generation: &'a mut Generation,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) verifier: Verifier,
    /// It was stopped with nothing said, or with the sign that there is nothing.
    pub(super) nothing_found: bool,
    /// Its calls did what was asked for, and it had nothing to say beside them.
    pub(super) is_done: bool,
    /// What comes next is set apart from what was said before a call.
    apart: bool,
    /// Code points that were shown before.
    pub(super) before: usize,
    pub(super) gate: RefusalGate,
    pub(super) steps: Vec<Step>,
    /// Parts of the evidence that the verifier has, by their numbers.
    checked: Vec<usize>,
    pub(super) tried: Tried,
}

/// What is not tried again.
#[derive(Default)]
pub(super) struct Tried {
    /// The model cannot call tools after all.
    pub(super) tools: bool,
    /// What was said before was to be put in short.
    pub(super) summary: bool,
    /// It was given more room to think.
    pub(super) room: bool,
}

/// What a model said when it was asked once.
#[derive(Default)]
pub(super) struct Said {
    text: String,
    calls: Vec<ToolCall>,
    state: Option<Value>,
    pub(super) finish: Option<FinishReason>,
}

impl Said {
    /// Whether its tokens were used up before its first word.
    pub(super) fn is_spent(&self) -> bool {
        self.calls.is_empty() && thinking::is_spent(&self.text, self.finish)
    }
}

impl<'a> Conversing<'a> {
    pub(super) fn with(generation: &'a mut Generation, provider: Arc<dyn Provider>) -> Self {
        Self {
            before: generation.record.text().chars().count(),
            generation,
            provider,
            verifier: Verifier::new(vec![]),
            gate: RefusalGate::default(),
            steps: vec![],
            checked: vec![],
            nothing_found: false,
            is_done: false,
            apart: false,
            tried: Tried::default(),
        }
    }

    /// Asks until there is an answer: at most as often, as long and as dear as
    /// is allowed.
    pub(super) async fn answer(mut self) -> Result<Answered> {
        let most = self.generation.app.settings.max_steps.max(1);
        let mut finish = FinishReason::Stop;
        for asked in 1..=most {
            let last = asked == most || self.is_spent();
            let mut said = match self.ask(last).await {
                Err(Error::Llm(error)) if self.may_do_without_tools(&error) => {
                    self.generation.close_call(error.code()).await;
                    self.tried.tools = true;
                    self.generation.record.notice("no_tools", "The model cannot call tools; it answered without them.");
                    Box::pin(self.ask(last)).await?
                }
                said => said?,
            };
            if said.is_spent() {
                said = self.think_longer(last, said).await?;
            }
            finish = said.finish.unwrap_or(FinishReason::Stop);
            if said.calls.is_empty() {
                if said.text.trim().is_empty() && finish != FinishReason::ContentFilter {
                    finish = self.fall_silent().await?.unwrap_or(finish);
                }
                break;
            }
            if last {
                finish = self.stop_calling().await?.unwrap_or(finish);
                break;
            }
            self.call(said).await?;
        }
        self.finish(finish).await
    }

    /// Whether no more tools are to be called.
    fn is_spent(&self) -> bool {
        let settings = &self.generation.app.settings;
        let spent = self.generation.receipt.cost();
        let half = Duration::from_secs(settings.answer_timeout) / 2;
        self.generation.started.elapsed() > half
            || settings.max_answer_cost.zip(spent).is_some_and(|(most, spent)| spent >= most)
    }

    fn may_do_without_tools(&self, error: &LlmError) -> bool {
        let LlmError::Refused { details, .. } = error else { return false };
        !self.tried.tools
            && self.steps.is_empty()
            && !self.generation.tools.is_empty()
            && details.to_lowercase().contains("tool")
    }

    /// Asks once.
    pub(super) async fn ask(&mut self, last: bool) -> Result<Said> {
        let (request, parts) = self.request(last).await?;
        self.check_against(&parts).await?;
        self.generation.open_call(&self.provider, &request, Purpose::Answer);
        let asked = Instant::now();
        // What was found is stored while the provider thinks.
        let found = std::mem::take(&mut self.generation.pending);
        let (stored, deltas) = tokio::join!(self.generation.record.push(found), self.provider.stream(request));
        stored?;
        let deltas = deltas.inspect_err(|error| self.generation.not_taken(error))?;
        let mut deltas = deltas.ready_chunks(DELTAS);
        let mut said = Said::default();
        while let Some(ready) = deltas.next().await {
            self.generation.receipt.first_token.get_or_insert_with(|| asked.elapsed());
            let mut events = Vec::new();
            let mut broken = None;
            for delta in ready {
                match delta {
                    Ok(delta) => self.hear(delta, &mut said, &mut events),
                    Err(error) => {
                        broken = Some(error);
                        break;
                    }
                }
            }
            self.generation.record.push(events).await?;
            if let Some(error) = broken {
                return Err(error.into());
            }
        }
        self.generation.close_call("ok").await;
        Ok(said)
    }

    fn hear(&mut self, delta: Delta, said: &mut Said, events: &mut Vec<New>) {
        match delta {
            Delta::Text(text) => {
                let text = printable(text);
                said.text.push_str(&text);
                self.generation.receipt.heard(&text);
                if let Some(text) = self.gate.pass(&text) {
                    if std::mem::take(&mut self.apart) {
                        let pieces = self.verifier.push("\n\n");
                        self.show(pieces, events);
                    }
                    let pieces = self.verifier.push(&text);
                    self.show(pieces, events);
                }
            }
            Delta::Cited { n, quote } => {
                let pieces = self.verifier.cite_quote(n, &quote);
                self.show(pieces, events);
            }
            Delta::Reasoning(text) => {
                let text = printable(text);
                self.generation.receipt.heard(&text);
                events.push(("reasoning.delta", json!({ "text": text })));
            }
            Delta::Call(ToolCall { id, name, arguments }) => {
                let (id, name, arguments) = (printable(id), printable(name), printable(arguments));
                said.calls.push(ToolCall { id, name, arguments });
            }
            Delta::State(state) => said.state = Some(state),
            Delta::Usage(usage) => self.generation.receipt.used(usage),
            Delta::Finished(reason) => said.finish = Some(reason),
        }
    }

    /// Turns checked pieces into events; neighbouring texts become one.
    fn show(&mut self, pieces: Vec<Piece>, events: &mut Vec<New>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => match events.last_mut() {
                    Some(("text.delta", Value::Object(last))) => {
                        if let Some(Value::String(so_far)) = last.get_mut("text") {
                            so_far.push_str(&text);
                        }
                    }
                    _ => events.push(("text.delta", json!({ "text": text }))),
                },
                Piece::Citation(citation) => events.push(("citation", json!({ "citation": citation }))),
                Piece::Unsupported { start, end } => {
                    let (start, end) = (self.before + start, self.before + end);
                    events.push(("claim.unsupported", json!({ "start": start, "end": end })));
                }
            }
        }
    }

    /// Gives the verifier what the model is about to see.
    async fn check_against(&mut self, parts: &[Part]) -> Result<()> {
        let generation = &*self.generation;
        let new = parts.iter().map(|part| part.n).filter(|n| !self.checked.contains(n));
        // Whole, for what is sent of a passage may change from step to step.
        let new: Vec<Part> =
            new.filter_map(|n| generation.evidence.get(n).map(|passage| Part::whole(n, passage))).collect();
        let passages: Vec<_> = new.iter().filter_map(|part| generation.evidence.get(part.n).cloned()).collect();
        let pages = Pages::load(&generation.app.db, generation.scope, &passages).await?;
        self.verifier.add(new.iter().zip(&passages).map(|(part, passage)| part.checked(passage, &pages)).collect());
        self.checked.extend(new.iter().map(|part| part.n));
        Ok(())
    }

    /// Makes the calls that the model wants, and keeps what came of them.
    async fn call(&mut self, said: Said) -> Result<()> {
        self.show_held().await?;
        let made = self.generation.call_tools(&said.calls).await?;
        let found: Vec<Part> = made.iter().flat_map(|made| made.found.iter().copied()).collect();
        self.check_against(&found).await?;
        let results = said.calls.iter().zip(made).map(|(call, made)| ToolResult {
            call: call.id.clone(),
            name: call.name.clone(),
            text: made.text,
            failed: made.failed,
        });
        let results = results.collect();
        self.steps.push(Step { text: said.text, calls: said.calls, results, state: said.state });
        Ok(())
    }

    /// What was held back is no refusal, for it looks further.
    pub(super) async fn show_held(&mut self) -> Result<()> {
        let mut events = Vec::new();
        if let Some(rest) = std::mem::take(&mut self.gate).rest() {
            let pieces = self.verifier.push(&rest);
            self.show(pieces, &mut events);
        }
        self.generation.record.push(events).await?;
        // Also from what was said before an earlier call.
        self.apart = !self.generation.record.text().trim().is_empty();
        Ok(())
    }

    async fn finish(mut self, finish: FinishReason) -> Result<Answered> {
        let refused = self.gate.refused() || self.nothing_found;
        let mut events = Vec::new();
        if let Some(rest) = std::mem::take(&mut self.gate).rest() {
            let pieces = self.verifier.push(&rest);
            self.show(pieces, &mut events);
        }
        let (pieces, summary) = std::mem::replace(&mut self.verifier, Verifier::new(vec![])).finish();
        self.show(pieces, &mut events);
        self.generation.record.push(events).await?;
        if !refused && !self.is_done {
            self.check_said(finish)?;
        }
        Ok(Answered { refused, summary, finish })
    }
}
