//! How well a sentence answers a question.

use std::collections::{HashMap, HashSet};

/// How sure the answerer must be unless configured otherwise; chosen on the
/// golden questions and on SQuAD 2.0's development half.
pub const DEFAULT_THRESHOLD: f32 = 0.5;

/// Weight of a rare word that stands near the sentence instead of in it.
const NEARBY: f32 = 0.5;
/// Weight of meaning against words.
const MEANING: f32 = 0.5;
/// What a passage loses for each rank below the first.
const RANK: f32 = 0.02;
/// What a sentence with a number gains where a number is asked for.
const NUMBER: f32 = 0.05;
/// A second sentence is said if it is nearly as good as the first.
const SECOND: f32 = 0.93;

/// A question.
#[derive(Debug)]
pub(super) struct Question {
    stems: HashSet<u32>,
    folded: String,
    wants_number: bool,
}

/// A sentence that may answer.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Number of its source.
    pub(super) n: usize,
    /// Place of its source, from 0.
    pub(super) rank: usize,
    /// Its words.
    pub(super) text: String,
    /// Its document's title.
    pub(super) title: String,
    /// Its stems.
    pub(super) stems: HashSet<u32>,
    /// Stems of its passage and title.
    pub(super) around: HashSet<u32>,
    /// Share of the question's words that it holds, rare ones counting more.
    pub(super) words: f32,
    /// Cosine similarity with the question.
    pub(super) meaning: f32,
}

impl Question {
    pub(super) fn new(text: &str, stems: HashSet<u32>) -> Self {
        let folded = folded(text);
        let numbers = [
            "how many",
            "how much",
            "how long",
            "how far",
            "how often",
            "how old",
            "when",
            "what year",
            "price",
            "cost",
        ];
        let wants_number = numbers.iter().any(|cue| format!(" {folded} ").contains(&format!(" {cue} ")));
        Self { stems, folded, wants_number }
    }

    /// Whether a sentence is the question itself, as in a list of questions.
    pub(super) fn is_repeated_by(&self, sentence: &str) -> bool {
        sentence.trim_end().ends_with('?') || folded(sentence) == self.folded
    }
}

impl Candidate {
    /// The sentence with its document's title, as it is embedded.
    pub(super) fn in_context(&self) -> String {
        format!("{}: {}", self.title, self.text)
    }

    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    fn score(&self, question: &Question) -> f32 {
        let number = question.wants_number && self.text.contains(|c: char| c.is_ascii_digit());
        let bonus = if number { NUMBER } else { 0.0 };
        MEANING * self.meaning + (1.0 - MEANING) * self.words - RANK * self.rank as f32 + bonus
    }
}

/// Weighs each candidate's words. A word is the rarer the fewer candidates
/// hold it (inverse document frequency over the candidates).
#[expect(clippy::cast_precision_loss, reason = "counts of sentences are small")]
pub(super) fn weigh_words(question: &Question, candidates: &mut [Candidate]) {
    let mut holders: HashMap<u32, usize> = HashMap::new();
    for candidate in candidates.iter() {
        for stem in candidate.stems.intersection(&question.stems) {
            *holders.entry(*stem).or_default() += 1;
        }
    }
    let count = candidates.len() as f32;
    let rarity = |stem: &u32| (1.0 + count / (1.0 + holders.get(stem).copied().unwrap_or(0) as f32)).ln();
    let all: f32 = question.stems.iter().map(rarity).sum();
    for candidate in candidates {
        let held = question.stems.iter().map(|stem| {
            let share = if candidate.stems.contains(stem) {
                1.0
            } else if candidate.around.contains(stem) {
                NEARBY
            } else {
                0.0
            };
            share * rarity(stem)
        });
        candidate.words = if all > 0.0 { held.sum::<f32>() / all } else { 0.0 };
    }
}

/// The sentences of the answer, best first; none when the best is not good
/// enough.
pub(super) fn choose(
    question: &Question,
    mut candidates: Vec<Candidate>,
    threshold: f32,
    limit: usize,
) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score(question).total_cmp(&a.score(question)));
    let Some(best) = candidates.first() else { return vec![] };
    let score = best.score(question);
    tracing::debug!(
        score,
        meaning = best.meaning,
        words = best.words,
        rank = best.rank,
        sentence = best.text,
        "best sentence"
    );
    if score < threshold {
        return vec![];
    }
    let mut seen = HashSet::new();
    candidates.retain(|candidate| candidate.score(question) >= SECOND * score && seen.insert(folded(&candidate.text)));
    candidates.truncate(limit);
    candidates
}

fn folded(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
