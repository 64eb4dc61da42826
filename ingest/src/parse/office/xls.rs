//! XLS: the cells of each worksheet, hidden ones too, as they were last
//! calculated. Imports the sheets, the compound file and [`strings`].
//!
//! Records and their fields: "Excel Binary File Format (.xls) Structure",
//! [MS-XLS], which is BIFF 8; BIFF 5 differs in its strings, of bytes in the
//! workbook's code page.

mod strings;

use std::collections::{HashMap, HashSet};

use encoding_rs::{Encoding, WINDOWS_1252};

use super::compound;
use super::numbers::NumberFormat;
use super::sheets::Book;
use crate::document::Parsed;
use crate::parse::ParseError;

const FORMAT: &str = "XLS";

/// Types of records.
mod record {
    pub(super) const FORMULA: u16 = 0x0006;
    pub(super) const EOF: u16 = 0x000a;
    pub(super) const DATE_MODE: u16 = 0x0022;
    pub(super) const FILE_PASS: u16 = 0x002f;
    pub(super) const CONTINUE: u16 = 0x003c;
    pub(super) const CODE_PAGE: u16 = 0x0042;
    pub(super) const BOUND_SHEET: u16 = 0x0085;
    pub(super) const MUL_RK: u16 = 0x00bd;
    pub(super) const RICH_LABEL: u16 = 0x00d6;
    pub(super) const XF: u16 = 0x00e0;
    pub(super) const SST: u16 = 0x00fc;
    pub(super) const LABEL_SST: u16 = 0x00fd;
    pub(super) const NUMBER: u16 = 0x0203;
    pub(super) const LABEL: u16 = 0x0204;
    pub(super) const BOOL_ERR: u16 = 0x0205;
    pub(super) const STRING: u16 = 0x0207;
    pub(super) const RK: u16 = 0x027e;
    pub(super) const FORMAT: u16 = 0x041e;
    pub(super) const BOF: u16 = 0x0809;
}

/// Reads a workbook.
///
/// # Errors
/// [`ParseError::Encrypted`], [`ParseError::Broken`] and [`ParseError::Empty`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let stream = compound::stream(bytes, &["Workbook", "Book"], FORMAT)?;
    let look = Look::read(&stream)?;
    let mut book = Book::new(FORMAT);
    let mut seen = HashSet::new();
    for (name, start) in &look.sheets {
        // Two sheets in one place would be damage, and could be so a million times.
        if seen.insert(*start) {
            book.sheet(name);
            read_sheet(stream.get(*start..).unwrap_or_default(), &look, &mut book)?;
        }
    }
    book.finish(None)
}

/// Records, each with its type.
struct Records<'s>(&'s [u8]);

