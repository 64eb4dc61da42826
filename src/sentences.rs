//! Sentences: where they begin and end in plain text and in Markdown. Imports
//! nothing.
//!
//! Unicode's sentence bounds (UAX #29) know nothing of lines that were wrapped
//! by hand, of lists and tables, nor of abbreviations; this module mends that.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations that never end a sentence.
const ABBREVIATIONS: [&str; 34] = [
    "approx.", "bspw.", "bzgl.", "bzw.", "ca.", "cf.", "d.h.", "dr.", "e.g.", "eg.", "evtl.", "ggf.", "gem.", "i.d.r.",
    "i.e.", "incl.", "inkl.", "insb.", "jr.", "mr.", "mrs.", "ms.", "nr.", "o.g.", "prof.", "sog.", "st.", "u.a.",
    "u.u.", "vgl.", "vs.", "z.b.", "z.t.", "zzgl.",
];
/// Abbreviations that do not end a sentence when a number follows.
const BEFORE_NUMBER: [&str; 24] = [
    "abb.", "abs.", "art.", "bd.", "ch.", "chap.", "eq.", "fig.", "figs.", "kap.", "max.", "min.", "no.", "nos.", "p.",
    "para.", "pp.", "ref.", "s.", "sec.", "tab.", "vol.", "ziff.", "§.",
];
/// Months in German, which stand after an ordinal such as `3.`.
const MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
/// Words before an initial: `by J. Smith`.
const BEFORE_INITIAL: [&str; 5] = ["and", "by", "from", "und", "von"];

/// Byte ranges of the sentences of a text, in order and without overlap.
///
/// A blank line, a list item, a heading and a table row end a sentence; a
/// single line break inside a paragraph does not. List markers, heading hashes
/// and a row's outer pipes lie outside of the ranges; so does white space at
/// their ends.
#[must_use]
pub fn split(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for block in blocks(text) {
        if block.whole {
            push_trimmed(text, block.range, &mut found);
        } else {
            split_block(text, block.range, &mut found);
        }
    }
    found
}

/// Lines that belong together.
struct Block {
    range: Range<usize>,
    /// It is one sentence, whatever stands in it.
    whole: bool,
}

/// What a line is, and where its words begin and end.
enum Line {
    Blank,
    /// Hyphens, equals signs or the like from end to end.
    Rule,
    /// A heading or a row of a table.
    Whole(Range<usize>),
    /// The start of a list item; the number if it has one.
    Item(usize, Option<u32>),
    /// A quoted line.
    Quoted(usize),
    Words,
}

/// What the block in the making began as.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Paragraph,
    Bullet,
    Numbered,
    Quoted,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Kind, Range<usize>)> = None;
    let mut at = 0;
    for raw in text.split_inclusive('\n') {
        let start = at;
        at += raw.len();
        let end = start + raw.trim_end_matches(['\n', '\r']).len();
        let mut close = |open: &mut Option<(Kind, Range<usize>)>| {
            blocks.extend(open.take().map(|(_, range)| Block { range, whole: false }));
        };
        match classify(&text[start..end], start) {
            Line::Blank | Line::Rule => close(&mut open),
            Line::Whole(range) => {
                close(&mut open);
                blocks.push(Block { range, whole: true });
            }
            Line::Item(words, number) if may_begin_item(number, open.as_ref()) => {
                close(&mut open);
                let kind = if number.is_some() { Kind::Numbered } else { Kind::Bullet };
                open = Some((kind, words..end));
            }
            Line::Quoted(words) => {
                if let Some((Kind::Quoted, range)) = &mut open {
                    range.end = end;
                } else {
                    close(&mut open);
                    open = Some((Kind::Quoted, words..end));
                }
            }
            Line::Item(..) | Line::Words => match &mut open {
                Some((kind, range)) if *kind != Kind::Quoted => range.end = end,
                _ => {
                    close(&mut open);
                    open = Some((Kind::Paragraph, start..end));
                }
            },
        }
    }
    blocks.extend(open.map(|(_, range)| Block { range, whole: false }));
    blocks
}

