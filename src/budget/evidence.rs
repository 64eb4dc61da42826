//! What of the evidence is sent: passages whole, or the run of whole sentences
//! that says most about the question. Imports `sentences` and the plain types
//! of `budget`.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

use super::{Candidate, TURN_OVERHEAD};
use crate::sentences;

/// Letters of the longest words that are passed over.
const SHORT: usize = 2;
/// What a word is worth that stands in one candidate only. Whole numbers, so
/// that equal sums are equal.
const WEIGHT: u64 = 1 << 20;

/// A passage, or a part of one, that is sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// Its place among the candidates.
    pub index: usize,
    /// The first code point of its text that is sent.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// Tokens of it, with its fence, title line and seams.
    pub tokens: usize,
    /// Whether only a part of it is sent.
    pub trimmed: bool,
    /// What it was ranked by.
    pub worth: f32,
}

impl Kept {
    /// The part of the candidate's text that is sent.
    #[must_use]
    pub fn slice<'t>(&self, text: &'t str) -> &'t str {
        let mut bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(self.start);
        let start = bytes.next().unwrap_or(text.len());
        let end = match self.end.saturating_sub(self.start) {
            0 => start,
            length => bytes.nth(length - 1).unwrap_or(text.len()),
        };
        &text[start..end]
    }
}

/// A passage that is not sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dropped {
    /// Its place among the candidates.
    pub index: usize,
    /// Why it is not sent.
    pub reason: Reason,
    /// What it was ranked by.
    pub worth: f32,
}

/// Why a passage is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// None of its sentences fits into what better passages leave.
    NoRoom,
    /// It holds neither letters nor digits.
    Empty,
}

/// What is sent of the candidates.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) kept: Vec<Kept>,
    pub(super) dropped: Vec<Dropped>,
    pub(super) tokens: usize,
}

/// Fills `room` with candidates in their order, each whole where it fits, else
/// cut, else left out.
pub(super) fn choose(
    question: &str,
    candidates: &[Candidate<'_>],
    room: usize,
    count: &impl Fn(&str) -> usize,
) -> Chosen {
    let weights = LazyCell::new(|| Weights::new(question, candidates));
    let mut chosen = Chosen::default();
    for (index, candidate) in candidates.iter().enumerate() {
        let Candidate { text, overhead, worth } = *candidate;
        if !text.contains(char::is_alphanumeric) {
            chosen.dropped.push(Dropped { index, reason: Reason::Empty, worth });
            continue;
        }
        let around = overhead.saturating_add(TURN_OVERHEAD);
        let part = (room - chosen.tokens).checked_sub(around).and_then(|room| {
            let whole = Part { range: 0..text.len(), tokens: count(text) };
            if whole.tokens <= room { Some(whole) } else { Passage::new(text, &weights).best(room, count) }
        });
        let Some(Part { range, tokens }) = part else {
            chosen.dropped.push(Dropped { index, reason: Reason::NoRoom, worth });
            continue;
        };
        let start = text[..range.start].chars().count();
        let end = start + text[range.clone()].chars().count();
        let tokens = tokens + around;
        chosen.tokens += tokens;
        chosen.kept.push(Kept { index, start, end, tokens, trimmed: range.len() < text.len(), worth });
    }
    chosen
}

/// A slice of a passage, in bytes, and its tokens by a count of just that slice.
struct Part {
    range: Range<usize>,
    tokens: usize,
}

/// A passage that does not fit whole.
struct Passage<'a> {
    text: &'a str,
    sentences: Vec<Range<usize>>,
    /// What each sentence says about the question.
    worths: Vec<u64>,
}

impl<'a> Passage<'a> {
    fn new(text: &'a str, weights: &Weights) -> Self {
        let sentences = sentences::split(text);
        let worths = sentences.iter().map(|range| weights.of(&text[range.clone()])).collect();
        Self { text, sentences, worths }
    }

    /// The best run of sentences that takes at most `room` tokens.
    fn best(&self, room: usize, count: &impl Fn(&str) -> usize) -> Option<Part> {
        let run = self.estimated(room, count).and_then(|run| self.shrunk(run, room, count));
        run.or_else(|| self.single(room, count))
    }

