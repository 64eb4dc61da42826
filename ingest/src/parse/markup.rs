//! Markup that is read line by line: reStructuredText, AsciiDoc and Org. The
//! text stays as it is written but for what only a program reads, so that a
//! passage can be found in the source again. Imports the document types and
//! the canonical form.

mod asciidoc;
mod org;
mod rst;

use super::canonical::Canonical;
use crate::document::{Parsed, Syntax};

pub(super) use asciidoc::parse as asciidoc;
pub(super) use org::parse as org;
pub(super) use rst::parse as rst;

/// What was written; the title is `named` or else the first heading of the
/// highest level.
fn finish(canonical: Canonical, named: Option<String>) -> Parsed {
    let (text, map) = canonical.finish();
    let first = || map.headings.iter().find(|heading| heading.level == 1).map(|heading| heading.title.clone());
    Parsed { title: named.or_else(first), text, map, syntax: Syntax::Plain, members: Vec::new() }
}

/// Columns of white space before a line's first letter; a tab counts for eight.
fn indent(line: &str) -> usize {
    let mut columns = 0;
    for character in line.chars() {
        match character {
            ' ' => columns += 1,
            '\t' => columns = columns / 8 * 8 + 8,
            _ => break,
        }
    }
    columns
}

#[cfg(test)]
mod tests;
