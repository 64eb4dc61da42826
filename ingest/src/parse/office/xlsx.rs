//! XLSX, with macros or without: the cells of each worksheet, hidden ones too,
//! as they were last calculated. Reads cell by cell, so that a sheet takes what
//! its content does and not what its dimensions say. Imports the sheets and the
//! package.

use std::collections::HashMap;

use super::numbers::NumberFormat;
use super::package::Package;
use super::sheets::Book;
use super::xml::{Element, Node, Nodes};
use crate::document::Parsed;
use crate::parse::ParseError;

const FORMAT: &str = "XLSX";
/// Rows and columns of a sheet.
const ROWS: u32 = 1 << 20;
const COLUMNS: u32 = 1 << 14;

/// Reads a workbook.
///
/// # Errors
/// [`ParseError::Encrypted`], [`ParseError::Broken`] and [`ParseError::Empty`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut package = Package::open(bytes, FORMAT)?;
    let main = package.main_part("xl/workbook.xml")?;
    let workbook = package.required(&main)?;
    let relations = package.relations(&main)?;
    let part_of = |kind: &str| relations.iter().find(|one| one.kind == kind).map(|one| one.target.clone());
    let strings = part_of("sharedStrings").map(|part| package.part(&part)).transpose()?.flatten();
    let styles = part_of("styles").map(|part| package.part(&part)).transpose()?.flatten();
    let (sheets, since_1904) = sheets(&workbook)?;
    let look = Look {
        strings: strings.map(|part| shared_strings(&part)).transpose()?.unwrap_or_default(),
        formats: styles.map(|part| cell_formats(&part)).transpose()?.unwrap_or_default(),
        since_1904,
    };
    let mut book = Book::new(FORMAT);
    for (name, id) in sheets {
        let Some(relation) = relations.iter().find(|one| one.id == id) else { continue };
        if relation.kind != "worksheet" {
            continue;
        }
        book.sheet(&name);
        if let Some(part) = package.part(&relation.target)? {
            read_sheet(&part, &look, &mut book)?;
        }
    }
    book.finish(package.core_title())
}

/// What cells refer to.
struct Look {
    strings: Vec<String>,
    formats: Vec<NumberFormat>,
    since_1904: bool,
}

/// Names and relations of the sheets, and whether days count from 1904.
fn sheets(workbook: &str) -> Result<(Vec<(String, String)>, bool), ParseError> {
    let (mut sheets, mut since_1904) = (Vec::new(), false);
    let mut nodes = Nodes::new(workbook, FORMAT);
    while let Some(node) = nodes.next()? {
        let Node::Open(element) = node else { continue };
        match element.name() {
            "workbookPr" => since_1904 = element.says("date1904"),
            "sheet" => {
                let id = element.prefixed("id").unwrap_or_default();
                sheets.push((element.attribute("name").unwrap_or_default(), id));
            }
            _ => {}
        }
    }
    Ok((sheets, since_1904))
}

fn shared_strings(part: &str) -> Result<Vec<String>, ParseError> {
    let mut strings = Vec::new();
    let mut nodes = Nodes::new(part, FORMAT);
    while let Some(node) = nodes.next()? {
        if let Node::Open(element) = node
            && element.name() == "si"
        {
            strings.push(rich_text(&mut nodes, "si")?);
        }
    }
    Ok(strings)
}

/// The words of the element that has just started, without how they are read.
fn rich_text(nodes: &mut Nodes<'_>, name: &str) -> Result<String, ParseError> {
    let mut text = String::new();
    while let Some(node) = nodes.next()? {
        match node {
            Node::Open(element) if element.name() == "rPh" => nodes.skip()?,
            Node::Open(element) if element.name() == "t" => text.push_str(&nodes.text()?),
            Node::Close(end) if end.name() == name => break,
            _ => {}
        }
    }
    // The escapes of line ends, which XML does not keep.
    Ok(if text.contains("_x000") { text.replace("_x000D_", "").replace("_x000A_", " ") } else { text })
}

