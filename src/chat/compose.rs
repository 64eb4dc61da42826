//! Composing a request: what of the evidence, the history and the steps so far
//! a model is sent.

use super::converse::Conversing;
use super::evidence::Part;
use super::state::Generation;
use crate::budget;
use crate::error::Result;
use crate::llm::{Provider, Request, Step, ToolChoice};
use crate::prompt;
use crate::retrieve::Passage;

impl Conversing<'_> {
    /// What is sent, and the evidence in it.
    pub(super) async fn request(&mut self, last: bool) -> Result<(Request, Vec<Part>)> {
        let offers = !self.tried.tools && self.provider.capabilities().tools;
        let mut fitted = self.fit(offers, last)?;
        if fitted.older > 0 && !self.tried.summary && self.provider.capabilities().instructed {
            self.tried.summary = true;
            if self.generation.summarise(fitted.older).await {
                fitted = self.fit(offers, last)?;
            }
        }
        let generation = &*self.generation;
        let parts: Vec<Part> =
            fitted.evidence.iter().map(|kept| Part { n: kept.index + 1, start: kept.start, end: kept.end }).collect();
        let with = |part: &Part| generation.evidence.get(part.n).map(|passage| (*part, passage));
        let kept: Vec<_> = parts.iter().filter_map(with).collect();
        let evidence: Vec<String> = kept
            .iter()
            .map(|(part, passage)| prompt::evidence(&generation.fence, part.n, passage, &part.text(passage)))
            .collect();
        let mut steps = self.steps.clone();
        stub(&mut steps, &fitted.stubs);
        let (tools, tool_choice) = match (offers, last) {
            (false, _) => (vec![], ToolChoice::Auto),
            (true, true) => (generation.tools.specs(), ToolChoice::None),
            (true, false) if self.steps.is_empty() => {
                (generation.tools.specs(), generation.ask.options.tool_choice.clone().unwrap_or_default())
            }
            (true, false) => (generation.tools.specs(), ToolChoice::Auto),
        };
        let request = Request {
            model: self.provider.name().to_owned(),
            system: self.system(offers, last),
            history: generation.history.turns(fitted.history, fitted.summary),
            prompt: prompt::question(&evidence, &generation.ask.content),
            images: generation.ask.images.clone(),
            question: generation.standalone(self.provider.as_ref()),
            sources: kept.iter().map(|(part, passage)| part.source(passage)).collect(),
            steps,
            tools,
            tool_choice,
            max_tokens: self.room(),
            temperature: generation.ask.options.temperature,
            format: None,
        };
        self.generation.receipt.fitted = Some(fitted);
        Ok((request, parts))
    }

    fn system(&self, offers: bool, last: bool) -> String {
        let generation = &*self.generation;
        let mut system = prompt::system(prompt::Instructions {
            fence: &generation.fence,
            cites: self.provider.capabilities().citations,
            tools: offers && !generation.tools.is_empty(),
            own: generation.conversation.system_prompt.as_deref(),
            locale: generation.ask.options.locale.as_deref(),
        });
        if last && offers && !generation.tools.is_empty() {
            system = format!("{system}\n\n{}", prompt::NO_MORE_TOOLS);
        }
        system
    }

    fn fit(&self, offers: bool, last: bool) -> Result<budget::Fitted> {
        let generation = &*self.generation;
        let specs = if offers { generation.tools.json() } else { String::new() };
        let exchanges: Vec<budget::Exchange<'_>> = generation
            .history
            .exchanges
            .iter()
            .map(|exchange| budget::Exchange { question: &exchange.question, answer: &exchange.answer })
            .collect();
        let count = |text: &str| self.provider.count_tokens(text);
        // What tools found stands in their results.
        let first = generation.found_first();
        let candidates: Vec<budget::Candidate<'_>> = first
            .iter()
            .zip(1..)
            .map(|(passage, n)| budget::Candidate {
                text: &passage.text,
                overhead: count(&prompt::evidence(&generation.fence, n, passage, "")),
                worth: passage.score,
            })
            .collect();
        let called: Vec<String> = self.steps.iter().map(called).collect();
        let steps: Vec<budget::Step<'_>> = self
            .steps
            .iter()
            .zip(&called)
            .flat_map(|(step, called)| {
                let results = step.results.iter().map(|result| budget::Step::Result(&result.text));
                [budget::Step::Call(called)].into_iter().chain(results)
            })
            .collect();
        let system = self.system(offers, last);
        let told = generation.history.told();
        let wanted = budget::Wanted {
            window: self.provider.context_window(),
            answer: self.room() as usize,
            system: &system,
            tools: &specs,
            question: &prompt::question(&[], &generation.ask.content),
            images: generation.ask.images.len(),
            summary: told.as_deref(),
            history: &exchanges,
            evidence: &candidates,
            steps: &steps,
        };
        budget::fit(&wanted, self.provider.capabilities().exact_counts, count)
    }
}

/// A step's own words and calls, for their count.
fn called(step: &Step) -> String {
    let mut text = step.text.clone();
    for call in &step.calls {
        for part in ["\n", &call.id, " ", &call.name, " ", &call.arguments] {
            text.push_str(part);
        }
    }
    if let Some(state) = &step.state {
        text.push_str(&state.to_string());
    }
    text
}

/// Puts a stub in the place of results that do not fit; places count calls and
/// results alike.
fn stub(steps: &mut [Step], stubs: &[usize]) {
    let mut place = 0;
    for step in steps {
        place += 1;
        for result in &mut step.results {
            if stubs.contains(&place) {
                budget::STUB.clone_into(&mut result.text);
            }
            place += 1;
        }
    }
}

impl Generation {
    pub(super) fn max_tokens(&self) -> u32 {
        self.ask.options.max_tokens.unwrap_or(self.app.settings.max_answer_tokens)
    }

    /// The passages of the first search: what tools found later comes behind.
    fn found_first(&self) -> &[Passage] {
        let all = self.evidence.passages();
        &all[..all.len().min(self.receipt.found)]
    }

    /// The question for an answerer that is given no history.
    fn standalone(&self, provider: &dyn Provider) -> String {
        if provider.capabilities().instructed || self.queries.len() != 1 {
            return self.ask.content.clone();
        }
        self.queries[0].clone()
    }
}
