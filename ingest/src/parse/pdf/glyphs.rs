//! Pages by their glyphs, where the library's spans lost letters. Knows the
//! library's types. Imports the reader, the pieces, the layout and what runs
//! from right to left.
//!
//! The library takes codes below 32 for control characters where it makes
//! spans: what they stand for is lost, and so are the gaps that they leave.

use pdf_oxide::PdfDocument;
use pdf_oxide::layout::{TextChar, TextSpan};

use super::bidi::is_rtl;
use super::layout::{Run, SEGMENT_GAP, WORD_GAP};
use super::pieces::Frame;
use super::reader::contained;

/// Letters by glyphs for a hundred by spans, from which on spans lost some.
const MORE: usize = 103;
/// One in so many letters may be unknown for glyphs to be of use.
const MOST_UNKNOWN: usize = 50;
/// Directions closer than this are the same, in degrees.
const SAME_DIRECTION: f32 = 2.5;
/// How far glyphs of one run may stand above each other, in font sizes.
const SAME_HEIGHT: f32 = 0.1;
/// How far beside itself a glyph is drawn again to look bold, in font sizes.
const BOLD_SHIFT: f32 = 0.12;
/// Widest space, in font sizes.
const WIDEST_SPACE: f32 = 0.6;
/// Gaps between letters that tell how far they are spaced.
const TELLING_GAPS: usize = 4;

/// The glyphs that a page shows, if they hold letters that its spans lost. What
/// runs from right to left is left to the spans.
pub(super) fn lost(document: &PdfDocument, index: usize, spans: &[TextSpan]) -> Option<Vec<TextChar>> {
    let frame = Frame::of(document, index);
    let mut glyphs = contained(|| document.extract_chars(index)).ok()?;
    glyphs.retain(|glyph| frame.shows([glyph.origin_x, glyph.origin_y], glyph.advance_width, 0.0));
    let letters = glyphs.iter().filter(|glyph| glyph.char.is_alphanumeric()).count();
    let unknown = glyphs.iter().filter(|glyph| glyph.char == '\u{fffd}').count();
    if letters == 0 || unknown * MOST_UNKNOWN > letters || glyphs.iter().any(|glyph| is_rtl(glyph.char)) {
        return None;
    }
    let count = |span: &TextSpan| span.text.chars().filter(|c| c.is_alphanumeric()).count();
    let by_spans: usize = spans.iter().map(count).sum();
    let has_controls = spans.iter().any(|span| span.text.trim().contains(char::is_control));
    (letters * 100 > by_spans * MORE || has_controls && letters >= by_spans).then_some(glyphs)
}

/// A glyph on a page that is turned so that it stands upright.
struct Glyph {
    letter: char,
    x: [f32; 2],
    y: f32,
    size: f32,
    is_mono: bool,
    is_bold: bool,
}

/// The runs of the direction in which most of a page is written, and those of
/// each other one.
pub(super) fn runs(glyphs: Vec<TextChar>) -> (Vec<Run>, Vec<Vec<Run>>) {
    let mut directions: Vec<(f32, Vec<TextChar>)> = Vec::new();
    for glyph in glyphs {
        let is_same = |degrees: f32| {
            let apart = (degrees - glyph.rotation_degrees).rem_euclid(360.0);
            apart.min(360.0 - apart) <= SAME_DIRECTION
        };
        match directions.iter_mut().find(|known| is_same(known.0)) {
            Some((_, known)) => known.push(glyph),
            None => directions.push((glyph.rotation_degrees, vec![glyph])),
        }
    }
    directions.sort_by_key(|(_, glyphs)| std::cmp::Reverse(glyphs.len()));
    let mut runs = directions.into_iter().map(|(degrees, glyphs)| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        lines(glyphs.iter().map(|glyph| upright(glyph, sin, cos)).collect())
    });
    (runs.next().unwrap_or_default(), runs.collect())
}

/// A glyph as it stands once what is drawn at this angle is upright.
fn upright(glyph: &TextChar, sin: f32, cos: f32) -> Glyph {
    let x = glyph.origin_x * cos + glyph.origin_y * sin;
    Glyph {
        letter: glyph.char,
        x: [x, x + glyph.advance_width.abs()],
        y: glyph.origin_y * cos - glyph.origin_x * sin,
        size: glyph.font_size.abs(),
        is_mono: glyph.is_monospace,
        is_bold: glyph.font_weight.is_bold(),
    }
}

