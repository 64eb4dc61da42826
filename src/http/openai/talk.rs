//! What was said: turns as any resource of the face reads them, and what a
//! provider or the documents are asked with them. Bounds what a request may
//! hold.

use super::super::error::ApiError;
use super::super::parts::MAX_IMAGES;
use crate::llm::{Format, Image, Request, Role, Step, ToolCall, ToolChoice, ToolResult, ToolSpec, Turn};
use crate::storage::messages::Role as Speaker;

/// Turns of a request, at most.
const MAX_TURNS: usize = 2_000;
/// Code points of the instructions over documents, at most.
const MAX_INSTRUCTIONS: usize = 32_000;

/// A turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// The person's.
    User { text: String, images: Vec<Image> },
    /// The model's.
    Assistant { text: String, calls: Vec<ToolCall> },
    /// What came of a call.
    Result { call: String, text: String },
}

/// What was said, and what the model was told above it.
#[derive(Debug)]
pub(super) struct Talk {
    /// Name of the parameter that holds the turns.
    pub(super) param: &'static str,
    pub(super) instructions: Vec<String>,
    pub(super) turns: Vec<Said>,
}

/// How a model is to answer.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) temperature: Option<f32>,
    pub(super) max_tokens: Option<u32>,
    pub(super) tools: Vec<ToolSpec>,
    pub(super) tool_choice: ToolChoice,
    pub(super) format: Option<Format>,
}

/// A question over documents, and what was said before it.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub(super) instructions: Option<String>,
    /// Questions and answers in turn; the last is an answer.
    pub(super) before: Vec<(Speaker, String)>,
    pub(super) text: String,
    pub(super) images: Vec<Image>,
}

impl Wishes {
    /// Refuses what no model takes.
    pub(super) fn check(&self, limit: &str) -> Result<(), ApiError> {
        if self.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
            return Err(ApiError::bad_request("temperature", "`temperature` is from 0 to 2"));
        }
        if self.max_tokens == Some(0) {
            return Err(ApiError::bad_request(limit, format!("`{limit}` is at least 1")));
        }
        Ok(())
    }
}

impl Talk {
    pub(super) fn new(param: &'static str) -> Self {
        Self { param, instructions: Vec::new(), turns: Vec::new() }
    }

