//! A text document as blocks in the order of reading, and the frames in which
//! nested ones are built without recursion. Imports the canonical form.

use crate::parse::canonical::folded;

/// Stands in a paragraph's text where a new page starts. XML has no such character.
pub(super) const PAGE: char = '\x0c';
/// Columns that one cell may span; more are taken for damage.
const SPANNED_COLUMNS: usize = 64;

/// What a paragraph is in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    /// One of many.
    #[default]
    Body,
    /// A heading and its level, from 1.
    Heading(u8),
    /// An item of a list and how deep it is, from 0.
    Item(u8),
    /// The caption of a table or of a picture.
    Caption,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// Text; line feeds are line breaks, [`PAGE`] a page break.
    Paragraph(Role, String),
    /// Rows and cells.
    Table(Rows),
}

/// A table's rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rows {
    /// Cells of each row, on one line each.
    pub(super) cells: Vec<Vec<String>>,
    /// Whether the first row names the columns.
    pub(super) has_header: bool,
    /// Rows before which pages start, a row as often as pages do.
    pub(super) pages: Vec<usize>,
}

/// A paragraph that is being read.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    /// Its text so far.
    pub(super) text: String,
    /// What it is, as far as is known.
    pub(super) role: Role,
    /// Blocks anchored in it; they follow it.
    anchored: Vec<Block>,
}

/// A table that is being read.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
    /// Whether its first row is said to look like a header.
    pub(super) looks_headed: bool,
    /// Header rows that it names as such.
    headers: usize,
    /// Rows before which pages start.
    pages: Vec<usize>,
}

/// A row that is being read.
#[derive(Debug, Default)]
pub(super) struct Row {
    cells: Vec<Cell>,
    /// Whether it names the columns.
    pub(super) is_header: bool,
    /// Whether it was removed while changes were tracked.
    pub(super) is_deleted: bool,
}

/// A cell that is being read.
#[derive(Debug, Default)]
pub(super) struct Cell {
    blocks: Vec<Block>,
    /// Columns that it takes.
    pub(super) columns: usize,
}

/// What is being read, within something else that is.
#[derive(Debug)]
pub(super) enum Frame {
    /// A body, a text box or a note.
    Blocks(Vec<Block>),
    /// A paragraph.
    Paragraph(Paragraph),
    /// A table.
    Table(Table),
    /// A row of a table.
    Row(Row),
    /// A cell of a row.
    Cell(Cell),
}

impl Frame {
    /// A paragraph that starts with `text`.
    pub(super) fn paragraph(role: Role, text: String) -> Self {
        Self::Paragraph(Paragraph { text, role, anchored: Vec::new() })
    }

    /// A row.
    pub(super) fn row(is_header: bool) -> Self {
        Self::Row(Row { is_header, ..Row::default() })
    }

    /// A cell that takes so many columns.
    pub(super) fn cell(columns: usize) -> Self {
        Self::Cell(Cell { blocks: Vec::new(), columns })
    }
}

/// The frames that are open, the innermost last.
#[derive(Debug)]
pub(super) struct Frames(Vec<Frame>);

impl Frames {
    /// With a body to fill.
    pub(super) fn new() -> Self {
        Self(vec![Frame::Blocks(Vec::new())])
    }

    /// Opens a frame.
    pub(super) fn open(&mut self, frame: Frame) {
        self.0.push(frame);
    }

    /// The innermost paragraph, unless something is open within it.
    pub(super) fn paragraph(&mut self) -> Option<&mut Paragraph> {
        match self.0.last_mut() {
            Some(Frame::Paragraph(paragraph)) => Some(paragraph),
            _ => None,
        }
    }

    /// The innermost table, row or cell, whichever is open.
    pub(super) fn innermost(&mut self) -> Option<&mut Frame> {
        self.0.last_mut()
    }

    /// Starts a page between blocks; between the rows of a table, with the next.
    pub(super) fn page_break(&mut self) {
        match self.0.last_mut() {
            Some(Frame::Table(table)) => table.pages.push(table.rows.len()),
            Some(Frame::Row(_)) | None => {}
            Some(_) => self.add(vec![Block::Paragraph(Role::Body, PAGE.to_string())]),
        }
    }