/// The runs of upright glyphs, from the top of the page.
fn lines(mut glyphs: Vec<Glyph>) -> Vec<Run> {
    glyphs.retain(|glyph| glyph.x.iter().all(|x| x.is_finite()) && glyph.y.is_finite());
    glyphs.sort_by(|a, b| b.y.total_cmp(&a.y));
    let mut rows: Vec<Vec<Glyph>> = Vec::new();
    for glyph in glyphs {
        let is_beside = |first: &Glyph| first.y - glyph.y <= SAME_HEIGHT * glyph.size.max(first.size);
        match rows.last_mut().filter(|row| row.first().is_some_and(is_beside)) {
            Some(row) => row.push(glyph),
            None => rows.push(vec![glyph]),
        }
    }
    rows.into_iter().flat_map(|row| segments(once(row))).collect()
}

/// The glyphs of a row from the left, each once even if it is drawn again.
fn once(mut row: Vec<Glyph>) -> Vec<Glyph> {
    row.sort_by(|a, b| a.x[0].total_cmp(&b.x[0]));
    let mut kept: Vec<Glyph> = Vec::new();
    for glyph in row {
        let is_again =
            |known: &Glyph| known.letter == glyph.letter && (known.x[0] - glyph.x[0]).abs() < BOLD_SHIFT * glyph.size;
        if glyph.letter.is_whitespace() || !kept.iter().rev().take(4).any(is_again) {
            kept.push(glyph);
        }
    }
    kept
}

/// Runs of the glyphs of a row, cut where the gap is wide.
fn segments(row: Vec<Glyph>) -> Vec<Run> {
    let word_gap = WORD_GAP + usual_gap(&row);
    let mut runs: Vec<Run> = Vec::new();
    for glyph in row {
        let is_space = glyph.letter.is_whitespace();
        let near = runs.last_mut().filter(|run| glyph.x[0] - run.x[1] <= SEGMENT_GAP * glyph.size.max(run.size));
        let Some(run) = near else {
            if !is_space {
                runs.push(start(&glyph));
            }
            continue;
        };
        let is_apart = is_space || glyph.x[0] - run.x[1] > word_gap * glyph.size;
        if is_apart && !run.text.ends_with(' ') {
            run.text.push(' ');
        }
        if is_space {
            run.x[1] = run.x[1].max(glyph.x[1].min(glyph.x[0] + WIDEST_SPACE * glyph.size));
            continue;
        }
        run.text.push(glyph.letter);
        run.x[1] = run.x[1].max(glyph.x[1]);
        run.size = run.size.max(glyph.size);
        run.is_mono &= glyph.is_mono;
        run.is_bold &= glyph.is_bold;
    }
    for run in &mut runs {
        run.text.truncate(run.text.trim_end().len());
    }
    runs
}

/// A run that starts with this glyph.
fn start(glyph: &Glyph) -> Run {
    Run {
        text: glyph.letter.to_string(),
        x: glyph.x,
        y: glyph.y,
        size: glyph.size,
        is_mono: glyph.is_mono,
        is_bold: glyph.is_bold,
    }
}

/// How far the letters of a row are spaced on purpose, in font sizes.
fn usual_gap(row: &[Glyph]) -> f32 {
    let is_letters = |pair: &&[Glyph]| !pair[0].letter.is_whitespace() && !pair[1].letter.is_whitespace();
    let gap = |pair: &[Glyph]| (pair[1].x[0] - pair[0].x[1]) / pair[1].size.max(0.1);
    let mut gaps: Vec<f32> = row.windows(2).filter(is_letters).map(gap).filter(|gap| *gap < SEGMENT_GAP).collect();
    gaps.sort_by(f32::total_cmp);
    gaps.get(gaps.len() / 3).filter(|_| gaps.len() >= TELLING_GAPS).map_or(0.0, |gap| gap.max(0.0))
}

#[cfg(test)]
#[path = "glyphs_tests.rs"]
mod tests;
