//! Tables: lines of one column whose cells stand below each other. Imports the
//! lines, and how a list's items start.
//!
//! A region grows from a line with cells over the lines that follow it closely;
//! the places of its cells make the table's columns. A line that only goes on
//! with what the cells above it say joins their row.

use std::ops::Range;

use super::super::canonical;
use super::layout::{Line, Segment};
use super::paragraphs::is_marked;

/// Rows that a table has at least.
const LEAST_ROWS: usize = 3;
/// Part of its cells that hold something at least, as a fraction: parts of a
/// formula stand anywhere.
const LEAST_FILLED: (usize, usize) = (1, 2);
/// Distance of base lines, in font sizes, from which on a region ends.
const REGION_GAP: f32 = 4.0;
/// Distance of base lines, in font sizes, up to which a line goes on with the
/// one above it.
const WRAP_GAP: f32 = 1.45;
/// Lines of one cell that may stand between two lines of several.
const LOOSE_LINES: usize = 3;
/// Width of such a line, as a part of the column that it stands in.
const LOOSE_WIDTH: f32 = 0.6;
/// Characters of a cell, on average, from which on two columns are prose.
const PROSE_CELL: usize = 45;
/// Longest cell of a header row, in characters.
const HEADER_CELL: usize = 60;
/// Longest caption, in characters.
const CAPTION_CHARACTERS: usize = 400;

/// A table, and the lines that it is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) lines: Range<usize>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) has_header: bool,
}

/// The tables among the lines of a page.
pub(super) fn find(lines: &[Line]) -> Vec<Table> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !is_row(&lines[at]) {
            at += 1;
            continue;
        }
        let end = region(lines, at);
        found.extend(table(lines, at..end));
        at = end;
    }
    found
}

/// Whether a text starts as the caption of a table does: `Table 3: ...`.
pub(super) fn is_caption(text: &str) -> bool {
    let names = ["table", "tab.", "tabelle", "tableau", "tabla", "tabella", "tabela", "tabel", "表", "표"];
    let lower: String = text.chars().take(24).flat_map(char::to_lowercase).collect();
    let numbered = |name: &str| {
        let rest = lower.strip_prefix(name)?;
        let rest = rest.trim_start();
        let number: String = rest.chars().take_while(|c| !c.is_whitespace() && !matches!(c, ':' | '.' | '|')).collect();
        let after = rest[number.len()..].chars().next();
        let is_number = number.chars().next().is_some_and(|c| c.is_ascii_digit())
            || (!number.is_empty() && number.chars().all(|c| matches!(c, 'i' | 'v' | 'x')))
            || (number.len() == 1 && after.is_some_and(|c| matches!(c, ':' | '.')));
        // `Table 3 shows` is a sentence; a caption goes on with a sign, a
        // capital letter or not at all.
        let words = text.split_whitespace().nth(2);
        let goes_on = words.is_some_and(|word| word.starts_with(char::is_lowercase));
        let is_marked = after.is_some_and(|c| matches!(c, ':' | '.' | '|'));
        Some(is_number && (is_marked || !goes_on))
    };
    text.chars().count() <= CAPTION_CHARACTERS && names.iter().any(|name| numbered(name).unwrap_or(false))
}

/// A line of several cells that is not an item of a list.
fn is_row(line: &Line) -> bool {
    line.has_cells() && !(is_marked(line) && line.cells.len() == 2)
}

/// Where the region that starts at `start` ends.
fn region(lines: &[Line], start: usize) -> usize {
    let mut end = start + 1;
    let mut loose = 0;
    for (index, pair) in lines[start..].windows(2).enumerate() {
        let [before, line] = pair else { break };
        let gap = before.y - line.y;
        let is_below = gap > 0.0 && gap <= REGION_GAP * line.size.max(before.size);
        if line.column != before.column || !is_below {
            break;
        }
        if is_row(line) {
            (end, loose) = (start + index + 2, 0);
            continue;
        }
        let width = line.within[1] - line.within[0];
        let is_narrow = line.right() - line.left() <= LOOSE_WIDTH * width;
        let is_said = line.cells.first().is_some_and(|cell| is_caption(&cell.text));
        loose += 1;
        if loose > LOOSE_LINES || !is_narrow || is_said {
            break;
        }
    }
    end + wrapped(lines, start, end)
}

