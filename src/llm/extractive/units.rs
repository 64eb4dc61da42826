//! What of a passage may be quoted: its sentences and the rows of its tables,
//! each with the headings and the table head that it stands under. Imports
//! sentences.

use std::ops::Range;

use crate::llm::Source;
use crate::sentences;

/// Words of a line that stands alone without a full stop and is a heading.
const HEADING_WORDS: usize = 9;
/// Words of a unit that may be quoted, at least.
const SHORTEST: usize = 2;

/// A sentence or a row, and what stands around it.
#[derive(Debug, Clone, Default)]
pub(super) struct Unit {
    /// Its bytes in the passage.
    pub(super) range: Range<usize>,
    /// The heading, or the question of a list of questions, above it.
    pub(super) heading: String,
    /// The first row of its table.
    pub(super) table_head: String,
    /// Units of the same paragraph have the same number.
    pub(super) paragraph: usize,
    /// Its place among the passage's units.
    pub(super) place: usize,
    /// Whether it answers questions: headings, questions and table heads do
    /// not.
    pub(super) quotable: bool,
}

/// A stretch of a passage before it is known what it is.
struct Piece {
    range: Range<usize>,
    row: bool,
    /// It has a heading's mark.
    marked: bool,
    /// It begins a paragraph.
    begins: bool,
}

/// The units of a passage, in order.
pub(super) fn of(source: &Source) -> Vec<Unit> {
    let text = source.text.as_str();
    let pieces = pieces(text);
    let mut heading = source.headings.last().cloned().unwrap_or_default();
    let mut table_head: Option<Range<usize>> = None;
    let mut paragraph = 0;
    let mut units = Vec::with_capacity(pieces.len());
    for (place, piece) in pieces.iter().enumerate() {
        let words = &text[piece.range.clone()];
        let before = place.checked_sub(1).and_then(|before| pieces.get(before));
        let after = pieces.get(place + 1);
        paragraph += usize::from(piece.begins);
        let goes_on =
            before.is_some_and(|before| before.row && !text[before.range.end..piece.range.start].contains("\n\n"));
        let heads = piece.row && !goes_on;
        if heads || !piece.row {
            table_head = (heads && words.contains(" | ")).then(|| piece.range.clone());
        }
        let lone = piece.begins && after.is_none_or(|after| after.begins);
        let is_heading = piece.marked || (!piece.row && is_heading(source, &piece.range, lone));
        let asks = words.trim_end_matches(['*', '_', '"', '”', ')']).ends_with('?');
        let names_columns = heads && words.contains(" | ") && !words.contains(|c: char| c.is_ascii_digit());
        if is_heading || asks {
            words.clone_into(&mut heading);
        }
        let head = table_head.clone().filter(|head| *head != piece.range && words.contains(" | "));
        units.push(Unit {
            range: piece.range.clone(),
            heading: heading.clone(),
            table_head: head.map(|head| text[head].to_owned()).unwrap_or_default(),
            paragraph,
            place,
            quotable: !is_heading && !asks && !names_columns && words.split_whitespace().count() >= SHORTEST,
        });
    }
    units
}

/// Rows of tables and of dotted lists are cut out line by line, even where no
/// pipe begins them; what is left is split into sentences.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut open, mut at) = (0, 0);
    for raw in text.split_inclusive('\n') {
        if is_row(raw) {
            push_sentences(text, open..at, &mut pieces);
            let start = at + (raw.len() - raw.trim_start().len());
            let range = start..start + raw.trim().len();
            pieces.push(Piece { range, row: true, marked: false, begins: true });
            open = at + raw.len();
        }
        at += raw.len();
    }
    push_sentences(text, open..at, &mut pieces);
    pieces
}

