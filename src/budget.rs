//! The token budget: what of system text, tools, summary, history, evidence,
//! question and steps goes into a request, so that none can exceed the model's
//! window. Imports `sentences`; does no I/O.
//!
//! The answer's share is kept aside first. System text, tools, question and the
//! steps of this answer are always sent; results of tools are cut, oldest
//! first, where they would not fit. Of what is left, history and summary may
//! take 30 %; evidence gets the rest, and so what history does not use.
//!
//! Counts are the provider's; where it must estimate, it estimates high. Tokens
//! do not add up: two texts may take more joined than apart. So each piece is
//! counted just as it is sent, and has [`TURN_OVERHEAD`] on top for its seams.

mod evidence;
mod history;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::error::{Error, Result};

pub use evidence::{Dropped, Kept, Reason};

/// Share of the free tokens that history may not touch, in percent.
const EVIDENCE_SHARE: usize = 70;
/// Tokens that the chat format adds around each message, and seams around each
/// piece of evidence, at most.
const TURN_OVERHEAD: usize = 8;
/// Tokens that an image is taken for, whatever its size. The largest documented
/// ones take a little less: 1,536 patches, times 2.46 for the smallest models.
pub const IMAGE_TOKENS: usize = 4_096;
/// What is sent in the place of a result that was cut.
pub const STUB: &str = "[This result was left out to make room. Call the tool again and ask for less if it is needed.]";

/// What competes for the window.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Tokens that the model takes, answer included.
    pub window: usize,
    /// Tokens kept for the answer.
    pub answer: usize,
    /// The system text; empty if none is sent.
    pub system: &'a str,
    /// The tools as JSON; empty if none are sent.
    pub tools: &'a str,
    /// The question as it is asked, without evidence.
    pub question: &'a str,
    /// How many images go with the question.
    pub images: usize,
    /// What was said before `history`; an empty one is not sent.
    pub summary: Option<&'a str>,
    /// Earlier exchanges, oldest first.
    pub history: &'a [Exchange<'a>],
    /// Passages that may be sent, best first.
    pub evidence: &'a [Candidate<'a>],
    /// What was called in this answer so far and what came of it, oldest first.
    pub steps: &'a [Step<'a>],
}

/// A question and its answer, which are sent together or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// What was asked.
    pub question: &'a str,
    /// What was answered.
    pub answer: &'a str,
}

/// A passage that may be sent as evidence.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// A contiguous slice of its source.
    pub text: &'a str,
    /// Tokens of its fence and its title line.
    pub overhead: usize,
    /// What it is ranked by; for the receipt, as the order is the caller's.
    pub worth: f32,
}

/// A message of this answer so far, as it is sent.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// What the model said and called; never cut, as its provider may want it
    /// back unchanged.
    Call(&'a str),
    /// What came of a call; may be cut to [`STUB`].
    Result(&'a str),
}

/// What is sent, and what is not and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// Evidence to send, in the order of the candidates.
    pub evidence: Vec<Kept>,
    /// Evidence left out, in the same order.
    pub dropped: Vec<Dropped>,
    /// Exchanges to send: the last so many.
    pub history: usize,
    /// Exchanges that did not fit: the first so many, for a summary.
    pub older: usize,
    /// Whether the summary is sent.
    pub summary: bool,
    /// Steps to send as [`STUB`], by place, ascending.
    pub stubs: Vec<usize>,
    /// Tokens by use.
    pub shares: Shares,
    /// The sum of the shares, the answer's included; never above `window`.
    pub total: usize,
    /// Tokens that the model takes.
    pub window: usize,
    /// Whether tokens were counted as the model counts; else estimated.
    pub exact: bool,
}

/// Tokens by use, each with the overhead of its messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Shares {
    /// The system text.
    pub system: usize,
    /// The tools.
    pub tools: usize,
    /// The exchanges that are sent.
    pub history: usize,
    /// The summary.
    pub summary: usize,
    /// The evidence, with fences and title lines.
    pub evidence: usize,
    /// The question and its images.
    pub question: usize,
    /// The steps, as they are after cuts.
    pub steps: usize,
    /// Kept for the answer.
    pub answer: usize,
}

impl Shares {
    fn sum(&self) -> usize {
        let Self { system, tools, history, summary, evidence, question, steps, answer } = *self;
        [system, tools, history, summary, evidence, question, steps, answer].into_iter().fold(0, usize::saturating_add)
    }
}

/// Decides what is sent. `exact` says whether `count` counts as the model does.
///
/// Nothing is asked of `count` but that it gives the same text the same count,
/// and that seams cost few tokens.
///
/// # Errors
/// [`Error::Invalid`] when what must be sent leaves no room for the answer.
pub fn fit(wanted: &Wanted<'_>, exact: bool, count: impl Fn(&str) -> usize) -> Result<Fitted> {
    let turn = |text: &str| count(text).saturating_add(TURN_OVERHEAD);
    let unless_empty = |text: &str| if text.is_empty() { 0 } else { turn(text) };
    let mut shares = Shares {
        system: unless_empty(wanted.system),
        tools: unless_empty(wanted.tools),
        question: turn(wanted.question).saturating_add(wanted.images.saturating_mul(IMAGE_TOKENS)),
        answer: wanted.answer,
        ..Shares::default()
    };
    let for_steps = wanted.window.saturating_sub(shares.sum());
    let (stubs, steps_tokens) = history::cut(wanted.steps, for_steps, &turn);
    shares.steps = steps_tokens;
    let Some(free) = wanted.window.checked_sub(shares.sum()) else {
        return Err(refusal(wanted, &shares));
    };
    let past = history::past(wanted.history, wanted.summary, free - for_evidence(free), &turn);
    shares.history = past.tokens;
    shares.summary = past.summary.unwrap_or(0);
    let chosen = evidence::choose(wanted.question, wanted.evidence, free - past.tokens - shares.summary, &count);
    shares.evidence = chosen.tokens;
    Ok(Fitted {
        evidence: chosen.kept,
        dropped: chosen.dropped,
        history: past.exchanges,
        older: wanted.history.len() - past.exchanges,
        summary: past.summary.is_some(),
        stubs,
        shares,
        total: shares.sum(),
        window: wanted.window,
        exact,
    })
}

/// The part of the free tokens that is evidence's alone. Divided first, lest a
/// boundless window overflow.
fn for_evidence(free: usize) -> usize {
    free / 100 * EVIDENCE_SHARE + free % 100 * EVIDENCE_SHARE / 100
}

fn refusal(wanted: &Wanted<'_>, shares: &Shares) -> Error {
    let mut remedies = "ask a shorter question".to_owned();
    for (helps, remedy) in [
        (wanted.images > 0, ", send fewer images"),
        (!wanted.tools.is_empty(), ", allow fewer tools"),
        (shares.answer > shares.question, ", ask for a shorter answer with `max_tokens`"),
    ] {
        if helps {
            remedies.push_str(remedy);
        }
    }
    Error::Invalid {
        field: "content",
        problem: format!(
            "takes {} tokens with the answer's share, and the model reads {}; {remedies} or choose a model with a larger window",
            shares.sum(),
            wanted.window
        ),
    }
}
