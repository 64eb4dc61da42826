//! How well a sentence answers a question, and how sure it is that one does.
//!
//! All weights are those of two logistic models that were fitted on the golden
//! questions (142) together with questions of `SQuAD` 2.0's development half
//! (420): one model tells the sentence with the answer from the others, the
//! other, in which a question of `SQuAD` counts a tenth, tells questions with an
//! answer from those without.

use std::collections::{HashMap, HashSet};

use super::question::{Question, holds_number};
use super::units::{self, Unit};
use crate::folding::folded;
use crate::llm::Source;

/// How sure the answerer must be unless configured otherwise. A lower one
/// answers more questions, and more of those that cannot be answered: of these
/// 78 in a hundred golden ones are refused at 0.35 (tenfold cross-validation),
/// and 61 at 0.2; of the others 83 and 88 are answered from the right document.
pub const DEFAULT_THRESHOLD: f32 = 0.35;

/// Weights of the signs by which the sentence is chosen.
const BY_MEANING: Weights =
    Weights { meaning: 8.67, context: 4.46, near: 4.17, passage: 1.31, dense: 3.76, number: 1.69, person: 2.01 };
/// The same before anything is embedded: which sentences are worth it.
const BY_WORDS: Weights =
    Weights { meaning: 0.0, context: 6.91, near: 5.26, passage: 0.74, dense: 7.6, number: 2.05, person: 2.15 };
/// Weights of the signs that there is an answer: the cosine of the nearest
/// sentence, the score of the best one, whether the question names something,
/// and whether a number or code that it names is nowhere.
const SURE: [f32; 4] = [7.61, 0.31, -1.19, -1.48];
/// What is added to them.
const SURE_BIAS: f32 = -7.03;
/// Cosine of a passage with the question where it is not known: about the mean
/// of the passages that were found for those questions.
const TYPICAL_DENSE: f32 = 0.4;
/// A further sentence is said if its score is so little below the best one's;
/// answers have two sentences in the mean then.
const MARGIN: f32 = 2.0;
/// What the sentence that follows the best one in its paragraph gains.
const FOLLOWS: f32 = 1.5;

/// What the signs count.
struct Weights {
    meaning: f32,
    context: f32,
    near: f32,
    passage: f32,
    dense: f32,
    number: f32,
    person: f32,
}

/// What speaks for a sentence. Shares are of the question's words, rare ones
/// counting more, and from 0 to 1.
#[derive(Debug, Clone, Default)]
struct Signs {
    /// Cosine of the question with the sentence under its title and heading.
    meaning: f32,
    /// Share in the sentence, its title and its headings.
    context: f32,
    /// Share in the sentence, its heading and the sentences beside it.
    near: f32,
    /// Share in the passage, its title and its headings.
    passage: f32,
    /// Cosine of the question with the passage.
    dense: f32,
    /// 1 if a number is asked for and the sentence has one of its own.
    number: f32,
    /// 1 if a person is asked for and the sentence has a name of its own.
    person: f32,
}

/// A sentence that may answer.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Number of its source.
    pub(super) n: usize,
    /// Its words as they stand in the source.
    pub(super) text: String,
    /// What is embedded: the title, the heading, the table's head, and it.
    pub(super) context: String,
    /// Paragraph and place in its source.
    position: (usize, usize),
    signs: Signs,
}

impl Candidate {
    /// Sets the cosine of its context with the question.
    pub(super) fn set_meaning(&mut self, cosine: f32) {
        self.signs.meaning = cosine;
    }

    fn score(&self, weights: &Weights) -> f32 {
        let Signs { meaning, context, near, passage, dense, number, person } = self.signs;
        weights.meaning * meaning
            + weights.context * context
            + weights.near * near
            + weights.passage * passage
            + weights.dense * dense
            + weights.number * number
            + weights.person * person
    }

    /// Whether it stands right behind another in the same paragraph.
    fn follows(&self, other: &Self) -> bool {
        let (paragraph, place) = self.position;
        self.n == other.n && (paragraph, place) == (other.position.0, other.position.1 + 1)
    }
}

/// A passage with its words.
struct Passage<'a> {
    source: &'a Source,
    units: Vec<Unit>,
    /// Stems of each unit.
    stems: Vec<HashSet<u32>>,
    /// Stems of its title and headings.
    titles: HashSet<u32>,
    /// Stems of all its units.
    all: HashSet<u32>,
}

