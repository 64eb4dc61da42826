//! PPTX: a page for each slide, in the order of the presentation, hidden ones
//! too: title, text, tables, the words of its diagrams, speaker's notes.
//! Imports the document types, the canonical form and the package.

use super::package::{Package, Relation};
use super::xml::{Element, Node, Nodes};
use super::{broken, parsed};
use crate::document::{PageSpan, Parsed, Span, TextMap};
use crate::parse::ParseError;
use crate::parse::canonical::{Canonical, folded};

const FORMAT: &str = "PPTX";
/// Deepest level of a list that is indented as such.
const LIST_LEVELS: usize = 8;
/// Columns that one cell may span; more are taken for damage.
const SPANNED_COLUMNS: usize = 64;

/// Reads a presentation.
///
/// # Errors
/// [`ParseError::Encrypted`] and [`ParseError::Broken`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut package = Package::open(bytes, FORMAT)?;
    let main = package.main_part("ppt/presentation.xml")?;
    let slides = slides(&mut package, &main)?;
    let mut out = Canonical::default();
    let mut pages = Vec::new();
    for (slide, page) in slides.iter().zip(1..) {
        let before = out.points();
        write_slide(&mut package, slide, page, &mut out)?;
        if out.points() > before {
            // A blank line, which is two breaks, stands before each slide's text.
            let start = if before == 0 { 0 } else { before + 2 };
            pages.push(PageSpan { page, span: Span { start, end: out.points() } });
        }
    }
    let (text, map) = out.finish();
    let first = || map.headings.first().map(|heading| heading.title.clone());
    let title = package.core_title().filter(|title| title != "PowerPoint Presentation").or_else(first);
    Ok(parsed(title, (text, TextMap { pages, ..map })))
}

/// The parts of the slides, in their order.
fn slides(package: &mut Package<'_>, main: &str) -> Result<Vec<String>, ParseError> {
    let xml = package.required(main)?;
    let relations = package.relations(main)?;
    let mut slides = Vec::new();
    let mut nodes = Nodes::new(&xml, FORMAT);
    while let Some(node) = nodes.next()? {
        let Node::Open(element) = node else { continue };
        if element.name() == "sldId" {
            let id = element.prefixed("id").unwrap_or_default();
            let slide = relations.iter().find(|one| one.id == id);
            let slide = slide.ok_or_else(|| broken(FORMAT, "it names a slide that is not there"))?;
            slides.push(slide.target.clone());
        }
    }
    Ok(slides)
}

fn write_slide(package: &mut Package<'_>, part: &str, number: u32, out: &mut Canonical) -> Result<(), ParseError> {
    let xml = package.required(part)?;
    let mut content = read(&xml)?;
    let relations = package.relations(part)?;
    for (at, id) in std::mem::take(&mut content.diagrams).into_iter().rev() {
        if let Some(diagram) = target(&relations, |one| one.id == id)
            && let Some(xml) = package.part(&diagram)?
        {
            let paragraphs = read(&xml)?.loose;
            content.shapes.insert(at, Shape { paragraphs, ..Shape::default() });
        }
    }
    let mut notes = Vec::new();
    if let Some(xml) = target(&relations, |one| one.kind == "notesSlide").map(|part| package.part(&part)).transpose()? {
        let shapes = xml.map(|xml| read(&xml)).transpose()?.map(|notes| notes.shapes).unwrap_or_default();
        let body = shapes.into_iter().filter(|shape| shape.placeholder.as_deref() == Some("body"));
        notes = body.flat_map(|shape| shape.paragraphs).filter(|paragraph| !paragraph.is_empty()).collect();
    }
    content.shapes.retain(|shape| !shape.is_empty() && !shape.is_furniture());
    if !content.shapes.is_empty() || !notes.is_empty() {
        write(&content.shapes, &notes, number, out);
    }
    Ok(())
}

fn target(relations: &[Relation], is_it: impl Fn(&Relation) -> bool) -> Option<String> {
    relations.iter().find(|one| is_it(one)).map(|one| one.target.clone())
}

fn write(shapes: &[Shape], notes: &[Paragraph], number: u32, out: &mut Canonical) {
    out.blank();
    let title = shapes.iter().position(Shape::is_title);
    match title {
        Some(at) => {
            let words = shapes[at].paragraphs.iter().map(|paragraph| folded(&paragraph.text));
            out.heading(1, &words.collect::<Vec<_>>().join(" "));
        }
        // What stands above a slide without a title is not the one before it.
        None => out.heading(1, &format!("Slide {number}")),
    }
    for (shape, at) in shapes.iter().zip(0..) {
        out.blank();
        if Some(at) != title {
            shape.write(out);
        }
    }
    out.blank();
    for (paragraph, at) in notes.iter().zip(0..) {
        let lead = if at == 0 { "Notes: " } else { "" };
        out.line(&format!("{lead}{}", folded(&paragraph.text)));
    }
    out.blank();
}

/// One paragraph of a shape.
#[derive(Debug, Default)]
struct Paragraph {
    text: String,
    level: usize,
    /// Whether it has a bullet or a number, where it says so itself.
    is_item: Option<bool>,
}

