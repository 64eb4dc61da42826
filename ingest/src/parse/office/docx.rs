//! DOCX: the body in order, then footnotes, endnotes and comments. Imports the
//! blocks, their writer and the package.
//!
//! Insertions are kept and deletions left out. Headers and footers, which
//! repeat on each page, are left out too.

use super::blocks::{Block, Frame, Frames, PAGE, Paragraph, Role, Table};
use super::package::Package;
use super::styles::{Styles, outline};
use super::xml::{Element, Node, Nodes};
use super::{flow, parsed};
use crate::document::Parsed;
use crate::parse::ParseError;

const FORMAT: &str = "DOCX";
/// Deepest level of a list that is indented as such.
const LIST_LEVELS: u8 = 8;

/// Reads a document.
///
/// # Errors
/// [`ParseError::Encrypted`] and [`ParseError::Broken`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut package = Package::open(bytes, FORMAT)?;
    let main = package.main_part("word/document.xml")?;
    let body = package.required(&main)?;
    let relations = package.relations(&main)?;
    let part_of = |kind: &str| relations.iter().find(|one| one.kind == kind).map(|one| one.target.clone());
    let styles = match part_of("styles").map(|part| package.part(&part)).transpose()?.flatten() {
        Some(part) => Styles::read(&part)?,
        None => Styles::default(),
    };
    let mut blocks = read(&body, &styles, None)?;
    for (kind, note) in [("footnotes", "Footnote"), ("endnotes", "Endnote"), ("comments", "Comment")] {
        if let Some(part) = part_of(kind).map(|part| package.part(&part)).transpose()?.flatten() {
            blocks.extend(read(&part, &styles, Some(note))?);
        }
    }
    let (text, map) = flow::write(&blocks);
    let first = || map.headings.first().map(|heading| heading.title.clone());
    let title = package.core_title().or_else(first);
    Ok(parsed(title, (text, map)))
}

/// The blocks of a part. In one with notes, each is led by what it is.
fn read(part: &str, styles: &Styles, note: Option<&str>) -> Result<Vec<Block>, ParseError> {
    let mut reader = Reader { frames: Frames::new(), styles, note, lead: None, in_text: false, unrendered: false };
    let mut nodes = Nodes::new(part, FORMAT);
    while let Some(node) = nodes.next()? {
        match node {
            Node::Open(element) if is_left_out(&element) => nodes.skip()?,
            // Around words; a row has an empty one among its properties.
            Node::Open(element) if element.name() == "del" && reader.frames.paragraph().is_some() => nodes.skip()?,
            Node::Open(element) => reader.open(&element),
            Node::Close(end) => reader.close(end.name()),
            Node::Text(text) if reader.in_text => reader.text(&text),
            Node::Text(_) => {}
        }
    }
    Ok(reader.frames.finish())
}

/// What was deleted or moved away, what older programs are to show instead,
/// how things looked before, readings above words, and the notes that draw the
/// lines above footnotes.
fn is_left_out(element: &Element<'_>) -> bool {
    match element.name() {
        "moveFrom" | "Fallback" | "rt" | "sectPr" => true,
        "footnote" | "endnote" => element.attribute("type").is_some_and(|kind| kind != "normal"),
        name => name.ends_with("Change"),
    }
}

struct Reader<'r> {
    frames: Frames,
    styles: &'r Styles,
    note: Option<&'r str>,
    /// What the next paragraph starts with.
    lead: Option<String>,
    in_text: bool,
    /// Whether a page break was set since the last word, that the program that
    /// saved the file may have noted once more as it showed it.
    unrendered: bool,
}

impl Reader<'_> {
    fn open(&mut self, element: &Element<'_>) {
        match element.name() {
            "p" => {
                let text = self.lead.take().unwrap_or_default();
                self.frames.open(Frame::paragraph(Role::Body, text));
            }
            "txbxContent" => self.frames.open(Frame::Blocks(Vec::new())),
            "tbl" => self.frames.open(Frame::Table(Table::default())),
            "tr" => self.frames.open(Frame::row(false)),
            "tc" => self.frames.open(Frame::cell(1)),
            "t" => self.in_text = true,
            "footnote" | "endnote" | "comment" => self.lead_in(element),
            "tab" | "ptab" => self.push(" "),
            "noBreakHyphen" => self.push("-"),
            "br" if element.attribute("type").as_deref() == Some("page") => self.page_break(false),
            "br" | "cr" => self.push("\n"),
            "lastRenderedPageBreak" => self.page_break(true),
            "pageBreakBefore" if element.is_on() => self.page_break(false),
            _ => self.property(element),
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "p" | "txbxContent" | "tbl" | "tr" | "tc" => self.frames.close(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.unrendered &= text.trim().is_empty();
        self.push(&text.replace(PAGE, ""));
    }

    fn push(&mut self, text: &str) {
        if let Some(paragraph) = self.frames.paragraph() {
            paragraph.text.push_str(text);
        }
    }

    fn page_break(&mut self, is_rendered: bool) {
        if is_rendered && std::mem::take(&mut self.unrendered) {
            return;
        }
        if self.note.is_none()
            && let Some(paragraph) = self.frames.paragraph()
        {
            paragraph.text.push(PAGE);
            self.unrendered = !is_rendered;
        }
    }

    fn lead_in(&mut self, element: &Element<'_>) {
        let Some(note) = self.note else { return };
        let author = element.attribute("author").filter(|author| !author.trim().is_empty());
        self.lead = Some(match author {
            Some(author) => format!("{note} by {author}: "),
            None => format!("{note}: "),
        });
    }

    fn property(&mut self, element: &Element<'_>) {
        let Some(frame) = self.frames.innermost() else { return };
        match (element.name(), frame) {
            ("pStyle", Frame::Paragraph(paragraph)) => {
                paragraph.role = element.attribute("val").map(|id| self.styles.role(&id)).unwrap_or_default();
            }
            ("outlineLvl", Frame::Paragraph(paragraph)) => match element.number("val").and_then(outline) {
                Some(level) => paragraph.role = Role::Heading(level),
                None if matches!(paragraph.role, Role::Heading(_)) => paragraph.role = Role::Body,
                None => {}
            },
            ("ilvl", Frame::Paragraph(paragraph)) if !is_heading(paragraph) => {
                let level = element.number("val").unwrap_or(0u8);
                paragraph.role = Role::Item(level.min(LIST_LEVELS));
            }
            ("numId", Frame::Paragraph(paragraph)) if !is_heading(paragraph) => {
                let is_none = element.attribute("val").as_deref() == Some("0");
                paragraph.role = match paragraph.role {
                    Role::Item(_) if is_none => Role::Body,
                    role if is_none || matches!(role, Role::Item(_)) => role,
                    _ => Role::Item(0),
                };
            }
            ("tblLook", Frame::Table(table)) => table.looks_headed = looks_headed(element),
            ("tblHeader", Frame::Row(row)) => row.is_header = element.is_on(),
            ("del", Frame::Row(row)) => row.is_deleted = true,
            ("gridSpan", Frame::Cell(cell)) => cell.columns = element.number("val").unwrap_or(1),
            _ => {}
        }
    }
}

fn is_heading(paragraph: &Paragraph) -> bool {
    matches!(paragraph.role, Role::Heading(_))
}

/// Whether the first row of a table is shown in a manner of its own.
fn looks_headed(element: &Element<'_>) -> bool {
    if element.attribute("firstRow").is_some() {
        return element.says("firstRow");
    }
    let bits = element.attribute("val").and_then(|value| u32::from_str_radix(&value, 16).ok());
    bits.is_some_and(|bits| bits & 0x20 != 0)
}
