//! The first pass over JSON: is it valid, and which lists are tables? A table
//! is a list of two or more flat objects, whose values may be lists of plain
//! values, without prose, and whose keys are mostly the same. Imports the
//! reader.

use std::collections::HashMap;

use super::is_prose;
use super::reader::{Fault, Reader, Token};

/// Cells that a table may have without a value for each that has one.
const EMPTY_CELLS: usize = 1;

/// The list that the lines of a JSON Lines file are.
pub(super) const LINES: usize = usize::MAX;

/// What the first pass found.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Whether the file is a value on each line.
    pub is_list: bool,
    /// Tables by position.
    pub tables: Vec<TableShape>,
    open: Vec<Open>,
    live: Option<Candidate>,
}

/// A list that is a table.
#[derive(Debug)]
pub(super) struct TableShape {
    /// Where its elements start, in bytes.
    pub id: usize,
    /// Place of each column by its key.
    pub columns: HashMap<String, usize>,
}

#[derive(Debug)]
enum Open {
    Object,
    Array { id: usize, empty: bool },
}

/// A list that may become a table: no other one within it can.
#[derive(Debug)]
struct Candidate {
    table: TableShape,
    /// Containers open above its elements.
    depth: usize,
    rows: usize,
    cells: usize,
}

impl Shape {
    /// For a file whose values stand one on a line.
    pub(super) fn list() -> Self {
        Self { is_list: true, open: vec![Open::Array { id: LINES, empty: true }], ..Self::default() }
    }

    /// Reads a value that starts at the byte `base`.
    pub(super) fn survey(&mut self, mut reader: Reader<'_>, base: usize) -> Result<(), Fault> {
        while let Some(token) = reader.token()? {
            match token {
                Token::Object => self.object(),
                Token::Array => self.array(base + reader.at()),
                Token::ArrayEnd => self.end_array(),
                Token::ObjectEnd => self.end_object(),
                Token::Key(key) => self.key(&key),
                Token::Text(text) => self.scalar(is_prose(&text)),
                Token::Scalar(_) => self.scalar(false),
            }
        }
        Ok(())
    }

    /// To be called after the last line of a list.
    pub(super) fn end_list(&mut self) {
        self.end_array();
    }

    fn object(&mut self) {
        let depth = self.open.len();
        if self.live.as_ref().is_some_and(|live| live.depth != depth) {
            self.live = None;
        }
        if let (None, Some(Open::Array { id, empty: true })) = (&self.live, self.open.last()) {
            let table = TableShape { id: *id, columns: HashMap::new() };
            self.live = Some(Candidate { table, depth, rows: 0, cells: 0 });
        }
        self.child();
        self.open.push(Open::Object);
    }

    fn array(&mut self, id: usize) {
        let depth = self.open.len();
        // A cell may be a list; neither a row nor what is in such a list.
        if self.live.as_ref().is_some_and(|live| live.depth + 1 != depth) {
            self.live = None;
        }
        self.child();
        self.open.push(Open::Array { id, empty: true });
    }

    fn end_object(&mut self) {
        self.open.pop();
        let depth = self.open.len();
        if let Some(live) = self.live.as_mut().filter(|live| live.depth == depth) {
            live.rows += 1;
        }
    }

    fn end_array(&mut self) {
        let depth = self.open.len();
        self.open.pop();
        let Some(live) = self.live.take_if(|live| live.depth == depth) else { return };
        let all = live.rows.saturating_mul(live.table.columns.len());
        if live.rows >= 2 && live.cells > 0 && all <= live.cells * (1 + EMPTY_CELLS) {
            self.tables.push(live.table);
        }
    }

    fn key(&mut self, key: &str) {
        let depth = self.open.len();
        if let Some(live) = self.live.as_mut().filter(|live| live.depth + 1 == depth) {
            live.cells += 1;
            let next = live.table.columns.len();
            if !live.table.columns.contains_key(key) {
                live.table.columns.insert(key.to_owned(), next);
            }
        }
    }

    fn scalar(&mut self, prose: bool) {
        let depth = self.open.len();
        if self.live.as_ref().is_some_and(|live| prose || live.depth == depth) {
            self.live = None;
        }
        self.child();
    }

    /// The innermost container has an element more.
    fn child(&mut self) {
        if let Some(Open::Array { empty, .. }) = self.open.last_mut() {
            *empty = false;
        }
    }
}
