//! Office documents: word processing, slides and spreadsheets, in the Office
//! Open XML, `OpenDocument` and older binary formats. Imports the document types
//! and the canonical form.
//!
//! [`package`] unpacks within bounds, [`xml`] reads parts without entities or
//! recursion, [`compound`] looks into the older container. Text documents are
//! built as [`blocks`] and written by [`flow`]; workbooks are built as
//! [`sheets`].

mod blocks;
mod compound;
mod docx;
mod flow;
mod numbers;
mod ods;
mod odt;
mod package;
mod pptx;
mod sheets;
mod styles;
mod xls;
mod xlsx;
mod xml;

use super::ParseError;
use crate::document::{Parsed, Syntax, TextMap};

pub(super) use compound::kind_of_compound;
pub(super) use package::kind_of_zip;

/// A format of office documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfficeKind {
    /// Word processing, Office Open XML.
    Docx,
    /// Slides, Office Open XML.
    Pptx,
    /// Workbook, Office Open XML; with macros too.
    Xlsx,
    /// Text, `OpenDocument`.
    Odt,
    /// Workbook, `OpenDocument`.
    Ods,
    /// Workbook, BIFF 5 to 8 in a compound file.
    Xls,
    /// Encrypted Office Open XML in a compound file.
    Encrypted,
    /// An office format that is not read, by the name to tell its owner.
    Unread(&'static str),
}

impl OfficeKind {
    /// What to call the format.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Docx => "DOCX",
            Self::Pptx => "PPTX",
            Self::Xlsx => "XLSX",
            Self::Odt => "ODT",
            Self::Ods => "ODS",
            Self::Xls => "XLS",
            Self::Encrypted => "Office",
            Self::Unread(name) => name,
        }
    }
}

/// Reads a document of a known kind. The title is the one in its properties,
/// or else its first heading (a workbook has no other than the former).
///
/// # Errors
/// [`ParseError::Encrypted`], [`ParseError::Broken`], [`ParseError::Empty`] for
/// a workbook without cells, and [`ParseError::Unsupported`].
pub(super) fn parse(kind: OfficeKind, bytes: &[u8]) -> Result<Parsed, ParseError> {
    match kind {
        OfficeKind::Docx => docx::parse(bytes),
        OfficeKind::Pptx => pptx::parse(bytes),
        OfficeKind::Xlsx => xlsx::parse(bytes),
        OfficeKind::Odt => odt::parse(bytes),
        OfficeKind::Ods => ods::parse(bytes),
        OfficeKind::Xls => xls::parse(bytes),
        OfficeKind::Encrypted => Err(ParseError::Encrypted { format: kind.name().into() }),
        OfficeKind::Unread(found) => Err(ParseError::Unsupported { found: found.to_owned() }),
    }
}

fn parsed(title: Option<String>, (text, map): (String, TextMap)) -> Parsed {
    Parsed { title, text, map, syntax: Syntax::Plain, members: Vec::new() }
}

fn broken(format: &'static str, problem: impl Into<String>) -> ParseError {
    ParseError::Broken { format: format.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests;
