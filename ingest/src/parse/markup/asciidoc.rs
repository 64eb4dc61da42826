//! AsciiDoc: headings, simple tables, and what stands between delimiter lines,
//! without attributes and comments. Imports the canonical form.

use super::super::canonical::Canonical;
use super::finish;
use crate::document::Parsed;

/// Reads AsciiDoc. The document's own title has level 1, `==` level 2.
pub(in super::super) fn parse(source: &str) -> Parsed {
    let lines: Vec<&str> = source.lines().map(str::trim_end).collect();
    let mut writer = Writer::default();
    let mut at = 0;
    while at < lines.len() {
        at += writer.step(&lines, at);
    }
    finish(writer.canonical, None)
}

#[derive(Default)]
struct Writer {
    canonical: Canonical,
    /// The delimiter line of the block that is open and kept as it is.
    verbatim: Option<String>,
    /// Title of the block that comes.
    caption: Option<String>,
    /// Attributes of the block that comes, between its brackets.
    attributes: String,
}

impl Writer {
    /// Writes what starts at a line; says how many lines that took.
    fn step(&mut self, lines: &[&str], at: usize) -> usize {
        let line = lines[at];
        if let Some(delimiter) = &self.verbatim {
            if delimiter == line {
                if !line.starts_with("////") {
                    self.canonical.blank();
                }
                self.verbatim = None;
            } else if !delimiter.starts_with("////") {
                self.canonical.line(line);
            }
            return 1;
        }
        if is_delimiter(line) {
            // A comment that is never closed is none.
            let is_open = !line.starts_with("//") || lines[at + 1..].contains(&line);
            if is_open && line.starts_with(['-', '.', '+', '`', '/']) && line != "--" {
                self.verbatim = Some(line.to_owned());
            }
            self.end_attributes();
            self.canonical.blank();
            return 1;
        }
        if line == "|===" {
            if let Some(length) = lines[at + 1..].iter().position(|line| *line == "|===") {
                self.table(&lines[at + 1..=at + length]);
                return length + 2;
            }
            return 1;
        }
        self.plain(lines, at)
    }

    fn plain(&mut self, lines: &[&str], at: usize) -> usize {
        let line = lines[at];
        if let Some((level, title)) = heading(line) {
            self.heading(level, title);
        } else if let Some(level) = lines.get(at + 1).and_then(|under| underlined(line, under)) {
            self.heading(level, line);
            return 2;
        } else if let Some(inner) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if !inner.starts_with('[') {
                inner.clone_into(&mut self.attributes);
            }
        } else if let Some(title) = line.strip_prefix('.').filter(|t| t.starts_with(|c: char| !matches!(c, '.' | ' ')))
        {
            self.end_attributes();
            self.caption = Some(title.to_owned());
        } else if !(is_attribute(line) || is_comment(line) || is_silent(line)) {
            self.end_attributes();
            self.canonical.line(line);
        }
        1
    }

    fn heading(&mut self, level: u8, title: &str) {
        self.end_attributes();
        self.canonical.blank();
        self.canonical.heading(level, title);
        self.canonical.blank();
    }

    /// Writes the title of a block that is no table, and forgets its attributes.
    fn end_attributes(&mut self) {
        if let Some(caption) = self.caption.take() {
            self.canonical.blank();
            self.canonical.line(&caption);
        }
        self.attributes.clear();
    }

    /// Writes a table; one with cells over several columns or rows as it is.
    fn table(&mut self, lines: &[&str]) {
        let attributes = std::mem::take(&mut self.attributes);
        let Some(rows) = rows(lines, columns(&attributes)) else {
            self.end_attributes();
            self.canonical.blank();
            for line in lines {
                self.canonical.line(line);
            }
            self.canonical.blank();
            return;
        };
        let first = lines.iter().position(|line| !line.is_empty());
        let is_apart = first.is_some_and(|first| lines.get(first + 1).is_some_and(|line| line.is_empty()));
        let has_header = (is_apart || attributes.contains("header")) && rows.len() > 1;
        self.canonical.table(self.caption.take().as_deref(), &rows, has_header);
    }
}

