//! The token budget: what of system text, history, evidence and question goes
//! into a request, so that none can exceed the model's window.
//!
//! Fixed shares of what the answer leaves: evidence may take 70 %, history 30 %
//! of what system text and question leave over; what one does not use, the
//! other does not get, so that requests stay alike. Counts are the provider's;
//! where it must estimate, it estimates high.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::llm::Turn;

/// Share of the free tokens that evidence may take, in percent.
const EVIDENCE_SHARE: usize = 70;
/// Tokens that the chat format adds around each turn, at most.
const TURN_OVERHEAD: usize = 8;

/// What competes for the window.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Tokens that the model takes, answer included.
    pub window: usize,
    /// Tokens kept for the answer.
    pub answer: usize,
    /// The system text.
    pub system: &'a str,
    /// The question as it is asked.
    pub question: &'a str,
    /// Earlier turns, oldest first.
    pub history: &'a [Turn],
    /// Evidence as it will be sent, best first.
    pub evidence: &'a [String],
}

/// What fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fitted {
    /// Evidence kept: the first so many.
    pub evidence: usize,
    /// History kept: the last so many turns.
    pub history: usize,
    /// Evidence that did not fit.
    pub evidence_dropped: usize,
    /// Turns that did not fit.
    pub history_dropped: usize,
    /// Tokens of the whole request, by the provider's count.
    pub tokens: usize,
}

/// Decides what is sent.
///
/// # Errors
/// [`Error::Invalid`] when the question alone leaves no room for an answer.
pub fn fit(wanted: &Wanted<'_>, count: impl Fn(&str) -> usize) -> Result<Fitted> {
    let turn = |text: &str| count(text) + TURN_OVERHEAD;
    let fixed = turn(wanted.system) + turn(wanted.question) + wanted.answer;
    let Some(free) = wanted.window.checked_sub(fixed) else {
        return Err(Error::Invalid {
            field: "content",
            problem: format!(
                "takes {fixed} tokens with the answer's share, and the model reads {}; ask a shorter question or choose a model with a larger window",
                wanted.window
            ),
        });
    };
    let for_evidence = free * EVIDENCE_SHARE / 100;
    let (evidence, evidence_tokens) = take(wanted.evidence.iter().map(|text| turn(text)), for_evidence);
    // A question and its answer stay together: only whole pairs are dropped.
    let turns = wanted.history.iter().rev().map(|past| turn(&past.text));
    let (mut history, mut history_tokens) = take(turns.clone(), free - for_evidence);
    if history % 2 == 1 {
        history -= 1;
        history_tokens = turns.take(history).sum();
    }
    Ok(Fitted {
        evidence,
        history,
        evidence_dropped: wanted.evidence.len() - evidence,
        history_dropped: wanted.history.len() - history,
        tokens: turn(wanted.system) + turn(wanted.question) + evidence_tokens + history_tokens,
    })
}

/// How many of the sizes fit into `room`, in order, and their sum.
fn take(sizes: impl Iterator<Item = usize>, room: usize) -> (usize, usize) {
    let (mut taken, mut sum) = (0, 0);
    for size in sizes {
        if sum + size > room {
            break;
        }
        taken += 1;
        sum += size;
    }
    (taken, sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::llm::Role;

    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn turns(sizes: &[usize]) -> Vec<Turn> {
        sizes
            .iter()
            .enumerate()
            .map(|(place, size)| Turn {
                role: if place % 2 == 0 { Role::User } else { Role::Assistant },
                text: "w ".repeat(*size),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn no_request_exceeds_the_window(
            window in 0_usize..5_000,
            answer in 0_usize..2_000,
            question in 0_usize..3_000,
            history in proptest::collection::vec(0_usize..800, 0..40),
            evidence in proptest::collection::vec(0_usize..800, 0..40),
        ) {
            let (history, question) = (turns(&history), "q ".repeat(question));
            let evidence: Vec<String> = evidence.iter().map(|size| "e ".repeat(*size)).collect();
            let wanted = Wanted {
                window, answer, system: "you answer", question: &question, history: &history, evidence: &evidence,
            };
            if let Ok(fitted) = fit(&wanted, words) {
                let sent: usize = [words(wanted.system), words(&question)]
                    .into_iter()
                    .chain(evidence[..fitted.evidence].iter().map(|text| words(text)))
                    .chain(history[history.len() - fitted.history..].iter().map(|turn| words(&turn.text)))
                    .map(|tokens| tokens + TURN_OVERHEAD)
                    .sum();
                prop_assert_eq!(sent, fitted.tokens);
                prop_assert!(sent + answer <= window);
                prop_assert!(fitted.history % 2 == 0);
            }
        }
    }

    #[test]
    fn a_question_that_leaves_no_room_is_refused_with_what_to_do() {
        let question = "q ".repeat(500);
        let wanted = Wanted { window: 400, answer: 100, system: "s", question: &question, history: &[], evidence: &[] };
        let refusal = fit(&wanted, words).expect_err("too long").to_string();
        assert!(refusal.contains("larger window"), "{refusal}");
    }
}
