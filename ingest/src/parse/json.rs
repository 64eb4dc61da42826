//! JSON, JSON Lines and notebooks. Imports the document types, the canonical
//! form and, for notebooks, Markdown.
//!
//! A list of flat objects is a table, anything else lines of `path: value`.
//! A first pass over the text checks it and finds the tables ([`shape`]), a
//! second one writes it ([`writer`]); neither builds a tree.

mod notebook;
mod reader;
mod shape;
mod writer;

use super::ParseError;
use super::canonical::Canonical;
use crate::document::{Parsed, Syntax};

use reader::{Fault, Reader};
use shape::Shape;
use writer::Writer;

pub(super) use notebook::parse as notebook;

/// Reads one JSON value, or one on each line if the file is such.
///
/// # Errors
/// [`ParseError::Broken`] with line and column.
pub(super) fn parse(source: &str) -> Result<Parsed, ParseError> {
    let mut shape = Shape::default();
    match shape.survey(Reader::new(source), 0) {
        Ok(()) => Ok(write(&shape, std::iter::once((0, source)))),
        Err(fault) if source.trim_ascii_start().starts_with(['{', '[']) => {
            parse_lines(source).map_err(|_| broken("JSON", &fault))
        }
        Err(fault) => Err(broken("JSON", &fault)),
    }
}

/// Reads JSON Lines: a value on each line, as the elements of one list.
///
/// # Errors
/// [`ParseError::Broken`] with the first bad line.
pub(super) fn parse_lines(source: &str) -> Result<Parsed, ParseError> {
    let mut shape = Shape::list();
    for (at, line) in values(source) {
        if let Err(fault) = shape.survey(Reader::new(line), at) {
            let line = 1 + source[..at].bytes().filter(|byte| *byte == b'\n').count();
            return Err(broken("JSON Lines", &Fault { line, ..fault }));
        }
    }
    shape.end_list();
    Ok(write(&shape, values(source)))
}

/// Whether a text that starts as JSON is a JSON value (true), JSON Lines
/// (false), or neither.
pub(super) fn looks_like(source: &str) -> Option<bool> {
    if Shape::default().survey(Reader::new(source), 0).is_ok() {
        return Some(true);
    }
    let mut shape = Shape::list();
    values(source).all(|(at, line)| shape.survey(Reader::new(line), at).is_ok()).then_some(false)
}

/// The lines that hold something, and where each starts.
fn values(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let lines = source.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line)
    });
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

fn broken(format: &'static str, fault: &Fault) -> ParseError {
    let problem = format!("line {}, column {}: {}", fault.line, fault.column, fault.problem);
    ParseError::Broken { format: format.into(), problem }
}

/// Writes what [`Shape::survey`] has checked.
fn write<'t>(shape: &Shape, values: impl Iterator<Item = (usize, &'t str)>) -> Parsed {
    let mut canonical = Canonical::default();
    let mut writer = Writer::new(shape, &mut canonical);
    for (at, source) in values {
        writer.value(Reader::new(source), at, source.len());
    }
    writer.finish();
    let (text, map) = canonical.finish();
    Parsed { title: None, text, map, syntax: Syntax::Plain, members: Vec::new() }
}

/// Code points from which on a string with words enough is prose.
const PROSE_POINTS: usize = 80;

/// Words, or letters of a script without spaces, that prose has at least.
const PROSE_WORDS: usize = 8;

/// Whether a string is text to be read, not a value to be named.
fn is_prose(text: &str) -> bool {
    let words = || text.split_whitespace().take(PROSE_WORDS).count();
    let letters = || text.chars().filter(|c| matches!(c, '\u{e00}'..='\u{eff}' | '\u{2e80}'..='\u{d7ff}')).count();
    let long = text.chars().nth(PROSE_POINTS).is_some() || text.trim_end().contains('\n');
    (long && words() >= PROSE_WORDS) || letters() >= PROSE_POINTS / 2
}

#[cfg(test)]
mod tests;
