//! Pieces from right to left that are placed by hand.

use super::*;

/// A piece at a left end; its letters are 5 points wide.
fn piece(x: f32, text: &str) -> Run {
    let width = 5.0 * f32::from(u16::try_from(text.chars().count()).unwrap());
    Run { text: text.to_owned(), x: [x, x + width], y: 700.0, size: 10.0, is_mono: false, is_bold: false }
}

fn texts(pieces: &[(f32, &str)]) -> Vec<String> {
    runs(pieces.iter().map(|(x, text)| piece(*x, text)).collect()).into_iter().map(|run| run.text).collect()
}

#[test]
fn pieces_are_joined_from_the_right_with_spaces_where_they_stand_apart() {
    assert_eq!(texts(&[(70.0, "עולם"), (100.0, "שלום")]), ["שלום עולם"]);
    assert_eq!(texts(&[(95.0, "ש"), (90.0, "ל"), (85.0, "ו"), (80.0, "ם")]), ["שלום"]);
}

#[test]
fn words_and_numbers_from_left_to_right_keep_their_order() {
    assert_eq!(texts(&[(100.0, "גרסה"), (67.0, "Reader"), (45.0, "PDF")]), ["גרסה PDF Reader"]);
    assert_eq!(texts(&[(100.0, "שנת"), (85.0, "26"), (75.0, "20")]), ["שנת 2026"]);
    assert_eq!(texts(&[(100.0, "בין"), (85.0, "20"), (70.0, "10")]), ["בין 20 10"]);
}

#[test]
fn a_wide_gap_ends_a_run_and_runs_are_mirrored() {
    let found = runs(vec![piece(100.0, "שם"), piece(300.0, "מחיר")]);
    assert_eq!(found.iter().map(|run| run.text.as_str()).collect::<Vec<_>>(), ["מחיר", "שם"]);
    assert!(found[0].x[0] < found[0].x[1] && found[0].x[1] < found[1].x[0]);
}

#[test]
fn marks_stay_at_their_letter() {
    assert_eq!(texts(&[(95.0, "ש"), (90.0, "\u{5b8}"), (85.0, "ם")]), ["ש\u{5b8}ם"]);
    assert_eq!(texts(&[(100.0, "ש"), (92.0, "\u{5b8}")]), ["ש\u{5b8}"]);
}

#[test]
fn a_page_runs_from_right_to_left_if_a_good_part_of_its_letters_does() {
    assert!(is_page(["שלום", "hello"].into_iter()));
    assert!(!is_page(["של", "hello world"].into_iter()));
    assert!(!is_page(["١٢٣", "٤"].into_iter()));
    assert!(!is_page(std::iter::empty()));
}

#[test]
fn pieces_without_a_place_are_left_out() {
    assert_eq!(texts(&[(f32::NAN, "א"), (80.0, "ב"), (f32::INFINITY, "ג")]), ["ב"]);
}
