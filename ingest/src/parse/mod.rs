//! From a file's bytes to canonical text and the map of its structure.
//!
//! One file per format; [`kind`] decides which it is, by content first.
//! [`canonical`] is the one place where text gets its final form. Imports the
//! document types only.

mod archive;
mod canonical;
mod code;
mod delimited;
mod epub;
mod html;
mod json;
mod kind;
mod mail;
mod markdown;
mod markup;
mod mbox;
mod names;
mod office;
mod pdf;
mod subtitles;
mod text;
mod unpack;
mod xml;

use std::borrow::Cow;

use kind::Kind;
use names::Named;
use serde::{Deserialize, Serialize};
pub use unpack::MAX_DEPTH;

use crate::document::{Member, Parsed, Syntax, TextMap};

/// Bumped whenever the canonical text of any format may change.
pub const PARSER_VERSION: i32 = 3;

/// A file to read.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its content.
    pub bytes: &'a [u8],
    /// File name or key, for its extension.
    pub name: Option<&'a str>,
    /// Media type, if the sender gave one.
    pub media_type: Option<&'a str>,
}

/// What is wanted of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Its text.
    Text,
    /// The pictures that these pages are, counted from 1, for text recognition.
    Scans(Vec<u32>),
    /// Its text, where these pages, counted from 1, have the text that was
    /// recognised on them.
    Recognised(Vec<(u32, String)>),
}

/// Why a file cannot be read. All are final: the same file fails again.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParseError {
    /// No bytes at all.
    #[error("the file is empty; upload it again once it has content")]
    Empty,
    /// Nothing to read in it.
    #[error("the file holds no text; upload one that does")]
    NoText,
    /// A password is needed.
    #[error("the {format} file is encrypted and needs a password; save a copy without one and upload that")]
    Encrypted {
        /// The format.
        format: Cow<'static, str>,
    },
    /// Pages are pictures.
    #[error("the {pages} page(s) of the PDF are images without text; run text recognition (OCR) and upload the result")]
    NeedsOcr {
        /// Pages of the file.
        pages: usize,
    },
    /// The format is right, the content is damaged.
    #[error("the {format} file is damaged: {problem}; open it in its own program, save it again and upload that")]
    Broken {
        /// The format.
        format: Cow<'static, str>,
        /// What does not hold.
        problem: String,
    },
    /// The file is not what its name or media type says.
    #[error("the file says `{claimed}` but its content is `{found}`; give it its right name, or upload the right file")]
    WrongType {
        /// What name or media type say.
        claimed: Cow<'static, str>,
        /// What the content is.
        found: String,
    },
    /// Bytes that are text in no encoding.
    #[error("the file is not text in any known encoding; save it as UTF-8 and upload that")]
    NotText,
    /// It lies within too many files to hold more.
    #[error("the file lies within {MAX_DEPTH} others and holds files itself; unpack it and upload what is in it")]
    TooDeep,
    /// The upload that it came with would be too many documents.
    #[error(
        "the upload would come to more than {limit} documents by the files within its files; unpack it and upload its parts"
    )]
    TooMany {
        /// The most that are taken.
        limit: usize,
    },
    /// One of the files within it is too large.
    #[error("`{name}` within the file is {bytes} bytes, over the limit of {limit}; take it out, or split it")]
    MemberTooLarge {
        /// The file within.
        name: String,
        /// Its size.
        bytes: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// A format that is not read.
    #[error(
        "files of type `{found}` cannot be read; save it as PDF, DOCX, PPTX, XLSX, OpenDocument, HTML, Markdown or text and upload that"
    )]
    Unsupported {
        /// What the content is.
        found: String,
    },
}

impl ParseError {
    /// Stable name of the reason, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoText => "no_text",
            Self::Encrypted { .. } => "encrypted",
            Self::NeedsOcr { .. } => "needs_ocr",
            Self::Broken { .. } => "broken",
            Self::WrongType { .. } => "wrong_type",
            Self::NotText => "not_text",
            Self::TooDeep => "too_deep",
            Self::TooMany { .. } => "too_many",
            Self::MemberTooLarge { .. } => "member_too_large",
            Self::Unsupported { .. } => "unsupported",
        }
    }
}