/// How the cells of each style show their numbers.
fn cell_formats(part: &str) -> Result<Vec<NumberFormat>, ParseError> {
    let (mut codes, mut formats) = (HashMap::new(), Vec::new());
    let mut in_cells = false;
    let mut nodes = Nodes::new(part, FORMAT);
    while let Some(node) = nodes.next()? {
        match node {
            Node::Open(element) => match element.name() {
                "numFmt" => {
                    let code = element.attribute("formatCode").unwrap_or_default();
                    let id: u32 = element.number("numFmtId").unwrap_or_default();
                    codes.entry(id).or_insert_with(|| NumberFormat::of_code(&code));
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells => {
                    let id = element.number("numFmtId").unwrap_or_default();
                    formats.push(codes.get(&id).copied().unwrap_or_else(|| NumberFormat::built_in(id)));
                }
                _ => {}
            },
            Node::Close(end) if end.name() == "cellXfs" => in_cells = false,
            Node::Close(_) | Node::Text(_) => {}
        }
    }
    Ok(formats)
}

fn read_sheet(part: &str, look: &Look, book: &mut Book) -> Result<(), ParseError> {
    let (mut row, mut column) = (0, 0);
    let mut next_row = 0;
    let mut nodes = Nodes::new(part, FORMAT);
    while let Some(node) = nodes.next()? {
        let Node::Open(element) = node else { continue };
        match element.name() {
            "row" => {
                row = element.number("r").and_then(|number: u32| number.checked_sub(1)).unwrap_or(next_row);
                next_row = row.saturating_add(1);
                column = 0;
            }
            "c" => {
                (row, column) = element.attribute("r").and_then(|name| place(&name)).unwrap_or((row, column));
                let cell = Value::read(&element, &mut nodes)?;
                if row < ROWS && column < COLUMNS {
                    cell.add(row, column, look, book)?;
                }
                column = column.saturating_add(1);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Row and column, from 0, of a cell with a name such as `AB12`.
fn place(name: &str) -> Option<(u32, u32)> {
    let digits = name.find(|c: char| c.is_ascii_digit())?;
    let (letters, row) = name.split_at(digits);
    let mut column = 0u32;
    for letter in letters.bytes() {
        let value = letter.to_ascii_uppercase().checked_sub(b'A').filter(|value| *value < 26)?;
        column = column.checked_mul(26)?.checked_add(u32::from(value) + 1)?;
    }
    Some((row.parse::<u32>().ok()?.checked_sub(1)?, column.checked_sub(1)?))
}

/// What a cell holds.
struct Value {
    kind: Option<String>,
    style: usize,
    text: String,
}

impl Value {
    /// Reads the cell that has just started.
    fn read(cell: &Element<'_>, nodes: &mut Nodes<'_>) -> Result<Self, ParseError> {
        let style = cell.number("s").unwrap_or_default();
        let mut value = Self { kind: cell.attribute("t"), style, text: String::new() };
        while let Some(node) = nodes.next()? {
            match node {
                Node::Open(element) => match element.name() {
                    "v" => value.text = nodes.text()?,
                    "is" => value.text = rich_text(nodes, "is")?,
                    // A formula, which is not what is shown.
                    _ => nodes.skip()?,
                },
                Node::Close(end) if end.name() == "c" => break,
                Node::Close(_) | Node::Text(_) => {}
            }
        }
        Ok(value)
    }

    fn add(&self, row: u32, column: u32, look: &Look, book: &mut Book) -> Result<(), ParseError> {
        let text = self.text.trim();
        match self.kind.as_deref() {
            Some("s") => {
                let string = text.parse().ok().and_then(|at: usize| look.strings.get(at));
                string.map_or(Ok(()), |string| book.cell(row, column, string, true))
            }
            Some("str" | "inlineStr") => book.cell(row, column, text, true),
            Some("b") => book.cell(row, column, if text == "1" { "TRUE" } else { "FALSE" }, false),
            Some("e") => book.cell(row, column, text, false),
            Some("d") => {
                let shown = text.trim_end_matches('Z').replace('T', " ");
                book.cell(row, column, shown.strip_suffix(" 00:00:00").unwrap_or(&shown), false)
            }
            _ => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => {
                    let format = look.formats.get(self.style).copied().unwrap_or_default();
                    book.cell(row, column, &format.show(number, look.since_1904), false)
                }
                _ => book.cell(row, column, text, false),
            },
        }
    }
}
