//! PDF: the text of each page in reading order. Imports the document types and
//! the canonical form.
//!
//! The library says what stands where, which [`pieces`] and [`glyphs`] correct;
//! [`layout`] makes lines of it, mirrored by [`bidi`] where they run from right
//! to left, and [`paragraphs`] joins them. A panic of the library costs the page that it is
//! about, and nothing else.

mod bidi;
mod glyphs;
mod images;
mod layout;
mod paragraphs;
mod pieces;
mod reader;
mod repeated;
mod tables;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use paragraphs::{Block, HEADING_RATIO, Kind};
use reader::{Content, Document};
use repeated::without_repeated;

use super::canonical::Canonical;
use super::{ParseError, canonical};
use crate::document::{Member, PageSpan, Parsed, Span, Syntax, TextMap};

/// Longest heading, in characters.
const HEADING_CHARACTERS: usize = 200;
/// Letters and digits that a scanned page may have as text: a page number, or
/// the name of the program that scanned it.
const STAMP_LETTERS: usize = 40;

/// Reads a file. The title is the document's own, or else its first heading.
///
/// # Errors
/// [`ParseError::Encrypted`], [`ParseError::Broken`], [`ParseError::NeedsOcr`]
/// where pages are pictures, and [`ParseError::NoText`] where none is.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    reader::with_stack(|| {
        let document = reader::open(bytes)?;
        read(&document, document.pages()?)
    })
}

/// Reads a file whose pages, counted from 1, have these texts, unless they say
/// less than the page does by itself.
///
/// # Errors
/// As [`parse`].
pub(super) fn recognised(bytes: &[u8], texts: &[(u32, String)]) -> Result<Parsed, ParseError> {
    reader::with_stack(|| {
        let document = reader::open(bytes)?;
        let mut pages = document.pages()?;
        for (number, text) in texts {
            let index = (*number as usize).wrapping_sub(1);
            let found = Content::Lines(recognised_lines(text));
            if let Some(page) = pages.get_mut(index).filter(|page| found.letters() > page.letters()) {
                *page = found;
            }
        }
        let mut parsed = read(&document, pages)?;
        let known: BTreeSet<u32> = texts.iter().map(|(number, _)| *number).collect();
        parsed.map.scans.retain(|number| !known.contains(number));
        Ok(parsed)
    })
}

/// The pictures that these pages are, counted from 1. A page that is none, or
/// whose picture cannot be read, is left out.
///
/// # Errors
/// As [`parse`], but for [`ParseError::NeedsOcr`] and [`ParseError::NoText`].
pub(super) fn scans(bytes: &[u8], pages: &[u32]) -> Result<Vec<Member>, ParseError> {
    reader::with_stack(|| {
        let document = reader::open(bytes)?;
        let scan = |number: &u32| {
            let scan = document.scan((*number as usize).checked_sub(1)?)?;
            Some(Member { name: format!("{number}.{}", scan.extension), media_type: None, bytes: scan.bytes })
        };
        Ok(pages.iter().filter_map(scan).collect())
    })
}

fn read(document: &Document, pages: Vec<Content>) -> Result<Parsed, ParseError> {
    let hardly = |(page, number): (&Content, u32)| (page.letters() <= STAMP_LETTERS).then_some(number);
    let hardly: Vec<u32> = pages.iter().zip(1..).filter_map(hardly).collect();
    let scans: Vec<u32> = hardly.into_iter().filter(|number| document.is_scan(*number as usize - 1)).collect();
    let count = pages.len();
    let mut parsed = written(document.title(), pages);
    if parsed.text.is_empty() {
        return Err(if scans.is_empty() { ParseError::NoText } else { ParseError::NeedsOcr { pages: count } });
    }
    parsed.map.scans = scans;
    Ok(parsed)
}

/// The lines of a recognised page; those that go on with the one above are
/// joined to it.
fn recognised_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.split(['\n', '\x0c']).map(str::trim) {
        let goes_on = line.starts_with(char::is_lowercase);
        match lines.last_mut().filter(|last| goes_on && !last.is_empty()) {
            Some(last) => paragraphs::join(last, line),
            None => lines.push(line.to_owned()),
        }
    }
    lines
}

/// The document that pages make.
fn written(title: Option<String>, contents: Vec<Content>) -> Parsed {
    let contents = without_repeated(contents);
    let body = body_size(&contents);
    let pieces: Vec<Vec<Piece>> = contents.into_iter().map(|content| pieces(content, body)).collect();
    let texts = pieces.iter().flatten().filter_map(|piece| match piece {
        Piece::Text(block) => Some(block),
        Piece::Table { .. } => None,
    });
    let levels = Levels::of(texts, body);

    let mut out = Canonical::default();
    let mut spans = Vec::new();
    for (page, number) in pieces.iter().zip(1..) {
        let before = out.points();
        write(page, &levels, &mut out);
        // A blank line, which is two breaks, stands before each page's text.
        let start = if before == 0 { 0 } else { before + 2 };
        if out.points() > before {
            spans.push(PageSpan { page: number, span: Span { start, end: out.points() } });
        }
    }
    let (text, map) = out.finish();
    let title = title.or_else(|| map.headings.first().map(|heading| heading.title.clone()));
    Parsed { title, text, map: TextMap { pages: spans, ..map }, syntax: Syntax::Plain, members: Vec::new() }
}

