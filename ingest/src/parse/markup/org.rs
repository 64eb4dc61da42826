//! Org: outlines, tables, and what stands between `#+BEGIN` and `#+END`.
//! Imports the canonical form.

use super::super::canonical::{Canonical, folded};
use super::finish;
use crate::document::Parsed;

/// Words before a heading's title that say how far its task is.
const STATES: &[&str] = &["TODO", "DONE", "NEXT", "WAITING", "CANCELLED", "CANCELED", "STARTED", "HOLD"];

/// Reads an Org file. The title is `#+TITLE`'s.
pub(in super::super) fn parse(source: &str) -> Parsed {
    let mut writer = Writer::default();
    for line in source.lines() {
        writer.line(line);
    }
    writer.end_table();
    finish(writer.canonical, writer.title.filter(|title| !title.is_empty()))
}

#[derive(Default)]
struct Writer {
    canonical: Canonical,
    title: Option<String>,
    /// Name of the block that is open, in lower case.
    block: Option<String>,
    in_drawer: bool,
    caption: Option<String>,
    rows: Vec<Vec<String>>,
    has_header: bool,
}

impl Writer {
    fn line(&mut self, line: &str) {
        let trimmed = line.trim();
        if let Some(block) = &self.block {
            if keyword(trimmed).is_some_and(|(key, _)| key.strip_prefix("end_") == Some(block)) {
                self.block = None;
                self.canonical.blank();
            } else if block != "comment" {
                // A comma keeps a line from being taken for a heading.
                let escaped =
                    ["*", "#+"].iter().any(|start| trimmed.strip_prefix(',').is_some_and(|t| t.starts_with(start)));
                self.canonical.line(&if escaped { line.replacen(',', "", 1) } else { line.to_owned() });
            }
            return;
        }
        // A drawer that is never closed ends with its section.
        if self.in_drawer && heading(line).is_none() {
            self.in_drawer = !trimmed.eq_ignore_ascii_case(":END:");
            return;
        }
        self.in_drawer = false;
        if trimmed.starts_with('|') && trimmed.len() > 1 {
            self.row(trimmed);
            return;
        }
        self.end_table();
        if let Some((key, value)) = keyword(trimmed) {
            self.keyword(&key, value);
        } else if let Some((level, title)) = heading(line) {
            self.canonical.blank();
            self.canonical.heading(level, title);
            self.canonical.blank();
        } else if is_drawer(trimmed) {
            self.in_drawer = true;
        } else if !(is_comment(trimmed) || is_planning(trimmed)) {
            self.canonical.line(line);
        }
    }

    fn keyword(&mut self, key: &str, value: &str) {
        match key {
            "title" => {
                let title = self.title.get_or_insert_default();
                *title = folded(&format!("{title} {value}"));
            }
            "caption" => self.caption = Some(value.to_owned()),
            _ => {
                if let Some(block) = key.strip_prefix("begin_") {
                    self.block = Some(block.to_owned());
                    self.canonical.blank();
                }
            }
        }
    }

    /// A line of a table: cells, or the rule below its header.
    fn row(&mut self, line: &str) {
        let inner = line.trim_start_matches('|');
        let inner = inner.strip_suffix('|').unwrap_or(inner);
        if line.starts_with("|-") {
            self.has_header |= self.rows.len() == 1;
            return;
        }
        self.rows.push(inner.split('|').map(|cell| cell.trim().to_owned()).collect());
    }

    fn end_table(&mut self) {
        if !self.rows.is_empty() {
            let rows = std::mem::take(&mut self.rows);
            let has_header = std::mem::take(&mut self.has_header) && rows.len() > 1;
            self.canonical.table(self.caption.take().as_deref(), &rows, has_header);
        }
    }
}

/// Name, in lower case, and value of `#+NAME: value` or `#+BEGIN_X value`.
fn keyword(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_prefix("#+")?;
    let end = rest.find([':', ' ']).unwrap_or(rest.len());
    let key = rest[..end].to_ascii_lowercase();
    let is_block = key.starts_with("begin_") || key.starts_with("end_");
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '[' | ']'));
    let value = rest[end..].strip_prefix(':').unwrap_or(&rest[end..]);
    (is_key && (is_block || rest[end..].starts_with(':'))).then(|| (key, value.trim()))
}

/// Level and title of `* TODO [#A] Title :tag:`.
fn heading(line: &str) -> Option<(u8, &str)> {
    let stars = line.len() - line.trim_start_matches('*').len();
    let rest = line[stars..].strip_prefix(' ').filter(|_| stars > 0)?.trim();
    let rest = match rest.split_once(' ') {
        Some((state, title)) if STATES.contains(&state) => title.trim_start(),
        _ => rest,
    };
    let rest = match rest.strip_prefix("[#").and_then(|rest| rest.split_once(']')) {
        Some((priority, title)) if priority.len() == 1 => title.trim_start(),
        _ => rest,
    };
    let title = match rest.rsplit_once(' ') {
        Some((title, tags)) if tags.len() > 2 && tags.starts_with(':') && tags.ends_with(':') => title.trim_end(),
        _ => rest,
    };
    Some((u8::try_from(stars).unwrap_or(u8::MAX), title))
}

/// `:NAME:` on a line of its own.
fn is_drawer(line: &str) -> bool {
    let name = line.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).unwrap_or_default();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '_' | '-'))
}

fn is_comment(line: &str) -> bool {
    line == "#" || line.starts_with("# ")
}

fn is_planning(line: &str) -> bool {
    ["SCHEDULED: <", "DEADLINE: <", "CLOSED: ["].iter().any(|start| line.starts_with(start))
}
