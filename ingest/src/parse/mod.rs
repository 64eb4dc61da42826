//! From a file's bytes to canonical text and the map of its structure.
//!
//! One file per format; [`kind`] decides which it is, by content first.
//! [`canonical`] is the one place where text gets its final form. Imports the
//! document types only.

mod canonical;
mod html;
mod kind;
mod markdown;
mod pdf;
mod text;

use kind::Kind;

use crate::document::{Parsed, Syntax, TextMap};

/// Bumped whenever the canonical text of any format may change.
pub const PARSER_VERSION: i32 = 1;

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

/// Why a file cannot be read. All are final: the same file fails again.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum ParseError {
    /// No bytes at all.
    #[error("the file is empty; upload it again once it has content")]
    Empty,
    /// Nothing to read in it.
    #[error("the file holds no text; upload one that does")]
    NoText,
    /// A password is needed.
    #[error("the PDF is encrypted and needs a password; save a copy without one and upload that")]
    Encrypted,
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
        format: &'static str,
        /// What does not hold.
        problem: String,
    },
    /// The file is not what its name or media type says.
    #[error("the file says `{claimed}` but its content is `{found}`; give it its right name, or upload the right file")]
    WrongType {
        /// What name or media type say.
        claimed: &'static str,
        /// What the content is.
        found: String,
    },
    /// Bytes that are text in no encoding.
    #[error("the file is not text in any known encoding; save it as UTF-8 and upload that")]
    NotText,
    /// A format that is not read.
    #[error("files of type `{found}` cannot be read; this version reads Markdown, plain text, HTML and PDF")]
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
            Self::Encrypted => "encrypted",
            Self::NeedsOcr { .. } => "needs_ocr",
            Self::Broken { .. } => "broken",
            Self::WrongType { .. } => "wrong_type",
            Self::NotText => "not_text",
            Self::Unsupported { .. } => "unsupported",
        }
    }
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
    };
    if parsed.text.is_empty() { Err(ParseError::NoText) } else { Ok(parsed) }
}

fn plain(source: &str) -> Parsed {
    Parsed { title: None, text: canonical::text(source), map: TextMap::default(), syntax: Syntax::Plain }
}

#[cfg(test)]
mod tests;