/// The cells of a table's lines, in rows; none if they are not simple.
fn rows(lines: &[&str], columns: Option<usize>) -> Option<Vec<Vec<String>>> {
    let mut cells: Vec<String> = Vec::new();
    let mut in_first_line = None;
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let mut parts = line.split('|');
        let before = parts.next().unwrap_or_default();
        if !line.starts_with('|') && !is_cell_style(before) {
            // The text of the last cell goes on, or cells start in its midst.
            let cell = cells.last_mut()?;
            cell.push(' ');
            cell.push_str(before);
        }
        for part in parts {
            // A style stands before the bar of its cell: `a|`, `2+|`.
            if part.contains('+') && part.rsplit(' ').next().is_some_and(is_span) {
                return None;
            }
            cells.push(part.trim().to_owned());
        }
        in_first_line = in_first_line.or(Some(cells.len()));
    }
    let width = columns.or(in_first_line).filter(|width| *width > 0)?;
    (!cells.is_empty()).then(|| cells.chunks(width).map(<[String]>::to_vec).collect())
}

/// `a`, `h`, `^.^s`: how a cell looks, nothing more.
fn is_cell_style(text: &str) -> bool {
    text.len() <= 5
        && text.chars().all(|c| matches!(c, '<' | '^' | '>' | '.' | 'a' | 'd' | 'e' | 'h' | 'l' | 'm' | 's'))
}

/// `2+`, `.3+`: a cell over several columns or rows.
fn is_span(text: &str) -> bool {
    text.strip_suffix('+').is_some_and(|t| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// How many columns `cols="1,2*a"` names.
fn columns(attributes: &str) -> Option<usize> {
    let rest = attributes.split_once("cols=")?.1;
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split(',').next()?,
    };
    let counted = |part: &str| part.split_once('*').map_or(Some(1), |(times, _)| times.trim().parse::<usize>().ok());
    let sum = value.split([',', ';']).map(counted).try_fold(0_usize, |sum, count| sum.checked_add(count?))?;
    (1..=1000).contains(&sum).then_some(sum)
}

/// A line of four or more equal marks around a block, or a fence.
fn is_delimiter(line: &str) -> bool {
    let Some(first) = line.chars().next().filter(|c| "-.+=*_/".contains(*c)) else { return line.starts_with("```") };
    line == "--" || (line.len() >= 4 && line.chars().all(|c| c == first))
}

fn heading(line: &str) -> Option<(u8, &str)> {
    let mark = line.chars().next().filter(|c| matches!(c, '=' | '#'))?;
    let title = line.trim_start_matches(mark);
    let level = line.len() - title.len();
    let title = title.strip_prefix(' ')?.trim();
    (level <= 6 && !title.is_empty()).then(|| (u8::try_from(level).unwrap_or(u8::MAX), title))
}

/// The level of a title with a line of its own length below it.
fn underlined(title: &str, under: &str) -> Option<u8> {
    let first = under.chars().next()?;
    let level = "=-~^+".find(first)? + 1;
    let points = title.chars().count();
    let is_like = under.chars().all(|c| c == first) && under.len().abs_diff(points) <= 1 && points >= 3;
    let is_words = title.starts_with(char::is_alphanumeric);
    (is_like && is_words).then(|| u8::try_from(level).unwrap_or(u8::MAX))
}

/// `:name: value` or `:!name:`.
fn is_attribute(line: &str) -> bool {
    let name = line.strip_prefix(':').and_then(|rest| rest.split_once(':')).map(|(name, _)| name.trim_matches('!'));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')))
}

fn is_comment(line: &str) -> bool {
    line.starts_with("//") && !line.starts_with("///")
}

/// Macros and directives on a line of their own that bring no text.
fn is_silent(line: &str) -> bool {
    let is_macro =
        ["include::", "image::", "video::", "audio::", "toc::", "ifdef::", "ifndef::", "ifeval::", "endif::"]
            .iter()
            .any(|name| line.starts_with(name));
    (is_macro && line.ends_with(']')) || matches!(line, "+" | "<<<" | "'''")
}
