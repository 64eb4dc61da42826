//! The second pass over JSON: lines, headings and tables. Imports the reader,
//! the first pass and the canonical form.

use std::borrow::Cow;

use super::super::canonical::{Canonical, folded};
use super::is_prose;
use super::reader::{Reader, Token};
use super::shape::{LINES, Shape, TableShape};

/// Code points of a key that a path shows.
const KEY_POINTS: usize = 80;

/// Innermost keys that a path shows.
const PATH_KEYS: usize = 12;

/// Code points up to which the plain values of a list stand on one line.
const LIST_POINTS: usize = 160;

/// Code points up to which a line may be a heading.
const HEADING_POINTS: usize = 80;

/// Writes values; the readers must be those that the first pass has checked.
pub(super) struct Writer<'a> {
    canonical: &'a mut Canonical,
    tables: std::slice::Iter<'a, TableShape>,
    table: Option<&'a TableShape>,
    is_list: bool,
    /// Keys to the value that comes, one for each open object.
    path: Vec<String>,
    /// Whether each open container is an object.
    open: Vec<bool>,
    /// Plain values of the innermost list, not yet written.
    items: Vec<Item>,
    /// Heading of an outer list, until something else than plain values comes.
    pending: Option<String>,
    /// Whether what comes would seem to belong to the heading above.
    after_section: bool,
    /// Bytes of paths that may still be written in full.
    path_budget: usize,
    /// Rows of the table that the lines of a file are.
    rows: Vec<Vec<String>>,
}

/// A plain value of a list.
struct Item {
    text: String,
    is_text: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(shape: &'a Shape, canonical: &'a mut Canonical) -> Self {
        let mut tables = shape.tables.iter();
        Self {
            canonical,
            table: tables.next(),
            tables,
            is_list: shape.is_list,
            path: Vec::new(),
            open: Vec::new(),
            items: Vec::new(),
            pending: None,
            after_section: false,
            path_budget: 64 * 1024,
            rows: Vec::new(),
        }
    }

    /// Writes a value that starts at the byte `base` and has `length` bytes.
    pub(super) fn value(&mut self, mut reader: Reader<'_>, base: usize, length: usize) {
        self.path_budget += length.saturating_mul(2);
        if let Some(table) = self.table.filter(|table| table.id == LINES) {
            if let Ok(Some(Token::Object)) = reader.token() {
                self.rows.push(row(&mut reader, table));
            }
            return;
        }
        self.canonical.blank();
        while let Ok(Some(token)) = reader.token() {
            match token {
                Token::Object => self.start_object(),
                Token::Array => self.start_array(&mut reader, base),
                Token::Key(key) => {
                    if let Some(last) = self.path.last_mut() {
                        *last = shown(&key);
                    }
                }
                Token::Text(text) => self.plain(text, true),
                Token::Scalar(text) => self.plain(Cow::Borrowed(text), false),
                Token::ObjectEnd => self.end_object(),
                Token::ArrayEnd => self.end_array(),
            }
        }
    }

    /// Writes what is left.
    pub(super) fn finish(self) {
        if let Some(table) = self.table.filter(|table| table.id == LINES) {
            let rows = std::iter::once(header(table)).chain(self.rows).collect::<Vec<_>>();
            self.canonical.table(None, &rows, true);
        }
    }

    fn start_object(&mut self) {
        self.flush(true);
        if self.is_outer_value() {
            self.section();
        } else if self.open.last() == Some(&false) {
            self.canonical.blank();
        }
        self.open.push(true);
        self.path.push(String::new());
    }

    fn end_object(&mut self) {
        self.open.pop();
        self.path.pop();
        if self.open.last() == Some(&false) {
            self.canonical.blank();
        }
    }

    fn start_array(&mut self, reader: &mut Reader<'_>, base: usize) {
        self.flush(true);
        if self.is_outer_value() {
            self.pending = self.path.last().cloned();
        }
        if let Some(table) = self.table.filter(|table| table.id == base + reader.at()) {
            self.table = self.tables.next();
            self.flush(true);
            let mut rows = vec![header(table)];
            while let Ok(Some(Token::Object)) = reader.token() {
                rows.push(row(reader, table));
            }
            let caption = if self.after_section && self.open.len() == 1 { String::new() } else { self.place() };
            self.canonical.table(Some(&caption), &rows, true);
            return;
        }
        self.open.push(false);
    }

    fn end_array(&mut self) {
        self.flush(false);
        self.open.pop();
        if self.open.len() == 1 {
            self.pending = None;
        }
    }

