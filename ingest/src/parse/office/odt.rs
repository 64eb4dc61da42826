//! ODT: the body in order, then footnotes, endnotes and comments. Imports the
//! blocks, their writer and the package.

use std::collections::{HashMap, HashSet};

use super::blocks::{Block, Frame, Frames, PAGE, Role, Table};
use super::package::Package;
use super::styles;
use super::xml::{Element, Node, Nodes};
use super::{flow, parsed};
use crate::document::Parsed;
use crate::parse::ParseError;

const FORMAT: &str = "ODT";
/// Deepest level of a list that is indented as such.
const LIST_LEVELS: u8 = 8;
/// Spaces that one element may stand for.
const SPACES: usize = 64;
/// Styles between one and the one it is based on in the end.
const LONGEST_CHAIN: usize = 32;

/// Reads a document.
///
/// # Errors
/// [`ParseError::Encrypted`] and [`ParseError::Broken`].
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut package = Package::open(bytes, FORMAT)?;
    refuse_encrypted(&mut package, FORMAT)?;
    let content = package.required("content.xml")?;
    let mut reader = Reader::new();
    if let Some(part) = package.part("styles.xml")? {
        reader.read_styles(&part)?;
    }
    let blocks = reader.read(&content)?;
    let (text, map) = flow::write(&blocks);
    let first = || map.headings.first().map(|heading| heading.title.clone());
    let title = package.title("meta.xml").or_else(first);
    Ok(parsed(title, (text, map)))
}

/// Refuses a package whose manifest says that parts are encrypted.
///
/// # Errors
/// [`ParseError::Encrypted`], and as [`Package::part`].
pub(super) fn refuse_encrypted(package: &mut Package<'_>, format: &'static str) -> Result<(), ParseError> {
    let Some(manifest) = package.part("META-INF/manifest.xml")? else { return Ok(()) };
    let mut nodes = Nodes::new(&manifest, format);
    // Some programs declare the manifest's document type: it says nothing then.
    while let Ok(Some(node)) = nodes.next() {
        if let Node::Open(element) = node
            && element.name() == "encryption-data"
        {
            return Err(ParseError::Encrypted { format: format.into() });
        }
    }
    Ok(())
}

/// What styles make of their paragraphs.
#[derive(Debug, Default)]
struct Styles {
    /// The role that a style's own name gives it, and what it is based on.
    named: HashMap<String, (Option<Role>, Option<String>)>,
    /// Styles whose paragraphs start pages.
    breaking: HashSet<String>,
    /// The one that is being read.
    current: String,
}

impl Styles {
    fn take(&mut self, element: &Element<'_>) {
        if element.name() == "paragraph-properties" {
            if element.attribute("break-before").as_deref() == Some("page") {
                self.breaking.insert(self.current.clone());
            }
            return;
        }
        let Some(name) = element.attribute("name") else { return };
        self.current.clone_from(&name);
        let shown = element.attribute("display-name");
        let role = match shown.as_deref().unwrap_or(&name) {
            // The kinds of captions that the usual programs have.
            "Table" | "Illustration" | "Figure" | "Drawing" => Some(Role::Caption),
            name => styles::by_name(name),
        };
        let level = element.number("default-outline-level").map(Role::Heading);
        self.named.insert(name, (role.or(level), element.attribute("parent-style-name")));
    }

    fn role(&self, name: Option<&str>) -> Role {
        let mut next = name;
        for _ in 0..LONGEST_CHAIN {
            let Some(name) = next else { break };
            let Some((role, parent)) = self.named.get(name) else { return styles::by_name(name).unwrap_or_default() };
            match role {
                Some(role) => return *role,
                None => next = parent.as_deref(),
            }
        }
        Role::Body
    }
}

struct Reader {
    styles: Styles,
    frames: Frames,
    /// Notes and comments that are open: what was open around each of them.
    outer: Vec<(Frames, Vec<bool>)>,
    /// Finished notes and comments.
    notes: Vec<Block>,
    /// What the next paragraph starts with.
    lead: Option<String>,
    /// Lists that are open, and for each whether its item has begun.
    lists: Vec<bool>,
    /// Whether rows are those of a header.
    in_header: bool,
}

impl Reader {
    fn new() -> Self {
        Self {
            styles: Styles::default(),
            frames: Frames::new(),
            outer: Vec::new(),
            notes: Vec::new(),
            lead: None,
            lists: Vec::new(),
            in_header: false,
        }
    }

