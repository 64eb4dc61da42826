//! Tables in text files: cells between commas, semicolons, tabs or bars
//! (RFC 4180 and what programs make of it). Imports the document types and the
//! canonical form.
//!
//! Rows are written as they are read: no more than one lies in memory.

mod header;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::canonical::Canonical;
use crate::document::{Parsed, Syntax};

/// What may stand between cells; the first wins where two do equally well.
const DELIMITERS: [u8; 5] = *b",;\t|:";

/// How many of [`DELIMITERS`] are tried; a colon only where the file names it.
const TRIED: usize = 4;

/// Stands in no text: all of a line is one cell.
const NO_DELIMITER: u8 = 0x1f;

/// Bytes at the start of a file that say what its delimiter and header are.
const SAMPLE: usize = 64 * 1024;

/// Rows that are looked at.
const SAMPLE_ROWS: usize = 200;

/// Least score of a delimiter: see [`score`].
const LEAST_SCORE: f64 = 0.4;

/// Line breaks in a cell from which on, in a file with an odd number of quotes,
/// one of them is taken for a letter.
const CELL_LINES: usize = 200;

/// Reads a table; `tabs` where the name says that tabs part the cells.
pub(super) fn parse(source: &str, tabs: bool) -> Parsed {
    let source = source.trim_start_matches('\u{feff}');
    let (named, source) = named_delimiter(source);
    let sample = &source[..source.floor_char_boundary(SAMPLE)];
    let delimiter = match named {
        Some(delimiter) => delimiter,
        None if tabs && sample.contains('\t') => b'\t',
        None => sniffed(sample),
    };
    let layout = Layout { delimiter, quoting: !is_unbalanced(source, delimiter) };
    let rows: Vec<Vec<String>> = Rows::new(sample, layout).take(SAMPLE_ROWS).collect();
    let found = header::find(&rows);
    let mut canonical = Canonical::default();
    canonical.table(found.caption.as_deref(), Rows::new(source, layout).skip(found.skip), found.has_header);
    let (text, map) = canonical.finish();
    Parsed { title: None, text, map, syntax: Syntax::Plain, members: Vec::new() }
}

/// Whether a text whose name says nothing is surely such a table: five rows or
/// more, all with the same three cells or more, none of them long.
pub(super) fn is_table(start: &str) -> bool {
    let lines: Vec<&str> = start.lines().take(SAMPLE_ROWS).collect();
    let complete = lines.len().saturating_sub(usize::from(!start.ends_with('\n') && lines.len() > 5));
    let start = lines[..complete].join("\n");
    let layout = Layout { delimiter: sniffed(&start), quoting: true };
    let mut rows = Rows::new(&start, layout);
    let Some(first) = rows.next().filter(|row| row.len() >= 3) else { return false };
    let mut count = 1;
    for row in rows {
        let is_like = row.len() == first.len() && row.iter().all(|cell| cell.chars().nth(100).is_none());
        if !is_like {
            return false;
        }
        count += 1;
    }
    // A comma in each of a few sentences makes no table.
    count >= 5 && (layout.delimiter != b',' || !start.contains(", "))
}

/// The delimiter that a spreadsheet program has written into the first line.
fn named_delimiter(source: &str) -> (Option<u8>, &str) {
    let (line, rest) = source.split_once('\n').unwrap_or((source, ""));
    let named = line.trim_end_matches('\r').trim_matches('"').strip_prefix("sep=");
    match named.map(str::as_bytes) {
        Some(&[delimiter]) if DELIMITERS.contains(&delimiter) => (Some(delimiter), rest),
        _ => (None, source),
    }
}

fn sniffed(sample: &str) -> u8 {
    let mut best = (LEAST_SCORE, NO_DELIMITER);
    for delimiter in DELIMITERS.into_iter().take(TRIED) {
        let score = score(sample, delimiter);
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// From 0 to 1: the share of rows that `delimiter` parts at all, less if it
/// does not part them into equally many cells.
fn score(sample: &str, delimiter: u8) -> f64 {
    let mut widths = [0_u16; 64];
    let mut rows = 0_u16;
    for row in Rows::new(sample, Layout { delimiter, quoting: true }).take(SAMPLE_ROWS) {
        rows += 1;
        widths[row.len().min(widths.len() - 1)] += 1;
    }
    let parted: u16 = widths[2..].iter().sum();
    let most = widths[2..].iter().copied().max().unwrap_or_default();
    if parted == 0 {
        return 0.0;
    }
    f64::from(parted) / f64::from(rows) * f64::midpoint(1.0, f64::from(most) / f64::from(parted))
}

/// Whether a quote that was never closed has swallowed much of the file.
fn is_unbalanced(source: &str, delimiter: u8) -> bool {
    if source.bytes().filter(|byte| *byte == b'"').count().is_multiple_of(2) {
        return false;
    }
    let mut reader = reader(source, Layout { delimiter, quoting: true });
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).unwrap_or_default() {
        let lines = |cell: &[u8]| cell.split(|byte| *byte == b'\n').count() - 1;
        if record.iter().any(|cell| lines(cell) > CELL_LINES) {
            return true;
        }
    }
    false
}

/// How cells are written.
#[derive(Debug, Clone, Copy)]
struct Layout {
    delimiter: u8,
    quoting: bool,
}

fn reader(source: &str, layout: Layout) -> Reader<&[u8]> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(layout.delimiter).quoting(layout.quoting).flexible(true).has_headers(false);
    builder.from_reader(source.as_bytes())
}

/// The rows of a file, without the empty cells at their ends.
struct Rows<'t> {
    reader: Reader<&'t [u8]>,
    record: ByteRecord,
}

impl<'t> Rows<'t> {
    fn new(source: &'t str, layout: Layout) -> Self {
        Self { reader: reader(source, layout), record: ByteRecord::new() }
    }
}

impl Iterator for Rows<'_> {
    type Item = Vec<String>;

    fn next(&mut self) -> Option<Self::Item> {
        // Only reading from a file or a row of unequal length can fail.
        let is_row = self.reader.read_byte_record(&mut self.record).unwrap_or_default();
        is_row.then(|| self.record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect())
    }
}

#[cfg(test)]
mod tests;
