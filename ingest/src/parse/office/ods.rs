//! ODS: the cells of each sheet as they were last shown. Imports the sheets and
//! the package.

use super::numbers;
use super::odt::refuse_encrypted;
use super::package::Package;
use super::sheets::Book;
use super::xml::{Element, Node, Nodes};
use crate::document::Parsed;
use crate::parse::ParseError;

const FORMAT: &str = "ODS";
/// How often a cell or a row with content is repeated at most.
const REPEATS: u32 = 256;

/// Reads a workbook.
///
/// # Errors
/// [`ParseError::Encrypted`], [`ParseError::Broken`] and [`ParseError::Empty`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut package = Package::open(bytes, FORMAT)?;
    refuse_encrypted(&mut package, FORMAT)?;
    let content = package.required("content.xml")?;
    let mut reader =
        Reader { book: Book::new(FORMAT), row: 0, row_repeats: 1, cells: Vec::new(), column: 0, tables: 0 };
    let mut nodes = Nodes::new(&content, FORMAT);
    while let Some(node) = nodes.next()? {
        match node {
            Node::Open(element) if element.name() == "tracked-changes" => nodes.skip()?,
            Node::Open(element) => reader.open(&element, &mut nodes)?,
            Node::Close(end) => reader.close(end.name())?,
            Node::Text(_) => {}
        }
    }
    reader.book.finish(package.title("meta.xml"))
}

struct Reader {
    book: Book,
    row: u32,
    row_repeats: u32,
    /// Cells of the row that is open: column, text, whether it is words.
    cells: Vec<(u32, String, bool)>,
    column: u32,
    /// Tables that are open; a drawing in a cell may hold one.
    tables: usize,
}

impl Reader {
    fn open(&mut self, element: &Element<'_>, nodes: &mut Nodes<'_>) -> Result<(), ParseError> {
        match element.name() {
            "table" => {
                self.tables += 1;
                if self.tables == 1 {
                    self.book.sheet(&element.attribute("name").unwrap_or_default());
                    self.row = 0;
                }
            }
            "table-row" => {
                self.row_repeats = element.number("number-rows-repeated").unwrap_or(1).max(1);
                self.column = 0;
                self.cells.clear();
            }
            "table-cell" | "covered-table-cell" if self.tables == 1 => {
                let repeats = element.number("number-columns-repeated").unwrap_or(1).max(1);
                let (text, is_words) = cell(element, nodes)?;
                if !text.is_empty() {
                    for column in 0..repeats.min(REPEATS) {
                        let column = self.column.saturating_add(column);
                        self.cells.push((column, text.clone(), is_words));
                    }
                }
                self.column = self.column.saturating_add(repeats);
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), ParseError> {
        match name {
            "table" => self.tables = self.tables.saturating_sub(1),
            "table-row" => {
                if !self.cells.is_empty() {
                    for row in 0..self.row_repeats.min(REPEATS) {
                        for (column, text, is_words) in &self.cells {
                            self.book.cell(self.row.saturating_add(row), *column, text, *is_words)?;
                        }
                    }
                }
                self.row = self.row.saturating_add(self.row_repeats);
                self.cells.clear();
            }
            _ => {}
        }
        Ok(())
    }
}

/// The text of the cell that has just started, and whether it is words.
fn cell(element: &Element<'_>, nodes: &mut Nodes<'_>) -> Result<(String, bool), ParseError> {
    let kind = element.attribute("value-type").unwrap_or_default();
    let date = element.attribute("date-value").filter(|_| kind == "date");
    let value: Option<f64> = element.number("value").filter(|value: &f64| value.is_finite());
    let shown = shown(element.name(), nodes)?;
    let text = match (date, value) {
        (Some(date), _) => date.strip_suffix("T00:00:00").unwrap_or(&date).replace('T', " "),
        (None, Some(value)) if kind == "float" && !shown.contains(':') => numbers::plain(value),
        _ => shown,
    };
    Ok((text.trim().to_owned(), matches!(kind.as_str(), "" | "string")))
}

/// What a cell shows; its paragraphs are parted by spaces.
fn shown(name: &str, nodes: &mut Nodes<'_>) -> Result<String, ParseError> {
    let (mut text, mut inner) = (String::new(), 0);
    while let Some(node) = nodes.next()? {
        match node {
            Node::Open(element) => match element.name() {
                "annotation" => nodes.skip()?,
                "p" | "s" | "tab" | "line-break" => text.push(' '),
                one if one == name => inner += 1,
                _ => {}
            },
            Node::Close(end) if end.name() == name && inner == 0 => break,
            Node::Close(end) => inner -= usize::from(end.name() == name),
            Node::Text(part) => text.push_str(&part),
        }
    }
    Ok(text)
}