    /// A value that is neither list nor object.
    fn plain(&mut self, text: Cow<'_, str>, is_text: bool) {
        if self.open.last() == Some(&false) {
            self.items.push(Item { text: text.into_owned(), is_text });
            return;
        }
        if text.trim().is_empty() {
            return;
        }
        if is_text && is_prose(&text) {
            self.paragraph(&text);
            return;
        }
        let line = self.named(&text);
        if self.after_section && self.open.len() == 1 && line.chars().nth(HEADING_POINTS).is_none() {
            self.canonical.blank();
            self.canonical.heading(1, &line);
            self.after_section = false;
        } else {
            self.canonical.line(&line);
        }
    }

    /// Writes the plain values of the list so far; `more` if something else
    /// comes in it.
    fn flush(&mut self, more: bool) {
        let items = std::mem::take(&mut self.items);
        let points: usize = items.iter().map(|item| item.text.chars().count() + 2).sum();
        let on_one_line = points <= LIST_POINTS || !items.iter().any(|item| item.is_text);
        let is_section = more || !(on_one_line || items.is_empty());
        if is_section && let Some(title) = self.pending.take() {
            self.path.truncate(1);
            self.section_named(&title);
        }
        if items.is_empty() {
            return;
        }
        if on_one_line && !items.iter().any(|item| is_prose(&item.text)) {
            let joined = items.iter().map(|item| item.text.as_str()).collect::<Vec<_>>().join(", ");
            let line = self.named(&joined);
            self.canonical.line(&line);
            return;
        }
        let place = self.place();
        if !place.is_empty() {
            self.canonical.line(&format!("{place}:"));
        }
        for item in items {
            if item.is_text && is_prose(&item.text) {
                self.paragraph(&item.text);
            } else {
                self.canonical.line(&format!("- {}", item.text));
            }
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.canonical.blank();
        self.canonical.line(text);
        self.canonical.blank();
    }

    /// Whether the value that comes belongs to a key of the outermost object.
    fn is_outer_value(&self) -> bool {
        !self.is_list && self.open == [true]
    }

    fn section(&mut self) {
        if let Some(title) = self.path.last().cloned() {
            self.section_named(&title);
        }
    }

    fn section_named(&mut self, title: &str) {
        self.canonical.blank();
        self.canonical.heading(1, title);
        self.canonical.blank();
        self.after_section = true;
    }

    /// `path: text`, or the text alone where no key leads to it.
    fn named(&mut self, text: &str) -> String {
        let place = self.place();
        if place.is_empty() { text.to_owned() } else { format!("{place}: {text}") }
    }

    /// The path to the value at hand. Once paths have become far longer than
    /// the file itself, only the last key.
    fn place(&mut self) -> String {
        let from = self.path.len().saturating_sub(PATH_KEYS);
        let keys = self.path[from..].iter().map(String::as_str).filter(|key| !key.is_empty());
        let path = keys.collect::<Vec<_>>().join(".");
        match self.path_budget.checked_sub(path.len()) {
            Some(left) => {
                self.path_budget = left;
                path
            }
            None => self.path.last().cloned().unwrap_or_default(),
        }
    }
}

/// A key as a path shows it.
fn shown(key: &str) -> String {
    folded(&key.chars().take(KEY_POINTS).collect::<String>())
}

fn header(table: &TableShape) -> Vec<String> {
    let mut columns: Vec<(&String, &usize)> = table.columns.iter().collect();
    columns.sort_unstable_by_key(|(_, place)| **place);
    columns.into_iter().map(|(key, _)| key.clone()).collect()
}

/// The cells of an object that has started: those of a list between commas. Of
/// a key's values the last one counts.
fn row(reader: &mut Reader<'_>, table: &TableShape) -> Vec<String> {
    let mut cells = Vec::new();
    let (mut place, mut within) = (0, false);
    while let Ok(Some(token)) = reader.token() {
        let text = match token {
            Token::Key(key) => {
                place = table.columns.get(key.as_ref()).copied().unwrap_or_default();
                if cells.len() <= place {
                    cells.resize(place + 1, String::new());
                }
                continue;
            }
            Token::Array => {
                within = true;
                cells[place].clear();
                continue;
            }
            Token::ArrayEnd => {
                within = false;
                continue;
            }
            Token::Object | Token::ObjectEnd => break,
            Token::Scalar("null") if !within => Cow::Borrowed(""),
            Token::Scalar(text) => Cow::Borrowed(text),
            Token::Text(text) => text,
        };
        let cell: &mut String = &mut cells[place];
        if within && !cell.is_empty() {
            cell.push_str(", ");
        } else if !within {
            cell.clear();
        }
        cell.push_str(&text);
    }
    cells
}
