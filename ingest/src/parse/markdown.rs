//! Markdown: the text is the source itself, so that a chunk of it is Markdown
//! again; only front matter goes. Imports the document types and the canonical
//! form.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::canonical;
use crate::document::{Heading, Parsed, Syntax, TextMap};

/// Reads `CommonMark`. The title is the front matter's, or else the first
/// heading of the highest level.
pub(super) fn parse(source: &str) -> Parsed {
    let text = canonical::text(source);
    let (named, text) = match front_matter(&text) {
        Some((matter, rest)) => (title_of(matter), canonical::text(rest)),
        None => (None, text),
    };
    let headings = headings(&text);
    let first = headings.iter().find(|heading| heading.level == 1).map(|heading| heading.title.clone());
    let map = TextMap { headings, ..TextMap::default() };
    Parsed { title: named.or(first), map, text, syntax: Syntax::Markdown, members: Vec::new() }
}

/// Headings that stand by themselves; one in a quotation or a list is part of it.
fn headings(text: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut open: Option<(u8, usize, String)> = None;
    let mut depth = 0_usize;
    let (mut byte, mut point) = (0, 0);
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                open = Some((level as u8, range.start, String::new()));
            }
            Event::Start(_) => depth += 1,
            Event::End(TagEnd::Heading(_)) if depth == 0 => {
                let Some((level, start, title)) = open.take() else { continue };
                let title = canonical::folded(&title);
                if !title.is_empty() {
                    point += text[byte..start].chars().count();
                    byte = start;
                    headings.push(Heading { level, title, start: point });
                }
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(words) | Event::Code(words) => {
                if let Some((_, _, title)) = &mut open {
                    title.push_str(&words);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some((_, _, title)) = &mut open {
                    title.push(' ');
                }
            }
            _ => {}
        }
    }
    headings
}

/// The front matter and what follows it: YAML between `---`, TOML between
/// `+++`. A rule at the start of a text is not taken for one.
fn front_matter(text: &str) -> Option<(&str, &str)> {
    let (fence, ends): (&str, &[&str]) = match text.lines().next()? {
        "---" => ("---", &["---", "..."]),
        "+++" => ("+++", &["+++"]),
        _ => return None,
    };
    let inner = text[fence.len()..].strip_prefix('\n')?;
    let first = inner.lines().find(|line| !line.trim_start().starts_with('#'))?;
    if !ends.contains(&first) && !starts_entry(first) {
        return None;
    }
    let mut at = 0;
    for line in inner.split_inclusive('\n') {
        if ends.contains(&line.trim_end()) {
            return Some((&inner[..at], &inner[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

/// Whether a line is `key: value`, `key = value` or `[table]`.
fn starts_entry(line: &str) -> bool {
    if line.starts_with('[') && line.ends_with(']') {
        return true;
    }
    let is_key = |key: &str| {
        let key = key.trim_end().trim_matches('"');
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    let yaml =
        line.split_once(':').is_some_and(|(key, rest)| is_key(key) && (rest.is_empty() || rest.starts_with(' ')));
    yaml || line.split_once('=').is_some_and(|(key, _)| is_key(key))
}

/// The value of the entry `title`.
fn title_of(matter: &str) -> Option<String> {
    let mut lines = matter.lines();
    // From the first table on, TOML's keys are not the document's own.
    let value = lines.by_ref().take_while(|line| !line.starts_with('[')).find_map(|line| {
        let rest = ["title", "Title", "TITLE"].iter().find_map(|key| line.strip_prefix(key))?.trim_start();
        rest.strip_prefix([':', '=']).map(str::trim)
    })?;
    let is_block = matches!(value.trim_end_matches(['-', '+']), ">" | "|") || value.is_empty();
    let title = if is_block {
        let block: Vec<&str> = lines.take_while(|line| line.starts_with(' ') || line.is_empty()).collect();
        canonical::folded(&block.join(" "))
    } else {
        canonical::folded(&unquoted(value))
    };
    (!title.is_empty()).then_some(title)
}

/// A scalar without its quotes, escapes of quotes, and comment.
fn unquoted(value: &str) -> String {
    if let Some(rest) = value.strip_prefix('"') {
        let mut title = String::new();
        let mut letters = rest.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '"' => break,
                '\\' => title.extend(letters.next()),
                _ => title.push(letter),
            }
        }
        return title;
    }
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.replace("''", "\u{1}").split('\'').next().unwrap_or_default().replace('\u{1}', "'");
    }
    value.split(" #").next().unwrap_or_default().trim_end().to_owned()
}
