//! The canonical form of text: UTF-8, line feeds only, no control characters
//! but line feed and tab, no spaces at line ends, at most two blank lines in a
//! row, none at either end. Characters themselves stay as they are. Imports
//! the document types.

use crate::document::{Heading, PageSpan, Parsed, Span, Symbol, Table, TextMap};

/// Blank lines that may follow each other.
const BLANK_LINES: usize = 2;

/// Builds a canonical text line by line.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    text: String,
    points: usize,
    blanks: usize,
    headings: Vec<Heading>,
    tables: Vec<Table>,
    pages: Vec<PageSpan>,
    symbols: Vec<Symbol>,
}

impl Canonical {
    /// Appends a line; line breaks within make it several.
    pub(super) fn line(&mut self, line: &str) {
        if line.bytes().any(|byte| is_control(byte) && byte != b'\t') {
            let breaks = |c| matches!(c, '\n' | '\r' | '\x0b' | '\x0c');
            for part in line.replace("\r\n", "\n").split(breaks) {
                self.clean_line(&part.replace(|c: char| u8::try_from(c).is_ok_and(is_control) && c != '\t', ""));
            }
        } else {
            self.clean_line(line);
        }
    }

    /// Appends a line that is a heading.
    pub(super) fn heading(&mut self, level: u8, line: &str) {
        let title = folded(line);
        if title.is_empty() {
            return;
        }
        self.line(&title);
        let start = self.points - title.chars().count();
        self.headings.push(Heading { level, title, start });
    }

    /// Appends a table: its caption on a line of its own, then a line for each
    /// row, its cells between ` | `. Whether the first row is a header row is
    /// for the caller to know. Rows are taken one by one, so that a long table
    /// need not lie in memory.
    pub(super) fn table<R: AsRef<[String]>>(
        &mut self,
        caption: Option<&str>,
        rows: impl IntoIterator<Item = R>,
        has_header: bool,
    ) {
        let caption = caption.map(folded).filter(|caption| !caption.is_empty());
        self.blank();
        if let Some(caption) = &caption {
            self.line(caption);
            self.blank();
        }
        let (mut span, mut header) = (None::<Span>, None);
        for (place, row) in rows.into_iter().enumerate() {
            let line = row_line(row.as_ref());
            if line.is_empty() {
                continue;
            }
            self.line(&line);
            let end = self.points;
            let start = end - line.chars().count();
            span = Some(Span { start: span.map_or(start, |span| span.start), end });
            if has_header && place == 0 {
                header = Some(Span { start, end });
            }
        }
        self.blank();
        if let Some(span) = span {
            self.tables.push(Table { span, caption, header });
        }
    }

    /// Appends a text that is canonical already, as it is, with its map moved
    /// to where the text comes to lie. Its title, its members and its syntax
    /// are for the caller to keep.
    pub(super) fn append(&mut self, parsed: &Parsed) {
        if parsed.text.is_empty() {
            return;
        }
        self.line_breaks();
        let by = self.points;
        self.text.push_str(&parsed.text);
        self.points += parsed.text.chars().count();
        let moved = |span: Span| Span { start: span.start + by, end: span.end + by };
        let map = &parsed.map;
        self.headings.extend(map.headings.iter().map(|it| Heading { start: it.start + by, ..it.clone() }));
        self.tables.extend(map.tables.iter().map(|it| Table {
            span: moved(it.span),
            header: it.header.map(moved),
            caption: it.caption.clone(),
        }));
        self.pages.extend(map.pages.iter().map(|it| PageSpan { page: it.page, span: moved(it.span) }));
        self.symbols.extend(map.symbols.iter().map(|it| Symbol { name: it.name.clone(), span: moved(it.span) }));
    }

    /// Asks for a blank line before what follows.
    pub(super) fn blank(&mut self) {
        self.blanks = self.blanks.max(1);
    }

    /// Code points so far, and where the next line will start.
    pub(super) fn points(&self) -> usize {
        self.points
    }

    /// The text, its headings and its tables.
    pub(super) fn finish(self) -> (String, TextMap) {
        let Self { headings, tables, pages, symbols, .. } = self;
        (self.text, TextMap { pages, headings, tables, symbols, scans: Vec::new() })
    }

    fn clean_line(&mut self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            self.blanks += 1;
            return;
        }
        let is_first = self.text.is_empty();
        let line = if is_first { line.trim_start().trim_start_matches('\u{feff}').trim_start() } else { line };
        self.line_breaks();
        self.text.push_str(line);
        self.points += line.chars().count();
    }

    /// Ends the line before what follows, with the blank lines asked for.
    fn line_breaks(&mut self) {
        let blanks = std::mem::take(&mut self.blanks);
        if !self.text.is_empty() {
            let breaks = 1 + blanks.min(BLANK_LINES);
            self.text.extend(std::iter::repeat_n('\n', breaks));
            self.points += breaks;
        }
    }
}

/// `source` in canonical form.
pub(super) fn text(source: &str) -> String {
    let mut canonical = Canonical::default();
    for line in source.split('\n') {
        canonical.line(line.strip_suffix('\r').unwrap_or(line));
    }
    canonical.finish().0
}

/// The line of a row: its cells between ` | `, without the empty ones at its
/// end; empty when all are.
fn row_line(cells: &[String]) -> String {
    let mut cells: Vec<String> = cells.iter().map(|cell| folded(cell)).collect();
    while cells.pop_if(|cell| cell.is_empty()).is_some() {}
    cells.join(" | ").trim().to_owned()
}