impl<'s> Iterator for Records<'s> {
    type Item = (u16, &'s [u8]);

    /// The next record; one that is cut short ends them.
    fn next(&mut self) -> Option<Self::Item> {
        let (kind, length) = (u16_at(self.0, 0)?, usize::from(u16_at(self.0, 2)?));
        let data = self.0.get(4..4 + length)?;
        self.0 = &self.0[4 + length..];
        Some((kind, data))
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(data.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn f64_at(data: &[u8], at: usize) -> Option<f64> {
    Some(f64::from_le_bytes(data.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// What cells and sheets refer to.
struct Look {
    /// Names of the worksheets, and where they start.
    sheets: Vec<(String, usize)>,
    strings: Vec<String>,
    formats: Vec<NumberFormat>,
    since_1904: bool,
    is_biff8: bool,
    encoding: &'static Encoding,
}

impl Look {
    fn read(stream: &[u8]) -> Result<Self, ParseError> {
        let (mut codes, mut used) = (HashMap::new(), Vec::new());
        let mut look = Self {
            sheets: Vec::new(),
            strings: Vec::new(),
            formats: Vec::new(),
            since_1904: false,
            is_biff8: true,
            encoding: WINDOWS_1252,
        };
        let mut records = Records(stream);
        while let Some((kind, data)) = records.next() {
            match kind {
                record::FILE_PASS if u16_at(data, 0) != Some(0) || data.len() > 2 => {
                    return Err(ParseError::Encrypted { format: FORMAT.into() });
                }
                record::BOF => look.is_biff8 = u16_at(data, 0) == Some(0x0600),
                record::CODE_PAGE => look.encoding = u16_at(data, 0).map_or(WINDOWS_1252, strings::code_page),
                record::DATE_MODE => look.since_1904 = u16_at(data, 0) == Some(1),
                record::FORMAT => {
                    let (id, code) = (u16_at(data, 0).unwrap_or_default(), data.get(2..).unwrap_or_default());
                    let code = if look.is_biff8 { look.text(code, 2) } else { look.text(code, 1) };
                    codes.insert(u32::from(id), NumberFormat::of_code(&code));
                }
                record::XF => used.push(u32::from(u16_at(data, 2).unwrap_or_default())),
                record::BOUND_SHEET => look.bound_sheet(data),
                record::SST => {
                    let mut parts = vec![data];
                    while let Some((record::CONTINUE, more)) = Records(records.0).next() {
                        parts.push(more);
                        records.next();
                    }
                    look.strings = strings::shared(&parts);
                }
                record::EOF => break,
                _ => {}
            }
        }
        let format = |id: &u32| codes.get(id).copied().unwrap_or_else(|| NumberFormat::built_in(*id));
        look.formats = used.iter().map(format).collect();
        Ok(look)
    }

    /// Where a sheet starts, whether it is a worksheet, and its name.
    fn bound_sheet(&mut self, data: &[u8]) {
        let start = u32_at(data, 0).and_then(|start| usize::try_from(start).ok());
        if let (Some(start), Some(0)) = (start, data.get(5)) {
            let name = self.text(data.get(6..).unwrap_or_default(), 1);
            self.sheets.push((name, start));
        }
    }

    /// A string after its length, which takes so many bytes.
    fn text(&self, data: &[u8], length_bytes: usize) -> String {
        let length = match length_bytes {
            1 => data.first().copied().map(usize::from),
            _ => u16_at(data, 0).map(usize::from),
        };
        let (length, rest) = (length.unwrap_or_default(), data.get(length_bytes..).unwrap_or_default());
        if self.is_biff8 {
            strings::unicode(rest, length)
        } else {
            self.encoding.decode_without_bom_handling(&rest[..rest.len().min(length)]).0.into_owned()
        }
    }

    fn number(&self, value: f64, style: Option<u16>) -> String {
        let format = style.and_then(|style| self.formats.get(usize::from(style)));
        format.copied().unwrap_or_default().show(value, self.since_1904)
    }
}

fn read_sheet(stream: &[u8], look: &Look, book: &mut Book) -> Result<(), ParseError> {
    // Charts within the sheet have records of their own.
    let mut depth = 0usize;
    // Where the text of a formula, which comes next, belongs.
    let mut awaited = None;
    for (kind, data) in Records(stream) {
        match kind {
            record::BOF => depth += 1,
            record::EOF if depth <= 1 => break,
            record::EOF => depth -= 1,
            _ if depth > 1 => {}
            record::STRING => {
                if let Some((row, column)) = awaited.take() {
                    book.cell(row, column, &look.text(data, 2), true)?;
                }
            }
            _ => {
                let Some(row) = u16_at(data, 0) else { continue };
                let Some(column) = u16_at(data, 2) else { continue };
                let place = (u32::from(row), u32::from(column));
                if kind == record::FORMULA && is_text_to_come(data) {
                    awaited = Some(place);
                } else if kind == record::MUL_RK {
                    multiple(data, place, look, book)?;
                } else if let Some((text, is_words)) = single(kind, data, look) {
                    book.cell(place.0, place.1, &text, is_words)?;
                }
            }
        }
    }
    Ok(())
}

/// Whether the value of a formula is a text, which is a record of its own.
fn is_text_to_come(data: &[u8]) -> bool {
    u16_at(data, 12) == Some(0xffff) && data.get(6) == Some(&0)
}

/// What a record of one cell shows, and whether that is words.
fn single(kind: u16, data: &[u8], look: &Look) -> Option<(String, bool)> {
    let style = u16_at(data, 4);
    let shown = match kind {
        record::RK => (look.number(rk(u32_at(data, 6)?), style), false),
        record::LABEL_SST => (look.strings.get(usize::try_from(u32_at(data, 6)?).ok()?)?.clone(), true),
        record::LABEL | record::RICH_LABEL => (look.text(data.get(6..)?, 2), true),
        record::BOOL_ERR => (truth_or_error(*data.get(6)?, *data.get(7)? == 1), false),
        record::FORMULA if u16_at(data, 12)? == 0xffff => match data.get(6)? {
            1 => (truth_or_error(*data.get(8)?, false), false),
            2 => (truth_or_error(*data.get(8)?, true), false),
            _ => return None,
        },
        record::NUMBER | record::FORMULA => (look.number(f64_at(data, 6)?, style), false),
        _ => return None,
    };
    Some(shown)
}

/// Cells side by side, with a style and a number each.
fn multiple(data: &[u8], (row, column): (u32, u32), look: &Look, book: &mut Book) -> Result<(), ParseError> {
    // The last two bytes are the last column.
    let cells = data.get(4..data.len().saturating_sub(2)).unwrap_or_default();
    for (cell, column) in cells.chunks_exact(6).zip(column..) {
        if let Some(value) = u32_at(cell, 2) {
            book.cell(row, column, &look.number(rk(value), u16_at(cell, 0)), false)?;
        }
    }
    Ok(())
}

/// A number in 30 bits: whole or the upper half of a float, perhaps in hundredths.
fn rk(value: u32) -> f64 {
    let number =
        if value & 2 == 0 { f64::from_bits(u64::from(value & !3) << 32) } else { f64::from(value.cast_signed() >> 2) };
    if value & 1 == 0 { number } else { number / 100.0 }
}

fn truth_or_error(value: u8, is_error: bool) -> String {
    let shown = match (is_error, value) {
        (false, 0) => "FALSE",
        (false, _) => "TRUE",
        (true, 0x00) => "#NULL!",
        (true, 0x07) => "#DIV/0!",
        (true, 0x0f) => "#VALUE!",
        (true, 0x17) => "#REF!",
        (true, 0x1d) => "#NAME?",
        (true, 0x24) => "#NUM!",
        (true, _) => "#N/A",
    };
    shown.to_owned()
}