    fn read_styles(&mut self, part: &str) -> Result<(), ParseError> {
        let mut nodes = Nodes::new(part, FORMAT);
        while let Some(node) = nodes.next()? {
            if let Node::Open(element) = node
                && matches!(element.name(), "style" | "paragraph-properties")
            {
                self.styles.take(&element);
            }
        }
        Ok(())
    }

    fn read(mut self, part: &str) -> Result<Vec<Block>, ParseError> {
        let mut nodes = Nodes::new(part, FORMAT);
        while let Some(node) = nodes.next()? {
            match node {
                Node::Open(element) => match element.name() {
                    // Deleted text is kept apart there, readings above words here.
                    "tracked-changes" | "ruby-text" | "note-citation" | "creator" | "date" | "date-string"
                    | "forms" | "sequence-decls" => nodes.skip()?,
                    _ => self.open(&element),
                },
                Node::Close(end) => self.close(end.name()),
                Node::Text(text) => self.push(&text.replace(PAGE, "").replace(['\n', '\r'], " ")),
            }
        }
        let mut blocks = self.frames.finish();
        blocks.append(&mut self.notes);
        Ok(blocks)
    }

    fn open(&mut self, element: &Element<'_>) {
        match element.name() {
            "style" | "paragraph-properties" => self.styles.take(element),
            "h" | "p" => self.open_text(element),
            "text-box" => self.frames.open(Frame::Blocks(Vec::new())),
            "list" => self.lists.push(false),
            "list-item" | "list-header" => self.begin_item(true),
            "table" => self.frames.open(Frame::Table(Table::default())),
            "table-header-rows" => self.in_header = true,
            "table-row" => {
                self.frames.open(Frame::row(self.in_header));
            }
            "table-cell" | "covered-table-cell" => {
                let columns = element.number("number-columns-repeated").unwrap_or(1);
                self.frames.open(Frame::cell(columns));
            }
            "note" => {
                let is_end = element.attribute("note-class").as_deref() == Some("endnote");
                self.open_note(if is_end { "Endnote: " } else { "Footnote: " });
            }
            "annotation" => self.open_note("Comment: "),
            "s" => {
                let count: usize = element.number("c").unwrap_or(1);
                self.push(&" ".repeat(count.min(SPACES)));
            }
            "tab" => self.push(" "),
            "line-break" => self.push("\n"),
            "soft-page-break" => self.page_break(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" | "h" | "text-box" | "table" | "table-row" | "table-cell" | "covered-table-cell" => {
                self.frames.close();
            }
            "list" => {
                self.lists.pop();
            }
            "table-header-rows" => self.in_header = false,
            "note" | "annotation" => self.close_note(),
            _ => {}
        }
    }

    fn open_text(&mut self, element: &Element<'_>) {
        let style = element.attribute("style-name");
        if style.as_ref().is_some_and(|style| self.styles.breaking.contains(style)) {
            self.page_break();
        }
        if element.name() == "h" {
            let level = element.number("outline-level").unwrap_or(1u8).clamp(1, 9);
            return self.open_paragraph(Role::Heading(level));
        }
        let role = match (self.styles.role(style.as_deref()), self.lists.last()) {
            (Role::Body, Some(true)) => {
                let depth = u8::try_from(self.lists.len() - 1).unwrap_or(LIST_LEVELS).min(LIST_LEVELS);
                self.begin_item(false);
                Role::Item(depth)
            }
            (role, _) => role,
        };
        self.open_paragraph(role);
    }

    fn begin_item(&mut self, begins: bool) {
        if let Some(list) = self.lists.last_mut() {
            *list = begins;
        }
    }

    fn open_paragraph(&mut self, role: Role) {
        let text = self.lead.take().unwrap_or_default();
        self.frames.open(Frame::paragraph(role, text));
    }

    fn open_note(&mut self, lead: &str) {
        self.lead = Some(lead.to_owned());
        let frames = std::mem::replace(&mut self.frames, Frames::new());
        self.outer.push((frames, std::mem::take(&mut self.lists)));
    }

    fn close_note(&mut self) {
        let Some((frames, lists)) = self.outer.pop() else { return };
        let note = std::mem::replace(&mut self.frames, frames);
        self.notes.extend(note.finish());
        self.lists = lists;
        self.lead = None;
    }

    fn page_break(&mut self) {
        if !self.outer.is_empty() {
            return;
        }
        match self.frames.paragraph() {
            Some(paragraph) => paragraph.text.push(PAGE),
            // Between paragraphs, or between the rows of a table.
            None => self.frames.page_break(),
        }
    }

    fn push(&mut self, text: &str) {
        if let Some(paragraph) = self.frames.paragraph() {
            paragraph.text.push_str(text);
        }
    }
}
