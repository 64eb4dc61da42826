//! The second pass over XML: lines and headings. Imports the first pass, the
//! canonical form and HTML.

use super::super::canonical::{Canonical, folded};
use super::super::html;
use super::shape::{Content, Shape};
use super::{Piece, visit};
use crate::document::TextMap;

/// Elements that name the one they stand in: DocBook, DITA, RSS and Atom, TEI,
/// JATS.
const TITLES: &[&str] = &["title", "head", "article-title"];

/// Elements between a title and what it names.
const WRAPPERS: &[&str] = &["info", "front", "title-group", "titlestmt", "filedesc", "teiheader", "metadata", "prolog"];

/// Elements whose title heads no section.
const FORMAL: &[&str] = &[
    "figure",
    "table",
    "table-wrap",
    "fig",
    "example",
    "equation",
    "image",
    "source",
    "biblioentry",
    "bibl",
    "citation",
    "element-citation",
    "mixed-citation",
    "series",
    "svg",
];

/// Elements whose line breaks mean something.
const VERBATIM: &[&str] =
    &["programlisting", "screen", "literallayout", "pre", "codeblock", "synopsis", "code", "script"];

/// Code points from which on a line stands apart from those around it.
const PARAGRAPH_POINTS: usize = 120;

/// Code points that a heading has at most.
const HEADING_POINTS: usize = 300;

/// Writes what [`super::shape::survey`] has checked.
pub(super) fn write(source: &str, shape: &Shape) -> (String, TextMap) {
    let mut writer = Writer::default();
    let mut contents = shape.contents.iter();
    // The first pass has met no fault, so this one meets none.
    let _ = visit(source, |piece| match piece {
        Piece::Open(name) => writer.open(name, contents.next().copied().unwrap_or(Content::Leaf)),
        Piece::Text(text) => writer.buffer.push_str(&text),
        Piece::Close => writer.close(),
    });
    writer.canonical.finish()
}

#[derive(Default)]
struct Writer {
    canonical: Canonical,
    open: Vec<Element>,
    /// Elements that have a title, among those that are open.
    titled: usize,
    /// Text not yet written.
    buffer: String,
    /// How many elements are open from the one on whose text flows.
    flow: usize,
}

struct Element {
    name: String,
    content: Content,
    has_title: bool,
}

impl Writer {
    fn open(&mut self, name: &str, content: Content) {
        if self.flow > 0 {
            self.flow += 1;
            return;
        }
        self.write(false);
        self.open.push(Element { name: name.to_ascii_lowercase(), content, has_title: false });
        match content {
            Content::Block => self.canonical.blank(),
            Content::Flow => self.flow = 1,
            Content::Leaf => {}
        }
    }

    fn close(&mut self) {
        if self.flow > 1 {
            self.flow -= 1;
            return;
        }
        self.flow = 0;
        let Some(element) = self.open.last() else { return };
        let is_title = element.content != Content::Block && TITLES.contains(&element.name.as_str());
        if !(is_title && self.heading()) {
            let keeps_lines = VERBATIM.contains(&self.open.last().map_or("", |element| element.name.as_str()));
            self.write(keeps_lines);
        }
        if let Some(element) = self.open.pop() {
            self.titled -= usize::from(element.has_title);
            if element.content == Content::Block {
                self.canonical.blank();
            }
        }
    }

    /// Writes the text of a title as a heading, if it names a section.
    fn heading(&mut self) -> bool {
        let above = self.open.len() - 1;
        let is_wrapper = |element: &&mut Element| {
            WRAPPERS.contains(&element.name.as_str())
                || element.name.ends_with("info")
                || element.name.ends_with("-meta")
        };
        let mut named = self.open[..above].iter_mut().rev();
        // A wrapper or two; the work must not grow with depth.
        let Some(owner) = named.by_ref().take(8).find(|element| !is_wrapper(element)) else { return false };
        let title = folded(&self.buffer);
        if FORMAL.contains(&owner.name.as_str()) || title.chars().nth(HEADING_POINTS).is_some() || title.is_empty() {
            return false;
        }
        let level = self.titled + usize::from(!owner.has_title);
        self.titled = level;
        owner.has_title = true;
        self.buffer.clear();
        self.canonical.blank();
        self.canonical.heading(u8::try_from(level).unwrap_or(u8::MAX), &title);
        self.canonical.blank();
        true
    }

    /// Writes the text so far, on one line or as it is.
    fn write(&mut self, keeps_lines: bool) {
        if self.buffer.trim().is_empty() {
            self.buffer.clear();
            return;
        }
        let text = std::mem::take(&mut self.buffer);
        if let Some(page) = as_html(&text) {
            self.paragraph(&page);
        } else if keeps_lines {
            self.paragraph(text.trim_matches('\n'));
        } else {
            let line = folded(&text);
            if line.chars().nth(PARAGRAPH_POINTS).is_some() {
                self.paragraph(&line);
            } else {
                self.canonical.line(&line);
            }
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.canonical.blank();
        self.canonical.line(text);
        self.canonical.blank();
    }
}

/// The text of a piece of HTML that stands escaped in an element, as in feeds.
fn as_html(text: &str) -> Option<String> {
    let start = text.trim_start();
    let is_tag = start.strip_prefix('<').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    let is_page = is_tag && (start.contains("</") || start.contains("/>") || start.contains("<br"));
    let tags = ["</p>", "</a>", "<br", "</div>"];
    if !is_page && !tags.iter().any(|tag| text.contains(tag)) {
        return None;
    }
    let page = html::decode(text.as_bytes()).ok()?;
    Some(html::parse(&page).text).filter(|text| !text.is_empty())
}
