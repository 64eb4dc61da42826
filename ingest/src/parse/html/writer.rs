//! Writes the text of a page, block by block. Imports the canonical form.

use scraper::node::Element;
use scraper::{Html, Node};

use super::super::canonical::Canonical;
use super::survey::Survey;
use super::{Step, walk};
use crate::document::TextMap;

/// Longest heading, in bytes; a longer one is an element that was never closed.
const HEADING_BYTES: usize = 500;
/// Most columns that one cell spans.
const SPANNED_COLUMNS: usize = 50;
/// Deepest level of a list that is indented.
const INDENTED_LEVELS: usize = 8;

/// The text of the page and its headings.
pub(super) fn write(page: &Html, survey: &Survey) -> (String, TextMap) {
    let mut writer = Writer::default();
    let mut skipping = None;
    let mut is_within = survey.root.is_none();
    walk(page, |step, id, node| {
        if step == Step::Open {
            is_within |= survey.root == Some(id);
            if skipping.is_none() && survey.skipped.contains(&id) {
                skipping = Some(id);
            }
        }
        if is_within && skipping.is_none() {
            match (step, node) {
                (Step::Open, Node::Text(text)) => writer.text(text),
                (Step::Open, Node::Element(element)) => writer.open(element, survey.data_tables.contains(&id)),
                (Step::Close, Node::Element(element)) => writer.close(element, survey.data_tables.contains(&id)),
                _ => {}
            }
        }
        if step == Step::Close {
            is_within &= survey.root != Some(id);
            skipping = skipping.filter(|skipped| *skipped != id);
        }
    });
    writer.flush();
    writer.out.finish()
}

/// How an element stands in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Inline,
    Break,
    /// On lines of its own.
    Line,
    /// With blank lines around it.
    Block,
    Heading(u8),
    List,
    Item,
    Preformatted,
}

fn class(element: &Element) -> Class {
    match element.name() {
        "br" => Class::Break,
        "tr" | "td" | "th" | "dt" | "dd" | "option" | "summary" | "rt" | "rp" => Class::Line,
        "p" | "div" | "section" | "article" | "main" | "header" | "footer" | "aside" | "nav" | "blockquote"
        | "table" | "thead" | "tbody" | "tfoot" | "caption" | "figure" | "figcaption" | "address" | "details"
        | "dl" | "form" | "fieldset" | "legend" | "hgroup" | "hr" | "body" | "center" | "dialog" | "search"
        | "optgroup" => Class::Block,
        "h1" => Class::Heading(1),
        "h2" => Class::Heading(2),
        "h3" => Class::Heading(3),
        "h4" => Class::Heading(4),
        "h5" => Class::Heading(5),
        "h6" => Class::Heading(6),
        "ul" | "ol" | "menu" | "dir" => Class::List,
        "li" => Class::Item,
        "pre" | "listing" | "xmp" | "plaintext" => Class::Preformatted,
        _ => Class::Inline,
    }
}

#[derive(Debug, Default)]
struct Row {
    cells: Vec<String>,
    is_head: bool,
    /// Cells that are `<th>`.
    names: usize,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
    caption: Option<String>,
    in_head: bool,
    in_cell: bool,
}

