//! What a chunk is found by: its own text, under its document's title, its
//! headings, and the table or the code that it is a part of. What is cited is
//! only the text. Floor 3: imports the document types.

use crate::document::Chunk;

/// Code points of title and headings that may stand before a chunk: some 40
/// tokens, so that a full chunk and its context still fit into what the model
/// reads.
const MAX_HEADINGS: usize = 160;
/// The same for what a table or the code around it says.
const MAX_CONTEXT: usize = 200;

/// The title as it is embedded: nothing, where the key stands in for one. So the
/// same file under two names means the same.
#[must_use]
pub fn meaningful_title<'a>(title: &'a str, key: &str) -> &'a str {
    if title == key { "" } else { title }
}

/// The text that is embedded and indexed for a chunk. What the chunk's text
/// begins with already is not said twice.
#[must_use]
pub fn contextual(title: &str, chunk: &Chunk, text: &str) -> String {
    let mut lines = Lines { opening: text.chars().take(2 * MAX_HEADINGS).collect(), written: String::new() };
    lines.add(std::iter::once(title).chain(chunk.headings.iter().map(String::as_str)), MAX_HEADINGS);
    lines.add(chunk.context.iter().map(String::as_str), MAX_CONTEXT);
    lines.written.push_str(text);
    lines.written
}

struct Lines {
    opening: String,
    written: String,
}

impl Lines {
    /// Adds the lines that are news, as long as there is room for them.
    fn add<'a>(&mut self, lines: impl Iterator<Item = &'a str>, mut room: usize) {
        for line in lines.map(str::trim) {
            let known = line.is_empty() || self.opening.contains(line) || self.written.contains(line);
            let length = line.chars().count();
            if !known && length < room {
                room -= length + 1;
                self.written.push_str(line);
                self.written.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Span;

    fn chunk(headings: &[&str], context: &[&str]) -> Chunk {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let span = Span { start: 0, end: 0 };
        Chunk { ordinal: 0, span, tokens: 0, page: None, headings: owned(headings), context: owned(context) }
    }

    #[test]
    fn title_and_headings_stand_before_the_text_once_each() {
        let chunk = chunk(&["Manual", "Care"], &[]);
        assert_eq!(contextual("Manual", &chunk, "Oil it."), "Manual\nCare\nOil it.");
        assert_eq!(contextual("Manual", &chunk, "## Care\nOil it."), "Manual\n## Care\nOil it.");
        assert_eq!(contextual("", &super::tests::chunk(&[], &[]), "Oil it."), "Oil it.");
    }

    #[test]
    fn a_title_that_is_too_long_is_left_out() {
        assert_eq!(contextual(&"x".repeat(500), &chunk(&[], &[]), "Oil it."), "Oil it.");
    }

    #[test]
    fn rows_of_a_table_are_found_by_its_caption_and_its_header_too() {
        let chunk = chunk(&["Prices"], &["Table 1: Oils", "Oil | Price"]);
        assert_eq!(contextual("", &chunk, "A | 5"), "Prices\nTable 1: Oils\nOil | Price\nA | 5");
        assert_eq!(contextual("", &chunk, "Oil | Price\nA | 5"), "Prices\nTable 1: Oils\nOil | Price\nA | 5");
    }
}