impl Paragraph {
    fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// A shape with text, or a table.
#[derive(Debug, Default)]
struct Shape {
    /// The type of the placeholder that it fills; `obj` where it says none.
    placeholder: Option<String>,
    paragraphs: Vec<Paragraph>,
    rows: Vec<Vec<String>>,
    has_header: bool,
}

impl Shape {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.paragraphs.iter().all(Paragraph::is_empty)
    }

    fn is_title(&self) -> bool {
        matches!(self.placeholder.as_deref(), Some("title" | "ctrTitle"))
    }

    /// Date, number and lines that repeat on each slide.
    fn is_furniture(&self) -> bool {
        matches!(self.placeholder.as_deref(), Some("dt" | "ftr" | "hdr" | "sldNum"))
    }

    fn write(&self, out: &mut Canonical) {
        if !self.rows.is_empty() {
            return out.table(None, &self.rows, self.has_header && self.rows.len() > 1);
        }
        let full: Vec<&Paragraph> = self.paragraphs.iter().filter(|paragraph| !paragraph.is_empty()).collect();
        // The layouts give the paragraphs of a slide's body their bullets.
        let is_body = matches!(self.placeholder.as_deref(), Some("body" | "obj"));
        let are_items = is_body && full.len() > 1;
        for paragraph in full {
            let is_item = paragraph.is_item.unwrap_or(are_items);
            let indent = "  ".repeat(if is_item { paragraph.level } else { 0 });
            let mut mark = if is_item { "- " } else { "" };
            for line in paragraph.text.split(['\n', '\x0b']).map(folded).filter(|line| !line.is_empty()) {
                out.line(&format!("{indent}{mark}{line}"));
                mark = if is_item { "  " } else { "" };
            }
        }
    }
}

/// What a slide, its notes or a diagram hold.
#[derive(Debug, Default)]
struct Content {
    shapes: Vec<Shape>,
    /// Diagrams: before which shape they stand, and their relation.
    diagrams: Vec<(usize, String)>,
    /// Paragraphs outside of shapes.
    loose: Vec<Paragraph>,
}

#[derive(Default)]
struct Reader {
    content: Content,
    shape: Option<Shape>,
    paragraph: Option<Paragraph>,
    /// The cells of the row that is open.
    row: Option<Vec<String>>,
    in_text: bool,
}

fn read(xml: &str) -> Result<Content, ParseError> {
    let mut reader = Reader::default();
    let mut nodes = Nodes::new(xml, FORMAT);
    while let Some(node) = nodes.next()? {
        match node {
            Node::Open(element) if element.name() == "Fallback" => nodes.skip()?,
            Node::Open(element) => reader.open(&element),
            Node::Close(end) => reader.close(end.name()),
            Node::Text(text) if reader.in_text => {
                if let Some(paragraph) = &mut reader.paragraph {
                    paragraph.text.push_str(&text);
                }
            }
            Node::Text(_) => {}
        }
    }
    Ok(reader.content)
}

impl Reader {
    fn open(&mut self, element: &Element<'_>) {
        match element.name() {
            "sp" | "graphicFrame" | "cxnSp" => self.shape = Some(Shape::default()),
            "ph" => {
                let kind = element.attribute("type").unwrap_or_else(|| "obj".to_owned());
                if let Some(shape) = &mut self.shape {
                    shape.placeholder = Some(kind);
                }
            }
            "relIds" => {
                let data = element.attribute("dm").map(|id| (self.content.shapes.len(), id));
                self.content.diagrams.extend(data);
            }
            "tblPr" => {
                if let Some(shape) = &mut self.shape {
                    shape.has_header = element.says("firstRow");
                }
            }
            "tr" => self.row = Some(Vec::new()),
            "tc" => self.open_cell(element),
            "p" => self.paragraph = Some(Paragraph::default()),
            "t" => self.in_text = true,
            name => {
                if let Some(paragraph) = &mut self.paragraph {
                    match name {
                        "pPr" => paragraph.level = element.number("lvl").unwrap_or(0).min(LIST_LEVELS),
                        "buChar" | "buAutoNum" | "buBlip" => paragraph.is_item = Some(true),
                        "buNone" => paragraph.is_item = Some(false),
                        "br" => paragraph.text.push('\n'),
                        "tab" => paragraph.text.push(' '),
                        _ => {}
                    }
                }
            }
        }
    }

    fn open_cell(&mut self, element: &Element<'_>) {
        if let Some(row) = &mut self.row {
            // What others are merged into has its text; the others have none.
            let is_free = row.len() < SPANNED_COLUMNS * SPANNED_COLUMNS;
            if is_free || !element.says("hMerge") {
                row.push(String::new());
            }
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "p" => self.close_paragraph(),
            "tr" => {
                if let (Some(shape), Some(row)) = (&mut self.shape, self.row.take()) {
                    shape.rows.push(row);
                }
            }
            "sp" | "graphicFrame" | "cxnSp" => self.content.shapes.extend(self.shape.take()),
            _ => {}
        }
    }

    fn close_paragraph(&mut self) {
        let Some(paragraph) = self.paragraph.take() else { return };
        match (&mut self.row, &mut self.shape) {
            (Some(row), _) => {
                if let Some(cell) = row.last_mut() {
                    cell.push(' ');
                    cell.push_str(&paragraph.text);
                }
            }
            (None, Some(shape)) => shape.paragraphs.push(paragraph),
            (None, None) => self.content.loose.push(paragraph),
        }
    }
}
