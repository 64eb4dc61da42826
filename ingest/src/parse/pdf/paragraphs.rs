//! From lines to paragraphs, items, rows and code. Imports the lines.

use super::super::canonical;
use super::layout::Line;

/// How much larger than the body a heading's letters are.
pub(super) const HEADING_RATIO: f32 = 1.15;
/// Distance of base lines, against the usual one, from which on lines are not
/// of one paragraph.
const PARAGRAPH_GAP: f32 = 1.3;
/// The same for lines of a heading, in font sizes.
const HEADING_GAP: f32 = 1.7;
/// Difference of sizes that lines of one paragraph may have.
const SAME_SIZE: f32 = 1.12;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Paragraph,
    Item,
    Row,
    Code,
}

/// Lines that belong together, joined.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) size: f32,
    /// Follows the one before without a gap.
    pub(super) is_tight: bool,
}

/// Joins the lines of a page. `body` is the size of the document's plain text.
pub(super) fn blocks(lines: &[Line], body: f32) -> Vec<Block> {
    let pitch = pitch(lines);
    let mut blocks: Vec<Block> = Vec::new();
    let mut first_left = 0.0;
    for (index, line) in lines.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| &lines[index]);
        let kind = kind(lines, index);
        let cells = line.cells.iter().map(|cell| canonical::folded(&cell.text));
        let text = cells.collect::<Vec<_>>().join(if kind == Kind::Row { " | " } else { " " });
        if text.is_empty() {
            continue;
        }
        let is_large = line.size >= HEADING_RATIO * body;
        if let (Some(before), Some(block)) = (before, blocks.last_mut()) {
            let joins = kind == Kind::Paragraph && matches!(block.kind, Kind::Paragraph | Kind::Item);
            let seam = Seam { before, line, block: &*block, text: &text, pitch, first_left, is_large };
            if joins && !seam.starts_paragraph() {
                join(&mut block.text, &text);
                continue;
            }
        }
        let is_tight = before.is_some_and(|before| follows(before, line, pitch) && same_size(before, line));
        first_left = line.left();
        blocks.push(Block { kind, text, size: line.size, is_tight });
    }
    blocks
}

/// The usual distance of two base lines, in points.
fn pitch(lines: &[Line]) -> f32 {
    let mut gaps: Vec<f32> = lines
        .windows(2)
        .filter(|pair| pair[0].column == pair[1].column)
        .map(|pair| (pair[0].y - pair[1].y, pair[1].size))
        .filter(|(gap, size)| (0.8 * size..2.2 * size).contains(gap))
        .map(|(gap, _)| gap)
        .collect();
    gaps.sort_by(f32::total_cmp);
    gaps.get(gaps.len() / 2).copied().unwrap_or(12.0)
}

fn kind(lines: &[Line], index: usize) -> Kind {
    let line = &lines[index];
    let is_row = |index: Option<usize>| {
        index.and_then(|index| lines.get(index)).is_some_and(|other| other.has_cells() && other.column == line.column)
    };
    if line.has_cells() && !is_marked(line) && (is_row(index.checked_sub(1)) || is_row(Some(index + 1))) {
        Kind::Row
    } else if line.cells.iter().all(|cell| cell.is_mono) {
        Kind::Code
    } else if is_marked(line) {
        Kind::Item
    } else {
        Kind::Paragraph
    }
}

/// Whether a line starts as an item of a list does.
pub(super) fn is_marked(line: &Line) -> bool {
    let Some(first) = line.cells.first() else { return false };
    let text = first.text.trim_start();
    let Some(mark) = text.split_whitespace().next() else { return false };
    if mark.chars().count() == 1 {
        return mark.contains([
            '•', '◦', '▪', '‣', '·', '●', '○', '■', '□', '➢', '✓', '–', '—', '-', '*', '\u{f0b7}', '\u{f0a7}',
        ]);
    }
    let inner = mark.strip_prefix('(').unwrap_or(mark);
    let Some(number) = inner.strip_suffix(['.', ')']) else { return mark.starts_with(['•', '●', '▪']) };
    // `3`, `2.1` and `12`, but no year.
    let is_number = number.split('.').all(|part| part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit()));
    let is_letter = number.len() == 1 && number.bytes().all(|b| b.is_ascii_alphabetic());
    !number.is_empty() && (is_number || is_letter) && (text.len() > mark.len() || line.cells.len() > 1)
}

fn same_size(a: &Line, b: &Line) -> bool {
    a.size.max(b.size) <= SAME_SIZE * a.size.min(b.size)
}

/// Whether `line` is the next line below, as near as lines of one text are.
fn follows(before: &Line, line: &Line, pitch: f32) -> bool {
    let gap = before.y - line.y;
    before.column == line.column && gap > 0.0 && gap <= PARAGRAPH_GAP * pitch.max(line.size)
}

/// Two lines, and what is known where they meet.
struct Seam<'a> {
    before: &'a Line,
    line: &'a Line,
    block: &'a Block,
    text: &'a str,
    pitch: f32,
    /// Where the first line of the block starts.
    first_left: f32,
    is_large: bool,
}

impl Seam<'_> {
    fn starts_paragraph(&self) -> bool {
        let Self { before, line, .. } = self;
        if !same_size(before, line) {
            return true;
        }
        let ends_sentence = self.block.text.ends_with(['.', '!', '?', ':', ';', '”', '"', '。']);
        let goes_on = self.text.starts_with(char::is_lowercase) || self.block.text.ends_with(['-', ',', '\u{ad}']);
        let gap = before.y - line.y;
        if before.column != line.column || gap < 0.0 {
            return ends_sentence || !goes_on;
        }
        if before.is_bold() != line.is_bold() && !goes_on {
            return true;
        }
        if self.is_large {
            return gap > HEADING_GAP * line.size;
        }
        if !follows(before, line, self.pitch) {
            return true;
        }
        let em = line.size.max(1.0);
        let width = line.within[1] - line.within[0];
        let is_short = before.right() < line.within[1] - 0.15 * width;
        let is_very_short = before.right() < line.within[0] + 0.55 * width;
        let is_indented = line.left() - before.left() > 0.8 * em && self.block.kind == Kind::Paragraph;
        let is_outdented = self.block.kind == Kind::Item && line.left() < self.first_left - 0.5 * em;
        is_outdented || (ends_sentence && (is_short || is_indented)) || (is_very_short && !goes_on)
    }
}

/// Appends a line to a paragraph. A word that was divided becomes one again.
pub(super) fn join(text: &mut String, line: &str) {
    let mut back = text.chars().rev();
    let (last, before_last) = (back.next(), back.next());
    let first = line.chars().next();
    let is_divided = before_last.is_some_and(char::is_alphabetic) && first.is_some_and(char::is_alphabetic);
    match last {
        Some('\u{ad}') => {
            text.pop();
        }
        Some('-' | '\u{2010}') if is_divided => {
            if first.is_some_and(char::is_lowercase) {
                text.pop();
            }
        }
        Some(last) if is_wide(last) && first.is_some_and(is_wide) => {}
        _ => text.push(' '),
    }
    text.push_str(line);
}

/// Letters of scripts that do not set spaces between words.
fn is_wide(letter: char) -> bool {
    matches!(letter, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}
