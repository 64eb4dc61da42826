//! A message's text as a part of a longer Markdown document: its markers become
//! footnotes of the document, and nothing in it reaches beyond its end or is
//! taken for a footnote.
//!
//! What is code, a link or HTML is asked of a parser of `CommonMark` with
//! GitHub's extensions; what was made of the text is parsed once more, and a
//! text that does not come out as it should is shown verbatim instead. Imports
//! `markdown`.

use pulldown_cmark::{CodeBlockKind, Event, LinkType, OffsetIter, Options, Parser, Tag};

use super::markdown::verbatim;

/// How often HTML is looked for behind HTML.
const PASSES: usize = 8;
/// Tags that only change how words look.
const HARMLESS: [&str; 9] = ["<br>", "<br/>", "<br />", "<sub>", "</sub>", "<sup>", "</sup>", "<kbd>", "</kbd>"];

/// A text that was fitted into a document.
#[derive(Debug, PartialEq)]
pub(super) struct Fitted {
    /// Markdown, without a line's end at its end.
    pub(super) text: String,
    /// Which citations it shows, by their place among those of the message, in
    /// the order of their footnotes.
    pub(super) cited: Vec<usize>,
}

/// What a character of a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Words,
    /// Words of a link or its address.
    Link,
    /// Code, HTML, an address in angle brackets.
    Verbatim,
}

/// Fits a text into a document whose next footnote has the number `next`.
/// `numbers` are those that markers of the text may name.
pub(super) fn fit(text: &str, numbers: &[u32], next: usize) -> Fitted {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // Spaces before the first word may mean code.
    let blank = text.len() - text.trim_start().len();
    let start = text[..blank].rfind('\n').map_or(0, |end| end + 1);
    let text = text[start..].trim_end();
    let fitted = defused(text).map(|text| numbered(&closed(text), numbers, next));
    let fitted = fitted.filter(|fitted| stands_alone(fitted, next));
    fitted.unwrap_or_else(|| Fitted { text: verbatim(text), cited: vec![] })
}

fn parse(text: &str, more: Options) -> OffsetIter<'_> {
    let tables = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    Parser::new_ext(text, tables | more).into_offset_iter()
}

/// The text with its HTML made into words. HTML may hide what follows, and what
/// a model copied from a page is not for a reader's program to run.
fn defused(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..PASSES {
        let tags = tags(&text);
        if tags.is_empty() {
            return Some(text);
        }
        let mut escaped = String::with_capacity(text.len() + tags.len());
        let mut from = 0;
        for tag in tags {
            escaped.push_str(&text[from..tag]);
            escaped.push('\\');
            from = tag;
        }
        escaped.push_str(&text[from..]);
        text = escaped;
    }
    None
}

/// Where tags begin, in order.
fn tags(text: &str) -> Vec<usize> {
    let mut tags = Vec::new();
    for (event, range) in parse(text, Options::empty()) {
        match event {
            Event::Html(_) => {
                let mut at = range.start;
                for line in text[range].split_inclusive('\n') {
                    let indented = line.len() - line.trim_start().len();
                    if line[indented..].starts_with('<') {
                        tags.push(at + indented);
                    }
                    at += line.len();
                }
            }
            Event::InlineHtml(tag) if !HARMLESS.contains(&tag.to_ascii_lowercase().as_str()) => tags.push(range.start),
            _ => {}
        }
    }
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// The text with an end to the fence that it leaves open, as an answer does
/// that was broken off.
fn closed(mut text: String) -> String {
    if let Some(fence) = open_fence(&text) {
        text.push('\n');
        text.push_str(&fence);
    }
    text
}

fn open_fence(text: &str) -> Option<String> {
    let mut depth = 0;
    let mut last = None;
    for (event, range) in parse(text, Options::empty()) {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    last = matches!(tag, Tag::CodeBlock(CodeBlockKind::Fenced(_))).then_some(range);
                }
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            _ if depth == 0 => last = None,
            _ => {}
        }
    }
    let block = text[last?].trim_start();
    let sign = block.chars().next()?;
    let length = block.chars().take_while(|c| *c == sign).count();
    let end = block.lines().skip(1).last().unwrap_or_default().trim();
    let is_closed = end.chars().count() >= length && end.chars().all(|c| c == sign);
    (!is_closed).then(|| sign.to_string().repeat(length))
}

