//! The checking of a marker against the sources of an answer.

use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::align::{self, Content, Number};
use super::marker::Reference;
use super::normal::{Normal, is_unspaced};
use super::{Citation, SourceText, Support};
use crate::sentences;

/// Words of a quote that proves something on its own, at least.
const MIN_WORDS: usize = 3;
/// Letters and digits of such a quote, at least; one of a script without
/// spaces counts as three.
const MIN_CHARS: usize = 12;
/// What a sentence gains in rank by holding a claim's numbers itself.
const OWN_NUMBERS: f32 = 0.3;
/// Words and numbers of a sentence that claims something, at least.
pub(super) const MIN_CONTENT: usize = 3;

/// The sources of an answer, ready to be searched.
#[derive(Debug)]
pub(super) struct Evidence {
    sources: Vec<Source>,
}

/// A source, and what it is searched by once it is named.
#[derive(Debug)]
struct Source {
    text: SourceText,
    prepared: OnceLock<Prepared>,
}

/// A sentence of the answer, as far as it goes.
#[derive(Debug, Default)]
pub(super) struct Claim {
    pub(super) content: Content,
    /// Sources that it cites already.
    pub(super) cited: Vec<usize>,
}

/// A range of a source that backs a claim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Place of the source among the sources.
    pub(super) source: usize,
    /// First code point in the source's text.
    start: usize,
    /// One past the last code point in the source's text.
    end: usize,
    support: Support,
    score: f32,
}

#[derive(Debug)]
struct Prepared {
    chars: Vec<char>,
    normal: Normal,
    lowercase: Normal,
    sentences: Vec<Sentence>,
    /// Numbers of the text and the title.
    numbers: Vec<Number>,
}

/// A sentence of a source; its range in code points of the source's text.
#[derive(Debug)]
struct Sentence {
    start: usize,
    end: usize,
    content: Content,
}

impl Evidence {
    pub(super) fn new(sources: Vec<SourceText>) -> Self {
        let mut evidence = Self { sources: Vec::with_capacity(sources.len()) };
        evidence.add(sources);
        evidence
    }

    pub(super) fn add(&mut self, sources: Vec<SourceText>) {
        self.sources.extend(sources.into_iter().map(|text| Source { text, prepared: OnceLock::new() }));
    }

    /// Most sources are never named: they are not prepared.
    fn prepared(&self, source: usize) -> &Prepared {
        let Source { text, prepared } = &self.sources[source];
        prepared.get_or_init(|| Prepared::new(text))
    }

    /// What backs a claim of all that a reference names: its quotes where they
    /// are found, else the sentence that says the same.
    pub(super) fn judge(&self, reference: &Reference, claim: Option<&Claim>) -> Vec<Found> {
        let quotes = reference.quotes.iter();
        let mut found: Vec<Found> = quotes.filter_map(|quote| self.quoted(reference.n, quote, claim)).collect();
        if found.is_empty()
            && let Some(claim) = claim
            && let Some(source) = self.sources.iter().position(|source| source.text.n == reference.n)
        {
            found.extend(self.aligned(source, &claim.content));
        }
        found
    }

    /// The quote in the source that the model names, else in any other.
    fn quoted(&self, n: u32, quote: &str, claim: Option<&Claim>) -> Option<Found> {
        let forms = forms(quote);
        let named = self.sources.iter().position(|source| source.text.n == n);
        let others = (0..self.sources.len()).filter(|source| Some(*source) != named);
        named.into_iter().chain(others).find_map(|source| self.quoted_in(source, &forms, claim))
    }

    fn quoted_in(&self, source: usize, forms: &[String], claim: Option<&Claim>) -> Option<Found> {
        let prepared = self.prepared(source);
        forms.iter().find_map(|form| {
            if claim.is_some_and(|claim| self.contradicts(source, form, claim)) {
                return None;
            }
            let mut places = prepared.normal.find(form);
            if places.is_empty() {
                places = prepared.lowercase.find(&form.to_lowercase());
            }
            let proves = proves(form);
            let place = places.into_iter().find(|(start, _)| {
                let backs =
                    |claim: &Claim| prepared.backs(*start, &claim.content) || holds_all_numbers(form, &claim.content);
                proves || (form.contains(char::is_numeric) && claim.is_some_and(backs))
            });
            place.map(|(start, end)| Found { source, start, end, support: Support::Quoted, score: 1.0 })
        })
    }

    /// Whether the claim has a number that the source does not have, nor any
    /// that the claim cites already. Where the quote holds another number of
    /// the claim, the rest may come from a source that is cited next.
    fn contradicts(&self, source: usize, quote: &str, claim: &Claim) -> bool {
        let numbers = &claim.content.numbers;
        let cited = |number: &&Number| {
            claim.cited.iter().chain([&source]).any(|source| number.is_in(&self.prepared(*source).numbers))
        };
        let quoted = align::numbers(quote);
        let shares = numbers.iter().any(|number| number.is_in(&quoted));
        let anywhere =
            |number: &Number| (0..self.sources.len()).any(|source| number.is_in(&self.prepared(source).numbers));
        numbers.iter().filter(|number| !cited(number)).any(|number| !(shares && anywhere(number)))
    }

