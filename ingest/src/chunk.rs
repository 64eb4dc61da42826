//! Cutting a canonical text into chunks that fit the embedder.
//!
//! Owns the sizes and the cuts. The text is tokenised once; the splitter then
//! asks for the size of hundreds of candidates, each a binary search. Imports
//! the document types and the token counter.

use text_splitter::{ChunkSizer, MarkdownSplitter, TextSplitter};
use unicode_segmentation::UnicodeSegmentation;

use crate::document::{Chunk, Parsed, Span, Syntax, slice_all};
use crate::tokens::TokenCounter;

mod blocks;

/// Bumped whenever the same text may be cut differently.
pub const CHUNKER_VERSION: i32 = 2;

/// Most bytes that a chunk has for each token it may have. A tokenizer takes a
/// word of thousands of letters for one unknown token; nobody wants to read it
/// as one passage.
const BYTES_PER_TOKEN: usize = 16;

/// How large chunks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkConfig {
    /// Most tokens of a chunk.
    pub max_tokens: usize,
    /// Tokens that a chunk repeats of the one before, at most.
    pub overlap: usize,
}

impl Default for ChunkConfig {
    fn default() -> Self {
        Self { max_tokens: 200, overlap: 0 }
    }
}

/// Cuts a text into chunks, in its order. Each slice has at most
/// `max_tokens` tokens when it is counted alone; only a single character that
/// is more by itself stays as it is.
#[must_use]
pub fn chunk(parsed: &Parsed, tokens: &TokenCounter, config: &ChunkConfig) -> Vec<Chunk> {
    let headings = heading_bytes(parsed);
    let splitter = Splitter { syntax: parsed.syntax, tokens, max: config.max_tokens.max(1), overlap: config.overlap };
    let mut pieces = Vec::new();
    for block in blocks::blocks(parsed, &headings) {
        splitter.cut(&parsed.text, block, &headings, &mut pieces);
    }
    // A piece cut again may start after the overlap that follows it.
    pieces.sort_by_key(|piece| piece.start);
    place(parsed, pieces)
}

/// A chunk to be, in bytes of the text.
struct Piece {
    start: usize,
    end: usize,
    tokens: usize,
}

/// Starts of the headings in bytes: one walk over the text.
fn heading_bytes(parsed: &Parsed) -> Vec<usize> {
    let (mut byte, mut rest, mut point) = (0, parsed.text.as_str(), 0);
    let mut starts = Vec::with_capacity(parsed.map.headings.len());
    for heading in &parsed.map.headings {
        let ahead = heading.start.saturating_sub(point);
        let step = rest.char_indices().nth(ahead).map_or(rest.len(), |(at, _)| at);
        byte += step;
        rest = &rest[step..];
        point += ahead;
        starts.push(byte);
    }
    starts
}

/// Numbers the pieces and says where each lies: one walk over the text.
fn place(parsed: &Parsed, pieces: Vec<Piece>) -> Vec<Chunk> {
    let (mut byte, mut point) = (0, 0);
    let mut headings = parsed.map.headings.iter().peekable();
    let mut path: Vec<(u8, &str)> = Vec::new();
    let mut chunks = Vec::with_capacity(pieces.len());
    let headers = headers(parsed);
    for (piece, ordinal) in pieces.into_iter().zip(0..) {
        point += parsed.text[byte..piece.start].chars().count();
        byte = piece.start;
        while let Some(heading) = headings.next_if(|heading| heading.start <= point) {
            path.retain(|(level, _)| *level < heading.level);
            path.push((heading.level, &heading.title));
        }
        let length = parsed.text[piece.start..piece.end].chars().count();
        chunks.push(Chunk {
            ordinal,
            span: Span { start: point, end: point + length },
            tokens: u32::try_from(piece.tokens).unwrap_or(u32::MAX),
            page: parsed.map.page_at(point),
            headings: path.iter().map(|(_, title)| (*title).to_owned()).collect(),
            context: context(parsed, &headers, point),
        });
    }
    chunks
}