    /// The run that is worth most if tokens added up; of equals the one that
    /// starts first, and then the longest. Each sentence is counted once.
    fn estimated(&self, room: usize, count: &impl Fn(&str) -> usize) -> Option<Range<usize>> {
        // A sentence is counted with the gap before it, as tokenizers join a
        // word with its leading space.
        let mut gap = self.sentences.first()?.start;
        let mut costs = Vec::with_capacity(self.sentences.len());
        for sentence in &self.sentences {
            costs.push(count(&self.text[gap..sentence.end]));
            gap = sentence.end;
        }
        let mut best: Option<(u64, Range<usize>)> = None;
        let (mut start, mut cost, mut worth) = (0, 0_usize, 0);
        for end in 0..costs.len() {
            cost = cost.saturating_add(costs[end]);
            worth += self.worths[end];
            while cost > room && start <= end {
                cost = cost.saturating_sub(costs[start]);
                worth -= self.worths[start];
                start += 1;
            }
            let better =
                best.as_ref().is_none_or(|(most, run)| worth > *most || (worth == *most && start == run.start));
            if start <= end && better {
                best = Some((worth, start..end + 1));
            }
        }
        best.map(|(_, run)| run)
    }

    /// The run as it truly counts; shortened from its poorer end where that is
    /// too much. It is counted as often as its sentences can be halved.
    fn shrunk(&self, run: Range<usize>, room: usize, count: &impl Fn(&str) -> usize) -> Option<Part> {
        let part = |run: &Range<usize>| self.part(run.clone(), room, count);
        if let Some(whole) = part(&run) {
            return Some(whole);
        }
        let mut shorter = vec![run.clone()];
        let mut rest = run;
        while rest.len() > 1 {
            let first_is_poorer = self.worths[rest.start] < self.worths[rest.end - 1];
            rest = if first_is_poorer { rest.start + 1..rest.end } else { rest.start..rest.end - 1 };
            shorter.push(rest.clone());
        }
        let mut found = part(&rest)?;
        let (mut too_long, mut fits) = (0, shorter.len() - 1);
        while fits - too_long > 1 {
            let middle = usize::midpoint(too_long, fits);
            match part(&shorter[middle]) {
                Some(longer) => (found, fits) = (longer, middle),
                None => too_long = middle,
            }
        }
        Some(found)
    }

    /// The best sentence that fits, each counted without the gap before it.
    fn single(&self, room: usize, count: &impl Fn(&str) -> usize) -> Option<Part> {
        let mut best: Option<(u64, Part)> = None;
        for (place, worth) in self.worths.iter().enumerate() {
            if best.as_ref().is_none_or(|(most, _)| worth > most)
                && let Some(part) = self.part(place..place + 1, room, count)
            {
                best = Some((*worth, part));
            }
        }
        best.map(|(_, part)| part)
    }

    /// The slice from the first to the last sentence of a run, if it fits.
    fn part(&self, run: Range<usize>, room: usize, count: &impl Fn(&str) -> usize) -> Option<Part> {
        let range = self.sentences[run.start].start..self.sentences[run.end - 1].end;
        let tokens = count(&self.text[range.clone()]);
        (tokens <= room).then_some(Part { range, tokens })
    }
}

/// What the question's words are worth: the fewer candidates hold one, the more.
struct Weights(HashMap<String, u64>);

impl Weights {
    fn new(question: &str, candidates: &[Candidate<'_>]) -> Self {
        let asked: HashSet<String> = words(question).collect();
        let mut holders: HashMap<String, u64> = HashMap::new();
        for candidate in candidates {
            let held: HashSet<String> = words(candidate.text).filter(|word| asked.contains(word)).collect();
            for word in held {
                *holders.entry(word).or_default() += 1;
            }
        }
        Self(holders.into_iter().map(|(word, holders)| (word, WEIGHT / holders)).collect())
    }

    /// The sum over the words that a sentence holds, however often.
    fn of(&self, sentence: &str) -> u64 {
        let held: HashSet<String> = words(sentence).collect();
        held.iter().filter_map(|word| self.0.get(word)).sum()
    }
}

/// The words of a text that may mean something, in small letters.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.unicode_words().filter(|word| word.chars().count() > SHORT).map(str::to_lowercase)
}
