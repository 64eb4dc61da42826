//! What a document is once it is parsed: canonical text, the map of its
//! structure, and the chunks cut from it. Floor 2: plain types only.
//!
//! Positions everywhere are Unicode code points, half-open: `[start, end)`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A half-open range of code points in a revision's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// First code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
}

impl Span {
    /// Number of code points.
    #[must_use]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether the range holds nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether two ranges share at least one code point.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// The code points `[start, end)` of `text`; shorter where the text ends first.
#[must_use]
pub fn slice(text: &str, span: Span) -> &str {
    let start = slice_bytes(text, span.start);
    let rest = &text[start..];
    &rest[..slice_bytes(rest, span.len())]
}

/// The slices of `text` at `spans`, which ascend: one walk over the text.
#[must_use]
pub fn slice_all(text: &str, spans: impl IntoIterator<Item = Span>) -> Vec<&str> {
    let (mut at, mut rest) = (0, text);
    let mut slices = Vec::new();
    for span in spans {
        let before = slice_bytes(rest, span.start.saturating_sub(at));
        rest = &rest[before..];
        at = at.max(span.start);
        let length = slice_bytes(rest, span.end.saturating_sub(at));
        slices.push(&rest[..length]);
    }
    slices
}

/// Bytes of the first `count` code points.
fn slice_bytes(text: &str, count: usize) -> usize {
    text.char_indices().nth(count).map_or(text.len(), |(byte, _)| byte)
}

/// One page of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSpan {
    /// Page number, counted from 1.
    pub page: u32,
    /// Where the page's text lies.
    pub span: Span,
}

/// A heading of the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// 1 for the highest level.
    pub level: u8,
    /// The heading's own words, without markup.
    pub title: String,
    /// Where the heading's line starts, in code points.
    pub start: usize,
}

/// A table of the source, written as one line for each row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// All its rows, the header row too.
    pub span: Span,
    /// Its caption's words, wherever they stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Where its header row lies, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Span>,
}

/// A named part of source code: a function, a type, a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// As the language writes it, without its body: `fn open`, `class Store`.
    pub name: String,
    /// Where its whole definition lies; inner symbols lie within.
    pub span: Span,
}

/// The structure of a canonical text, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextMap {
    /// Pages, where the source has them; they do not overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PageSpan>,
    /// Headings by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<Heading>,
    /// Tables by position; they do not overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    /// Symbols by position, an outer one before those within it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<Symbol>,
    /// Numbers of the pages that are pictures and whose text is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scans: Vec<u32>,
}

impl TextMap {
    /// The page that holds the code point `at`.
    #[must_use]
    pub fn page_at(&self, at: usize) -> Option<u32> {
        let after = self.pages.partition_point(|page| page.span.start <= at);
        after.checked_sub(1).map(|index| self.pages[index].page)
    }

    /// The symbols whose definition holds the code point `at`, outermost first.
    #[must_use]
    pub fn symbol_path(&self, at: usize) -> Vec<String> {
        let before = self.symbols.partition_point(|symbol| symbol.span.start <= at);
        let holds = |symbol: &&Symbol| at < symbol.span.end;
        self.symbols[..before].iter().filter(holds).map(|symbol| symbol.name.clone()).collect()
    }

    /// The titles of the headings above the code point `at`, outermost first.
    #[must_use]
    pub fn heading_path(&self, at: usize) -> Vec<String> {
        let after = self.headings.partition_point(|heading| heading.start <= at);
        let mut path: Vec<&Heading> = Vec::new();
        for heading in &self.headings[..after] {
            path.retain(|above| above.level < heading.level);
            path.push(heading);
        }
        path.into_iter().map(|heading| heading.title.clone()).collect()
    }
}

/// A file that was found within another: in an archive, or attached to a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its path there; not to be trusted as a path here.
    pub name: String,
    /// Its media type, where the container says one.
    pub media_type: Option<String>,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A parsed source: its canonical text and what is known of its structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The title that the source gives itself, if it does.
    pub title: Option<String>,
    /// Canonical text: UTF-8, line feeds only, no NUL, no byte order mark.
    pub text: String,
    /// Headings and pages of `text`.
    pub map: TextMap,
    /// How the text is to be cut.
    pub syntax: Syntax,
    /// Files within it, to be read as documents of their own.
    pub members: Vec<Member>,
}

/// How a canonical text is marked up, for the splitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Plain text.
    Plain,
    /// `CommonMark`.
    Markdown,
}

/// A piece of a revision's text that is embedded and found as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Position among the revision's chunks, from 0.
    pub ordinal: u32,
    /// Where in the revision's text.
    pub span: Span,
    /// Tokens of the chunk's own text, by the embedder's tokenizer.
    pub tokens: u32,
    /// The page on which the chunk starts.
    pub page: Option<u32>,
    /// Titles of the headings above it, outermost first.
    pub headings: Vec<String>,
    /// What else it is found by: the caption and the header row of the table
    /// that it is cut from, the symbols that the code in it is part of.
    pub context: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slicing_counts_code_points_not_bytes() {
        assert_eq!(slice("a°C – é", Span { start: 1, end: 5 }), "°C –");
        assert_eq!(slice("kurz", Span { start: 2, end: 99 }), "rz");
        assert_eq!(slice("kurz", Span { start: 9, end: 99 }), "");
    }

    #[test]
    fn many_slices_are_those_that_single_ones_give() {
        let text = "Grüße aus Zürich – bei 21 °C.";
        let spans = [(0, 5), (5, 9), (10, 16), (12, 18), (40, 50)].map(|(start, end)| Span { start, end });
        let single: Vec<&str> = spans.iter().map(|span| slice(text, *span)).collect();
        assert_eq!(slice_all(text, spans), single);
    }

    #[test]
    fn a_heading_path_drops_siblings_and_deeper_levels() {
        let heading = |level, title: &str, start| Heading { level, title: title.into(), start };
        let map = TextMap {
            pages: vec![],
            headings: vec![
                heading(1, "Manual", 0),
                heading(2, "Setup", 10),
                heading(3, "Wiring", 20),
                heading(2, "Care", 30),
            ],
            ..TextMap::default()
        };
        assert_eq!(map.heading_path(25), ["Manual", "Setup", "Wiring"]);
        assert_eq!(map.heading_path(30), ["Manual", "Care"]);
        assert_eq!(map.heading_path(5), ["Manual"]);
    }
}
