//! The pieces of text that a page draws, without what the library makes of
//! pieces that stand apart. Knows the library's types. Imports the reader.

use pdf_oxide::PdfDocument;
use pdf_oxide::extractors::SpanMergingConfig;
use pdf_oxide::layout::{TextChar, TextSpan};

use super::reader::{contained, is_marginal};

/// Number from which on the library counts what stands in the fields of a form.
const FIRST_FIELD: usize = 1_000_000;
/// Points beyond its box where a page still shows something.
const BLEED: f32 = 2.0;
/// A length that nothing on a page has, in points.
const BEYOND: f32 = 1e9;
/// Digits after the point of a decimal that the library may have made up.
const MADE_DIGITS: usize = 2;
/// Width of a digit, in font sizes.
const DIGIT_WIDTH: f32 = 0.55;

/// What a page shows of itself: left, bottom, right and top.
pub(super) struct Frame([f32; 4]);

impl Frame {
    /// That of a page; all of it where the library does not know.
    pub(super) fn of(document: &PdfDocument, index: usize) -> Self {
        let visible = contained(|| document.get_page_visible_box(index));
        let (a, b, c, d) = visible.unwrap_or((-BEYOND, -BEYOND, BEYOND, BEYOND));
        Self([a.min(c) - BLEED, b.min(d) - BLEED, a.max(c) + BLEED, b.max(d) + BLEED])
    }

    /// Whether a part of what starts at `x` and `y` can be seen.
    pub(super) fn shows(&self, [x, y]: [f32; 2], width: f32, height: f32) -> bool {
        let [left, bottom, right, top] = self.0;
        x + width.max(0.0) > left && x < right && y + height.max(0.0) > bottom && y < top
    }
}

/// The spans of a page as they are drawn: words and cells apart, and numbers
/// that stand side by side no decimals. Those of a turned page stay as they
/// are, for only they are turned back.
pub(super) fn unglued(document: &PdfDocument, index: usize, spans: Vec<TextSpan>) -> Vec<TextSpan> {
    let spans = unmerged(document, index, spans);
    if !spans.iter().any(|span| decimal(&span.text).is_some()) {
        return spans;
    }
    let glyphs = contained(|| document.extract_chars(index)).unwrap_or_default();
    spans.into_iter().flat_map(|span| parted(&span, &glyphs).unwrap_or_else(|| vec![span])).collect()
}

/// The spans of a page, each as little as the file draws at once.
pub(super) fn unmerged(document: &PdfDocument, index: usize, spans: Vec<TextSpan>) -> Vec<TextSpan> {
    let config = SpanMergingConfig {
        merge_tm_tj_runs: false,
        severe_overlap_threshold_pt: BEYOND,
        column_boundary_threshold_pt: -BEYOND,
        use_adaptive_threshold: false,
        ..SpanMergingConfig::default()
    };
    drawn(document, index, spans, config)
}

/// Whether a span is what stands in a field of a form.
pub(super) fn is_field(span: &TextSpan) -> bool {
    span.sequence >= FIRST_FIELD && !span.text.trim().is_empty()
}

/// Whether a glyph is one of a span's.
pub(super) fn holds(span: &TextSpan, glyph: &TextChar) -> bool {
    is_within(span, glyph.origin_x) && (glyph.origin_y - span.bbox.y).abs() < 0.3 * span.bbox.height.max(3.0)
}

/// Whether a place is one of those that a span covers along its line.
fn is_within(span: &TextSpan, x: f32) -> bool {
    x >= span.bbox.x - 0.5 && x < span.bbox.x + span.bbox.width
}

/// What can be seen of the spans that `config` gives, with what the spans of
/// the page know besides: the margins, and the fields of a form.
fn drawn(document: &PdfDocument, index: usize, spans: Vec<TextSpan>, config: SpanMergingConfig) -> Vec<TextSpan> {
    let is_turned = contained(|| document.get_page_rotation(index)).is_ok_and(|degrees| degrees != 0);
    let found = contained(|| document.extract_spans_with_config(index, config));
    let Some(mut found) = found.ok().filter(|_| !is_turned) else { return spans };
    let frame = Frame::of(document, index);
    found.retain(|span| frame.shows([span.bbox.x, span.bbox.y], span.bbox.width, span.bbox.height));
    for marginal in spans.iter().filter(|span| is_marginal(span)) {
        let is_part =
            |span: &&mut TextSpan| (span.bbox.y - marginal.bbox.y).abs() < 0.5 && is_within(marginal, span.bbox.x);
        for span in found.iter_mut().filter(is_part) {
            span.artifact_type.clone_from(&marginal.artifact_type);
        }
    }
    found.extend(spans.into_iter().filter(is_field));
    found
}

/// Both sides of the point of a decimal with few digits behind it.
fn decimal(text: &str) -> Option<(&str, &str)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').filter(|(whole, part)| is_number(whole) && is_number(part) && part.len() <= MADE_DIGITS)
}

/// The two numbers of a decimal that has no point on the page.
fn parted(span: &TextSpan, glyphs: &[TextChar]) -> Option<Vec<TextSpan>> {
    let (whole, part) = decimal(&span.text)?;
    let glyphs: Vec<&TextChar> = glyphs.iter().filter(|glyph| holds(span, glyph)).collect();
    if glyphs.iter().any(|glyph| matches!(glyph.char, '.' | ',' | '\u{b7}')) {
        return None;
    }
    let digits = glyphs.iter().filter(|glyph| glyph.char.is_ascii_digit());
    let mut places: Vec<f32> = digits.map(|glyph| glyph.origin_x).collect();
    places.sort_by(f32::total_cmp);
    let (last, next) = (*places.get(whole.len() - 1)?, *places.get(whole.len())?);
    let (mut left, mut right) = (span.clone(), span.clone());
    whole.clone_into(&mut left.text);
    part.clone_into(&mut right.text);
    left.bbox.width = last - span.bbox.x + DIGIT_WIDTH * span.font_size.abs();
    right.bbox.width = span.bbox.x + span.bbox.width - next;
    right.bbox.x = next;
    Some(vec![left, right])
}