/// `text` on one line: each run of white space or control characters is a space.
/// A byte order mark does not start it, as it starts no canonical text.
pub(super) fn folded(text: &str) -> String {
    let separates = |c: char| c.is_whitespace() || c.is_control();
    let text = text.trim_start_matches(|c| separates(c) || c == '\u{feff}');
    text.split(separates).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Span, slice};
    use proptest::prelude::*;

    #[test]
    fn line_ends_of_every_system_become_line_feeds() {
        assert_eq!(text("a\r\nb\rc\nd\x0ce\x0bf"), "a\nb\nc\nd\ne\nf");
    }

    #[test]
    fn byte_order_marks_and_control_characters_go_but_tabs_stay() {
        assert_eq!(text("\u{feff}a\tb\0c\x1b[0m\x7f"), "a\tbc[0m");
    }

    #[test]
    fn spaces_at_line_ends_and_more_than_two_blank_lines_go() {
        assert_eq!(text("\n \n a  \nb\t\n\n\n\n\n  c\n\n"), "a\nb\n\n\n  c");
    }

    #[test]
    fn composed_and_decomposed_letters_stay_as_they_are() {
        assert_eq!(text("é e\u{301}"), "é e\u{301}");
    }

    #[test]
    fn a_heading_knows_where_its_line_starts() {
        let mut canonical = Canonical::default();
        canonical.line("grün");
        canonical.blank();
        canonical.heading(2, " The \n title ");
        canonical.line("body");
        let (text, map) = canonical.finish();
        let start = map.headings[0].start;
        assert_eq!(text, "grün\n\nThe title\nbody");
        assert_eq!(slice(&text, Span { start, end: start + 9 }), "The title");
    }

    #[test]
    fn a_byte_order_mark_starts_no_heading_and_no_table() {
        let mut canonical = Canonical::default();
        canonical.heading(1, "\u{feff}");
        canonical.heading(1, " \u{feff} \u{feff}Title");
        let (text, map) = canonical.finish();
        assert_eq!((text.as_str(), map.headings[0].start), ("Title", 0));
        let mut canonical = Canonical::default();
        canonical.table(None, &[vec!["\u{feff}a".to_owned(), "b".to_owned()]], false);
        let (text, map) = canonical.finish();
        assert_eq!(slice(&text, map.tables[0].span), "a | b");
    }

    #[test]
    fn a_table_knows_its_rows_its_header_and_its_caption() {
        let mut canonical = Canonical::default();
        canonical.line("Before");
        let cells = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [cells(&["Größe", "Preis\nnetto"]), cells(&["", ""]), cells(&["5", "", "x", " "])];
        canonical.table(Some(" Die  Preise "), &rows, true);
        canonical.line("After");
        let (text, map) = canonical.finish();
        assert_eq!(text, "Before\n\nDie Preise\n\nGröße | Preis netto\n5 |  | x\n\nAfter");
        let [table] = map.tables.as_slice() else { panic!("one table") };
        assert_eq!(slice(&text, table.span), "Größe | Preis netto\n5 |  | x");
        assert_eq!(table.header.map(|header| slice(&text, header)), Some("Größe | Preis netto"));
        assert_eq!(table.caption.as_deref(), Some("Die Preise"));
    }

    fn part(lines: &[&str]) -> Parsed {
        let mut canonical = Canonical::default();
        canonical.heading(2, "Über uns");
        for line in lines {
            canonical.line(line);
        }
        canonical.table(Some("Preise"), &[vec!["Größe".into()], vec!["5 €".into()]], true);
        let (text, map) = canonical.finish();
        Parsed { title: None, text, map, syntax: crate::document::Syntax::Plain, members: Vec::new() }
    }

    #[test]
    fn an_appended_text_brings_its_headings_and_tables_along() {
        let mut canonical = Canonical::default();
        canonical.append(&part(&["é"]));
        canonical.blank();
        canonical.append(&part(&["zwei", "drei"]));
        canonical.line("Ende");
        let (text, map) = canonical.finish();
        assert_eq!(map.headings.len(), 2);
        assert_eq!(map.tables.len(), 2);
        for heading in &map.headings {
            let end = heading.start + heading.title.chars().count();
            assert_eq!(slice(&text, Span { start: heading.start, end }), "Über uns");
        }
        for table in &map.tables {
            assert_eq!(slice(&text, table.span), "Größe\n5 €");
            assert_eq!(table.header.map(|header| slice(&text, header)), Some("Größe"));
        }
        assert!(text.contains("5 €\n\nÜber uns\nzwei"), "{text}");
        assert!(text.ends_with("5 €\nEnde"), "{text}");
    }

    #[test]
    fn pages_and_symbols_move_with_an_appended_text() {
        let mut code = part(&[]);
        let all = Span { start: 0, end: code.text.chars().count() };
        code.map.pages.push(PageSpan { page: 1, span: all });
        code.map.symbols.push(Symbol { name: "fn a".into(), span: all });
        let mut canonical = Canonical::default();
        canonical.line("Größer");
        canonical.append(&code);
        let (text, map) = canonical.finish();
        assert_eq!(slice(&text, map.pages[0].span), code.text);
        assert_eq!(slice(&text, map.symbols[0].span), code.text);
    }

    #[test]
    fn an_empty_text_appends_nothing() {
        let mut canonical = Canonical::default();
        canonical.line("a");
        canonical.blank();
        let empty = Parsed { text: String::new(), map: TextMap::default(), ..part(&[]) };
        canonical.append(&empty);
        canonical.line("b");
        assert_eq!(canonical.finish().0, "a\n\nb");
    }

    proptest! {
        #[test]
        fn the_canonical_form_of_a_canonical_text_is_itself(source in any::<String>()) {
            let once = text(&source);
            prop_assert_eq!(&text(&once), &once);
            prop_assert!(!once.contains(['\r', '\0', '\x0c']));
            prop_assert!(!once.contains("\n\n\n\n"));
            prop_assert_eq!(once.trim(), &once);
        }
    }
}