/// What each byte belongs to.
fn kinds(text: &str) -> Vec<Kind> {
    let mut kinds = vec![Kind::Words; text.len()];
    for (event, range) in parse(text, Options::empty()) {
        let kind = match event {
            Event::Code(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::Start(
                Tag::CodeBlock(_) | Tag::HtmlBlock | Tag::Link { link_type: LinkType::Autolink | LinkType::Email, .. },
            ) => Kind::Verbatim,
            // `[1]` with a line `[1]: ...` somewhere: a marker all the same.
            Event::Start(
                Tag::Link { link_type: LinkType::Shortcut, id, .. }
                | Tag::Image { link_type: LinkType::Shortcut, id, .. },
            ) if is_number(&id) => continue,
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => Kind::Link,
            _ => continue,
        };
        kinds[range].fill(kind);
    }
    kinds
}

fn is_number(label: &str) -> bool {
    !label.is_empty() && label.chars().all(|c| c.is_ascii_digit())
}

/// The number in `[n]`, and its length with the brackets.
fn marker(text: &str) -> Option<(u32, usize)> {
    let digits = text.strip_prefix('[')?.split_once(']')?.0;
    let n = is_number(digits).then(|| digits.parse().ok())??;
    Some((n, digits.len() + 2))
}

/// The text with footnotes for markers, and with all else that looks like
/// either made into words.
fn numbered(text: &str, numbers: &[u32], next: usize) -> Fitted {
    let kinds = kinds(text);
    let named = |at: usize| {
        let (n, length) = marker(&text[at..]).filter(|_| kinds[at] == Kind::Words)?;
        Some((numbers.iter().position(|number| *number == n), length))
    };
    let is_note = |at: usize| at < text.len() && matches!(named(at), Some((Some(_), _)));
    let mut fitted = Fitted { text: String::with_capacity(text.len()), cited: vec![] };
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let mut length = c.len_utf8();
        match c {
            _ if kinds[at] == Kind::Verbatim => fitted.text.push(c),
            '\\' => {
                length += text[at + 1..].chars().next().map_or(0, char::len_utf8);
                fitted.text.push_str(&text[at..at + length]);
            }
            '[' if text[at..].starts_with("[^") => fitted.text.push_str("\\["),
            // An image it would be.
            '!' if is_note(at + 1) => fitted.text.push_str("\\!"),
            '[' => match named(at) {
                Some((Some(citation), marker)) => {
                    length = marker;
                    fitted.note(citation, next);
                    fitted.text.push_str(between(&text[..at], &text[at + length..], is_note(at + length)));
                }
                Some((None, _)) => fitted.text.push_str("\\["),
                None => fitted.text.push('['),
            },
            c => fitted.text.push(c),
        }
        at += length;
    }
    fitted
}

/// What keeps a footnote's mark apart from what follows it: neither a link nor
/// a definition shall begin with it.
fn between(before: &str, rest: &str, is_note: bool) -> &'static str {
    match rest.chars().next() {
        Some('(') => "\\",
        // At the start of a line, of a quote or of an item.
        Some(':') if !before.rsplit('\n').next().unwrap_or(before).contains(char::is_alphabetic) => "\\",
        Some('[') if !is_note && !rest.starts_with("[^") => " ",
        _ => "",
    }
}

impl Fitted {
    /// Adds the mark of a citation's footnote.
    fn note(&mut self, citation: usize, next: usize) {
        let place = self.cited.iter().position(|cited| *cited == citation).unwrap_or_else(|| {
            self.cited.push(citation);
            self.cited.len() - 1
        });
        // GitHub's bare addresses would take it in.
        let word = self.text.rsplit(char::is_whitespace).next().unwrap_or_default();
        if word.contains("://") || word.contains("www.") {
            self.text.push(' ');
        }
        let label = (next + place).to_string();
        self.text.extend(["[^", &label, "]"]);
    }
}

