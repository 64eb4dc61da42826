//! A workbook as canonical text: a heading for each sheet, and a table for each
//! of its regions, which empty rows part. Imports the document types and the
//! canonical form.

use super::{broken, parsed};
use crate::document::Parsed;
use crate::parse::ParseError;
use crate::parse::canonical::{Canonical, folded};

/// Cells with content that a workbook may have.
const CELLS: usize = 4_000_000;
/// Bytes that the text of all its cells may come to; a text may stand in many.
const TEXT: usize = 64 << 20;
/// How many places in a region there may be for each cell with content, beyond
/// [`FREE_PLACES`], for its columns to be kept apart.
const PLACES: usize = 16;
/// Places for which content is not asked.
const FREE_PLACES: usize = 50_000;

/// A cell with content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its column, from 0.
    pub(super) column: u32,
    /// As it is shown, on one line.
    pub(super) text: String,
    /// Whether it holds words, not a number, a date or a truth.
    pub(super) is_words: bool,
}

/// A sheet's cells with content; rows and cells ascend.
#[derive(Debug)]
struct Sheet {
    name: String,
    /// Number of the row, from 0, and its cells.
    rows: Vec<(u32, Vec<Cell>)>,
}

/// The sheets of a workbook that is being read.
#[derive(Debug)]
pub(super) struct Book {
    sheets: Vec<Sheet>,
    format: &'static str,
    cells: usize,
    text: usize,
}

impl Book {
    /// A workbook without sheets.
    pub(super) fn new(format: &'static str) -> Self {
        Self { sheets: Vec::new(), format, cells: 0, text: 0 }
    }

    /// Adds a sheet, to which the next cells belong.
    pub(super) fn sheet(&mut self, name: &str) {
        self.sheets.push(Sheet { name: folded(name), rows: Vec::new() });
    }

    /// Adds a cell, unless nothing is shown in it.
    ///
    /// # Errors
    /// [`ParseError::Broken`] where the workbook grows beyond the bounds.
    pub(super) fn cell(&mut self, row: u32, column: u32, text: &str, is_words: bool) -> Result<(), ParseError> {
        let text = folded(text);
        let Some(sheet) = self.sheets.last_mut().filter(|_| !text.is_empty()) else { return Ok(()) };
        self.cells += 1;
        self.text = self.text.saturating_add(text.len());
        if self.cells > CELLS || self.text > TEXT {
            return Err(broken(self.format, "it holds more cells than can be read; upload its parts"));
        }
        let cell = Cell { column, text, is_words };
        match sheet.rows.last_mut() {
            Some((last, cells)) if *last == row => cells.push(cell),
            _ => sheet.rows.push((row, vec![cell])),
        }
        Ok(())
    }

    /// The document; `title` is what its properties say.
    ///
    /// # Errors
    /// [`ParseError::Empty`] where no sheet has a cell.
    pub(super) fn finish(self, title: Option<String>) -> Result<Parsed, ParseError> {
        if self.cells == 0 {
            return Err(ParseError::Empty);
        }
        let mut out = Canonical::default();
        for mut sheet in self.sheets {
            if sheet.rows.is_empty() {
                continue;
            }
            // Almost always so already.
            sheet.rows.sort_by_key(|(row, _)| *row);
            out.blank();
            out.heading(1, &sheet.name);
            let adjoin = |one: &(u32, Vec<Cell>), next: &(u32, Vec<Cell>)| next.0 - one.0 <= 1;
            for region in sheet.rows.chunk_by(adjoin) {
                write_region(region, &mut out);
            }
        }
        Ok(parsed(title, out.finish()))
    }
}

fn write_region(region: &[(u32, Vec<Cell>)], out: &mut Canonical) {
    let (caption, region) = match region {
        // A line of words above what has columns.
        [(_, title), rest @ ..]
            if title.len() == 1 && title[0].is_words && rest.len() > 1 && rest.iter().any(|(_, row)| row.len() > 1) =>
        {
            (Some(title[0].text.as_str()), rest)
        }
        region => (None, region),
    };
    let cells: usize = region.iter().map(|(_, row)| row.len()).sum();
    let mut columns: Vec<u32> = region.iter().flat_map(|(_, row)| row).map(|cell| cell.column).collect();
    columns.sort_unstable();
    columns.dedup();
    if cells == 1 {
        // A remark, not a table.
        out.blank();
        return out.line(&region[0].1[0].text);
    }
    let places = columns.len().saturating_mul(region.len());
    let keeps_columns = places <= cells.saturating_mul(PLACES).max(FREE_PLACES);
    let rows: Vec<Vec<String>> = region.iter().map(|(_, row)| row_cells(row, &columns, keeps_columns)).collect();
    let is_header = |row: &[Cell]| row.iter().all(|cell| cell.is_words) && row.len() * 2 > columns.len();
    let has_header = region.len() > 1 && columns.len() > 1 && is_header(&region[0].1);
    out.table(caption, &rows, has_header);
}

/// The cells of a row, each in its place among the `columns` in use.
fn row_cells(row: &[Cell], columns: &[u32], keeps_columns: bool) -> Vec<String> {
    if !keeps_columns {
        return row.iter().map(|cell| cell.text.clone()).collect();
    }
    let mut cells = vec![String::new(); columns.len()];
    for cell in row {
        if let Ok(place) = columns.binary_search(&cell.column) {
            cells[place].clone_from(&cell.text);
        }
    }
    cells
}