fn push_sentences(text: &str, part: Range<usize>, pieces: &mut Vec<Piece>) {
    let mut end = part.start;
    for (index, range) in sentences::split(&text[part.clone()]).into_iter().enumerate() {
        let range = part.start + range.start..part.start + range.end;
        let gap = &text[end..range.start];
        let row = gap.trim_end().ends_with('|');
        let marked = gap.trim_end().ends_with('#') || text[range.clone()].starts_with("```");
        // A list's marker, a heading's hashes or a row's pipe.
        let mark = gap.contains(|c: char| !c.is_whitespace());
        let after_whole = pieces.last().is_some_and(|piece| piece.row || piece.marked);
        let begins = index == 0 || mark || after_whole || gap.matches('\n').count() > 1;
        end = range.end;
        pieces.push(Piece { range, row, marked, begins });
    }
}

/// Whether a line is a row of a table without outer pipes, or of a list whose
/// columns are held apart by dots, tabs or spaces.
fn is_row(line: &str) -> bool {
    let body = line.trim();
    if body.starts_with('|') {
        return false;
    }
    let body = body.trim_start_matches(|c: char| !c.is_alphanumeric());
    [" | ", "....", ". . . .", "\t", "   "].iter().any(|gap| body.contains(gap))
}

/// Whether a sentence is one of the known headings, or a short line between
/// blank ones that does not end as a sentence does.
fn is_heading(source: &Source, range: &Range<usize>, lone: bool) -> bool {
    let words = &source.text[range.clone()];
    let lower = words.to_lowercase();
    let known = source.headings.iter().chain([&source.title]).any(|known| known.to_lowercase() == lower);
    let is_blank = |text: &str| text.trim_matches(['*', '_']).trim().is_empty();
    let before = source.text[..range.start].chars().rev().take(2).collect::<String>();
    let after = source.text[range.end..].chars().take(2).collect::<String>();
    let apart = is_blank(&before) && is_blank(&after);
    let ends_open = !words.ends_with(['.', '!', ':', ';', ',', '?', '€', '%']);
    known || (lone && apart && ends_open && words.split_whitespace().count() <= HEADING_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<(String, Unit)> {
        let source = Source {
            n: 1,
            title: "Manual".into(),
            headings: vec!["Prices".into()],
            text: text.into(),
            score: 0.0,
            dense: None,
        };
        of(&source).into_iter().map(|unit| (text[unit.range.clone()].to_owned(), unit)).collect()
    }

    #[test]
    fn rows_stand_alone_under_the_head_of_their_table() {
        let units = units("Prices\n\nPart | Price\nLid | €27\nSeal | €3\n\nAll net.");
        let quotable: Vec<&str> =
            units.iter().filter(|(_, unit)| unit.quotable).map(|(text, _)| text.as_str()).collect();
        assert_eq!(quotable, ["Lid | €27", "Seal | €3", "All net."]);
        assert_eq!(units[3].1.table_head, "Part | Price");
        assert_eq!(units[4].1.table_head, "");
        assert_eq!(units[4].1.heading, "Prices");
    }

    #[test]
    fn rows_between_pipes_have_their_head_too() {
        let units = units("| Part | Price |\n|---|---|\n| Lid | €27 |");
        assert_eq!(units[1].0, "Lid | €27");
        assert_eq!(units[1].1.table_head, "Part | Price");
    }

    #[test]
    fn lines_with_leaders_are_rows() {
        let units = units("Prices for employees:\n\n  Soup with bread .... EUR 2.20\n  Coffee .... EUR 0.70\n");
        assert_eq!(units[1].0, "Soup with bread .... EUR 2.20");
        assert_eq!(units[2].0, "Coffee .... EUR 0.70");
    }

    #[test]
    fn headings_and_questions_head_what_follows_and_are_not_quoted() {
        let units = units("## Dogs\n\n**May I bring my dog?** On Fridays. Ask first.\n\n4 Cats\n\nNever.");
        let heads: Vec<(&str, &str, bool)> =
            units.iter().map(|(text, unit)| (text.as_str(), unit.heading.as_str(), unit.quotable)).collect();
        assert_eq!(heads[2], ("On Fridays.", "**May I bring my dog?**", true));
        assert_eq!(heads[4], ("4 Cats", "4 Cats", false));
        assert!(!heads[0].2 && !heads[1].2);
        assert_eq!(units[2].1.paragraph, units[3].1.paragraph);
        assert_ne!(units[3].1.paragraph, units[4].1.paragraph);
    }
}