/// The header row of each table, if it has one: one walk over the text.
fn headers(parsed: &Parsed) -> Vec<Option<&str>> {
    let spans: Vec<Option<Span>> = parsed.map.tables.iter().map(|table| table.header).collect();
    let mut rows = slice_all(&parsed.text, spans.iter().flatten().copied()).into_iter();
    spans.into_iter().map(|span| span.and_then(|_| rows.next())).collect()
}

/// What is around a chunk that starts at `at` and is not above it: its table's
/// caption and header row, the symbols of its code.
fn context(parsed: &Parsed, headers: &[Option<&str>], at: usize) -> Vec<String> {
    let after = parsed.map.tables.partition_point(|table| table.span.start <= at);
    let table = after.checked_sub(1).and_then(|place| parsed.map.tables.get(place).zip(headers.get(place)));
    let table = table.filter(|(table, _)| at < table.span.end);
    let labels = table.into_iter().flat_map(|(table, header)| [table.caption.as_deref(), *header]);
    labels.flatten().map(str::to_owned).chain(parsed.map.symbol_path(at)).collect()
}

struct Splitter<'a> {
    syntax: Syntax,
    tokens: &'a TokenCounter,
    max: usize,
    overlap: usize,
}

impl Splitter<'_> {
    /// Cuts one block of `text`.
    fn cut(&self, text: &str, block: Span, headings: &[usize], pieces: &mut Vec<Piece>) {
        let block_text = &text[block.start..block.end];
        let sizer = Sizer { text: block_text, starts: self.tokens.offsets(block_text), tokens: self.tokens };
        let mut at = 0;
        while at < block_text.len() {
            let rest = &block_text[at..];
            let mut again = None;
            for (offset, slice) in self.slices(rest, &sizer) {
                let start = block.start + at + offset;
                let next = start + slice.len();
                // A heading goes with what follows it: cut before, and go on from there.
                let (end, lonely) = match lonely_heading(text, start, next, block.end, headings) {
                    Some(heading) => (start + text[start..heading].trim_end().len(), Some(heading)),
                    None => (next, None),
                };
                self.push(text, start, end, &sizer, block.start, pieces);
                if let Some(heading) = lonely {
                    again = Some(heading - block.start);
                    break;
                }
            }
            let Some(from) = again else { break };
            at = from;
        }
    }

    /// What the library makes of `text`: byte positions and slices.
    fn slices<'t>(&self, text: &'t str, sizer: &Sizer<'_>) -> Vec<(usize, &'t str)> {
        let config = || text_splitter::ChunkConfig::new(self.max).with_sizer(sizer).with_trim(true);
        // Refused only when it leaves no room: then without.
        let config = config().with_overlap(self.overlap).unwrap_or_else(|_| config());
        match self.syntax {
            Syntax::Plain => TextSplitter::new(config).chunk_indices(text).collect(),
            Syntax::Markdown => MarkdownSplitter::new(config).chunk_indices(text).collect(),
        }
    }

    /// Adds `text[start..end]`, in more than one piece if it must be.
    fn push(&self, text: &str, start: usize, end: usize, sizer: &Sizer<'_>, base: usize, pieces: &mut Vec<Piece>) {
        let (start, end) = trimmed(text, start, end);
        if self.tokens.adds_up_at_spaces() && at_spaces(text, start, end) {
            let count = sizer.starts_within(start - base, end - base);
            if count <= self.max {
                if start < end {
                    pieces.push(Piece { start, end, tokens: count });
                }
                return;
            }
        }
        // Inside a word, a part has other tokens than it had in the whole.
        let mut open = vec![(start, end)];
        while let Some((start, end)) = open.pop() {
            let count = self.tokens.count(&text[start..end]);
            match middle(&text[start..end]).filter(|_| count > self.max) {
                Some(middle) => {
                    open.push(trimmed(text, start + middle, end));
                    open.push(trimmed(text, start, start + middle));
                }
                None if start < end => pieces.push(Piece { start, end, tokens: count }),
                None => {}
            }
        }
    }
}

