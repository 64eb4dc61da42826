//! Words that are looked for as they stand: who puts in a sentence of a document, or
//! words in quotation marks, wants the passage that holds it. Scores by single words
//! and by meaning often put that one below others. Imports the candidates.

use footnote_ingest::index::Hit;

use super::Candidate;
use crate::folding::folded;

/// Words of a query that may be a phrase without quotation marks.
const WORDS: std::ops::RangeInclusive<usize> = 4..=40;
/// Hits among which what may be a phrase is looked for, and what is said to be one.
const HITS: usize = 64;
const QUOTED: usize = 100;
/// What a passage that holds it is ranked above others by: more than fusion gives.
const ABOVE: f32 = 1.0;
/// Who holds all words of a query has at least this share of the best score by words.
const SHARE: f32 = 0.5;

/// What must stand in a passage.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    /// Each folded.
    parts: Vec<String>,
    /// Whether it is all of the query.
    is_all: bool,
}

impl Phrase {
    /// The parts of a query in quotation marks; without any, all of a query of several
    /// words that asks nothing.
    pub(super) fn of(query: &str) -> Option<Self> {
        let parts: Vec<&str> = query.split(['"', '“', '”', '„', '«', '»']).collect();
        // What is not closed is no quotation.
        let closed = parts.len() - usize::from(parts.len().is_multiple_of(2));
        let quoted: Vec<String> = parts[..closed]
            .iter()
            .skip(1)
            .step_by(2)
            .map(|part| folded(part))
            .filter(|part| !part.is_empty())
            .collect();
        if !quoted.is_empty() {
            return Some(Self { parts: quoted, is_all: false });
        }
        let words = folded(query);
        let may_stand = !query.trim_end().ends_with(['?', '？']) && WORDS.contains(&words.split(' ').count());
        may_stand.then_some(Self { parts: vec![words], is_all: true })
    }

    /// Hits among which it is looked for.
    pub(super) fn hits(&self) -> usize {
        if self.is_all { HITS } else { QUOTED }
    }

    /// The first `most` hits, and of the others those that may hold it.
    pub(super) fn likely(&self, mut hits: Vec<Hit>, most: usize) -> Vec<Hit> {
        let best = hits.iter().filter_map(|hit| hit.sparse).fold(0.0, f32::max);
        let mut place = 0;
        hits.retain(|hit| {
            place += 1;
            place <= most || self.may_be_held(hit.sparse, best)
        });
        hits
    }

    /// By the scores for all words of the query, which tell little of a part of it.
    fn may_be_held(&self, score: Option<f32>, best: f32) -> bool {
        !self.is_all || score.is_some_and(|score| score >= SHARE * best)
    }

    fn stands_in(&self, text: &str) -> bool {
        let text = format!(" {} ", folded(text));
        self.parts.iter().all(|part| text.contains(&format!(" {part} ")))
    }

    /// The candidates that hold it first, and of the others the first `most` as they
    /// came.
    pub(super) fn first(&self, candidates: Vec<Candidate>, most: usize) -> Vec<Candidate> {
        let best = candidates.iter().filter_map(|candidate| candidate.scores.sparse).fold(0.0, f32::max);
        let mut others = 0;
        let (mut holding, mut rest) = (Vec::new(), Vec::new());
        for mut candidate in candidates {
            if self.may_be_held(candidate.scores.sparse, best) && self.stands_in(&candidate.chunk.text) {
                candidate.scores.phrase = Some(ABOVE);
                holding.push(candidate);
            } else if others < most {
                others += 1;
                rest.push(candidate);
            }
        }
        holding.extend(rest);
        holding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(query: &str) -> Option<Vec<String>> {
        Phrase::of(query).map(|phrase| phrase.parts)
    }

    #[test]
    fn quotations_are_phrases_and_questions_are_not() {
        let one = |part: &str| Some(vec![part.to_owned()]);
        assert_eq!(parts("where is \"4 bar\" said?"), one("4 bar"));
        assert_eq!(parts("“Two parts” and «more»"), Some(vec!["two parts".into(), "more".into()]));
        assert_eq!(parts("the pump holds 4 bar"), one("the pump holds 4 bar"));
        assert_eq!(parts("does the pump hold 4 bar?"), None);
        assert_eq!(parts("pressure of pumps"), None);
        assert_eq!(parts("a 3\" pipe for the pump"), one("a 3 pipe for the pump"));
        assert_eq!(parts("\"\""), None);
    }

    #[test]
    fn it_stands_where_its_words_stand_in_a_row() {
        let phrase = Phrase::of("the pump holds 4 bar").expect("a phrase");
        assert!(phrase.stands_in("Mind: the PUMP\nholds 4 bar."));
        assert!(!phrase.stands_in("The pump holds 4 bars."));
        assert!(!phrase.stands_in("The pump, they say, holds 4 bar."));
    }
}