/// Lines after a region that go on with its last row: close below each other,
/// and to the right of where its rows start.
fn wrapped(lines: &[Line], start: usize, end: usize) -> usize {
    let left = lines[start..end].iter().map(Line::left).fold(f32::INFINITY, f32::min);
    let mut before = &lines[end - 1];
    let mut count = 0;
    for line in lines[end..].iter().take(LOOSE_LINES) {
        let is_right = line.left() > left + 2.0 * line.size && line.left() <= before.right();
        if line.column != before.column || !is_tight(before, line) || !is_right {
            break;
        }
        count += 1;
        before = line;
    }
    count
}

fn is_tight(before: &Line, line: &Line) -> bool {
    let gap = before.y - line.y;
    gap > 0.0 && gap <= WRAP_GAP * line.size.max(before.size)
}

/// The table that the lines of a region make, if they do.
fn table(lines: &[Line], range: Range<usize>) -> Option<Table> {
    let region = &lines[range.clone()];
    if region.iter().filter(|line| is_row(line)).count() < LEAST_ROWS {
        return None;
    }
    let columns = columns(region);
    if columns.len() < 2 {
        return None;
    }
    let mut rows: Vec<Row> = Vec::new();
    for (index, line) in region.iter().enumerate() {
        let row = Row::new(line, &columns);
        let before = index.checked_sub(1).map(|before| &region[before]);
        match rows.last_mut() {
            Some(last) if before.is_some_and(|before| is_tight(before, line)) && row.goes_on(last) => last.append(row),
            _ => rows.push(row),
        }
    }
    let several = rows.iter().filter(|row| row.filled() > 1).count();
    let filled: usize = rows.iter().map(Row::filled).sum();
    let is_sparse = filled * LEAST_FILLED.1 < rows.len() * columns.len() * LEAST_FILLED.0;
    if several < LEAST_ROWS || several * 2 < rows.len() || is_sparse || is_prose(&rows, columns.len()) {
        return None;
    }
    let has_header = has_header(&rows);
    Some(Table { lines: range, rows: rows.into_iter().map(|row| row.cells).collect(), has_header })
}

/// Left and right end of each column: what the cells of all rows cover, without
/// those that span several columns.
fn columns(region: &[Line]) -> Vec<[f32; 2]> {
    let mut cells: Vec<&Segment> = region.iter().filter(|line| is_row(line)).flat_map(|line| &line.cells).collect();
    cells.sort_by(|a, b| (a.x[1] - a.x[0]).total_cmp(&(b.x[1] - b.x[0])));
    let mut columns: Vec<[f32; 2]> = Vec::new();
    for cell in cells {
        let overlapped: Vec<usize> = (0..columns.len()).filter(|index| overlaps(columns[*index], cell.x)).collect();
        match overlapped.as_slice() {
            [] => columns.push(cell.x),
            [only] => {
                let column = &mut columns[*only];
                *column = [column[0].min(cell.x[0]), column[1].max(cell.x[1])];
            }
            _ => {}
        }
    }
    columns.sort_by(|a, b| a[0].total_cmp(&b[0]));
    merge_never_beside(columns, region)
}

fn overlaps(a: [f32; 2], b: [f32; 2]) -> bool {
    a[0] < b[1] && b[0] < a[1]
}

/// Joins neighbours of which no row, or hardly one of many, fills both: they
/// are one column whose cells are indented or centred.
fn merge_never_beside(columns: Vec<[f32; 2]>, region: &[Line]) -> Vec<[f32; 2]> {
    let rows = region.iter().filter(|line| is_row(line)).count();
    let fills = |column: [f32; 2]| -> Vec<bool> {
        region.iter().map(|line| line.cells.iter().any(|cell| overlaps(column, cell.x))).collect()
    };
    let mut merged: Vec<([f32; 2], Vec<bool>)> = Vec::new();
    for column in columns {
        let filled = fills(column);
        if let Some((last, last_filled)) = merged.last_mut() {
            let both = filled.iter().zip(last_filled.iter()).filter(|(a, b)| **a && **b).count();
            if both * 10 < rows.min(10) {
                *last = [last[0].min(column[0]), last[1].max(column[1])];
                last_filled.iter_mut().zip(&filled).for_each(|(a, b)| *a |= *b);
                continue;
            }
        }
        merged.push((column, filled));
    }
    merged.into_iter().map(|(column, _)| column).collect()
}