    /// Refuses a talk that is none, or too long.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if self.turns.is_empty() && self.instructions.is_empty() {
            return Err(self.wrong("is empty; say something"));
        }
        if self.turns.len() > MAX_TURNS {
            return Err(self.wrong(&format!("has {MAX_TURNS} turns at most")));
        }
        Ok(())
    }

    fn wrong(&self, problem: &str) -> ApiError {
        ApiError::bad_request(self.param, format!("`{}` {problem}", self.param))
    }

    /// The request to a provider's model. What it called before the last
    /// question is told as words, and pictures of earlier questions are shown
    /// with the last one.
    pub(super) fn into_request(mut self, model: &str, wishes: Wishes, most: u32) -> Result<Request, ApiError> {
        let mut system = self.instructions.join("\n\n");
        let last = self.turns.iter().rposition(|turn| matches!(turn, Said::User { .. }));
        let after = self.turns.split_off(last.map_or(0, |last| last + 1));
        let (prompt, mut images) = match self.turns.pop() {
            Some(Said::User { text, images }) => (text, images),
            _ => (std::mem::take(&mut system), vec![]),
        };
        let steps = self.steps(after)?;
        let (history, earlier) = history(self.turns);
        images.splice(..0, earlier);
        let max_tokens = wishes.max_tokens.unwrap_or(most);
        Ok(Request {
            history,
            images,
            steps,
            tools: wishes.tools,
            tool_choice: wishes.tool_choice,
            temperature: wishes.temperature,
            format: wishes.format,
            ..Request::plain(model, system, prompt, max_tokens)
        })
    }

    /// What was called since the last question, with what came of it.
    fn steps(&self, turns: Vec<Said>) -> Result<Vec<Step>, ApiError> {
        let mut steps: Vec<Step> = Vec::new();
        let mut said = String::new();
        for turn in turns {
            match turn {
                Said::Assistant { text, calls } if calls.is_empty() => join(&mut said, &text),
                Said::Assistant { text, calls } => {
                    join(&mut said, &text);
                    steps.push(Step { text: std::mem::take(&mut said), calls, results: vec![], state: None });
                }
                Said::Result { call, text } => {
                    let step = steps.last_mut().filter(|_| said.is_empty());
                    let known = step.and_then(|step| {
                        let known = step.calls.iter().find(|known| known.id == call)?.name.clone();
                        Some((step, known))
                    });
                    let Some((step, name)) = known else {
                        return Err(self.wrong("holds the result of a call that the model did not make before it"));
                    };
                    step.results.push(ToolResult { call, name, text, failed: false });
                }
                Said::User { .. } => {}
            }
        }
        if !said.is_empty() {
            return Err(self.wrong("ends with the model's own words; end with a question or with results of its calls"));
        }
        for step in &mut steps {
            let place = |result: &ToolResult| step.calls.iter().position(|call| call.id == result.call);
            step.results.sort_by_key(place);
            step.results.dedup_by(|a, b| a.call == b.call);
            if step.results.len() != step.calls.len() {
                return Err(self.wrong("lacks the result of a call that the model made"));
            }
        }
        Ok(steps)
    }

    /// The question over documents: the last turn, with the turns of the person
    /// right before it, their words and their pictures.
    pub(super) fn into_question(self) -> Result<Question, ApiError> {
        let mut spells: Vec<(Speaker, String)> = Vec::new();
        let mut images = Vec::new();
        let wrong = self.wrong("ends with the model's own words; end with a question");
        let results = self.wrong("holds calls of tools, which answers over documents do not know; leave them out");
        for turn in self.turns {
            let (speaker, text) = match turn {
                Said::User { text, images: shown } => {
                    images.extend(shown);
                    (Speaker::User, text)
                }
                Said::Assistant { text, calls } if calls.is_empty() => {
                    // Those before it belong to an earlier question.
                    images.clear();
                    (Speaker::Assistant, without_markers(&text))
                }
                Said::Assistant { .. } | Said::Result { .. } => return Err(results),
            };
            let text = text.replace('\0', "\u{fffd}");
            match spells.last_mut() {
                Some((last, said)) if *last == speaker => join(said, &text),
                None if speaker == Speaker::Assistant => {}
                _ => spells.push((speaker, text)),
            }
        }
        let Some((Speaker::User, text)) = spells.pop() else { return Err(wrong) };
        if images.len() > MAX_IMAGES {
            let problem = format!("the question has {MAX_IMAGES} images at most");
            return Err(ApiError::bad_request(self.param, problem));
        }
        let instructions = self.instructions.join("\n\n").replace('\0', "\u{fffd}");
        if instructions.chars().nth(MAX_INSTRUCTIONS).is_some() {
            let problem = format!("the instructions have {MAX_INSTRUCTIONS} characters at most");
            return Err(ApiError::bad_request(self.param, problem));
        }
        let instructions = Some(instructions).filter(|instructions| !instructions.trim().is_empty());
        Ok(Question { instructions, before: spells, text, images })
    }
}

fn join(said: &mut String, text: &str) {
    if !said.is_empty() && !text.is_empty() {
        said.push_str("\n\n");
    }
    said.push_str(text);
}

/// Earlier turns in words, and the pictures in them.
fn history(turns: Vec<Said>) -> (Vec<Turn>, Vec<Image>) {
    let (mut history, mut pictures): (Vec<Turn>, Vec<Image>) = (Vec::new(), Vec::new());
    for turn in turns {
        match turn {
            Said::User { text, images } => {
                pictures.extend(images);
                history.push(Turn { role: Role::User, text });
            }
            Said::Assistant { mut text, calls } => {
                for call in calls {
                    join(&mut text, &format!("(I called the tool `{}` with {}.)", call.name, call.arguments));
                }
                history.push(Turn { role: Role::Assistant, text });
            }
            Said::Result { text, .. } => {
                let told = format!("(The tool returned: {text})");
                match history.last_mut() {
                    Some(turn) if turn.role == Role::Assistant => join(&mut turn.text, &told),
                    _ => history.push(Turn { role: Role::Assistant, text: told }),
                }
            }
        }
    }
    (history, pictures)
}

/// An earlier answer without the markers of its citations, which were numbers
/// of other sources.
fn without_markers(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(" [") {
        let (before, marker) = rest.split_at(place);
        bare.push_str(before);
        let digits = marker[2..].bytes().take_while(u8::is_ascii_digit).count();
        let is_marker = (1..=3).contains(&digits) && marker[2 + digits..].starts_with(']');
        if !is_marker {
            bare.push_str(" [");
        }
        rest = if is_marker { &marker[digits + 3..] } else { &marker[2..] };
    }
    bare.push_str(rest);
    bare
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