    /// Closes the innermost frame and adds what it holds to the one around it.
    pub(super) fn close(&mut self) {
        if self.0.len() < 2 {
            return;
        }
        match self.0.pop() {
            Some(Frame::Blocks(blocks)) => self.add(blocks),
            Some(Frame::Paragraph(Paragraph { text, role, anchored })) => {
                self.add(vec![Block::Paragraph(role, text)]);
                self.add(anchored);
            }
            Some(Frame::Table(table)) => self.add(table.finish()),
            Some(Frame::Row(row)) => self.add_row(row),
            Some(Frame::Cell(cell)) => self.add_cell(cell),
            None => {}
        }
    }

    /// All blocks, with whatever is still open closed.
    pub(super) fn finish(mut self) -> Vec<Block> {
        while self.0.len() > 1 {
            self.close();
        }
        match self.0.pop() {
            Some(Frame::Blocks(blocks)) => blocks,
            _ => Vec::new(),
        }
    }

    fn add(&mut self, mut added: Vec<Block>) {
        match self.0.last_mut() {
            Some(Frame::Blocks(blocks)) => blocks.append(&mut added),
            Some(Frame::Cell(cell)) => cell.blocks.append(&mut added),
            Some(Frame::Paragraph(paragraph)) => paragraph.anchored.append(&mut added),
            // Between the rows of a table: kept, as a row of its own.
            Some(Frame::Table(table)) => table.rows.push(vec![Cell { blocks: added, columns: 1 }]),
            Some(Frame::Row(row)) => row.cells.push(Cell { blocks: added, columns: 1 }),
            None => {}
        }
    }

    fn add_row(&mut self, row: Row) {
        match self.0.last_mut() {
            Some(Frame::Table(table)) if !row.is_deleted => {
                if row.is_header && table.headers == table.rows.len() {
                    table.headers += 1;
                }
                table.rows.push(row.cells);
            }
            Some(Frame::Table(_)) => {}
            _ => self.add(row.cells.into_iter().flat_map(|cell| cell.blocks).collect()),
        }
    }

    fn add_cell(&mut self, cell: Cell) {
        match self.0.last_mut() {
            Some(Frame::Row(row)) => row.cells.push(cell),
            _ => self.add(cell.blocks),
        }
    }
}

impl Table {
    /// The table as blocks. One with a single cell is a frame around what
    /// stands in it.
    fn finish(mut self) -> Vec<Block> {
        if let [row] = self.rows.as_mut_slice()
            && let [cell] = row.as_mut_slice()
        {
            return std::mem::take(&mut cell.blocks);
        }
        let mut rows = Rows { has_header: self.headers > 0 || self.looks_headed, ..Rows::default() };
        let mut between = self.pages.into_iter().peekable();
        for (row, place) in self.rows.into_iter().zip(0..) {
            let (mut cells, mut pages) = (Vec::new(), 0);
            for cell in row {
                let (text, breaks) = flattened(&cell.blocks);
                pages = breaks.max(pages);
                cells.push(text);
                let more = cell.columns.clamp(1, SPANNED_COLUMNS) - 1;
                cells.extend(std::iter::repeat_n(String::new(), more));
            }
            while between.next_if(|row| *row <= place).is_some() {
                pages += 1;
            }
            rows.pages.extend(std::iter::repeat_n(place, pages));
            rows.cells.push(cells);
        }
        rows.has_header &= rows.cells.len() > 1;
        vec![Block::Table(rows)]
    }
}

/// Blocks on one line, and how many pages start within. Rows of an inner table
/// are parted by semicolons.
fn flattened(blocks: &[Block]) -> (String, usize) {
    let (mut parts, mut pages) = (Vec::new(), 0);
    for block in blocks {
        match block {
            Block::Paragraph(_, text) => {
                pages += text.matches(PAGE).count();
                parts.push(folded(&text.replace(PAGE, "")));
            }
            Block::Table(rows) => {
                pages += rows.pages.len();
                let full = |cell: &&String| !cell.is_empty();
                let row = |cells: &Vec<String>| cells.iter().filter(full).cloned().collect::<Vec<_>>().join(", ");
                parts.push(rows.cells.iter().map(row).filter(|row| !row.is_empty()).collect::<Vec<_>>().join("; "));
            }
        }
    }
    parts.retain(|part| !part.is_empty());
    (parts.join(" "), pages)
}
