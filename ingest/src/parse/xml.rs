//! Any XML: the text of its elements, a line for each. Attributes, comments and
//! instructions go; entities that a file declares itself stay unexpanded.
//! Imports the document types, the canonical form, HTML and the decoder.
//!
//! A first pass finds the elements whose text flows around elements within it
//! ([`shape`]); a second one writes ([`writer`]). No tree is built.

mod shape;
mod writer;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use quick_xml::events::{BytesRef, Event};
use quick_xml::{Reader, XmlVersion};

use super::{ParseError, canonical, text};
use crate::document::{Parsed, Syntax, TextMap};

/// How far into a file its declaration is looked for, in bytes.
const DECLARATION_WITHIN: usize = 256;

/// Reads a file. One that keeps all it has to say in attributes stays as it is.
///
/// # Errors
/// [`ParseError::Broken`] with the line.
pub(super) fn parse(source: &str) -> Result<Parsed, ParseError> {
    let source = source.trim_start_matches('\u{feff}').trim_start();
    let shape = shape::survey(source).map_err(|(at, problem)| {
        let before = source.as_bytes().get(..at).unwrap_or(source.as_bytes());
        let line = before.split(|byte| *byte == b'\n').count();
        ParseError::Broken { format: "XML".into(), problem: format!("line {line}: {problem}") }
    })?;
    if !shape.has_text {
        let text = canonical::text(source);
        return Ok(Parsed { title: None, text, map: TextMap::default(), syntax: Syntax::Plain, members: Vec::new() });
    }
    let (text, map) = writer::write(source, &shape);
    let title = map.headings.iter().find(|heading| heading.level == 1).map(|heading| heading.title.clone());
    Ok(Parsed { title, text, map, syntax: Syntax::Plain, members: Vec::new() })
}

/// The characters of a file: by its byte order mark, by its declaration, or
/// else as a text file.
///
/// # Errors
/// [`ParseError::NotText`].
pub(super) fn decode(bytes: &[u8]) -> Result<String, ParseError> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_WITHIN)]);
    text::decode_as(bytes, declared(&head))
}

fn declared(head: &str) -> Option<&'static Encoding> {
    let declaration = head.trim_start().strip_prefix("<?xml")?.split("?>").next()?;
    let rest = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let label = rest.trim_start_matches(['"', '\'']).split(['"', '\'']).next()?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    // What could be read this far is not in UTF-16, whatever it says.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

/// A piece of XML that matters here.
enum Piece<'t> {
    Open(&'t str),
    Close,
    Text(std::borrow::Cow<'t, str>),
}

/// Visits the pieces of `source` in order.
///
/// # Errors
/// Where, in bytes, and why it is no well-formed XML.
fn visit(source: &str, mut visit: impl FnMut(Piece<'_>)) -> Result<(), (usize, String)> {
    let mut reader = Reader::from_str(source);
    // A lone `&` is a mistake that many programs make.
    reader.config_mut().allow_dangling_amp = true;
    let (mut depth, mut has_root) = (0_usize, false);
    loop {
        let event = reader.read_event();
        let at = || usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
        match event {
            Ok(Event::Start(tag)) => {
                (depth, has_root) = (depth + 1, true);
                visit(Piece::Open(tag.local_name().into_inner()));
            }
            Ok(Event::Empty(tag)) => {
                has_root = true;
                visit(Piece::Open(tag.local_name().into_inner()));
                visit(Piece::Close);
            }
            Ok(Event::End(_)) => {
                depth = depth.saturating_sub(1);
                visit(Piece::Close);
            }
            Ok(Event::Text(text)) => visit(Piece::Text(text.xml_content(XmlVersion::Implicit1_0))),
            Ok(Event::CData(text)) => visit(Piece::Text(text.xml_content(XmlVersion::Implicit1_0))),
            Ok(Event::GeneralRef(reference)) => visit(Piece::Text(resolved(&reference).into())),
            Ok(Event::Eof) if depth > 0 => return Err((source.len(), "an element is not closed".to_owned())),
            Ok(Event::Eof) if !has_root => return Err((source.len(), "no element stands in it".to_owned())),
            Ok(Event::Eof) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err((at(), error.to_string())),
        }
    }
}

/// What `&name;` stands for: a character, or else itself.
fn resolved(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name: &str = reference;
    match name {
        "amp" => "&".to_owned(),
        "lt" => "<".to_owned(),
        "gt" => ">".to_owned(),
        "quot" => "\"".to_owned(),
        "apos" => "'".to_owned(),
        "nbsp" => " ".to_owned(),
        _ => format!("&{name};"),
    }
}

#[cfg(test)]
mod tests;
