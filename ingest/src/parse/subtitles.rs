//! Subtitles: `SubRip`, `WebVTT` and `YouTube`'s SBV. Cues become paragraphs that
//! begin with the time, such as `[00:01:23] `, so that an answer can name it.
//! Imports the document types and the canonical form.

use std::fmt::Write as _;

use super::canonical::{self, Canonical};
use crate::document::{Parsed, Syntax};

/// Silence between two cues that ends a paragraph, in milliseconds.
const PAUSE: u64 = 2000;
/// Characters from which on a paragraph ends with its sentence.
const SENTENCE_AFTER: usize = 300;
/// Characters from which on it ends anyway.
const PARAGRAPH: usize = 1200;
/// Longest name of a speaker, in characters.
const SPEAKER: usize = 80;
/// Longest tag, in bytes.
const TAG: usize = 200;
/// Milliseconds up to which a cue is only a step between two rolling ones.
const STEP: u64 = 50;

/// What is shown for a while.
#[derive(Debug, PartialEq, Eq)]
struct Cue {
    /// Milliseconds from the start.
    start: u64,
    end: u64,
    text: String,
}

/// Whether the text is subtitles: `WebVTT` by its first word, the others by a
/// first line of times, or a second one after a number.
pub(super) fn starts_as_subtitles(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if let Some(rest) = text.strip_prefix("WEBVTT") {
        return rest.is_empty() || rest.starts_with(char::is_whitespace);
    }
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().trim();
    times(first).is_some() || is_number(first) && lines.next().and_then(times).is_some()
}

/// Reads subtitles of any of the formats.
pub(super) fn parse(source: &str) -> Parsed {
    let mut title = None;
    let mut out = Canonical::default();
    let mut paragraph = Paragraph::default();
    for cue in cues(source, &mut title) {
        if paragraph.ends_before(&cue) {
            paragraph.write(&mut out);
        }
        paragraph.add(&cue);
    }
    paragraph.write(&mut out);
    let (text, map) = out.finish();
    Parsed { title, text, map, syntax: Syntax::Plain, members: Vec::new() }
}

#[derive(Debug, Default)]
struct Paragraph {
    start: u64,
    end: u64,
    text: String,
    letters: usize,
    /// The last cue's text, which rolling captions show once more.
    last: String,
}

impl Paragraph {
    fn ends_before(&self, cue: &Cue) -> bool {
        let is_sentence = self.text.ends_with(['.', '!', '?', '…', '。', '！', '？', '"', '”', '»']);
        let is_back = cue.start < self.start;
        self.letters > PARAGRAPH
            || self.letters > SENTENCE_AFTER && is_sentence
            || cue.start > self.end.saturating_add(PAUSE)
            || is_back
    }

    fn add(&mut self, cue: &Cue) {
        // A rolling caption starts with the line that ended the one before.
        let is_same = !self.text.is_empty() && cue.text.lines().next() == self.last.lines().last();
        let rolls = is_same && (cue.text.lines().count() > 1 || cue.end.saturating_sub(cue.start) <= STEP);
        let added = cue.text.lines().skip(usize::from(rolls)).collect::<Vec<_>>().join(" ");
        if self.text.is_empty() {
            self.start = cue.start;
            self.end = cue.end;
        } else if !added.is_empty() {
            self.text.push(' ');
        }
        self.letters += added.chars().count();
        self.text.push_str(&added);
        self.end = self.end.max(cue.end);
        self.last.clone_from(&cue.text);
    }

    fn write(&mut self, out: &mut Canonical) {
        let paragraph = std::mem::take(self);
        if paragraph.text.is_empty() {
            return;
        }
        let seconds = paragraph.start / 1000;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        out.blank();
        out.line(&format!("[{hours:02}:{minutes:02}:{seconds:02}] {}", paragraph.text));
    }
}