/// A row: its cells by column, and whether all of it is bold.
struct Row {
    cells: Vec<String>,
    is_bold: bool,
}

impl Row {
    fn new(line: &Line, columns: &[[f32; 2]]) -> Self {
        let mut cells = vec![String::new(); columns.len()];
        let mut least = 0;
        for segment in &line.cells {
            // The first column that the cell reaches; what lies in none goes
            // with the one before it.
            let reached = columns.iter().position(|column| overlaps(*column, segment.x));
            let before = || columns.iter().rposition(|column| column[0] <= segment.x[0]);
            let column = reached.or_else(before).unwrap_or(0).max(least).min(columns.len() - 1);
            append(&mut cells[column], &canonical::folded(&segment.text));
            least = column;
        }
        Self { cells, is_bold: line.is_bold() }
    }

    fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| !cell.is_empty()).count()
    }

    /// Whether the row goes on with what `last` says: its cells start in the
    /// middle of a sentence, or it has nothing in its first column and no
    /// number below a number.
    fn goes_on(&self, last: &Self) -> bool {
        let filled = || self.cells.iter().zip(&last.cells).filter(|(cell, _)| !cell.is_empty());
        let is_below_text = filled().all(|(_, above)| !above.is_empty());
        let in_sentence = |cell: &str| cell.starts_with(char::is_lowercase) || cell.starts_with('(');
        if filled().all(|(cell, _)| in_sentence(cell) && !is_number(cell)) {
            return is_below_text || last.filled() == 1;
        }
        let is_first_empty = self.cells.first().is_some_and(String::is_empty);
        let opens_row = last.filled() == 1 && last.cells.first().is_some_and(|cell| !cell.is_empty());
        if opens_row && self.cells.first().is_some_and(|cell| in_sentence(cell)) {
            return true;
        }
        let has_number = filled().any(|(cell, _)| is_number(cell));
        is_first_empty && is_below_text && !has_number && !opens_row && self.filled() < last.cells.len()
    }

    fn append(&mut self, row: Self) {
        for (cell, more) in self.cells.iter_mut().zip(row.cells) {
            append(cell, &more);
        }
        self.is_bold &= row.is_bold;
    }
}

fn append(cell: &mut String, more: &str) {
    if cell.is_empty() || more.is_empty() {
        cell.push_str(more);
    } else {
        super::paragraphs::join(cell, more);
    }
}

/// Two or three columns of nothing but sentences, or parts of them.
fn is_prose(rows: &[Row], columns: usize) -> bool {
    let mean = |column: usize| {
        let lengths = rows.iter().map(|row| row.cells[column].chars().count()).filter(|length| *length > 0);
        let (count, sum) = lengths.fold((0, 0), |(count, sum), length| (count + 1, sum + length));
        sum / count.max(1)
    };
    columns <= 3 && (0..columns).all(|column| mean(column) >= PROSE_CELL)
}

/// Whether the first row says what stands below it.
fn has_header(rows: &[Row]) -> bool {
    let Some((first, rest)) = rows.split_first() else { return false };
    let is_name = |cell: &String| (!is_number(cell) || is_year(cell)) && cell.chars().count() <= HEADER_CELL;
    let columns = first.cells.len();
    if first.filled() < 2 || first.filled() + 1 < columns || !first.cells.iter().all(is_name) {
        return false;
    }
    let is_numeric = |column: usize| {
        let cells = || rest.iter().map(|row| &row.cells[column]).filter(|cell| !cell.is_empty());
        cells().count() >= 2 && cells().filter(|cell| is_number(cell)).count() * 5 >= cells().count() * 3
    };
    let names_numbers = (1..columns).any(|column| !first.cells[column].is_empty() && is_numeric(column));
    let is_set_apart = first.is_bold && !rest.iter().all(|row| row.is_bold);
    names_numbers || is_set_apart || (columns > 2 && first.filled() == columns)
}

/// Whether a cell holds a number, with its sign, unit or brackets.
fn is_number(cell: &str) -> bool {
    let (mut digits, mut letters) = (0, 0);
    for c in cell.chars() {
        digits += usize::from(c.is_numeric());
        letters += usize::from(c.is_alphabetic());
    }
    digits > letters || (digits == 0 && letters == 0 && !cell.is_empty())
}

fn is_year(cell: &str) -> bool {
    cell.len() == 4 && cell.parse::<u16>().is_ok_and(|year| (1900..2100).contains(&year))
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
