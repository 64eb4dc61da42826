//! Words and numbers of a sentence, and how much of a claim stands in a
//! source's sentence.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use super::normal::is_unspaced;

/// Share of a claim's weight from which a sentence backs it.
const ENOUGH: f32 = 0.5;
/// Words and numbers that a claim and a sentence share, at least.
const SHARED: usize = 2;
/// Weight of a number; that of a word is its length.
const NUMBER_WEIGHT: u8 = 4;
/// English and German words that carry no meaning of their own.
const STOPWORDS: &str = " a about after all also als am an and any are as at auch auf aus be been before bei beim between \
    bis both but by can could da damit das dass dem den der des die dies diese dieser dieses do does doch du durch each \
    ein eine einem einen einer eines er es etwa for from für gegen had has hat have he her his how i ich if ihr im in \
    into is ist it its kann können man may might mit more must nach nicht no nor not nur ob oder of ohne on only or other \
    our over per sein she should sich sie sind so some such than that the their them then there these they this those to \
    über um und under unter up very vom von vor was we wenn werden were what when where which while who wie will wir wird \
    with without wo would wurde you your zu zum zur zwischen according source sources states says document documents laut \
    ";
/// Endings that are cut off, longest first.
const ENDINGS: [&str; 22] = [
    "ungen", "heiten", "keiten", "ingly", "ation", "heit", "keit", "lich", "ing", "ung", "ies", "ern", "est", "ed",
    "es", "en", "em", "er", "ly", "e", "s", "n",
];

/// What a sentence is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// Stems of the words that carry meaning.
    pub(super) words: HashSet<String>,
    /// The numbers.
    pub(super) numbers: Vec<Number>,
}

/// A number in each way that it may be read: `1.000` is a thousand or one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number(Vec<String>);

impl Number {
    /// Whether it is among others.
    pub(super) fn is_in(&self, others: &[Self]) -> bool {
        others.iter().any(|other| other.0.iter().any(|reading| self.0.contains(reading)))
    }
}

impl Content {
    pub(super) fn new(text: &str) -> Self {
        let plain: String = text.nfkc().collect::<String>().to_lowercase();
        let words = plain.unicode_words().filter(|word| !is_number(word)).filter_map(stem).collect();
        Self { words, numbers: numbers(&plain) }
    }

    /// Words and numbers.
    pub(super) fn len(&self) -> usize {
        self.words.len() + self.numbers.len()
    }

    /// The share of this claim's words and numbers, by weight, that stand in a
    /// sentence; `nearby` holds the numbers of it and its neighbours. `None`
    /// if that is too little, or if a number is not there.
    pub(super) fn backed_by(&self, sentence: &Self, nearby: &[Number]) -> Option<f32> {
        if !self.numbers.iter().all(|number| number.is_in(nearby)) {
            return None;
        }
        let weigh = |word: &&String| f32::from(u8::try_from(word.chars().count()).unwrap_or(u8::MAX).clamp(3, 10));
        let shared: Vec<&String> = self.words.intersection(&sentence.words).collect();
        let numbers = f32::from(NUMBER_WEIGHT) * self.numbers.iter().map(|_| 1.0).sum::<f32>();
        let common: f32 = shared.iter().map(weigh).sum::<f32>() + numbers;
        let whole: f32 = self.words.iter().map(|word| weigh(&word)).sum::<f32>() + numbers;
        let score = (common / whole * 100.0).round() / 100.0;
        let enough = !shared.is_empty() && shared.len() + self.numbers.len() >= SHARED;
        (enough && score >= ENOUGH).then_some(score)
    }
}

fn is_number(word: &str) -> bool {
    !word.contains(|c: char| c.is_alphabetic())
}

