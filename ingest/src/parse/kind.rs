//! What a file is: its content, held against what its name and media type say.
//! Imports the formats' own tests of their content.

mod claim;
mod look;

use super::archive::{self, Package};
use super::names::{self, Named};
use super::office::{self, OfficeKind};
use super::{ParseError, Source, mail, mbox, subtitles, text};
use claim::extension;
use look::{Found, look};

/// Bytes at the start of a file that tell a text's format.
const START: usize = 64 * 1024;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Markdown,
    Text,
    Html,
    Pdf,
    Office(OfficeKind),
    Mail,
    Mbox,
    Subtitles,
    Epub,
    Zip,
    Tar,
    Gzip,
    /// What mostly a name alone tells apart: data, markup, source code.
    Named(Named),
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Markdown => "Markdown",
            Self::Text => "text",
            Self::Html => "HTML",
            Self::Pdf => "PDF",
            Self::Office(kind) => kind.name(),
            Self::Mail => "mail",
            Self::Mbox => "mailbox",
            Self::Subtitles => "subtitles",
            Self::Epub => "EPUB",
            Self::Zip => "ZIP",
            Self::Tar => "TAR",
            Self::Gzip => "GZIP",
            Self::Named(named) => named.name(),
        }
    }

    /// Whether its content is packed: never text by itself.
    fn is_packed(self) -> bool {
        matches!(self, Self::Office(_) | Self::Epub | Self::Zip | Self::Tar | Self::Gzip)
    }

    fn is_mail(self) -> bool {
        matches!(self, Self::Mail | Self::Mbox)
    }
}

/// Decides how to read a file.
pub(super) fn of(source: &Source<'_>) -> Result<Kind, ParseError> {
    if source.bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    let claimed = claim::of(source);
    if let Some(found) = packed(source.bytes, claimed).or_else(|| mails(source.bytes, claimed)) {
        return fits(found, claimed);
    }
    if let Some(claimed) = claimed.filter(|kind| kind.is_packed() || *kind == Kind::Mbox) {
        return Err(is_not(claimed, source.bytes));
    }
    match (look(source.bytes, claimed), claimed) {
        (Found::Pdf, None | Some(Kind::Pdf)) => Ok(Kind::Pdf),
        (Found::Pdf, Some(claimed)) => Err(wrong(claimed, "PDF")),
        (Found::Html, Some(Kind::Pdf)) => Err(wrong(Kind::Pdf, "HTML")),
        // Code, data and markup may start with a page; XML may be one.
        (Found::Html, Some(Kind::Named(named))) if named != Named::Xml => Ok(Kind::Named(named)),
        (Found::Html, _) => Ok(Kind::Html),
        (Found::Text, Some(Kind::Pdf)) => Err(wrong(Kind::Pdf, "text")),
        (Found::Text, Some(claimed)) => Ok(claimed),
        (Found::Text, None) => Ok(by_text(source.bytes)),
        (Found::Other(found), Some(claimed)) => Err(wrong(claimed, &found)),
        (Found::Other(found), None) => Err(ParseError::Unsupported { found }),
        (Found::Unknown, Some(Kind::Pdf)) => Err(does_not_start(Kind::Pdf)),
        (Found::Unknown, Some(_)) => Err(ParseError::NotText),
        (Found::Unknown, None) => Err(ParseError::Unsupported { found: unknown_name(source) }),
    }
}

/// What is packed, by its content.
fn packed(bytes: &[u8], claimed: Option<Kind>) -> Option<Kind> {
    match bytes {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(match office::kind_of_zip(bytes) {
            Some(kind) => Kind::Office(kind),
            None => match archive::package(bytes) {
                Some(Package::Epub) => Kind::Epub,
                // Damaged, or without its main part: its reader says so.
                _ => claimed.filter(|kind| matches!(kind, Kind::Office(_) | Kind::Epub)).unwrap_or(Kind::Zip),
            },
        }),
        [0x1f, 0x8b, ..] => Some(Kind::Gzip),
        _ if archive::is_tar(bytes) => Some(Kind::Tar),
        _ => office::kind_of_compound(bytes).map(Kind::Office),
    }
}

/// Mails and mailboxes, by their content where the name leaves it open.
fn mails(bytes: &[u8], claimed: Option<Kind>) -> Option<Kind> {
    match claimed {
        Some(Kind::Mail) if mbox::holds_several(bytes) => Some(Kind::Mbox),
        Some(Kind::Mail) => Some(Kind::Mail),
        None | Some(Kind::Mbox) if mbox::starts_as_mbox(bytes) => Some(Kind::Mbox),
        _ => None,
    }
}

/// Holds what was found against what was claimed.
fn fits(found: Kind, claimed: Option<Kind>) -> Result<Kind, ParseError> {
    let Some(claimed) = claimed else { return Ok(found) };
    // A workbook is as good under either name; packed files are often named for
    // what is in them.
    let alike = (found.is_packed() && claimed.is_packed()) || (found.is_mail() && claimed.is_mail());
    if alike || matches!(found, Kind::Office(OfficeKind::Encrypted)) {
        Ok(found)
    } else {
        Err(wrong(claimed, found.name()))
    }
}

/// A text whose name says nothing.
fn by_text(bytes: &[u8]) -> Kind {
    let start = &bytes[..bytes.len().min(START)];
    let Ok(text) = text::decode(start) else { return Kind::Text };
    if mail::starts_as_mail(&text) {
        return Kind::Mail;
    }
    if subtitles::starts_as_subtitles(&text) {
        return Kind::Subtitles;
    }
    names::by_content(&text, start.len() == bytes.len()).map_or(Kind::Text, Kind::Named)
}

fn wrong(claimed: Kind, found: &str) -> ParseError {
    ParseError::WrongType { claimed: claimed.name().into(), found: found.to_owned() }
}

/// What was claimed to be packed is not: a text or a picture under a wrong
/// name, or a damaged file.
fn is_not(claimed: Kind, bytes: &[u8]) -> ParseError {
    match look(bytes, Some(claimed)) {
        Found::Pdf => wrong(claimed, "PDF"),
        Found::Html => wrong(claimed, "HTML"),
        Found::Text => wrong(claimed, "text"),
        Found::Other(found) => wrong(claimed, &found),
        Found::Unknown => does_not_start(claimed),
    }
}

fn does_not_start(claimed: Kind) -> ParseError {
    let format = claimed.name();
    let article = if format.starts_with(['O', 'X', 'E']) { "an" } else { "a" };
    ParseError::Broken { format: format.into(), problem: format!("it does not start as {article} {format} does") }
}

fn unknown_name(source: &Source<'_>) -> String {
    let extension = source.name.and_then(extension).map(|extension| format!(".{extension}"));
    extension.unwrap_or_else(|| "unknown binary".to_owned())
}
