//! Text in a form in which a quote can be found, with the way back to the
//! exact code points it was made from.
//!
//! NFKC per grapheme; typographic quotes and dashes unified; invisible
//! characters and emphasis dropped; white space and table pipes folded to one
//! space; hyphenation at line ends undone.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Places at which a quote is looked at, at most.
const MAX_PLACES: usize = 16;

/// A normal form and the code points of the original behind each character.
#[derive(Debug, Clone, Default)]
pub(super) struct Normal {
    /// The normal form.
    pub(super) text: String,
    chars: Vec<Unit>,
}

/// A character of the normal form, and where it comes from.
#[derive(Debug, Clone, Copy)]
struct Unit {
    c: char,
    /// Its first byte in the normal form.
    at: usize,
    /// First code point of the original.
    start: usize,
    /// One past the last code point of the original.
    end: usize,
}

impl Normal {
    /// The normal form with letters as they are.
    pub(super) fn new(text: &str) -> Self {
        fold(&compose(text))
    }

    /// The same with small letters only.
    pub(super) fn lowercase(&self) -> Self {
        let mut lower = Self::default();
        for unit in &self.chars {
            for c in unit.c.to_lowercase() {
                lower.push(c, unit.start, unit.end);
            }
        }
        lower
    }

    fn push(&mut self, c: char, start: usize, end: usize) {
        self.chars.push(Unit { c, at: self.text.len(), start, end });
        self.text.push(c);
    }

    /// Half-open ranges of code points of the original where `needle`, itself
    /// in normal form, stands as whole words.
    pub(super) fn find(&self, needle: &str) -> Vec<(usize, usize)> {
        let mut places = Vec::new();
        let mut from = 0;
        while let Some(found) = self.text.get(from..).and_then(|rest| rest.find(needle)) {
            let (at, end) = (from + found, from + found + needle.len());
            let first = self.chars.partition_point(|unit| unit.at < at);
            let last = self.chars.partition_point(|unit| unit.at < end);
            let Some(range) = self.chars.get(first..last).filter(|range| !range.is_empty()) else { break };
            if self.is_bound(first) && self.is_bound(last) {
                places.push((range[0].start, range[range.len() - 1].end));
                if places.len() == MAX_PLACES {
                    break;
                }
            }
            from = at + range[0].c.len_utf8();
        }
        places
    }

    /// Whether words may be cut before the character `at`. A number is never
    /// cut: `4 bar` does not stand in `14 bar`, `2.4 bar` or `-4 bar`.
    fn is_bound(&self, at: usize) -> bool {
        let char_at = |at: usize| self.chars.get(at).map(|unit| unit.c);
        let before = |back: usize| at.checked_sub(back).and_then(char_at);
        let (Some(left), Some(right)) = (before(1), char_at(at)) else { return true };
        let digit = |c: Option<char>| c.is_some_and(char::is_numeric);
        if left.is_alphanumeric() && right.is_alphanumeric() {
            // Between them something was dropped, or the script has no spaces.
            let gap = self.chars[at - 1].end < self.chars[at].start;
            let in_number = left.is_numeric() || right.is_numeric();
            return (gap && !in_number) || is_unspaced(left) || is_unspaced(right);
        }
        let joins_digits = |c: char| ".,:/'".contains(c);
        let cut_after_point = joins_digits(left) && right.is_numeric() && digit(before(2));
        let cut_before_point = left.is_numeric() && joins_digits(right) && digit(char_at(at + 1));
        let cut_sign = left == '-' && right.is_numeric() && !before(2).is_some_and(|c| c.is_alphanumeric() || c == ')');
        !(cut_after_point || cut_before_point || cut_sign)
    }
}

/// Scripts that put no spaces between words.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Characters that nobody sees.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{E0000}'..='\u{E01EF}')
}

/// One character for all quotes, one for all dashes.
fn unify(c: char) -> char {
    match c {
        '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '‘' | '’' | '‚' | '‛' | '′' | 'ʼ' | '´' | '‹' | '›' | '＂'
        | '＇' => '\'',
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹘' | '﹣' | '－' => '-',
        _ => c,
    }
}

/// Visible characters in NFKC. Each grapheme is composed on its own, so that
/// its code points are known.
fn compose(text: &str) -> Vec<Unit> {
    let mut visible = String::with_capacity(text.len());
    let mut places = Vec::with_capacity(text.len());
    for (place, c) in text.chars().enumerate().filter(|(_, c)| !is_invisible(*c)) {
        visible.push(unify(c));
        places.push(place);
    }
    let mut units = Vec::with_capacity(places.len());
    let mut first = 0;
    for grapheme in visible.graphemes(true) {
        let next = first + grapheme.chars().count();
        let (start, end) = (places[first], places[next - 1] + 1);
        let unit = |c: char| Unit { c: unify(c), at: 0, start, end };
        if grapheme.is_ascii() {
            units.extend(grapheme.chars().map(unit));
        } else {
            units.extend(grapheme.nfkc().map(unit));
        }
        first = next;
    }
    units
}

