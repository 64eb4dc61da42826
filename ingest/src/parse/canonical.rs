//! The canonical form of text: UTF-8, line feeds only, no control characters
//! but line feed and tab, no spaces at line ends, at most two blank lines in a
//! row, none at either end. Characters themselves stay as they are. Imports
//! the document types.

use crate::document::Heading;

/// Blank lines that may follow each other.
const BLANK_LINES: usize = 2;

/// Builds a canonical text line by line.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    text: String,
    points: usize,
    blanks: usize,
    headings: Vec<Heading>,
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

    /// Asks for a blank line before what follows.
    pub(super) fn blank(&mut self) {
        self.blanks = self.blanks.max(1);
    }

    /// Code points so far, and where the next line will start.
    pub(super) fn points(&self) -> usize {
        self.points
    }

    /// The text and its headings.
    pub(super) fn finish(self) -> (String, Vec<Heading>) {
        (self.text, self.headings)
    }

    fn clean_line(&mut self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            self.blanks += 1;
            return;
        }
        let line = if self.text.is_empty() {
            line.trim_start().trim_start_matches('\u{feff}').trim_start()
        } else {
            let breaks = 1 + self.blanks.min(BLANK_LINES);
            self.text.extend(std::iter::repeat_n('\n', breaks));
            self.points += breaks;
            line
        };
        self.blanks = 0;
        self.text.push_str(line);
        self.points += line.chars().count();
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

/// `text` on one line: each run of white space or control characters is a space.
pub(super) fn folded(text: &str) -> String {
    let separates = |c: char| c.is_whitespace() || c.is_control();
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
        let (text, headings) = canonical.finish();
        assert_eq!(text, "grün\n\nThe title\nbody");
        assert_eq!(slice(&text, Span { start: headings[0].start, end: headings[0].start + 9 }), "The title");
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
