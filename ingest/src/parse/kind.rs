//! What a file is: its content, held against what its name and media type say.
//! Imports nothing of the crate but the source and the error.

use super::{ParseError, Source, text};

/// How far a PDF's header may lie from the start of the file.
const PDF_HEADER_WITHIN: usize = 1024;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Markdown,
    Text,
    Html,
    Pdf,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Markdown => "Markdown",
            Self::Text => "text",
            Self::Html => "HTML",
            Self::Pdf => "PDF",
        }
    }
}

/// What bytes look like.
enum Found {
    Pdf,
    Html,
    Text,
    Other(String),
    Unknown,
}

/// Decides how to read a file.
pub(super) fn of(source: &Source<'_>) -> Result<Kind, ParseError> {
    if source.bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    let claimed = claim(source);
    match (look(source.bytes, claimed), claimed) {
        (Found::Pdf, None | Some(Kind::Pdf)) => Ok(Kind::Pdf),
        (Found::Pdf, Some(claimed)) => Err(wrong(claimed, "PDF")),
        (Found::Html, Some(Kind::Pdf)) => Err(wrong(Kind::Pdf, "HTML")),
        (Found::Html, _) => Ok(Kind::Html),
        (Found::Text, Some(Kind::Pdf)) => Err(wrong(Kind::Pdf, "text")),
        (Found::Text, claimed) => Ok(claimed.unwrap_or(Kind::Text)),
        (Found::Other(found), Some(claimed)) => Err(wrong(claimed, &found)),
        (Found::Other(found), None) => Err(ParseError::Unsupported { found }),
        (Found::Unknown, Some(Kind::Pdf)) => {
            Err(ParseError::Broken { format: "PDF", problem: "it does not start as a PDF does".into() })
        }
        (Found::Unknown, Some(_)) => Err(ParseError::NotText),
        (Found::Unknown, None) => Err(ParseError::Unsupported { found: unknown_name(source) }),
    }
}

fn wrong(claimed: Kind, found: &str) -> ParseError {
    ParseError::WrongType { claimed: claimed.name(), found: found.to_owned() }
}

fn unknown_name(source: &Source<'_>) -> String {
    let extension = source.name.and_then(extension).map(|extension| format!(".{extension}"));
    extension.unwrap_or_else(|| "unknown binary".to_owned())
}

/// What the name says, or else the media type.
fn claim(source: &Source<'_>) -> Option<Kind> {
    let by_name = source.name.and_then(extension).and_then(|extension| match extension.as_str() {
        "md" | "markdown" | "mdown" | "mkd" | "mkdn" | "mdx" => Some(Kind::Markdown),
        "html" | "htm" | "xhtml" | "xht" => Some(Kind::Html),
        "pdf" => Some(Kind::Pdf),
        "txt" | "text" => Some(Kind::Text),
        _ => None,
    });
    by_name.or_else(|| {
        let media_type = source.media_type?.split(';').next()?.trim().to_ascii_lowercase();
        match media_type.as_str() {
            "text/markdown" | "text/x-markdown" => Some(Kind::Markdown),
            "text/html" | "application/xhtml+xml" => Some(Kind::Html),
            "application/pdf" | "application/x-pdf" => Some(Kind::Pdf),
            "text/plain" => Some(Kind::Text),
            _ => None,
        }
    })
}

fn extension(name: &str) -> Option<String> {
    let file = name.rsplit(['/', '\\']).next()?;
    file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

fn look(bytes: &[u8], claimed: Option<Kind>) -> Found {
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
