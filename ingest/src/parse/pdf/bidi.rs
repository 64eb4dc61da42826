//! Text that runs from right to left. Imports the layout.
//!
//! The layout reads from the left, so the runs of such a page are mirrored:
//! what stands furthest right comes first. The text of each piece that a file
//! draws is in reading order already; only the order of the pieces is not.

use super::layout::{Run, SAME_LINE, SEGMENT_GAP, WORD_GAP};

/// Which way a piece of text runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From right to left.
    Left,
    /// From left to right.
    Right,
    /// Digits: from left to right, but no words.
    Number,
    /// As what stands around it.
    Neutral,
}

impl Way {
    /// That of the strongest letter of a piece.
    fn of(text: &str) -> Self {
        if text.contains(is_rtl) {
            Self::Left
        } else if text.contains(char::is_alphabetic) {
            Self::Right
        } else if text.contains(char::is_numeric) {
            Self::Number
        } else {
            Self::Neutral
        }
    }
}

/// Whether a letter belongs to a script that runs from right to left; the
/// digits of such a script do not.
pub(super) fn is_rtl(letter: char) -> bool {
    let is_within = matches!(
        letter,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
    );
    is_within && !matches!(letter, '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}')
}

/// A vowel or accent, which stands at its letter rather than beside it.
fn is_mark(letter: char) -> bool {
    matches!(
        letter,
        '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}'
            | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}'
    )
}

/// Whether a good part of a page's letters runs from right to left.
pub(super) fn is_page<'t>(texts: impl Iterator<Item = &'t str>) -> bool {
    let (mut all, mut rtl) = (0_usize, 0);
    for letter in texts.flat_map(str::chars).filter(|c| c.is_alphanumeric()) {
        all += 1;
        rtl += usize::from(is_rtl(letter));
    }
    rtl * 5 > all
}

/// Mirrored runs of the pieces that a page draws.
pub(super) fn runs(mut pieces: Vec<Run>) -> Vec<Run> {
    let is_placed = |piece: &Run| piece.x.iter().all(|x| x.is_finite()) && piece.y.is_finite();
    pieces.retain(|piece| !piece.text.is_empty() && is_placed(piece));
    pieces.sort_by(|a, b| b.y.total_cmp(&a.y));
    let mut rows: Vec<Vec<Run>> = Vec::new();
    for piece in pieces {
        let is_beside = |first: &Run| first.y - piece.y <= SAME_LINE * piece.size.max(first.size);
        match rows.last_mut().filter(|row| row.first().is_some_and(is_beside)) {
            Some(row) => row.push(piece),
            None => rows.push(vec![piece]),
        }
    }
    rows.into_iter().flat_map(parts).filter_map(joined).collect()
}

/// The pieces of a row from its right end, cut where the gap is wide.
fn parts(mut row: Vec<Run>) -> Vec<Vec<Run>> {
    row.sort_by(|a, b| b.x[1].total_cmp(&a.x[1]).then(b.x[0].total_cmp(&a.x[0])));
    let mut parts: Vec<Vec<Run>> = Vec::new();
    for piece in row {
        let is_near = |last: &Run| last.x[0] - piece.x[1] <= SEGMENT_GAP * piece.size.max(last.size);
        match parts.last_mut().filter(|part| part.last().is_some_and(is_near)) {
            Some(part) => part.push(piece),
            None => parts.push(vec![piece]),
        }
    }
    parts
}

/// One mirrored run of the pieces of a part, if they say anything.
fn joined(mut part: Vec<Run>) -> Option<Run> {
    restore(&mut part);
    let mut text = String::new();
    let (mut left, mut right) = (f32::INFINITY, f32::NEG_INFINITY);
    let mut last: Option<[f32; 2]> = None;
    for piece in &part {
        let gap = last.map_or(0.0, |last| (last[0] - piece.x[1]).max(piece.x[0] - last[1]));
        let is_apart = text.ends_with(' ') || piece.text.starts_with(' ') || piece.text.chars().all(is_mark);
        if gap > WORD_GAP * piece.size && !is_apart {
            text.push(' ');
        }
        text.push_str(&piece.text);
        last = Some(piece.x);
        left = left.min(piece.x[0]);
        right = right.max(piece.x[1]);
    }
    let longest = part.into_iter().max_by_key(|piece| piece.text.len())?;
    let text = text.trim().to_owned();
    (!text.is_empty()).then(|| mirrored(Run { text, x: [left, right], ..longest }))
}

/// The run as it stands on the mirrored page.
pub(super) fn mirrored(run: Run) -> Run {
    Run { x: [-run.x[1], -run.x[0]], ..run }
}

/// Gives pieces that run from left to right their order back: they are taken
/// from the right as all others.
fn restore(part: &mut [Run]) {
    let ways: Vec<Way> = part.iter().map(|piece| Way::of(&piece.text)).collect();
    let mut at = 0;
    while at < part.len() {
        let end = stretch_end(part, &ways, at);
        part[at..end].reverse();
        at = end;
    }
}

/// Where the pieces that belong together from `at` on end. Words from left to
/// right belong together across a space, numbers do not.
fn stretch_end(part: &[Run], ways: &[Way], at: usize) -> usize {
    let mut end = at + 1;
    if !matches!(ways[at], Way::Right | Way::Number) {
        return end;
    }
    for next in at + 1..part.len() {
        match ways[next] {
            Way::Left => break,
            Way::Neutral => continue,
            Way::Right | Way::Number => {}
        }
        let gap = part[end - 1].x[0] - part[end].x[1];
        let is_apart = gap > WORD_GAP * part[at].size || part[end..next].iter().any(|piece| piece.text.contains(' '));
        let are_words = ways[next] == Way::Right && ways[at..end].contains(&Way::Right);
        if is_apart && !are_words {
            break;
        }
        end = next + 1;
    }
    end
}

#[cfg(test)]
#[path = "bidi_tests.rs"]
mod tests;