impl<'a> Passage<'a> {
    fn new(source: &'a Source, stems: &impl Fn(&str) -> HashSet<u32>) -> Self {
        let units = units::of(source);
        let of_units: Vec<HashSet<u32>> = units.iter().map(|unit| stems(&source.text[unit.range.clone()])).collect();
        let all = of_units.iter().flatten().copied().collect();
        let titles = stems(&format!("{}\n{}", source.title, source.headings.join("\n")));
        Self { source, units, stems: of_units, titles, all }
    }

    /// The candidate that the unit at a place is.
    fn candidate(
        &self,
        unit: &Unit,
        question: &Question,
        rarity: &Rarity,
        stems: &impl Fn(&str) -> HashSet<u32>,
    ) -> Candidate {
        let text = &self.source.text[unit.range.clone()];
        let place = unit.place;
        let none = HashSet::new();
        let above = stems(&format!("{}\n{}", unit.heading, unit.table_head));
        let own = &self.stems[place];
        let before = place.checked_sub(1).and_then(|before| self.stems.get(before)).unwrap_or(&none);
        let after = self.stems.get(place + 1).unwrap_or(&none);
        let number = question.wants_number && holds_number(text, &question.words);
        let person = question.wants_person && holds_name(text, &question.words);
        let signs = Signs {
            meaning: 0.0,
            context: rarity.share(&[own, &above, &self.titles]),
            near: rarity.share(&[own, &above, before, after]),
            passage: rarity.share(&[&self.all, &self.titles]),
            dense: self.source.dense.unwrap_or(TYPICAL_DENSE),
            number: f32::from(u8::from(number)),
            person: f32::from(u8::from(person)),
        };
        let position = (unit.paragraph, place);
        Candidate { n: self.source.n, text: text.to_owned(), context: self.context(unit, text), position, signs }
    }

