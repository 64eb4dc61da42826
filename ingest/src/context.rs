//! What a chunk is found by: its own text, under its document's title and its
//! headings. What is cited is only the text. Floor 3: imports nothing.

/// Code points of context that may stand before a chunk: some 40 tokens, so
/// that a full chunk and its context still fit into what the model reads.
const MAX_CONTEXT: usize = 160;

/// The text that is embedded and indexed for a chunk. A title or heading that
/// the chunk's text begins with already is not said twice.
#[must_use]
pub fn contextual(title: &str, headings: &[String], text: &str) -> String {
    let opening: String = text.chars().take(2 * MAX_CONTEXT).collect();
    let mut context = String::new();
    for line in std::iter::once(title).chain(headings.iter().map(String::as_str)) {
        let line = line.trim();
        let known = line.is_empty() || opening.contains(line) || context.contains(line);
        if !known && context.chars().count() + line.chars().count() < MAX_CONTEXT {
            context.push_str(line);
            context.push('\n');
        }
    }
    context.push_str(text);
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_and_headings_stand_before_the_text_once_each() {
        let headings = ["Manual".to_owned(), "Care".to_owned()];
        assert_eq!(contextual("Manual", &headings, "Oil it."), "Manual\nCare\nOil it.");
        assert_eq!(contextual("Manual", &headings, "## Care\nOil it."), "Manual\n## Care\nOil it.");
        assert_eq!(contextual("", &[], "Oil it."), "Oil it.");
    }

    #[test]
    fn a_title_that_is_too_long_is_left_out() {
        assert_eq!(contextual(&"x".repeat(500), &[], "Oil it."), "Oil it.");
    }
}