/// Whether the text ends where it ends, and shows the footnotes that it should
/// and no others.
fn stands_alone(fitted: &Fitted, next: usize) -> bool {
    let labels: Vec<String> = (next..next + fitted.cited.len()).map(|n| n.to_string()).collect();
    let definitions = labels.iter().map(|label| format!("[^{label}]: x\n\n"));
    let document = format!("{}\n\n## x\n\n{}", fitted.text, definitions.collect::<String>());
    let (mut depth, mut ends) = (0, false);
    let (mut shown, mut defined) = (Vec::new(), Vec::new());
    for (event, range) in parse(&document, Options::ENABLE_FOOTNOTES) {
        match event {
            Event::Start(tag) => {
                let is_end = matches!(tag, Tag::Heading { .. }) && range.start == fitted.text.len() + 2;
                ends |= is_end && depth == 0;
                if let Tag::FootnoteDefinition(label) = tag {
                    defined.push(label.to_string());
                }
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            Event::FootnoteReference(label) if !shown.contains(&label) => shown.push(label),
            _ => {}
        }
    }
    let in_order =
        shown.len() == labels.len() && labels.iter().all(|label| shown.iter().any(|shown| **shown == **label));
    ends && in_order && defined == labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(text: &str) -> String {
        fit(text, &[1, 2], 5).text
    }

    #[test]
    fn markers_become_footnotes_numbered_as_they_are_first_shown() {
        let fitted = fit("One [2]. Two [1][2].", &[1, 2], 5);
        assert_eq!(fitted, Fitted { text: "One [^5]. Two [^6][^5].".into(), cited: vec![1, 0] });
    }

    #[test]
    fn code_and_what_is_escaped_stay() {
        for text in [
            "`a[1]` and \\[1]",
            "```rust\nlet b = a[1]; // [^1]\n```",
            "    a[1]\n\nb",
            "> ~~~\n> [1]\n> ~~~",
            "<https://e.com/[1]>",
        ] {
            assert_eq!(fitted(text), text);
        }
    }

    #[test]
    fn footnotes_of_the_text_s_own_are_words() {
        assert_eq!(fitted("a[^1]\n\n[^1]: b"), "a\\[^1]\n\n\\[^1]: b");
        assert_eq!(fitted("> - [^x]: b"), "> - \\[^x]: b");
    }

    #[test]
    fn a_number_without_a_citation_is_words_and_no_link() {
        assert_eq!(fitted("see [7].\n\n[7]: /url"), "see \\[7].\n\n\\[7]: /url");
        assert_eq!(fitted("in [2024](https://e.com)"), "in [2024](https://e.com)");
    }

    #[test]
    fn a_mark_is_no_part_of_links_images_and_definitions() {
        assert_eq!(fitted("a [1](b) ![1] [1]: c"), "a [1](b) \\![^5] [^5]: c");
        assert_eq!(fitted("[1]: the manual\n\nIt holds [1]."), "[^5]\\: the manual\n\nIt holds [^5].");
        assert_eq!(fitted("> 1. [1]: c"), "> 1. [^5]\\: c");
        assert_eq!(fitted("[1](a b)[1][c](/d)"), "[^5]\\(a b)[^5] [c](/d)");
        assert_eq!(fitted("[see [1]](/d)"), "[see [1]](/d)");
        assert_eq!(fitted("https://e.com[1] [2][1]"), "https://e.com [^5] [^6][^5]");
    }

    #[test]
    fn a_fence_that_is_left_open_is_closed() {
        assert_eq!(fitted("a\n\n~~~~rust\nfn"), "a\n\n~~~~rust\nfn\n~~~~");
        assert_eq!(fitted("```\na\n```"), "```\na\n```");
        assert_eq!(fitted("```"), "```\n```");
    }

    #[test]
    fn html_is_words_but_for_how_words_look() {
        assert_eq!(fitted("<script>\nx [1]"), "\\<script>\nx [^5]");
        assert_eq!(fitted("H<sub>2</sub>O<br><img src=x>"), "H<sub>2</sub>O<br>\\<img src=x>");
        assert_eq!(fitted("<!-- never\n\n<b>ended</b> [1]"), "\\<!-- never\n\n\\<b>ended\\</b> [^5]");
        assert_eq!(fitted("`<b>` a < b"), "`<b>` a < b");
    }

    #[test]
    fn what_cannot_be_fitted_is_shown_verbatim() {
        let hidden = "[a]: /u \"see [1]\"\n\n[a]";
        let fitted = fit(hidden, &[1], 5);
        assert_eq!(fitted, Fitted { text: format!("```text\n{hidden}\n```"), cited: vec![] });
    }

    #[test]
    fn ends_of_lines_and_blank_lines_around_are_left_out() {
        assert_eq!(fitted("\r\n \n  a\r\nb\rc \n\n"), "  a\nb\nc");
    }
}
