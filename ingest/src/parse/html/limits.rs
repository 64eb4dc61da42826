//! What a page must not have much of: the time of the HTML parser grows with
//! the square of it. Imports nothing of the crate.

/// Elements that may be open at once.
const OPEN_ELEMENTS: usize = 20_000;
/// Attributes that one tag may have.
const ATTRIBUTES: usize = 10_000;

/// What the page has too much of, if it does. A glance over the tags, which
/// counts no element that HTML closes by itself.
pub(super) fn exceeded(page: &str) -> Option<&'static str> {
    let mut open = 0_usize;
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let is_end = rest.starts_with('/');
        let name = rest.trim_start_matches('/');
        let length = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let name = name[..length].to_ascii_lowercase();
        if name.is_empty() {
            continue;
        }
        let (attributes, end) = tag(rest);
        if attributes > ATTRIBUTES {
            return Some("a tag has too many attributes");
        }
        // Drawings have thousands of them; HTML ignores the mark on its blocks.
        let is_closed = rest[..end].ends_with("/>") && !matches!(name.as_str(), "div" | "section" | "ul" | "ol");
        rest = &rest[end..];
        if !is_closed && !closes_itself(&name) {
            open = if is_end { open.saturating_sub(1) } else { open + 1 };
        }
        if open > OPEN_ELEMENTS {
            return Some("its elements are nested too deeply");
        }
        if !is_end && matches!(name.as_str(), "script" | "style") {
            // Up to its end tag, which is counted like any other.
            let close = format!("</{name}");
            let found = rest
                .match_indices("</")
                .find(|(at, _)| rest.get(*at..at + close.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(&close)));
            rest = found.map_or("", |(at, _)| &rest[at..]);
        }
    }
    None
}

/// Attributes of the tag that `rest` starts with, at most, and where it ends.
fn tag(rest: &str) -> (usize, usize) {
    let (mut attributes, mut was_space, mut quote) = (0, false, None);
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return (attributes, at + 1),
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                // One may follow the other without a space.
                attributes += 1;
            }
            (None, _) => attributes += usize::from((was_space || byte == b'/') && !byte.is_ascii_whitespace()),
        }
        was_space = byte.is_ascii_whitespace() && quote.is_none();
    }
    (attributes, rest.len())
}

fn closes_itself(name: &str) -> bool {
    matches!(
        name,
        "p" | "li"
            | "td"
            | "th"
            | "tr"
            | "dt"
            | "dd"
            | "option"
            | "thead"
            | "tbody"
            | "tfoot"
            | "colgroup"
            | "br"
            | "hr"
            | "img"
            | "input"
            | "meta"
            | "link"
            | "base"
            | "area"
            | "col"
            | "embed"
            | "source"
            | "track"
            | "wbr"
            | "param"
    )
}
