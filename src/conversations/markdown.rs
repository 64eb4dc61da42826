//! Texts as Markdown that shows their very characters. Imports nothing.

/// Signs that mean something wherever they stand.
const SIGNS: [char; 12] = ['\\', '`', '*', '_', '[', ']', '<', '>', '&', '~', '$', '#'];

/// A text as a part of a line.
pub(super) fn inline(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !escaped.is_empty() {
            escaped.push(' ');
        }
        for c in word.chars() {
            if SIGNS.contains(&c) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
    }
    escaped
}

/// A text at the start of a line, where lists may begin.
pub(super) fn line(text: &str) -> String {
    let mut line = inline(text);
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let begins_list = match line[digits..].chars().next() {
        Some('.' | ')') => digits > 0,
        Some('-' | '+' | '=' | ':') => digits == 0,
        _ => false,
    };
    if begins_list {
        line.insert(digits, '\\');
    }
    line
}

/// An address: a link where it leads to the web, else its characters.
pub(super) fn address(uri: &str) -> String {
    let lower = uri.to_ascii_lowercase();
    let on_the_web = lower.starts_with("https://") || lower.starts_with("http://");
    let fits = !uri.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>'));
    if on_the_web && fits { format!("<{uri}>") } else { inline(uri) }
}

/// A text as it stands, in a fence that it cannot close.
pub(super) fn verbatim(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    format!("{fence}text\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    /// All that a Markdown text shows, if it is one paragraph without marks.
    fn shown(markdown: &str) -> Option<String> {
        let mut shown = String::new();
        for event in Parser::new_ext(markdown, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
            match event {
                Event::Text(text) => shown.push_str(&text),
                Event::Start(Tag::Paragraph) | Event::End(_) => {}
                _ => return None,
            }
        }
        Some(shown)
    }

    #[test]
    fn addresses_outside_the_web_are_no_links() {
        assert_eq!(address("https://example.com/a_b?c=[1]"), "<https://example.com/a_b?c=[1]>");
        assert_eq!(address("https://example.com/a> b"), "https://example.com/a\\> b");
        assert_eq!(address("javascript:alert(1)"), "javascript:alert(1)");
        assert_eq!(address("file:///a_b"), "file:///a\\_b");
    }

    #[test]
    fn a_verbatim_text_cannot_close_its_fence() {
        assert_eq!(verbatim("a"), "```text\na\n```");
        assert_eq!(verbatim("```\n````"), "`````text\n```\n````\n`````");
    }

    proptest! {
        #[test]
        fn a_line_shows_its_very_characters(text in "[-+=:.)0-9a #>*_`~\\[\\](){}<&;$!^|\\\\\"']{1,20}|1[.)] a|\\PC{1,20}") {
            let bare = text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assume!(!bare.is_empty() && !bare.starts_with('|') && !bare.contains('^'));
            let markdown = line(&text);
            prop_assert_eq!(shown(&markdown), Some(bare), "{}", markdown);
        }
    }
}
