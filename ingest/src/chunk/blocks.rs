//! Blocks: parts of a long text that are cut by themselves, so that the time
//! of the splitter, which looks ahead over all that is left, stays linear.
//! Imports the document types.

use pulldown_cmark::{Event, Options, Parser};
use unicode_segmentation::UnicodeSegmentation;

use crate::document::{Parsed, Span, Syntax};

/// Most bytes of a block. Small, because the splitter's time per chunk grows
/// with it; large against a chunk, because each seam may leave a short one.
pub(super) const BLOCK_BYTES: usize = 32 * 1024;

/// The blocks of a text, in bytes, without gaps.
pub(super) fn blocks(parsed: &Parsed, headings: &[usize]) -> Vec<Span> {
    let text = &parsed.text;
    if text.len() <= BLOCK_BYTES {
        return vec![Span { start: 0, end: text.len() }];
    }
    let tops = match parsed.syntax {
        Syntax::Markdown => Some(top_levels(text)),
        Syntax::Plain => None,
    };
    let mut blocks = Vec::new();
    let mut start = 0;
    while text.len() - start > BLOCK_BYTES {
        let from = text.floor_char_boundary(start + BLOCK_BYTES / 2);
        let to = text.floor_char_boundary(start + BLOCK_BYTES);
        let end = last_within(headings, from, to)
            .or_else(|| tops.as_deref().and_then(|tops| last_within(tops, from, to)))
            .unwrap_or_else(|| plain_end(text, from, to));
        blocks.push(Span { start, end });
        start = end;
    }
    blocks.push(Span { start, end: text.len() });
    blocks
}

/// The last of the ascending `places` in `(from, to]`.
fn last_within(places: &[usize], from: usize, to: usize) -> Option<usize> {
    let after = places.partition_point(|place| *place <= to);
    places[..after].last().copied().filter(|place| *place > from)
}

/// After the last paragraph, line, word or at least character in the window.
fn plain_end(text: &str, from: usize, to: usize) -> usize {
    let window = &text[from..to];
    let seam = window
        .rfind("\n\n")
        .map(|at| at + 2)
        .or_else(|| window.rfind('\n').map(|at| at + 1))
        .or_else(|| window.char_indices().rev().find(|(_, c)| c.is_whitespace()).map(|(at, c)| at + c.len_utf8()));
    if let Some(seam) = seam {
        return from + seam;
    }
    // Not between a letter and its marks. A thousand bytes hold any real grapheme.
    let tail = text.floor_char_boundary(to.saturating_sub(1024)).max(from);
    let last = text[tail..to].grapheme_indices(true).next_back().map_or(0, |(at, _)| at);
    if last > 0 { tail + last } else { to }
}

/// Starts of the outermost Markdown elements: cut anywhere else, a fence would
/// lose its end.
fn top_levels(text: &str) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut starts = Vec::new();
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(_) => {
                if depth == 0 {
                    starts.push(range.start);
                }
                depth += 1;
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    starts
}