/// As in `CommonMark`, only a list that starts at 1 may interrupt a paragraph:
/// a wrapped line may begin with `12. Mai`.
fn may_begin_item(number: Option<u32>, open: Option<&(Kind, Range<usize>)>) -> bool {
    match (number, open) {
        (None | Some(1), _) | (_, None) => true,
        (Some(_), Some((kind, _))) => *kind == Kind::Numbered,
    }
}

fn classify(line: &str, start: usize) -> Line {
    let body = line.trim();
    if body.is_empty() {
        return Line::Blank;
    }
    let from = start + (line.len() - line.trim_start().len());
    let range = from..from + body.len();
    if body.starts_with("```") || body.starts_with("~~~") {
        return Line::Whole(range);
    }
    if !body.contains(char::is_alphanumeric) && body.chars().all(|c| "-=*_|:+ \t".contains(c)) {
        return Line::Rule;
    }
    if body.starts_with('|') {
        let inner = body.trim_matches(|c: char| c == '|' || c.is_whitespace());
        let from = from + (body.len() - body.trim_start_matches(|c: char| c == '|' || c.is_whitespace()).len());
        return Line::Whole(from..from + inner.len());
    }
    let hashes = body.len() - body.trim_start_matches('#').len();
    if (1..=6).contains(&hashes) && body[hashes..].starts_with([' ', '\t']) {
        let title = body[hashes..].trim_start();
        let from = from + (body.len() - title.len());
        return Line::Whole(from..from + title.trim_end_matches(['#', ' ', '\t']).len());
    }
    if let Some(rest) = body.strip_prefix('>') {
        return Line::Quoted(range.end - rest.trim_start().len());
    }
    item(body).map_or(Line::Words, |(rest, number)| Line::Item(range.end - rest.len(), number))
}

/// The words after a list marker, and the marker's number.
fn item(body: &str) -> Option<(&str, Option<u32>)> {
    let digits = body.len() - body.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (rest, number) = if digits == 0 {
        (body.strip_prefix(['-', '*', '+', '•', '–', '·', '◦', '▪'])?, None)
    } else {
        (body[digits..].strip_prefix(['.', ')'])?, Some(body.get(..digits).filter(|_| digits <= 3)?.parse().ok()?))
    };
    rest.starts_with([' ', '\t']).then(|| (rest.trim_start(), number))
}

fn split_block(text: &str, block: Range<usize>, found: &mut Vec<Range<usize>>) {
    // A line break would end a sentence; a space is as long.
    let flat = text[block.clone()].replace(['\n', '\r'], " ");
    let mut open = 0;
    let mut bound = 0;
    for segment in flat.split_sentence_bounds() {
        let tail = bound + closing(&flat[bound..]);
        if bound > open && !goes_on(&flat[open..bound], &flat[bound..]) {
            push_trimmed(text, block.start + open..block.start + tail, found);
            open = tail;
        }
        bound += segment.len();
    }
    push_trimmed(text, block.start + open..block.end, found);
}

/// Bytes of emphasis and closing marks that still belong to the sentence
/// before: `**Yes.** No`.
fn closing(next: &str) -> usize {
    let rest = next.trim_start_matches(['*', '_', '`', '"', '\'', '”', '’', '“', '»', ')']);
    let marks = next.len() - rest.len();
    if rest.is_empty() || rest.starts_with(char::is_whitespace) { marks } else { 0 }
}

/// Whether a sentence goes on after a bound that Unicode sees.
fn goes_on(before: &str, after: &str) -> bool {
    let mut words = before.split_whitespace().rev();
    let Some(last) = words.next() else { return true };
    let last = last.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '§');
    let Some(stem) = last.strip_suffix('.') else { return false };
    let lower = last.to_lowercase();
    let number_follows = after.trim_start().starts_with(|c: char| c.is_ascii_digit());
    if ABBREVIATIONS.contains(&lower.as_str()) || (number_follows && BEFORE_NUMBER.contains(&lower.as_str())) {
        return true;
    }
    let before_last = words.next();
    let mut letters = stem.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && letter.is_alphabetic()
    {
        let initial = before_last.is_none_or(|word| {
            let word = word.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            let one_letter = word.ends_with('.') && word.chars().count() == 2;
            one_letter || BEFORE_INITIAL.contains(&word.as_str()) || ABBREVIATIONS.contains(&word.as_str())
        });
        return letter.is_lowercase() || (letter.is_uppercase() && initial);
    }
    let ordinal = stem.len() <= 2 && !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit());
    ordinal && MONTHS.iter().any(|month| after.trim_start().starts_with(month))
}

