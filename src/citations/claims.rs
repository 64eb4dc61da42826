//! The sentences of an answer while it streams: which of them claim something,
//! and which sources stand behind them.

use std::ops::Range;

use super::align::Content;
use super::verify::{Claim, MIN_CONTENT};
use crate::sentences;

/// Code points of a sentence that is waited for, at most.
const MAX_CHARS: usize = 3000;

/// The end of an answer that is not yet settled, without the numbers of its
/// citations.
#[derive(Debug, Default)]
pub(super) struct Claims {
    text: String,
    /// For each character, its place in the shown answer.
    places: Vec<usize>,
    /// Sources, and behind how many characters they are cited.
    marks: Vec<(usize, usize)>,
    /// A sentence may have ended before the last letter.
    may_end: bool,
    /// A word has begun since.
    word: bool,
    /// Characters before which it is not worth looking again.
    patience: usize,
}

/// A sentence that claims something and is over.
#[derive(Debug)]
pub(super) struct Settled {
    /// Its place in the shown answer, in code points.
    pub(super) range: Range<usize>,
    pub(super) content: Content,
    /// The sources it cites.
    pub(super) sources: Vec<usize>,
}

impl Claims {
    /// Adds a character that stands at `place` in the shown answer. Returns
    /// the claims that are over now.
    pub(super) fn push(&mut self, c: char, place: usize) -> Vec<Settled> {
        self.text.push(c);
        self.places.push(place);
        // The first word behind a bound decides whether it is one.
        self.word |= self.may_end && c.is_alphabetic();
        let length = self.places.len();
        let over = self.word && !c.is_alphanumeric() && length >= self.patience;
        let settled = match length {
            MAX_CHARS.. => self.settle(true),
            _ if over => self.settle(false),
            _ => Vec::new(),
        };
        if over {
            (self.may_end, self.word) = (false, false);
            self.patience = if self.places.len() < length { 0 } else { length + length / 8 };
        }
        self.may_end |= !c.is_alphanumeric() && c != ' ' && c != ',';
        settled
    }

    /// A source is cited here.
    pub(super) fn mark(&mut self, source: usize) {
        self.marks.push((self.places.len(), source));
    }

    /// The sentence that a marker here belongs to; none at the start of a
    /// line, where it belongs to what follows.
    pub(super) fn current(&self) -> Option<Claim> {
        let range = sentences::split(&self.text).pop()?;
        let tail = &self.text[range.end..];
        let last_line = tail.rsplit('\n').next().unwrap_or_default();
        let breaks = tail.matches('\n').count();
        if breaks > 1 || (breaks == 1 && !last_line.trim().is_empty()) {
            return None;
        }
        let start = self.text[..range.start].chars().count();
        let cited = self.marks.iter().filter(|(at, _)| *at > start).map(|(_, source)| *source).collect();
        Some(Claim { content: Content::new(&self.text[range]), cited })
    }

    /// Settles all sentences, or all but the last.
    pub(super) fn settle(&mut self, all: bool) -> Vec<Settled> {
        let mut ranges = sentences::split(&self.text);
        let over = if all { ranges.len() } else { ranges.len().saturating_sub(1) };
        if over == 0 {
            if all {
                *self = Self::default();
            }
            return Vec::new();
        }
        let places = self.char_ranges(&ranges);
        let owners: Vec<usize> = self.marks.iter().map(|(at, _)| self.owner(*at, &places)).collect();
        let end = if all { self.places.len() } else { places[over - 1].end };
        let mut settled = Vec::new();
        ranges.truncate(over);
        for (index, range) in ranges.iter().enumerate() {
            let Some(content) = self.claim(range) else { continue };
            let cited = self.marks.iter().zip(&owners).filter(|(_, owner)| **owner == index);
            let sources = cited.map(|((_, source), _)| *source).collect();
            let (first, last) = (places[index].start, places[index].end - 1);
            settled.push(Settled { range: self.places[first]..self.places[last] + 1, content, sources });
        }
        let marks = self.marks.iter().zip(&owners).filter(|(_, owner)| **owner >= over);
        self.marks = marks.map(|((at, source), _)| (at.saturating_sub(end), *source)).collect();
        let byte = if all { self.text.len() } else { ranges[over - 1].end };
        self.text.drain(..byte);
        self.places.drain(..end);
        settled
    }

    /// Byte ranges as ranges of characters.
    fn char_ranges(&self, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
        let (mut byte, mut place) = (0, 0);
        let mut to_chars = |range: &Range<usize>| {
            let start = place + self.text[byte..range.start].chars().count();
            place = start + self.text[range.clone()].chars().count();
            byte = range.end;
            start..place
        };
        ranges.iter().map(&mut to_chars).collect()
    }

    /// The sentence that a citation behind `at` characters backs: the one
    /// before it, or at the start of a line the one after it.
    fn owner(&self, at: usize, sentences: &[Range<usize>]) -> usize {
        let byte = self.text.char_indices().nth(at).map_or(self.text.len(), |(byte, _)| byte);
        let before = self.text[..byte].rsplit('\n').next().unwrap_or_default();
        let after = self.text[byte..].split('\n').next().unwrap_or_default();
        let leads = !before.contains(char::is_alphabetic) && after.contains(char::is_alphanumeric);
        let last = sentences.len() - 1;
        if leads {
            sentences.iter().position(|sentence| sentence.end > at).unwrap_or(last)
        } else {
            sentences.iter().rposition(|sentence| sentence.start < at).unwrap_or(0)
        }
    }

    /// What a sentence is about, if it claims something. Questions, headings
    /// and words that lead in to something do not.
    fn claim(&self, range: &Range<usize>) -> Option<Content> {
        let sentence = &self.text[range.clone()];
        let end = sentence.trim_end_matches(['*', '_', '"', '”', '’', ')', ' ']);
        let line = self.text[..range.start].rsplit('\n').next().unwrap_or_default().trim();
        let next_line = self.text[range.end..].split('\n').nth(1).unwrap_or_default().trim();
        let leads_in = end.ends_with(['?', '？', '؟', ':', '：']);
        let heading = line.starts_with('#') || (sentence.starts_with("**") && sentence.ends_with("**"));
        let heading = heading && !(line.is_empty() && end.ends_with(['.', '!', '。']));
        let table_head =
            line.starts_with('|') && next_line.contains('-') && next_line.chars().all(|c| "|-: ".contains(c));
        if leads_in || heading || table_head {
            return None;
        }
        let content = Content::new(sentence);
        (content.len() >= MIN_CONTENT).then_some(content)
    }
}
