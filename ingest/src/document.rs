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

/// The structure of a canonical text, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextMap {
    /// Pages, where the source has them; they do not overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PageSpan>,
    /// Headings by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<Heading>,
}

impl TextMap {
    /// The page that holds the code point `at`.
    #[must_use]
    pub fn page_at(&self, at: usize) -> Option<u32> {
        let after = self.pages.partition_point(|page| page.span.start <= at);
        after.checked_sub(1).map(|index| self.pages[index].page)
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
        };
        assert_eq!(map.heading_path(25), ["Manual", "Setup", "Wiring"]);
        assert_eq!(map.heading_path(30), ["Manual", "Care"]);
        assert_eq!(map.heading_path(5), ["Manual"]);
    }
}