fn push_trimmed(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let part = &text[range.clone()];
    if !part.contains(char::is_alphanumeric) {
        return;
    }
    let start = range.start + (part.len() - part.trim_start().len());
    found.push(start..start + part.trim().len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn abbreviations_and_decimals_do_not_end_a_sentence() {
        assert_eq!(parts("It holds 4.5 bar. It is red."), ["It holds 4.5 bar.", "It is red."]);
        assert_eq!(parts("Use a seal, e.g. Viton. Done."), ["Use a seal, e.g. Viton.", "Done."]);
        assert_eq!(parts("Dichtungen, z. B. Viton. Fertig."), ["Dichtungen, z. B. Viton.", "Fertig."]);
        assert_eq!(parts("Dr. Meyer wiegt ca. 80 kg. Ja."), ["Dr. Meyer wiegt ca. 80 kg.", "Ja."]);
        assert_eq!(parts("See No. 5 here. No. It is not."), ["See No. 5 here.", "No.", "It is not."]);
        assert_eq!(parts("Am 3. Mai kam Nr. 7. Gut."), ["Am 3. Mai kam Nr. 7.", "Gut."]);
        assert_eq!(
            parts("By J. R. Smith. It uses vitamin C. Good."),
            ["By J. R. Smith.", "It uses vitamin C.", "Good."]
        );
    }

    #[test]
    fn only_blank_lines_end_a_paragraph() {
        assert_eq!(parts("The pump\nholds 4 bar\n\nIt is red"), ["The pump\nholds 4 bar", "It is red"]);
        assert_eq!(parts("It came on the\n12. Mai and stayed"), ["It came on the\n12. Mai and stayed"]);
        assert_eq!(parts("a\r\nb\r\n\r\nc"), ["a\r\nb", "c"]);
    }

    #[test]
    fn items_headings_and_rows_stand_alone() {
        let text =
            "# The pump #\n- Holds 4 bar\n- Is red\n  and old\n1. One\n2) Two\n\n| a | b |\n|---|---|\n| 4. x | Y |";
        assert_eq!(parts(text), ["The pump", "Holds 4 bar", "Is red\n  and old", "One", "Two", "a | b", "4. x | Y"]);
        assert_eq!(parts("So:\n> It is\n> red.\nYes."), ["So:", "It is\n> red.", "Yes."]);
    }

    #[test]
    fn emphasis_belongs_to_its_sentence() {
        assert_eq!(parts("**It holds.** **It is.** End"), ["**It holds.**", "**It is.**", "End"]);
        assert_eq!(parts("泵压为四巴。它是红色的。"), ["泵压为四巴。", "它是红色的。"]);
    }

    proptest! {
        #[test]
        fn ranges_ascend_and_leave_no_words_out(
            text in "(\\PC|[a-zA-Z]{1,4}|[.!?] |\n|\r\n|- |# |\\| |> |[0-9]\\. |e\\.g\\. |\\*\\*|```){0,40}"
        ) {
            let mut at = 0;
            let mut outside = String::new();
            for range in split(&text) {
                prop_assert!(range.start >= at && range.start < range.end);
                prop_assert!(text.is_char_boundary(range.start) && text.is_char_boundary(range.end));
                outside.push_str(&text[at..range.start]);
                at = range.end;
            }
            outside.push_str(&text[at..]);
            // The numbers of a list are markers.
            prop_assert!(!outside.contains(|c: char| c.is_alphanumeric() && !c.is_ascii_digit()), "{outside:?}");
        }
    }
}