    /// The sentence of a source that best backs a claim.
    fn aligned(&self, source: usize, claim: &Content) -> Option<Found> {
        if claim.len() < MIN_CONTENT {
            return None;
        }
        let prepared = self.prepared(source);
        let mut best: Option<(Found, f32)> = None;
        for (at, sentence) in prepared.sentences.iter().enumerate() {
            let Some(score) = claim.backed_by(&sentence.content, &prepared.nearby(at)) else { continue };
            // Of two that say the same, the one that holds the numbers itself.
            let own = claim.numbers.iter().all(|number| number.is_in(&sentence.content.numbers));
            let rank = if own { score + OWN_NUMBERS } else { score };
            if best.is_none_or(|(_, highest)| rank > highest) {
                let Sentence { start, end, .. } = *sentence;
                best = Some((Found { source, start, end, support: Support::Aligned, score }, rank));
            }
        }
        best.map(|(found, _)| found)
    }

    /// Whether each number stands in one of the sources.
    pub(super) fn have(&self, sources: &[usize], numbers: &[Number]) -> bool {
        numbers.iter().all(|number| sources.iter().any(|source| number.is_in(&self.prepared(*source).numbers)))
    }

    /// A range as the citation number `n`.
    pub(super) fn citation(&self, found: Found, n: u32) -> Citation {
        let (source, chars) = (&self.sources[found.source].text, &self.prepared(found.source).chars);
        let start = source.start + found.start;
        let page = source.pages.iter().rev().find(|(first, _)| *first <= start).map(|(_, page)| *page);
        Citation {
            n,
            document_id: source.document_id,
            revision_id: source.revision_id,
            title: source.title.clone(),
            uri: source.uri.clone(),
            page,
            start,
            end: source.start + found.end,
            quote: chars[found.start..found.end].iter().collect(),
            support: found.support,
            score: found.score,
        }
    }
}

impl Prepared {
    fn new(source: &SourceText) -> Self {
        let normal = Normal::new(&source.text);
        let plain: String = format!("{}\n{}", source.title, source.text).nfkc().collect();
        let mut sentences: Vec<Sentence> = Vec::new();
        let (mut byte, mut place) = (0, 0);
        // The sentence that heads the table at hand.
        let mut head: Option<usize> = None;
        for range in sentences::split(&source.text) {
            let text = &source.text[range.clone()];
            let gap = &source.text[byte..range.start];
            let start = place + gap.chars().count();
            (byte, place) = (range.end, start + text.chars().count());
            let mut content = Content::new(text);
            let is_row = gap.trim_end().ends_with('|');
            head = head.filter(|_| is_row && !gap.contains("\n\n"));
            match head {
                // A row says what its head says of it.
                Some(head) => content.words.extend(sentences[head].content.words.iter().cloned()),
                None if is_row => head = Some(sentences.len()),
                None => {}
            }
            sentences.push(Sentence { start, end: place, content });
        }
        Self {
            chars: source.text.chars().collect(),
            lowercase: normal.lowercase(),
            numbers: align::numbers(&plain.to_lowercase()),
            normal,
            sentences,
        }
    }

    /// Numbers of a sentence and its neighbours.
    fn nearby(&self, at: usize) -> Vec<Number> {
        let range = at.saturating_sub(1)..(at + 2).min(self.sentences.len());
        self.sentences[range].iter().flat_map(|sentence| sentence.content.numbers.iter().cloned()).collect()
    }

    /// Whether the sentence around a code point backs a claim.
    fn backs(&self, place: usize, claim: &Content) -> bool {
        let at = self.sentences.partition_point(|sentence| sentence.end <= place);
        let sentence = self.sentences.get(at);
        sentence.is_some_and(|sentence| claim.backed_by(&sentence.content, &self.nearby(at)).is_some())
    }
}

/// Normal forms in which a quote is looked for: as it is, without punctuation
/// at its ends, and the longest part between ellipses.
fn forms(quote: &str) -> Vec<String> {
    let whole = Normal::new(quote).text;
    let bare = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || ".,;:!?'-()[]".contains(c)).to_owned();
    let longest = whole.split("...").map(bare).max_by_key(|part| part.chars().count());
    let mut forms = vec![whole.clone(), bare(&whole)];
    forms.extend(longest);
    forms.dedup();
    forms.retain(|form| form.contains(char::is_alphanumeric));
    forms
}

/// Whether a quote holds all numbers of a claim, and two or more: a row of a
/// table does.
fn holds_all_numbers(form: &str, claim: &Content) -> bool {
    let quoted = align::numbers(form);
    claim.numbers.len() > 1 && quoted.len() > 1 && claim.numbers.iter().all(|number| number.is_in(&quoted))
}

/// Whether a quote is long enough to prove something on its own.
fn proves(form: &str) -> bool {
    let letters = form.chars().filter(|c| c.is_alphanumeric());
    let length: usize = letters.map(|c| if is_unspaced(c) { 3 } else { 1 }).sum();
    length >= MIN_CHARS && form.unicode_words().count() >= MIN_WORDS
}
