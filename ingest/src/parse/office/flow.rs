//! Writes blocks as canonical text, with the pages that start in them. Imports
//! the document types and the canonical form.

use super::blocks::{Block, PAGE, Role, Rows};
use crate::document::{PageSpan, Span, TextMap};
use crate::parse::canonical::{Canonical, folded};

/// Where a page starts.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// At a code point of the text.
    At(usize),
    /// At a line of a table, both counted from 0.
    Line(usize, usize),
}

/// Writes `blocks`. Pages are numbered from 1 where at least one starts within
/// the text; one without text is counted but has no span.
pub(super) fn write(blocks: &[Block]) -> (String, TextMap) {
    let full: Vec<&Block> = blocks.iter().filter(|block| !is_empty(block)).collect();
    let captions = Captions::of(&full);
    let mut writer = Writer::default();
    for (at, block) in full.iter().enumerate() {
        match block {
            Block::Paragraph(Role::Caption, text) if captions.is_taken(at) => writer.breaks_only(text),
            Block::Paragraph(role, text) => writer.paragraph(*role, text),
            Block::Table(rows) => writer.table(captions.words(&full, at).as_deref(), rows),
        }
    }
    let Writer { out, starts, .. } = writer;
    let (text, map) = out.finish();
    let pages = pages(&text, &map, &starts);
    (text, TextMap { pages, ..map })
}

fn is_empty(block: &Block) -> bool {
    match block {
        // A page break alone is not a paragraph, but it counts.
        Block::Paragraph(_, text) => text.chars().all(|c| c != PAGE && (c.is_whitespace() || c.is_control())),
        Block::Table(rows) => rows.cells.is_empty(),
    }
}

/// Which caption belongs to which table: for each block, its partner.
struct Captions(Vec<Option<usize>>);

impl Captions {
    /// A caption belongs to the table after it, or else to the one before it.
    fn of(blocks: &[&Block]) -> Self {
        let is_caption = |at: usize| matches!(blocks.get(at), Some(Block::Paragraph(Role::Caption, _)));
        let is_table = |at: usize| matches!(blocks.get(at), Some(Block::Table(_)));
        let mut partners = vec![None; blocks.len()];
        for at in (0..blocks.len()).filter(|at| is_table(*at)) {
            let before = at.checked_sub(1).filter(|before| is_caption(*before) && partners[*before].is_none());
            // Between two tables it is the second one's, unless that has one after it.
            let after = Some(at + 1).filter(|after| is_caption(*after) && (!is_table(at + 2) || is_caption(at + 3)));
            if let Some(caption) = before.or(after) {
                partners[caption] = Some(at);
                partners[at] = Some(caption);
            }
        }
        Self(partners)
    }

    fn is_taken(&self, at: usize) -> bool {
        self.0[at].is_some()
    }

    fn words(&self, blocks: &[&Block], at: usize) -> Option<String> {
        match blocks[self.0[at]?] {
            Block::Paragraph(_, text) => Some(text.replace(PAGE, "")),
            Block::Table(_) => None,
        }
    }
}

#[derive(Default)]
struct Writer {
    out: Canonical,
    starts: Vec<Start>,
    tables: usize,
    in_list: bool,
}

impl Writer {
    fn paragraph(&mut self, role: Role, text: &str) {
        let is_item = matches!(role, Role::Item(_));
        if !(is_item && self.in_list) {
            self.out.blank();
        }
        self.in_list = is_item;
        if let Role::Heading(level) = role {
            return self.written(&text.replace('\n', " "), "", |out, line| out.heading(level, line));
        }
        let depth = if let Role::Item(depth) = role { usize::from(depth) } else { 0 };
        let mut mark = if is_item { format!("{}- ", "  ".repeat(depth)) } else { String::new() };
        for line in text.split('\n') {
            self.written(line, &mark, Canonical::line);
            if is_item {
                mark = "  ".repeat(depth + 1);
            }
        }
    }

    /// Writes a line, and notes the pages that start within it.
    fn written(&mut self, text: &str, mark: &str, write: impl FnOnce(&mut Canonical, &str)) {
        let mut line = mark.to_owned();
        let (mut length, bare) = (mark.chars().count(), mark.len());
        let mut breaks = Vec::new();
        let mut is_parted = false;
        for c in text.chars() {
            if c == PAGE {
                breaks.push(length);
            } else if c.is_whitespace() || c.is_control() {
                is_parted = true;
            } else {
                if std::mem::take(&mut is_parted) && line.len() > bare {
                    line.push(' ');
                    length += 1;
                }
                line.push(c);
                length += 1;
            }
        }
        if line.len() == bare {
            self.starts.extend(breaks.iter().map(|_| Start::At(self.out.points())));
            return;
        }
        write(&mut self.out, &line);
        // The start of a text loses its indentation, which counts as written here.
        let start = self.out.points().saturating_sub(length);
        // A break before the first word is one before its mark.
        let at = |place: &usize| if *place <= bare { start } else { start + place };
        self.starts.extend(breaks.iter().map(|place| Start::At(at(place))));
    }

    fn breaks_only(&mut self, text: &str) {
        let at = self.out.points();
        self.starts.extend(text.matches(PAGE).map(|_| Start::At(at)));
    }

    fn table(&mut self, caption: Option<&str>, rows: &Rows) {
        self.in_list = false;
        let is_full = |cells: &Vec<String>| cells.iter().any(|cell| !folded(cell).is_empty());
        let mut lines = 0;
        let mut breaks = rows.pages.iter().peekable();
        for (place, cells) in rows.cells.iter().enumerate() {
            while breaks.next_if(|row| **row == place).is_some() {
                self.starts.push(Start::Line(self.tables, lines));
            }
            lines += usize::from(is_full(cells));
        }
        self.out.table(caption, &rows.cells, rows.has_header);
        self.tables += usize::from(lines > 0);
    }
}

/// Pages between `starts`, which ascend, without the white space around them.
fn pages(text: &str, map: &TextMap, starts: &[Start]) -> Vec<PageSpan> {
    if starts.is_empty() {
        return Vec::new();
    }
    let text: Vec<char> = text.chars().collect();
    let mut walked = (usize::MAX, 0, 0);
    let mut position = |start: &Start| match *start {
        Start::At(at) => at,
        Start::Line(table, line) => {
            let Some(span) = map.tables.get(table).map(|table| table.span) else { return text.len() };
            let (mut at, mut passed) = if walked.0 == table { (walked.1, walked.2) } else { (span.start, 0) };
            while passed < line && at < span.end {
                passed += usize::from(text[at] == '\n');
                at += 1;
            }
            walked = (table, at, passed);
            at
        }
    };
    let mut bounds: Vec<usize> = starts.iter().map(&mut position).collect();
    bounds.push(text.len());
    let (mut start, mut spans) = (0, Vec::new());
    for (end, page) in bounds.into_iter().zip(1..) {
        let end = end.clamp(start, text.len());
        let lead = text[start..end].iter().take_while(|c| c.is_whitespace()).count();
        let trail = text[start + lead..end].iter().rev().take_while(|c| c.is_whitespace()).count();
        let span = Span { start: start + lead, end: end - trail };
        if !span.is_empty() {
            spans.push(PageSpan { page, span });
        }
        start = end;
    }
    spans
}