/// What is written as one.
enum Piece {
    Text(Block),
    Table { caption: Option<String>, rows: Vec<Vec<String>>, has_header: bool },
}

fn pieces(content: Content, body: f32) -> Vec<Piece> {
    let (rows, aside) = match content {
        Content::Rows { rows, aside } => (rows, aside),
        Content::Lines(lines) => return plain(&lines),
    };
    let lines = layout::lines(rows);
    let mut pieces = Vec::new();
    let mut at = 0;
    // The place of a table that may find its caption below itself.
    let mut bare = None;
    for table in tables::find(&lines) {
        texts(&lines[at..table.lines.start], body, &mut bare, &mut pieces);
        let caption = match pieces.pop() {
            Some(Piece::Text(block)) if tables::is_caption(&block.text) => Some(block.text),
            last => {
                pieces.extend(last);
                None
            }
        };
        bare = caption.is_none().then_some(pieces.len());
        pieces.push(Piece::Table { caption, rows: table.rows, has_header: table.has_header });
        at = table.lines.end;
    }
    texts(&lines[at..], body, &mut bare, &mut pieces);
    pieces.extend(aside.iter().map(|text| Piece::Text(block(text, false))));
    pieces
}

/// Appends the blocks of some lines. The first one may be the caption of the
/// table at `bare`, just before it.
fn texts(lines: &[layout::Line], body: f32, bare: &mut Option<usize>, pieces: &mut Vec<Piece>) {
    let mut blocks = paragraphs::blocks(lines, body).into_iter().peekable();
    let table = bare.take().and_then(|index| pieces.get_mut(index));
    if let Some(Piece::Table { caption, .. }) = table
        && let Some(below) = blocks.next_if(|block| tables::is_caption(&block.text))
    {
        *caption = Some(below.text);
    }
    pieces.extend(blocks.map(Piece::Text));
}

fn plain(lines: &[String]) -> Vec<Piece> {
    let mut is_tight = false;
    let mut pieces = Vec::new();
    for line in lines {
        if line.trim().is_empty() {
            is_tight = false;
        } else {
            pieces.push(Piece::Text(block(line, is_tight)));
            is_tight = true;
        }
    }
    pieces
}

fn block(text: &str, is_tight: bool) -> Block {
    Block { kind: Kind::Paragraph, text: canonical::folded(text), size: 0.0, is_tight }
}

fn write(pieces: &[Piece], levels: &Levels, out: &mut Canonical) {
    let mut after_heading = true;
    for piece in pieces {
        let block = match piece {
            Piece::Text(block) if block.text.is_empty() => continue,
            Piece::Text(block) => block,
            Piece::Table { caption, rows, has_header } => {
                out.table(caption.as_deref(), rows, *has_header);
                after_heading = true;
                continue;
            }
        };
        let level = levels.level(block);
        if after_heading || level.is_some() || !block.is_tight {
            out.blank();
        }
        after_heading = level.is_some();
        match level {
            Some(level) => out.heading(level, &block.text),
            None => out.line(&block.text),
        }
    }
}

/// The size in which most letters are set.
fn body_size(pages: &[Content]) -> f32 {
    let mut letters: HashMap<Size, usize> = HashMap::new();
    for page in pages {
        let Content::Rows { rows, .. } = page else { continue };
        for segment in rows.iter().flatten() {
            *letters.entry(size(segment.size)).or_default() += segment.text.len();
        }
    }
    let most = letters.into_iter().max_by_key(|(size, count)| (*count, Reverse(*size)));
    most.map_or(0.0, |(size, _)| f32::from_bits(size))
}

/// A font size in half points, as the bits of the number: those of positive
/// numbers compare as the numbers do.
type Size = u32;

fn size(points: f32) -> Size {
    ((points.abs() * 2.0).round() / 2.0).to_bits()
}

/// Which sizes are headings, the largest first.
struct Levels {
    sizes: Vec<Size>,
    body: f32,
}

impl Levels {
    fn of<'b>(blocks: impl Iterator<Item = &'b Block>, body: f32) -> Self {
        let mut levels = Self { sizes: Vec::new(), body };
        let sizes: BTreeSet<Size> =
            blocks.filter(|block| levels.is_heading(block)).map(|block| size(block.size)).collect();
        levels.sizes = sizes.into_iter().rev().collect();
        levels
    }

    fn is_heading(&self, block: &Block) -> bool {
        self.body > 0.0
            && block.size >= HEADING_RATIO * self.body
            && matches!(block.kind, Kind::Paragraph | Kind::Item)
            && block.text.chars().count() <= HEADING_CHARACTERS
            && block.text.chars().filter(|c| c.is_alphabetic()).count() >= 2
    }

    fn level(&self, block: &Block) -> Option<u8> {
        let place = self.sizes.iter().position(|known| *known == size(block.size));
        place.filter(|_| self.is_heading(block)).map(|place| u8::try_from(place + 1).unwrap_or(6).min(6))
    }
}

#[cfg(test)]
mod tests;