/// A word without its ending and without marks on its letters.
fn stem(word: &str) -> Option<String> {
    if STOPWORDS.contains(&format!(" {word} ")) {
        return None;
    }
    let word = word.trim_end_matches("'s").trim_end_matches("’s");
    let mut stem: String = word.nfd().filter(|c| !is_combining_mark(*c)).collect();
    let short = stem.chars().count() < 2 && !stem.contains(is_unspaced);
    if let Some(ending) = ENDINGS.iter().find(|ending| stem.ends_with(**ending))
        && stem.chars().count() >= ending.len() + 3
    {
        stem.truncate(stem.len() - ending.len());
    }
    (!short).then_some(stem)
}

/// The numbers of a text in small letters and NFKC, also those inside of words
/// such as `IP67`.
pub(super) fn numbers(text: &str) -> Vec<Number> {
    let chars: Vec<char> = text.chars().collect();
    let mut found: Vec<Number> = Vec::new();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut at = 0;
    while at < chars.len() {
        if !digit(at) {
            at += 1;
            continue;
        }
        let start = at;
        while digit(at) || (chars.get(at).is_some_and(|c| ".,'’".contains(*c)) && digit(at + 1)) {
            at += 1;
        }
        let mut number = Number(readings(&chars[start..at]));
        // `10 000`
        let group = (1..=3).contains(&(at - start)) && chars.get(at) == Some(&' ') && !digit(at + 4);
        if group && (1..=3).all(|next| digit(at + next)) {
            let digits = chars[start..at].iter().chain(&chars[at + 1..at + 4]);
            number.0.push(digits.collect());
        }
        found.push(number);
    }
    found
}

/// A number as a decimal and, where its digits are grouped by three, without
/// the separators.
fn readings(chars: &[char]) -> Vec<String> {
    let raw: String = chars.iter().collect();
    let parts: Vec<&str> = raw.split(['.', ',', '\'', '’']).collect();
    let whole = |digits: &str| {
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
    };
    let decimal = |front: &str, back: &str| match back.trim_end_matches('0') {
        "" => whole(front),
        back => format!("{}.{back}", whole(front)),
    };
    let grouped = |parts: &[&str]| parts[0].len() <= 3 && parts[1..].iter().all(|part| part.len() == 3);
    match parts.as_slice() {
        [] => vec![],
        [only] => vec![whole(only)],
        [front, back] if grouped(&parts) => vec![decimal(front, back), whole(&format!("{front}{back}"))],
        [front, back] => vec![decimal(front, back)],
        [front @ .., back] if grouped(front) && back.len() != 3 => vec![decimal(&front.concat(), back), raw],
        all if grouped(all) => vec![whole(&all.concat()), decimal(&all[..all.len() - 1].concat(), all[all.len() - 1])],
        _ => vec![raw],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(claim: &str, sentence: &str) -> Option<f32> {
        let sentence = Content::new(sentence);
        Content::new(claim).backed_by(&sentence, &sentence.numbers)
    }

    #[test]
    fn the_same_words_in_another_form_align() {
        assert!(score("The pumps hold 4 bar", "The pump is holding a pressure of 4 bar.").is_some());
        assert!(score("Die Pumpen halten einen Druck", "Der Druck, den die Pumpe hält, und halten soll").is_some());
    }

    #[test]
    fn other_words_or_numbers_do_not_align() {
        assert_eq!(score("The pump holds 6 bar", "The pump holds 4 bar."), None);
        assert_eq!(score("The valve leaks water daily", "The pump holds 4 bar."), None);
        assert_eq!(score("The refrigeration plant burned down", "refrigeration is cold"), None);
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let same = |one: &str, other: &str| numbers(one)[0].is_in(&numbers(other));
        for (one, other) in [
            ("1,000", "1000"),
            ("1.000", "1000"),
            ("1'000", "1000"),
            ("10000", "10 000"),
            ("4.50", "4,5"),
            ("05", "5"),
            ("1,234.5", "1.234,50"),
            ("67", "ip67"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        assert!(!same("4.5", "45") && !same("4", "4.5") && !same("1000", "100"));
    }
}
