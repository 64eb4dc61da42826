//! HTML: the text that a reader of the page came for, block by block. Imports
//! the document types, the canonical form and the decoder.
//!
//! A first pass over the tree finds what to leave out and which part is the
//! page's own text ([`survey`]), a second one writes it ([`writer`]). Both go
//! over the tree without recursion: pages nest as deep as they like.

mod limits;
mod survey;
mod writer;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use scraper::{Html, Node};

use super::{ParseError, canonical, text};
use crate::document::{Parsed, Syntax};

/// How far into a page its encoding is looked for, in bytes.
const ENCODING_WITHIN: usize = 4096;

/// Reads a page. The title is the `<title>`, or else the first `<h1>`.
pub(super) fn parse(source: &str) -> Parsed {
    let page = Html::parse_document(source);
    let strict = survey::survey(&page, survey::Strictness::Readable);
    let mut written = writer::write(&page, &strict);
    if written.0.is_empty() {
        // All of it stands in what is no text elsewhere, such as one large form.
        written = writer::write(&page, &survey::survey(&page, survey::Strictness::Everything));
    }
    let (text, map) = written;
    let first = || map.headings.iter().find(|heading| heading.level == 1).map(|heading| heading.title.clone());
    Parsed { title: strict.title.or_else(first), text, map, syntax: Syntax::Plain, members: Vec::new() }
}

/// The characters of a page: by its byte order mark, by what it says in a
/// `<meta>` or an XML declaration, or else as a text file.
///
/// # Errors
/// [`ParseError::NotText`], and [`ParseError::Broken`] where reading on would
/// take far too long.
pub(super) fn decode(bytes: &[u8]) -> Result<String, ParseError> {
    let page = text::decode_as(bytes, named_encoding(bytes))?;
    match limits::exceeded(&page) {
        Some(problem) => Err(ParseError::Broken { format: "HTML".into(), problem: problem.to_owned() }),
        None => Ok(page),
    }
}

fn named_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(ENCODING_WITHIN)]).to_ascii_lowercase();
    let declared =
        head.trim_start().strip_prefix("<?xml").and_then(|rest| value_after(rest.split("?>").next()?, "encoding"));
    let label = declared.or_else(|| meta_charset(&head))?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    // A page whose bytes could be read this far is not in UTF-16, whatever it says.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

/// The first `charset` of a `<meta>` outside of comments.
fn meta_charset(head: &str) -> Option<&str> {
    let mut rest = head;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = &comment[comment.find("-->")?..];
            continue;
        }
        if let Some(tag) = rest.strip_prefix("<meta") {
            let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
            if let Some(label) = value_after(tag, "charset") {
                return Some(label);
            }
        }
        rest = &rest[1..];
    }
    None
}

/// The value in `name = "value"`.
fn value_after<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let rest = text[text.find(name)? + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let rest = rest.trim_start_matches(['"', '\'']).trim_start();
    let end = rest.find(|c: char| matches!(c, '"' | '\'' | ';' | '/' | '>' | ',') || c.is_whitespace());
    let value = &rest[..end.unwrap_or(rest.len())];
    (!value.is_empty()).then_some(value)
}

/// What white space and soft hyphens of a page come to.
fn folded(text: &str) -> String {
    canonical::folded(&text.replace('\u{ad}', ""))
}

/// Whether an element starts or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Close,
}

/// Visits every node when it starts and when it ends, with its number in the
/// order of the page. Not recursive.
fn walk<'p>(page: &'p Html, mut visit: impl FnMut(Step, usize, &'p Node)) {
    let mut node = page.tree.root();
    let mut count = 0;
    let mut open = vec![0];
    visit(Step::Open, 0, node.value());
    loop {
        let mut next = node.first_child();
        while next.is_none() {
            if let Some(id) = open.pop() {
                visit(Step::Close, id, node.value());
            }
            next = node.next_sibling();
            if next.is_none() {
                let Some(parent) = node.parent() else { return };
                node = parent;
            }
        }
        let Some(following) = next else { return };
        node = following;
        count += 1;
        open.push(count);
        visit(Step::Open, count, node.value());
    }
}