    /// A unit with its title, heading and table head, on one line.
    fn context(&self, unit: &Unit, text: &str) -> String {
        let mut context = self.source.title.clone();
        if !unit.heading.is_empty() && unit.heading.to_lowercase() != context.to_lowercase() {
            context = format!("{context} > {}", unit.heading);
        }
        context.push_str(": ");
        if !unit.table_head.is_empty() {
            context.push_str(&unit.table_head);
            context.push_str(" : ");
        }
        context.push_str(text);
        context.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// How rare the question's words are among the units (inverse document
/// frequency).
struct Rarity(HashMap<u32, f32>);

impl Rarity {
    #[expect(clippy::cast_precision_loss, reason = "counts of sentences are small")]
    fn new(question: &Question, passages: &[Passage<'_>]) -> Self {
        let units: Vec<&HashSet<u32>> = passages.iter().flat_map(|passage| &passage.stems).collect();
        let rarity = |stem: &u32| {
            let holders = units.iter().filter(|unit| unit.contains(stem)).count();
            (1.0 + units.len() as f32 / (1.0 + holders as f32)).ln()
        };
        Self(question.stems.iter().map(|stem| (*stem, rarity(stem))).collect())
    }

    /// The share of the question's words that stand in any of the sets.
    fn share(&self, sets: &[&HashSet<u32>]) -> f32 {
        let all: f32 = self.0.values().sum();
        let held = self.0.iter().filter(|(stem, _)| sets.iter().any(|set| set.contains(*stem)));
        let held: f32 = held.map(|(_, rarity)| rarity).sum();
        if all > 0.0 { held / all } else { 0.0 }
    }
}

/// The sentences that are most likely to answer by their words, at most
/// `limit`. `stems` gives the stems of a text.
pub(super) fn candidates(
    question: &Question,
    sources: &[Source],
    limit: usize,
    stems: &impl Fn(&str) -> HashSet<u32>,
) -> Vec<Candidate> {
    let passages: Vec<Passage<'_>> = sources.iter().map(|source| Passage::new(source, stems)).collect();
    let rarity = Rarity::new(question, &passages);
    let mut candidates = Vec::new();
    for passage in &passages {
        let quotable = passage.units.iter().filter(|unit| unit.quotable);
        candidates.extend(quotable.map(|unit| passage.candidate(unit, question, &rarity, stems)));
    }
    candidates.sort_by(|a, b| b.score(&BY_WORDS).total_cmp(&a.score(&BY_WORDS)));
    // Passages may overlap: what is embedded once is enough.
    let mut seen = HashSet::new();
    candidates.retain(|candidate| seen.insert(candidate.context.clone()));
    candidates.truncate(limit);
    candidates
}

/// How sure it is that one of the candidates answers, from 0 to 1.
pub(super) fn sureness(question: &Question, sources: &[Source], candidates: &[Candidate]) -> f32 {
    let nearest = candidates.iter().map(|candidate| candidate.signs.meaning).max_by(f32::total_cmp);
    let best = candidates.iter().map(|candidate| candidate.score(&BY_MEANING)).max_by(f32::total_cmp);
    let (Some(nearest), Some(best)) = (nearest, best) else { return 0.0 };
    let flag = |holds: bool| f32::from(u8::from(holds));
    let signs = [nearest, best, flag(question.names), flag(question.has_unknown_code(sources))];
    let sum: f32 = SURE.iter().zip(signs).map(|(weight, sign)| weight * sign).sum();
    1.0 / (1.0 + (-(sum + SURE_BIAS)).exp())
}

/// The sentences of the answer, best first, at most `limit`.
pub(super) fn choose(mut candidates: Vec<Candidate>, limit: usize) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score(&BY_MEANING).total_cmp(&a.score(&BY_MEANING)));
    let mut rest = candidates.into_iter();
    let Some(best) = rest.next() else { return vec![] };
    let enough = best.score(&BY_MEANING) - MARGIN;
    let value =
        |candidate: &Candidate| candidate.score(&BY_MEANING) + if candidate.follows(&best) { FOLLOWS } else { 0.0 };
    let mut further: Vec<Candidate> = rest.filter(|candidate| value(candidate) >= enough).collect();
    further.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let mut seen = HashSet::from([folded(&best.text)]);
    further.retain(|candidate| seen.insert(folded(&candidate.text)));
    further.truncate(limit.saturating_sub(1));
    further.insert(0, best);
    further
}

/// Whether a text has a capitalised word inside of a sentence that is not in
/// the question.
fn holds_name(text: &str, asked: &[String]) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let word = pair[1].trim_matches(|c: char| !c.is_alphanumeric());
        let inside = !pair[0].ends_with(['.', '!', '?']);
        let long = word.chars().count() > 1;
        inside && long && word.starts_with(char::is_uppercase) && !asked.contains(&folded(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: usize, text: &str) -> Source {
        let title = "Manual".to_owned();
        Source { n, title, headings: vec![], text: text.to_owned(), score: 1.0, dense: Some(0.5) }
    }

    /// Each word is its own stem.
    fn stems(text: &str) -> HashSet<u32> {
        let word = |word: &str| word.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        folded(text).split(' ').filter(|part| part.len() > 3).map(word).collect()
    }

    fn ranked(question: &str, sources: &[Source]) -> Vec<Candidate> {
        let question = Question::new(question, stems(question));
        choose(candidates(&question, sources, 10, &stems), 3)
    }

    #[test]
    fn the_words_of_the_heading_count_for_what_stands_under_it() {
        let sources = [source(1, "## Colour\n\nIt is blue.\n\n## Pressure of the pump\n\nIt may be four bar.")];
        assert_eq!(ranked("What is the pressure of the pump?", &sources)[0].text, "It may be four bar.");
    }

    #[test]
    fn a_number_is_preferred_where_one_is_asked_for() {
        let sources = [source(1, "The pump weighs a lot.\n\nThe pump weighs 12 kilograms.")];
        assert_eq!(ranked("How much does the pump weigh?", &sources)[0].text, "The pump weighs 12 kilograms.");
    }

    #[test]
    fn the_same_words_are_not_said_twice() {
        let sources = [source(1, "The pump holds four bar."), source(2, "The pump holds four bar.")];
        assert_eq!(ranked("What pressure does the pump hold?", &sources).len(), 1);
    }

    #[test]
    fn nothing_to_choose_from_is_no_certainty() {
        let question = Question::new("What is it?", HashSet::new());
        assert!(sureness(&question, &[], &[]) < f32::EPSILON);
    }

    #[test]
    fn a_name_is_a_capitalised_word_inside_of_a_sentence() {
        let asked = ["quality".to_owned()];
        assert!(holds_name("The head is Felicitas.", &asked));
        assert!(!holds_name("The head. It is Quality", &asked));
    }
}
