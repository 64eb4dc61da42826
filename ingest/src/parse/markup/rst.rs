//! reStructuredText (docutils): headings by their adornment, the content of
//! directives without their options. Imports the canonical form.

use super::super::canonical::Canonical;
use super::{finish, indent};
use crate::document::Parsed;

/// Directives whose argument is for a program: a path, a language, a class.
const SILENT: &[&str] = &[
    "image",
    "figure",
    "include",
    "literalinclude",
    "raw",
    "code",
    "code-block",
    "sourcecode",
    "highlight",
    "contents",
    "toctree",
    "class",
    "rst-class",
    "role",
    "default-role",
    "meta",
    "sectnum",
    "section-numbering",
    "index",
    "only",
    "currentmodule",
    "automodule",
    "autoclass",
    "autofunction",
    "tabularcolumns",
    "csv-table-file",
    "target-notes",
];

/// Reads reStructuredText.
pub(in super::super) fn parse(source: &str) -> Parsed {
    let lines: Vec<&str> = source.lines().collect();
    let mut writer = Writer { canonical: Canonical::default(), styles: Vec::new() };
    let mut at = 0;
    while at < lines.len() {
        at += writer.step(&lines, at);
    }
    finish(writer.canonical, None)
}

struct Writer {
    canonical: Canonical,
    /// Adornments in the order in which they appeared: character, with overline.
    styles: Vec<(char, bool)>,
}

impl Writer {
    /// Writes what starts at a line; says how many lines that took.
    fn step(&mut self, lines: &[&str], at: usize) -> usize {
        let line = lines[at];
        let line_at = |offset: usize| lines.get(at + offset).copied().unwrap_or_default();
        let after_blank = at == 0 || lines[at - 1].trim().is_empty();
        if let Some(over) = adornment(line) {
            if adornment(line_at(2)) == Some(over) && is_title(line_at(1), line_at(2)) {
                return self.heading(line_at(1), (over, true), 3);
            }
            // A transition: a rule between paragraphs.
            if after_blank && line.len() >= 4 && line_at(1).trim().is_empty() {
                self.canonical.blank();
                return 1;
            }
        }
        let may_be_title = after_blank && indent(line) == 0 && is_title(line, line_at(1));
        if may_be_title && let Some(under) = adornment(line_at(1)) {
            return self.heading(line, (under, false), 2);
        }
        match line.trim_start().strip_prefix("..") {
            Some(rest) if rest.is_empty() || rest.starts_with(' ') => self.explicit(lines, at, rest.trim()),
            _ => {
                self.canonical.line(line);
                1
            }
        }
    }

    fn heading(&mut self, title: &str, style: (char, bool), lines: usize) -> usize {
        let known = self.styles.iter().position(|known| *known == style).unwrap_or_else(|| {
            self.styles.push(style);
            self.styles.len() - 1
        });
        self.canonical.blank();
        self.canonical.heading(u8::try_from(known + 1).unwrap_or(u8::MAX), title);
        self.canonical.blank();
        lines
    }

    /// A directive, comment, target or footnote: `..` and what follows.
    fn explicit(&mut self, lines: &[&str], at: usize, rest: &str) -> usize {
        if rest.starts_with('[') {
            self.canonical.line(lines[at]);
            return 1;
        }
        let Some((name, argument)) = directive(rest) else {
            // A target takes its line, a comment all that is indented below; an
            // empty one with a blank line after it nothing.
            let is_alone = rest.is_empty() && lines.get(at + 1).is_none_or(|line| line.trim().is_empty());
            return 1 + if rest.starts_with('_') || is_alone { 0 } else { indented(lines, at) };
        };
        if matches!(name, "raw" | "meta" | "role" | "index") {
            return 1 + indented(lines, at);
        }
        self.canonical.blank();
        if !SILENT.contains(&name) && !argument.is_empty() {
            self.canonical.line(argument);
        }
        // Options follow at once, the content after a blank line.
        let options = lines[at + 1..].iter().take_while(|line| indent(line) > indent(lines[at]) && is_option(line));
        1 + options.count()
    }
}

/// Name and argument of `name:: argument`, or of a substitution's.
fn directive(rest: &str) -> Option<(&str, &str)> {
    let (name, argument) = rest.split_once("::")?;
    let name = name.rsplit(['|', ':']).next()?.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'));
    (is_name && !rest.starts_with('_')).then(|| (name, argument.trim()))
}

/// `:name: value`.
fn is_option(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix(':').unwrap_or_default();
    rest.split_once(':').is_some_and(|(name, value)| {
        !name.is_empty() && !name.contains(['`', ' ']) && (value.is_empty() || value.starts_with(' '))
    })
}

/// Lines below a line that are blank or indented more, up to the last indented.
fn indented(lines: &[&str], at: usize) -> usize {
    let own = indent(lines[at]);
    let mut count = 0;
    for (line, number) in lines[at + 1..].iter().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        if indent(line) <= own {
            break;
        }
        count = number;
    }
    count
}

/// The character of an over- or underline: two or more of one punctuation mark.
fn adornment(line: &str) -> Option<char> {
    let line = line.trim_end();
    let first = line.chars().next().filter(char::is_ascii_punctuation)?;
    (line.len() >= 2 && line.chars().all(|c| c == first)).then_some(first)
}

/// Whether a line may be a title with this underline, which should be as long
/// as it is; docutils takes a shorter one from four characters on.
fn is_title(title: &str, under: &str) -> bool {
    let under = under.trim_end().chars().count();
    let points = title.trim().chars().count();
    points > 0 && adornment(title).is_none() && (under >= 4 || under >= points) && points <= 300
}
