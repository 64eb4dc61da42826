//! The lines that repeat at the top or bottom of the pages of a file: page
//! numbers, running titles. Imports what stands on a page and the layout.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::layout::Segment;
use super::reader::Content;

/// Rows at the top and at the bottom of a page that may repeat; less on a page
/// that hardly has more.
const MARGIN_ROWS: usize = 2;
/// Pages from which on something can be said to repeat.
const REPEATING_PAGES: usize = 3;
/// Letters from which on a line that repeats says something: it is kept where
/// it stands first, where it often is the title.
const TELLING_LETTERS: usize = 4;

/// A row of a margin.
struct Row {
    /// Its page and its place there, counted from 0.
    page: usize,
    place: usize,
    /// The numbers in it, and how far each is ahead of its page.
    numbers: Vec<u64>,
    ahead: Vec<u64>,
}

/// Pages without the rows that repeat at their top or bottom with the same
/// numbers, or with a number that counts the pages. What repeats and is words
/// is kept once. A file of nothing else stays as it is.
pub(super) fn without_repeated(mut pages: Vec<Content>) -> Vec<Content> {
    if pages.len() < REPEATING_PAGES {
        return pages;
    }
    // Left and right pages may differ: half of an odd number is rounded down.
    let half = (pages.len() / 2).max(2);
    let repeated = |(words, rows): (&String, &Vec<Row>)| repeated(words, rows, half);
    let gone: HashSet<(usize, usize)> = margins(&pages).iter().flat_map(repeated).collect();
    if !says_more(&pages, &gone) {
        return pages;
    }
    for (index, page) in pages.iter_mut().enumerate() {
        let Content::Rows { rows, .. } = page else { continue };
        let mut places = 0..;
        rows.retain(|_| places.next().is_none_or(|row| !gone.contains(&(index, row))));
    }
    pages
}

/// The rows of all margins by what they say besides numbers.
fn margins(pages: &[Content]) -> HashMap<String, Vec<Row>> {
    let mut found: HashMap<String, Vec<Row>> = HashMap::new();
    for ((index, page), number) in pages.iter().enumerate().zip(0_u64..) {
        let Content::Rows { rows, .. } = page else { continue };
        for place in margin_rows(rows.len()) {
            let numbers = numbers(&rows[place]);
            let ahead = numbers.iter().map(|value| value.wrapping_sub(number)).collect();
            let alike = found.entry(without_digits(&rows[place])).or_default();
            alike.push(Row { page: index, place, numbers, ahead });
        }
    }
    found
}

/// Pages and places of those rows whose numbers at least `half` of the pages
/// have, or have counted on; but of words, the first stays. All rows say
/// `words` besides numbers.
fn repeated(words: &str, rows: &[Row], half: usize) -> Vec<(usize, usize)> {
    let same = by_value(rows.iter().map(|row| (&row.numbers, row.page)));
    let counted = by_value(rows.iter().flat_map(|row| row.ahead.iter().enumerate().map(|number| (number, row.page))));
    let is_often = |pages: Option<&HashSet<usize>>, least| pages.is_some_and(|pages| pages.len() >= least);
    // On two pages, any two numbers may follow each other.
    let least = half.max(REPEATING_PAGES);
    let is_telling = words.chars().filter(|c| c.is_alphabetic()).count() >= TELLING_LETTERS;
    let mut told: HashSet<&[u64]> = HashSet::new();
    let mut gone = Vec::new();
    for row in rows {
        let is_same = is_often(same.get(&row.numbers), half);
        if is_same || row.ahead.iter().enumerate().any(|number| is_often(counted.get(&number), least)) {
            // Numbers that count the pages say nothing.
            let is_first = told.insert(if is_same { &row.numbers } else { &[] });
            if !is_telling || !is_first {
                gone.push((row.page, row.place));
            }
        }
    }
    gone
}

/// The pages on which each value stands.
fn by_value<T: Eq + Hash>(values: impl Iterator<Item = (T, usize)>) -> HashMap<T, HashSet<usize>> {
    let mut pages: HashMap<T, HashSet<usize>> = HashMap::new();
    for (value, page) in values {
        pages.entry(value).or_default().insert(page);
    }
    pages
}

/// Whether the pages still say something once these rows are gone.
fn says_more(pages: &[Content], gone: &HashSet<(usize, usize)>) -> bool {
    let says = |text: &str| text.contains(char::is_alphanumeric);
    pages.iter().enumerate().any(|(index, page)| match page {
        Content::Lines(lines) => lines.iter().any(|line| says(line)),
        Content::Rows { rows, aside } => {
            let mut left = rows.iter().enumerate().filter(|(row, _)| !gone.contains(&(index, *row)));
            left.any(|(_, row)| row.iter().any(|segment| says(&segment.text))) || aside.iter().any(|text| says(text))
        }
    })
}

/// The places of the rows of a page that may repeat.
fn margin_rows(rows: usize) -> impl Iterator<Item = usize> {
    let margin = MARGIN_ROWS.min(rows / 3);
    (0..rows).filter(move |row| *row < margin || row + margin >= rows)
}

/// What a row says besides numbers.
fn without_digits(row: &[Segment]) -> String {
    let text: String = row.iter().flat_map(|segment| segment.text.chars()).collect();
    text.chars().filter(|c| !c.is_numeric() && !c.is_whitespace()).collect()
}

/// The numbers of a row.
fn numbers(row: &[Segment]) -> Vec<u64> {
    let parts = row.iter().flat_map(|segment| segment.text.split(|c: char| !c.is_ascii_digit()));
    parts.filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
#[path = "repeated_tests.rs"]
mod tests;
