//! EPUB: the chapters of a book in the order they are read, as one text.
//! Imports the document types, the canonical form, the reader of HTML and the
//! bounds.

mod package;

use std::collections::HashSet;
use std::io::Cursor;

use zip::ZipArchive;

use super::canonical::Canonical;
use super::unpack::Budget;
use super::{ParseError, archive, html, text};
use crate::document::{Parsed, Syntax};

/// Where a book says where its list of content is.
const CONTAINER: &str = "META-INF/container.xml";
/// Where it says what of it is encrypted.
const ENCRYPTION: &str = "META-INF/encryption.xml";

/// Reads a book. Its title is the one its list of content gives.
///
/// # Errors
/// [`ParseError::Encrypted`] where a chapter is, and [`ParseError::Broken`],
/// for a bound that is passed too.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut book = Book::open(bytes)?;
    let container = book.required(CONTAINER)?;
    let package_path = package::package_path(&text::decode(&container)?);
    let package_path = package_path.ok_or_else(|| book.broken("it does not say where its list of content is"))?;
    let list = book.required(&package_path)?;
    let contents = package::contents(&text::decode(&list)?, &package_path);
    book.refuse_encrypted(&contents.chapters)?;
    let mut out = Canonical::default();
    let mut seen = HashSet::new();
    for path in &contents.chapters {
        if !seen.insert(path) {
            continue;
        }
        let Some(chapter) = book.file(path)? else { continue };
        let page = html::parse(&html::decode(&package::with_end_tags(&chapter))?);
        out.blank();
        out.append(&page);
    }
    if seen.is_empty() {
        return Err(book.broken("its list of content names no chapter"));
    }
    let (text, map) = out.finish();
    Ok(Parsed { title: contents.title, text, map, syntax: Syntax::Plain, members: Vec::new() })
}

/// The files of a book.
struct Book<'b> {
    files: ZipArchive<Cursor<&'b [u8]>>,
    budget: Budget,
}

impl<'b> Book<'b> {
    fn open(bytes: &'b [u8]) -> Result<Self, ParseError> {
        let mut budget = Budget::new("EPUB", bytes.len());
        let files = archive::open_zip(bytes, &mut budget)?;
        Ok(Self { files, budget })
    }

    fn broken(&self, problem: &str) -> ParseError {
        self.budget.broken(problem.to_owned())
    }

    /// A file by its path, in the same letters or else in others of their case.
    fn file(&mut self, path: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let index = self.files.index_for_name(path).or_else(|| {
            let is_same = |index: &usize| {
                self.files
                    .name_for_index(*index)
                    .is_some_and(|name| name.is_ok_and(|name| name.eq_ignore_ascii_case(path)))
            };
            (0..self.files.len()).find(is_same)
        });
        let Some(index) = index else { return Ok(None) };
        let raw = self.files.by_index_raw(index).map_err(|error| archive::zip_error(&self.budget, &error))?;
        if raw.encrypted() {
            return Err(ParseError::Encrypted { format: "EPUB".into() });
        }
        drop(raw);
        let entry = self.files.by_index(index).map_err(|error| archive::zip_error(&self.budget, &error))?;
        self.budget.read(entry).map(Some)
    }

    fn required(&mut self, path: &str) -> Result<Vec<u8>, ParseError> {
        let file = self.file(path)?;
        file.ok_or_else(|| self.broken("a file that it needs is not in it"))
    }

    /// Fonts may be made unreadable for others; chapters must not be.
    fn refuse_encrypted(&mut self, chapters: &[String]) -> Result<(), ParseError> {
        let Some(list) = self.file(ENCRYPTION)? else { return Ok(()) };
        let encrypted = package::encrypted(&text::decode(&list)?);
        if chapters.iter().any(|chapter| encrypted.contains(chapter)) {
            return Err(ParseError::Encrypted { format: "EPUB".into() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