/// Gives what is wanted of a file; pictures come as members without a text.
///
/// # Errors
/// As [`parse()`] and [`scans`].
pub fn answer(source: &Source<'_>, purpose: &Purpose) -> Result<Parsed, ParseError> {
    match purpose {
        Purpose::Text => parse(source),
        Purpose::Scans(pages) => Ok(Parsed { members: scans(source, pages)?, ..plain("") }),
        Purpose::Recognised(texts) => {
            check_paged(source)?;
            pdf::recognised(source.bytes, texts)
        }
    }
}

/// The pictures that these pages of a PDF are, counted from 1, as image files.
/// Each is named by its page's number and the ending of its format; a page that
/// is no picture has none.
///
/// # Errors
/// [`ParseError`]; [`ParseError::Unsupported`] for what has no pages.
pub fn scans(source: &Source<'_>, pages: &[u32]) -> Result<Vec<Member>, ParseError> {
    check_paged(source)?;
    pdf::scans(source.bytes, pages)
}

fn check_paged(source: &Source<'_>) -> Result<(), ParseError> {
    match kind::of(source)? {
        Kind::Pdf => Ok(()),
        _ => Err(ParseError::Unsupported { found: "a file without pages".to_owned() }),
    }
}

/// Why a file is nothing that is read, by its name and how it begins; `None`
/// for all that are worth a try.
#[must_use]
pub fn unsupported(source: &Source<'_>) -> Option<ParseError> {
    kind::of(source).err().filter(|error| matches!(error, ParseError::Unsupported { .. }))
}

/// Reads a file.
///
/// # Errors
/// [`ParseError`], which says what its owner can do.
pub fn parse(source: &Source<'_>) -> Result<Parsed, ParseError> {
    let parsed = match kind::of(source)? {
        Kind::Markdown => markdown::parse(&text::decode(source.bytes)?),
        Kind::Html => html::parse(&html::decode(source.bytes)?),
        Kind::Text => plain(&text::decode(source.bytes)?),
        Kind::Pdf => pdf::parse(source.bytes)?,
        Kind::Office(kind) => office::parse(kind, source.bytes)?,
        Kind::Mail => mail::parse(source.bytes)?,
        Kind::Mbox => mbox::parse(source.bytes)?,
        Kind::Subtitles => subtitles::parse(&text::decode(source.bytes)?),
        Kind::Epub => epub::parse(source.bytes)?,
        Kind::Zip => archive::zip(source.bytes)?,
        Kind::Tar => archive::tar(source.bytes)?,
        Kind::Gzip => archive::gzip(source.bytes, source.name)?,
        Kind::Named(Named::Xml) => xml::parse(&xml::decode(source.bytes)?)?,
        Kind::Named(named) => parse_named(&text::decode(source.bytes)?, named)?,
    };
    if parsed.text.is_empty() && parsed.members.is_empty() { Err(ParseError::NoText) } else { Ok(parsed) }
}

fn parse_named(source: &str, named: Named) -> Result<Parsed, ParseError> {
    // A file of white space alone is no damaged one.
    if source.trim_start_matches('\u{feff}').trim().is_empty() {
        return Ok(plain(source));
    }
    Ok(match named {
        Named::Delimited { tabs } => delimited::parse(source, tabs),
        Named::Json => json::parse(source)?,
        Named::JsonLines => json::parse_lines(source)?,
        Named::Notebook => json::notebook(source)?,
        Named::Xml => xml::parse(source)?,
        Named::Rst => markup::rst(source),
        Named::AsciiDoc => markup::asciidoc(source),
        Named::Org => markup::org(source),
        Named::Code(language) => code::parse(source, language),
        Named::Plain => plain(source),
    })
}

fn plain(source: &str) -> Parsed {
    Parsed {
        title: None,
        text: canonical::text(source),
        map: TextMap::default(),
        syntax: Syntax::Plain,
        members: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