/// Whether both ends lie at white space, or at those of the text.
fn at_spaces(text: &str, start: usize, end: usize) -> bool {
    let space_or_end =
        |character: Option<char>| character.is_none_or(|character| matches!(character, ' ' | '\n' | '\t'));
    space_or_end(text[..start].chars().next_back()) && space_or_end(text[end..].chars().next())
}

/// Without the white space at the ends, but with the indentation of a first
/// line, which means something in Markdown and in code.
fn trimmed(text: &str, start: usize, end: usize) -> (usize, usize) {
    let slice = text[start..end].trim_end();
    let space = slice.len() - slice.trim_start().len();
    let starts_line = text[..start].ends_with('\n');
    let cut = match slice[..space].rfind('\n') {
        Some(line_break) => line_break + 1,
        None if starts_line => 0,
        None => space,
    };
    (start + cut, start + slice.len().max(cut))
}

/// A boundary near the middle: between graphemes, or else between characters.
fn middle(slice: &str) -> Option<usize> {
    let half = slice.len() / 2;
    let boundary = |graphemes: &mut dyn Iterator<Item = usize>| {
        let mut before = None;
        for at in graphemes.filter(|at| *at > 0) {
            if at >= half {
                return Some(at);
            }
            before = Some(at);
        }
        before
    };
    boundary(&mut slice.grapheme_indices(true).map(|(at, _)| at))
        .or_else(|| boundary(&mut slice.char_indices().map(|(at, _)| at)))
}

/// The start of the headings that end a chunk, if text follows in the block and
/// something is left in the chunk without them.
fn lonely_heading(text: &str, start: usize, end: usize, block_end: usize, headings: &[usize]) -> Option<usize> {
    if text[end..block_end].trim_start().is_empty() {
        return None;
    }
    let mut left = end;
    let after = headings.partition_point(|heading| *heading < end);
    for heading in headings[..after].iter().rev().take_while(|heading| **heading > start) {
        // More than the heading's own line follows: nothing lonely here.
        let own = text[*heading..left].trim_end();
        if own.contains('\n') && !is_underlined(own) {
            break;
        }
        left = *heading;
    }
    (left < end && !text[start..left].trim().is_empty()).then_some(left)
}

/// Whether `text` is one line and the `===` or `---` that makes it a heading.
fn is_underlined(text: &str) -> bool {
    let mut lines = text.lines().skip(1);
    let under = lines.next().map_or("", str::trim);
    let is_rule = !under.is_empty() && (under.bytes().all(|b| b == b'=') || under.bytes().all(|b| b == b'-'));
    is_rule && lines.next().is_none()
}

/// Sizes of parts of a block.
struct Sizer<'a> {
    text: &'a str,
    starts: Vec<usize>,
    tokens: &'a TokenCounter,
}

impl Sizer<'_> {
    /// Tokens that start in `[start, end)`.
    fn starts_within(&self, start: usize, end: usize) -> usize {
        let before = self.starts.partition_point(|at| *at < start);
        self.starts.partition_point(|at| *at < end) - before
    }

    /// Tokens that touch `[start, end)`.
    fn tokens_within(&self, start: usize, end: usize) -> usize {
        let before = self.starts.partition_point(|at| *at < start);
        // A token that began before `start` still costs one.
        let straddles = start < end && self.starts.get(before).is_none_or(|at| *at != start);
        self.starts_within(start, end) + usize::from(straddles)
    }
}

impl ChunkSizer for Sizer<'_> {
    fn size(&self, chunk: &str) -> usize {
        // The splitter hands out slices of the block itself, so their address
        // says where they lie; nothing is searched for.
        let start = (chunk.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let tokens = match start.checked_add(chunk.len()) {
            Some(end) if end <= self.text.len() => self.tokens_within(start, end),
            _ => self.tokens.count(chunk),
        };
        tokens.max(chunk.len() / BYTES_PER_TOKEN)
    }
}

#[cfg(test)]
mod tests;