/// The cues in order; `title` is what `WebVTT` writes beside its first word.
fn cues(source: &str, title: &mut Option<String>) -> Vec<Cue> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut cues: Vec<Cue> = Vec::new();
    let mut open: Option<Cue> = None;
    let mut skips_block = false;
    let mut lines = source.trim_start_matches('\u{feff}').lines().peekable();
    if let Some(rest) = lines.peek().and_then(|line| line.strip_prefix("WEBVTT")) {
        let rest = canonical::folded(rest.trim_start_matches([' ', '\t', '-', '–']));
        *title = Some(rest).filter(|rest| !rest.is_empty());
        lines.next();
    }
    for line in lines {
        let line = line.trim();
        if let Some((start, end)) = times(line) {
            if let Some(mut cue) = open.replace(Cue { start, end, text: String::new() }) {
                let length = without_name(&cue.text).len();
                cue.text.truncate(length);
                cues.push(cue);
            }
            skips_block = false;
        } else if line.is_empty() {
            // A blank line may also stand within the text of a cue.
            if let Some(cue) = &mut open {
                cue.text.push('\n');
            }
            skips_block = false;
        } else if ["NOTE", "STYLE", "REGION"].iter().any(|word| line.split_whitespace().next() == Some(word)) {
            skips_block = open.as_ref().is_none_or(|cue| cue.text.ends_with('\n') || cue.text.is_empty());
            if !skips_block && let Some(cue) = &mut open {
                push_line(cue, line);
            }
        } else if let Some(cue) = &mut open
            && !skips_block
        {
            push_line(cue, line);
        }
    }
    cues.extend(open);
    for cue in &mut cues {
        cue.text = cue.text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    }
    cues.retain(|cue| !cue.text.is_empty());
    cues
}

/// A break within the line, or before it: a blank line is an empty one.
fn push_line(cue: &mut Cue, line: &str) {
    let line = plain(&line.replace("[br]", " "));
    if !line.is_empty() {
        cue.text.push_str(&line);
        cue.text.push('\n');
    }
}

/// What stands between the times of a cue and those of the next one, without
/// the next one's number or name: the line above its times, if that follows a
/// blank line.
fn without_name(text: &str) -> &str {
    if text.ends_with("\n\n") {
        return text;
    }
    match text.trim_end().rsplit_once('\n') {
        Some((before, _)) if before.is_empty() || before.ends_with('\n') => before,
        _ => text,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The times of `00:01:02,500 --> 00:01:04,000`, or of SBV's
/// `0:01:02.500,0:01:04.000`, in milliseconds.
fn times(line: &str) -> Option<(u64, u64)> {
    if let Some((start, rest)) = line.split_once("-->") {
        return Some((time(start.trim())?, time(rest.split_whitespace().next()?)?));
    }
    let (start, end) = line.split_once(',')?;
    (start.contains('.') && end.contains('.')).then_some(())?;
    Some((time(start)?, time(end.trim())?))
}

fn time(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let number = |part: &str| (is_number(part)).then(|| part.parse::<u64>().ok()).flatten();
    let mut seconds = 0_u64;
    let mut parts = 0;
    for part in whole.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(number(part)?)?;
        parts += 1;
    }
    (2..=3).contains(&parts).then_some(())?;
    let digits: String = fraction.chars().chain("00".chars()).take(3).collect();
    let thousandths = number(&digits)?;
    seconds.checked_mul(1000)?.checked_add(thousandths)
}

/// A line without its markup: tags and `{\an8}` go, `<v Name>` becomes
/// `Name: `, characters that are written as entities are themselves.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let close = if tail.starts_with('<') { b'>' } else { b'}' };
        let end = tail.bytes().take(TAG).position(|byte| byte == close);
        match end.map(|end| &tail[1..end]) {
            Some(inner) if is_markup(inner, close) => {
                if let Some(speaker) = speaker(inner) {
                    let _ = write!(out, "{speaker}: ");
                }
                rest = &tail[inner.len() + 2..];
            }
            _ => {
                out.push_str(&tail[..1]);
                rest = &tail[1..];
            }
        }
    }
    out.push_str(rest);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&lrm;", ""), ("&rlm;", ""), ("&amp;", "&")];
    let text = entities.iter().fold(out, |text, (from, to)| text.replace(from, to));
    canonical::folded(&text)
}

fn is_markup(inner: &str, close: u8) -> bool {
    if close == b'}' {
        return inner.starts_with(['\\', 'y', 'Y', 'c', 'C']) && inner.contains(['\\', ':']);
    }
    inner.starts_with(|c: char| c.is_ascii_alphabetic() || c.is_ascii_digit() || c == '/')
}

/// The name in `v Name` or `v.loud Name`.
fn speaker(tag: &str) -> Option<String> {
    let (class, name) = tag.split_once(char::is_whitespace)?;
    (class == "v" || class.starts_with("v.")).then_some(())?;
    let name: String = canonical::folded(name).chars().take(SPEAKER).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
#[path = "subtitles_tests.rs"]
mod tests;