fn fold(units: &[Unit]) -> Normal {
    let is_space = |c: char| c.is_whitespace() || c.is_control() || c == '|';
    let mut normal = Normal::default();
    let mut at = 0;
    while let Some(&Unit { c, start, end, .. }) = units.get(at) {
        let before = at.checked_sub(1).and_then(|at| units.get(at)).map(|unit| unit.c);
        let after = units.get(at + 1).map(|unit| unit.c);
        let between_digits = before.is_some_and(char::is_numeric) && after.is_some_and(char::is_numeric);
        at += 1;
        if is_space(c) {
            match normal.chars.last_mut() {
                Some(last) if last.c == ' ' => last.end = end,
                Some(_) => normal.push(' ', start, end),
                None => {}
            }
        } else if c == '-' && before.is_some_and(char::is_alphabetic) {
            // `Tempe-\nratur`, `well-\nknown`, `PVC-\nRohr`.
            let spaces = units[at..].iter().take_while(|unit| unit.c != '|' && is_space(unit.c)).count();
            let breaks = units[at..at + spaces].iter().filter(|unit| unit.c == '\n').count();
            let next = units.get(at + spaces).map(|unit| unit.c).filter(|_| breaks < 2);
            if next.is_some_and(char::is_alphabetic) {
                at += spaces;
            }
            if !next.is_some_and(char::is_lowercase) {
                normal.push(c, start, end);
            }
        } else {
            let emphasis = c == '`' || ((c == '*' || c == '_') && !between_digits);
            let escape = c == '\\' && after.is_some_and(|c| c.is_ascii_punctuation());
            if !emphasis && !escape {
                normal.push(c, start, end);
            }
        }
    }
    if normal.chars.last().is_some_and(|last| last.c == ' ') {
        normal.chars.pop();
        normal.text.pop();
    }
    normal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where a quote stands in a text.
    fn place(text: &str, quote: &str) -> Option<(usize, usize)> {
        let (text, quote) = (Normal::new(text), Normal::new(quote));
        let cased = text.find(&quote.text).first().copied();
        cased.or_else(|| text.lowercase().find(&quote.lowercase().text).first().copied())
    }

    #[test]
    fn a_quote_is_found_at_its_exact_code_points() {
        let cases = [
            ("plain", "It holds 4 bar.", "holds 4 bar", (3, 14)),
            ("soft hyphen", "Die Tempe\u{ad}ratur steigt", "Temperatur steigt", (4, 22)),
            ("zero width", "the pu\u{200b}mp runs", "pump runs", (4, 14)),
            ("curly quotes", "He said “it’s on” twice", "\"it's on\"", (8, 17)),
            ("dashes", "from 2–4 bar − always", "2-4 bar - always", (5, 21)),
            ("no-break space", "hold 4\u{a0}bar now", "4 bar", (5, 10)),
            ("white space", "hold  4 \n\t bar now", "hold 4 bar", (0, 14)),
            ("ligature", "the e\u{fb03}cient \u{fb01}lter", "efficient filter", (4, 17)),
            ("hyphenation", "Die Tempe-\nratur steigt", "Temperatur steigt", (4, 23)),
            ("hyphenation copied", "Die Tempe-\nratur steigt", "Tempe- ratur", (4, 16)),
            ("hyphen kept", "a well-\nknown brand", "well-known brand", (2, 19)),
            ("paragraphs", "a well-\n\nKnown brand", "a well-\n\nKnown brand", (0, 20)),
            ("compound", "das PVC-\nRohr hier", "PVC-Rohr hier", (4, 18)),
            ("emphasis", "It holds **4 bar** now", "4 bar", (11, 16)),
            ("emphasis inside", "It holds **4 bar** now", "holds 4 bar now", (3, 22)),
            ("code", "set `max_bar` to 4", "set max_bar to 4", (0, 18)),
            ("combining mark", "le de\u{301}bit est", "débit est", (3, 13)),
            ("case", "The PUMP holds", "pump Holds", (4, 14)),
            ("table", "| Pressure | 4 bar |", "Pressure 4 bar", (2, 18)),
            ("full width", "約４ bar", "4 bar", (1, 6)),
            ("astral", "😀 the pump", "the pump", (2, 10)),
        ];
        for (name, text, quote, range) in cases {
            assert_eq!(place(text, quote), Some(range), "{name}");
        }
    }

    #[test]
    fn words_and_numbers_are_never_cut() {
        for (text, quote) in [
            ("14 bar", "4 bar"),
            ("2.4 bar", "4 bar"),
            ("holds 4.5", "holds 4"),
            ("4 bars", "4 bar"),
            ("at -4 bar", "4 bar"),
            ("1\u{200b}4 bar", "4 bar"),
            ("4*5 bar", "45 bar"),
        ] {
            assert_eq!(place(text, quote), None, "{quote:?} in {text:?}");
        }
        assert_eq!(place("14 bar or 4 bar", "4 bar"), Some((10, 15)));
        assert_eq!(place("a well-known brand", "known brand"), Some((7, 18)));
    }

    proptest! {
        #[test]
        fn spans_ascend_inside_of_the_text(text in "(\\PC|[ \n*_-]|\u{ad}|\u{fb01}|e\u{301}){0,60}") {
            let normal = Normal::new(&text);
            let mut last = 0;
            for unit in normal.chars.iter().chain(&normal.lowercase().chars) {
                prop_assert!(unit.start < unit.end && unit.end <= text.chars().count());
                if unit.at == 0 { last = 0; }
                prop_assert!(unit.start >= last);
                last = unit.start;
            }
        }

        #[test]
        fn a_text_is_found_in_itself(text in "[a-zäöü0-9.,“”’*_\u{ad} \n-]{1,60}") {
            let normal = Normal::new(&text);
            prop_assume!(!normal.text.is_empty());
            prop_assert!(!normal.find(&normal.text).is_empty());
        }
    }
}