#[derive(Debug, Default)]
struct Writer {
    out: Canonical,
    /// The line that is being written.
    line: String,
    /// White space stands before what follows.
    space: bool,
    /// A blank line goes before the next line.
    blank: bool,
    heading: Option<u8>,
    preformatted: usize,
    /// Items so far of each open list.
    lists: Vec<usize>,
    /// The next line starts an item.
    item_starts: bool,
    table: Option<Table>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        if self.preformatted > 0 {
            self.line.push_str(text);
            return;
        }
        for letter in text.chars() {
            if letter.is_whitespace() {
                self.space = true;
            } else if letter != '\u{ad}' {
                if self.space && !self.line.is_empty() {
                    self.line.push(' ');
                }
                self.space = false;
                self.line.push(letter);
            }
        }
    }

    fn open(&mut self, element: &Element, is_data_table: bool) {
        if self.in_table(element, true) || self.within_line(element) {
            return;
        }
        match class(element) {
            Class::Inline => {}
            Class::Break => {
                if self.line.is_empty() {
                    self.blank = true;
                }
                self.flush();
            }
            Class::Line => self.flush(),
            Class::Block => self.block(),
            Class::Heading(level) => {
                self.block();
                self.heading = Some(level);
            }
            Class::List => {
                self.flush();
                self.blank |= self.lists.is_empty();
                self.lists.push(0);
            }
            Class::Item => {
                self.flush();
                if let Some(items) = self.lists.last_mut() {
                    // Items stand together, even where each is a paragraph.
                    self.blank &= *items == 0;
                    *items += 1;
                }
                self.item_starts = true;
            }
            Class::Preformatted => {
                self.block();
                self.preformatted = 1;
            }
        }
        if is_data_table {
            self.table = Some(Table::default());
        }
    }

    fn close(&mut self, element: &Element, is_data_table: bool) {
        if is_data_table && let Some(table) = self.table.take() {
            self.block();
            self.rows(table);
            self.blank = true;
            return;
        }
        if self.in_table(element, false) {
            return;
        }
        match class(element) {
            Class::Preformatted if self.preformatted > 0 => {
                self.preformatted -= 1;
                if self.preformatted == 0 {
                    self.code();
                }
            }
            Class::Heading(_) if self.preformatted == 0 => self.end_heading(),
            _ if self.within_line(element) => {}
            Class::Inline | Class::Break | Class::Heading(_) | Class::Preformatted => {}
            Class::Line => self.flush(),
            Class::Block => self.block(),
            Class::List => {
                self.flush();
                self.lists.pop();
                self.blank |= self.lists.is_empty();
            }
            Class::Item => {
                self.flush();
                self.item_starts = false;
            }
        }
    }

    /// Inside of a heading or of preformatted text, blocks are only breaks.
    fn within_line(&mut self, element: &Element) -> bool {
        if self.preformatted > 0 {
            match class(element) {
                Class::Inline => {}
                Class::Break => self.line.push('\n'),
                Class::Preformatted => self.preformatted += 1,
                _ if self.line.is_empty() || self.line.ends_with('\n') => {}
                _ => self.line.push('\n'),
            }
            return true;
        }
        if self.heading.is_some() && !matches!(class(element), Class::Heading(_)) {
            self.space |= class(element) != Class::Inline;
            return true;
        }
        false
    }

    /// Handles what stands in a table of data.
    fn in_table(&mut self, element: &Element, opens: bool) -> bool {
        let Some(table) = &mut self.table else { return false };
        match element.name() {
            "thead" => table.in_head = opens,
            "tr" if opens => table.rows.push(Row { cells: Vec::new(), is_head: table.in_head, names: 0 }),
            "td" | "th" => {
                let text = std::mem::take(&mut self.line);
                self.space = false;
                table.in_cell = opens;
                if !opens && let Some(row) = table.rows.last_mut() {
                    row.cells.push(text);
                    row.names += usize::from(element.name() == "th");
                    let columns = element.attr("colspan").and_then(|columns| columns.trim().parse::<usize>().ok());
                    let more = columns.unwrap_or(1).clamp(1, SPANNED_COLUMNS) - 1;
                    row.cells.extend(std::iter::repeat_n(String::new(), more));
                }
            }
            "caption" => {
                let text = std::mem::take(&mut self.line);
                self.space = false;
                table.caption = Some(text).filter(|_| !opens);
            }
            _ => self.space |= class(element) != Class::Inline,
        }
        true
    }

    /// Writes the rows, the header first, without columns that are always empty.
    fn rows(&mut self, table: Table) {
        let width = table.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let mut used = vec![false; width];
        for row in &table.rows {
            for (cell, used) in row.cells.iter().zip(&mut used) {
                *used |= !cell.is_empty();
            }
        }
        let (head, body): (Vec<Row>, Vec<Row>) = table.rows.into_iter().partition(|row| row.is_head);
        // Without a `<thead>`, a first row of names only is the header too.
        let has_header =
            !head.is_empty() || body.first().is_some_and(|row| row.names > 1 && row.names == row.cells.len());
        let rows: Vec<Vec<String>> = head
            .into_iter()
            .chain(body)
            .map(|row| row.cells.into_iter().zip(&used).filter(|(_, used)| **used).map(|(cell, _)| cell).collect())
            .collect();
        if self.lists.is_empty() {
            self.before_line();
            self.out.table(table.caption.as_deref(), &rows, has_header);
            return;
        }
        for cells in table.caption.into_iter().map(|caption| vec![caption]).chain(rows) {
            let filled = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
            self.line = cells[..filled].join(" | ");
            self.flush();
        }
    }

    /// Ends the line, if there is one.
    fn flush(&mut self) {
        self.space = false;
        let line = std::mem::take(&mut self.line);
        if line.trim().is_empty() {
            return;
        }
        self.before_line();
        let levels = self.lists.len().max(usize::from(self.item_starts));
        if levels == 0 {
            self.out.line(&line);
            return;
        }
        let indent = "  ".repeat(levels.min(INDENTED_LEVELS) - 1);
        let mark = if std::mem::take(&mut self.item_starts) { "- " } else { "  " };
        self.out.line(&format!("{indent}{mark}{line}"));
    }

    /// Ends the line; what follows stands apart.
    fn block(&mut self) {
        self.flush();
        // The first paragraph of an item goes with its mark.
        self.blank |= !self.item_starts;
    }

    fn before_line(&mut self) {
        if std::mem::take(&mut self.blank) {
            self.out.blank();
        }
    }

    fn end_heading(&mut self) {
        let Some(level) = self.heading.take() else { return };
        if self.line.len() > HEADING_BYTES {
            self.block();
            return;
        }
        let line = std::mem::take(&mut self.line);
        // Some programs hide a link to the heading behind a space without width.
        let line = line.trim_end_matches(['\u{200b}', ' ']);
        self.space = false;
        self.item_starts = false;
        if !line.is_empty() {
            self.before_line();
            self.out.heading(level, line);
        }
        self.blank = true;
    }

    fn code(&mut self) {
        let code = std::mem::take(&mut self.line);
        self.item_starts = false;
        if !code.trim().is_empty() {
            self.before_line();
            for line in code.trim_end().split('\n') {
                self.out.line(line);
            }
        }
        self.blank = true;
    }
}
