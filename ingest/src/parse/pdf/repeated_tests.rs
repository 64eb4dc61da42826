//! Margins of pages that are placed by hand.

use super::super::layout::Run;
use super::*;

fn page(lines: &[&str]) -> Content {
    let row = |(line, y): (&&str, u16)| {
        vec![Run {
            text: (**line).to_owned(),
            x: [72.0, 300.0],
            y: 700.0 - f32::from(y),
            size: 10.0,
            is_mono: false,
            is_bold: false,
        }]
    };
    Content::Rows { rows: lines.iter().zip(0..).map(row).collect(), aside: Vec::new() }
}

/// Pages of three lines and a last one, which is to be looked at.
fn last_lines(lines: &[&str]) -> Vec<Option<String>> {
    let words = ["north", "south", "east", "west", "up", "down"];
    let pages = lines.iter().zip(words).map(|(last, word)| page(&[word, "middle of it", &word[1..], last]));
    let last = |(page, line): (Content, &&str)| match page {
        Content::Rows { rows, .. } => rows.last().map(|row| row[0].text.clone()).filter(|text| text == *line),
        Content::Lines(_) => None,
    };
    without_repeated(pages.collect()).into_iter().zip(lines).map(last).collect()
}

fn kept(lines: &[&str]) -> Vec<bool> {
    last_lines(lines).iter().map(Option::is_some).collect()
}

#[test]
fn numbers_that_count_the_pages_go() {
    assert_eq!(kept(&["1", "2", "3"]), [false; 3]);
    assert_eq!(kept(&["7 / 9", "8 / 9", "9 / 9"]), [false; 3]);
}

#[test]
fn rows_that_differ_in_other_numbers_stay() {
    assert_eq!(kept(&["Total 512", "Total 90", "Total 77"]), [true; 3]);
    assert_eq!(kept(&["512", "90", "77"]), [true; 3]);
    assert_eq!(kept(&["Total 5", "Total 5", "Total 77", "Total 13"]), [true, false, true, true]);
}

#[test]
fn words_that_repeat_stay_where_they_stand_first() {
    assert_eq!(kept(&["Manual", "Manual", "Manual"]), [true, false, false]);
    assert_eq!(kept(&["Manual, page 4", "Manual, page 5", "Manual, page 6"]), [true, false, false]);
    assert_eq!(kept(&["v. 2", "v. 2", "v. 2"]), [false; 3]);
}

#[test]
fn two_pages_do_not_count() {
    assert_eq!(kept(&["A 4", "A 5", "A 90", "A 70"]), [true; 4]);
}

#[test]
fn a_file_of_nothing_else_stays_as_it_is() {
    let pages: Vec<Content> = ["1", "2", "3"].iter().map(|number| page(&["-", number, "-"])).collect();
    let letters: usize = without_repeated(pages).iter().map(Content::letters).sum();
    assert_eq!(letters, 3);
}
