//! Rows of glyphs that are placed by hand.

use super::*;

/// Glyphs of a text from `x` on, each `width` points wide and `step` after the
/// one before.
fn row(x: f32, text: &str, width: f32, step: f32) -> Vec<Glyph> {
    let place = |(letter, at): (char, u16)| {
        let x = x + step * f32::from(at);
        Glyph { letter, x: [x, x + width], y: 700.0, size: 10.0, is_mono: false, is_bold: false }
    };
    text.chars().zip(0..).map(place).collect()
}

fn texts(glyphs: Vec<Glyph>) -> Vec<String> {
    lines(glyphs).into_iter().map(|run| run.text).collect()
}

#[test]
fn glyphs_make_words_and_cells() {
    let mut glyphs = row(72.0, "two words", 5.0, 5.0);
    glyphs.extend(row(120.0, "more", 5.0, 5.0));
    glyphs.extend(row(200.0, "cell", 5.0, 5.0));
    assert_eq!(texts(glyphs), ["two words more", "cell"]);
}

#[test]
fn letters_that_are_spaced_on_purpose_make_one_word() {
    assert_eq!(texts(row(72.0, "spaced", 5.0, 8.0)), ["spaced"]);
}

#[test]
fn glyphs_that_are_drawn_again_a_hair_beside_count_once() {
    let mut glyphs = row(72.0, "bell", 5.0, 5.0);
    glyphs.extend(row(72.4, "bell", 5.0, 5.0));
    assert_eq!(texts(glyphs), ["bell"]);
}

#[test]
fn glyphs_without_a_place_are_left_out() {
    let mut glyphs = row(72.0, "a", 5.0, 5.0);
    glyphs.extend(row(f32::NAN, "b", 5.0, 5.0));
    assert_eq!(texts(glyphs), ["a"]);
}
