//! What was said before: earlier exchanges and their summary, and the steps of
//! this answer. Imports the plain types of `budget`.

use super::{Exchange, STUB, Step};

/// What is sent of earlier exchanges.
#[derive(Debug)]
pub(super) struct Past {
    /// How many exchanges, counted from the newest.
    pub(super) exchanges: usize,
    /// Tokens of them.
    pub(super) tokens: usize,
    /// Tokens of the summary, if it is sent.
    pub(super) summary: Option<usize>,
}

/// Takes the newest exchange, then the summary, then older exchanges, newest
/// first, for as long as they fit into `room` without a gap.
///
/// The question most often leans on the exchange just before it; all others,
/// the summary speaks for.
pub(super) fn past(
    history: &[Exchange<'_>],
    summary: Option<&str>,
    room: usize,
    turn: &impl Fn(&str) -> usize,
) -> Past {
    // Nothing that does not fit is counted twice, nor what lies behind it.
    let mut sizes = history.iter().rev().map(|past| turn(past.question).saturating_add(turn(past.answer)));
    let (mut exchanges, mut tokens) = take(sizes.by_ref().take(1), room);
    let summary = summary.filter(|text| !text.is_empty()).map(turn).filter(|size| *size <= room - tokens);
    if exchanges > 0 {
        let (more, more_tokens) = take(sizes, room - tokens - summary.unwrap_or(0));
        exchanges += more;
        tokens += more_tokens;
    }
    Past { exchanges, tokens, summary }
}

/// How many of the sizes fit into `room`, in order, and their sum.
fn take(sizes: impl Iterator<Item = usize>, room: usize) -> (usize, usize) {
    let (mut taken, mut sum) = (0, 0);
    for size in sizes {
        if size > room - sum {
            break;
        }
        taken += 1;
        sum += size;
    }
    (taken, sum)
}

/// The results that must be cut to [`STUB`] for the steps to fit into `room`,
/// oldest first, and the tokens of all steps then. Calls are never cut, nor
/// results that are no longer than the stub; so the steps may still not fit.
pub(super) fn cut(steps: &[Step<'_>], room: usize, turn: &impl Fn(&str) -> usize) -> (Vec<usize>, usize) {
    let mut sizes: Vec<usize> = steps.iter().map(|(Step::Call(text) | Step::Result(text))| turn(text)).collect();
    let mut tokens = sum(&sizes);
    let mut stubs = Vec::new();
    if tokens <= room {
        return (stubs, tokens);
    }
    let stub = turn(STUB);
    for (place, step) in steps.iter().enumerate() {
        if tokens <= room {
            break;
        }
        if matches!(step, Step::Result(_)) && sizes[place] > stub {
            tokens = tokens.saturating_sub(sizes[place] - stub);
            sizes[place] = stub;
            stubs.push(place);
        }
    }
    // Counted anew, as a sum that ran over cannot be taken from.
    (stubs, sum(&sizes))
}

fn sum(sizes: &[usize]) -> usize {
    sizes.iter().copied().fold(0, usize::saturating_add)
}
