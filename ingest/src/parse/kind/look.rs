//! What bytes look like, whatever a name says. Imports the decoder.

use super::Kind;
use crate::parse::text;

/// How far a PDF's header may lie from the start of the file.
const PDF_HEADER_WITHIN: usize = 1024;

/// What bytes look like.
pub(super) enum Found {
    Pdf,
    Html,
    Text,
    Other(String),
    Unknown,
}

pub(super) fn look(bytes: &[u8], claimed: Option<Kind>) -> Found {
    if bytes.trim_ascii_start().starts_with(b"%PDF-") {
        return Found::Pdf;
    }
    // Bytes may stand before a PDF's header; a text may also speak of it.
    let head = &bytes[..bytes.len().min(PDF_HEADER_WITHIN)];
    let has_header = head.windows(5).any(|window| window == b"%PDF-");
    if has_header && (claimed == Some(Kind::Pdf) || str::from_utf8(bytes).is_err()) {
        return Found::Pdf;
    }
    if let Some(found) = binary(bytes) {
        return Found::Other(found);
    }
    let start = &bytes[..bytes.len().min(64 * 1024)];
    // Cut inside of a character at most; too little to be taken for binary.
    match text::decode(start) {
        Ok(text) if text.trim_start().starts_with("{\\rtf") => Found::Other("RTF document".to_owned()),
        Ok(text) if starts_as_html(&text) => Found::Html,
        Ok(_) => Found::Text,
        Err(_) => Found::Unknown,
    }
}

/// A binary format, by its magic bytes. Short ones are letters too (`BM`), so
/// that text must not be asked.
fn binary(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(1024)];
    let first = head.first().copied().unwrap_or_default();
    if !head.contains(&0) && (first.is_ascii_graphic() || first.is_ascii_whitespace()) {
        return None;
    }
    let found = infer::get(bytes)?;
    let is_marked_text = matches!(found.extension(), "html" | "xml" | "sh" | "txt");
    (!is_marked_text).then(|| describe(found))
}

fn describe(found: infer::Type) -> String {
    use infer::MatcherType as Type;
    let class = match found.matcher_type() {
        Type::Image => "image",
        Type::Audio => "audio",
        Type::Video => "video",
        Type::Archive => "archive",
        Type::Font => "font",
        Type::Doc | Type::Book => "document",
        _ => "file",
    };
    format!("{} {class}", found.extension().to_ascii_uppercase())
}

/// Whether the first thing after comments and declarations is an HTML page.
fn starts_as_html(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = match rest {
            _ if rest.starts_with("<!--") => rest.find("-->").map(|at| at + 3),
            _ if rest.starts_with("<?xml") => rest.find("?>").map(|at| at + 2),
            _ => break,
        };
        let Some(end) = end else { return false };
        rest = rest[end..].trim_start();
    }
    let starts = |tag: &str| {
        let (head, after) = (rest.get(..tag.len()), rest.get(tag.len()..));
        head.is_some_and(|head| head.eq_ignore_ascii_case(tag))
            && after.is_some_and(|after| after.starts_with(|c: char| c == '>' || c.is_whitespace()))
    };
    starts("<!doctype html") || starts("<html")
}
