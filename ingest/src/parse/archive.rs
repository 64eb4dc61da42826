//! Archives: ZIP, TAR, and both of GZIP's uses. Each file within one becomes
//! a [`Member`], a document of its own; an archive has no text itself. Imports
//! the document types and the bounds.

use std::io::{Cursor, ErrorKind, Read};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

use super::ParseError;
use super::unpack::{self, Budget, Names};
use crate::document::{Member, Parsed, Syntax, TextMap};

/// Bytes of a TAR header, and of what its content is padded to.
const TAR_BLOCK: usize = 512;

/// What is packed as a ZIP file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Package {
    /// A plain archive.
    Archive,
    /// An electronic book.
    Epub,
    /// A document of an office program: OOXML or `OpenDocument`.
    Office,
}

/// Which of them the ZIP file `bytes` is, by the names of its entries.
pub(super) fn package(bytes: &[u8]) -> Option<Package> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let media_type = archive.by_name("mimetype").ok().and_then(|entry| {
        let mut text = String::new();
        entry.take(100).read_to_string(&mut text).ok().map(|_| text)
    });
    let is = |start: &str| media_type.as_deref().is_some_and(|text| text.trim().starts_with(start));
    let has = |name: &str| archive.index_for_name(name).is_some();
    Some(match () {
        () if is("application/epub+zip") || has("META-INF/container.xml") => Package::Epub,
        () if is("application/vnd.oasis.opendocument") || has("[Content_Types].xml") => Package::Office,
        () => Package::Archive,
    })
}

/// Reads a ZIP file.
///
/// # Errors
/// [`ParseError::Encrypted`], [`ParseError::Unsupported`] for a compression
/// other than Deflate, and [`ParseError::Broken`], for a bound that is passed too.
pub(super) fn zip(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut budget = Budget::new("ZIP", bytes.len());
    let mut archive = open_zip(bytes, &mut budget)?;
    let mut names = Names::default();
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| zip_error(&budget, &error))?;
        if entry.is_dir() || entry.is_symlink() || !entry.is_file() {
            continue;
        }
        let name = entry.name().map_err(|error| zip_error(&budget, &error))?;
        let Some(name) = unpack::path(&name) else { continue };
        if entry.encrypted() {
            return Err(ParseError::Encrypted { format: "ZIP".into() });
        }
        drop(entry);
        let entry = archive.by_index(index).map_err(|error| zip_error(&budget, &error))?;
        let bytes = budget.read(entry)?;
        members.push(Member { name: names.unique(&name), media_type: None, bytes });
    }
    Ok(parsed(members))
}

/// Opens a ZIP file whose entries are not too many and lie beside each other.
pub(super) fn open_zip<'b>(bytes: &'b [u8], budget: &mut Budget) -> Result<ZipArchive<Cursor<&'b [u8]>>, ParseError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| zip_error(budget, &error))?;
    budget.entries(archive.len())?;
    match archive.has_overlapping_files() {
        Ok(false) => Ok(archive),
        Ok(true) => Err(budget.broken("its entries overlap".to_owned())),
        Err(error) => Err(zip_error(budget, &error)),
    }
}

pub(super) fn zip_error(budget: &Budget, error: &ZipError) -> ParseError {
    match error {
        ZipError::Io(error) => budget.unreadable(error),
        ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => {
            ParseError::Unsupported { found: "ZIP with another compression than Deflate".to_owned() }
        }
        _ => budget.broken("its list of entries cannot be read".to_owned()),
    }
}

/// Reads a TAR file.
///
/// # Errors
/// [`ParseError::Broken`], for a bound that is passed too.
pub(super) fn tar(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut budget = Budget::new("TAR", bytes.len());
    read_tar(bytes, &mut budget)
}

/// Reads a GZIP file: the TAR file in it, or the one file, which is named by
/// what is packed, or by `name` without its extension.
///
/// # Errors
/// [`ParseError::Broken`], for a bound that is passed too.
pub(super) fn gzip(bytes: &[u8], name: Option<&str>) -> Result<Parsed, ParseError> {
    let mut budget = Budget::new("GZIP", bytes.len());
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut head = Vec::new();
    let read = decoder.by_ref().take(TAR_BLOCK as u64).read_to_end(&mut head);
    read.map_err(|error| budget.unreadable(&error))?;
    let own = decoder.header().and_then(|header| header.filename()).map(String::from_utf8_lossy).map(String::from);
    let reader = Cursor::new(&head).chain(decoder);
    if is_tar(&head) {
        let reader = budget.bounded(reader);
        return read_tar(reader, &mut budget);
    }
    let outer = name.map(|name| {
        let length = name.len().checked_sub(3).filter(|at| name.is_char_boundary(*at));
        let stem = length.filter(|at| name[*at..].eq_ignore_ascii_case(".gz")).map(|at| &name[..at]);
        unpack::file_name(stem.unwrap_or(name), "content")
    });
    let name = own.map(|own| unpack::file_name(&own, "content")).or(outer).unwrap_or_else(|| "content".to_owned());
    let bytes = budget.read(reader)?;
    Ok(parsed(vec![Member { name, media_type: None, bytes }]))
}

/// Whether the file starts with the header of a TAR file: its checksum holds.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    let Some(block) = bytes.get(..TAR_BLOCK) else { return false };
    let stored = str::from_utf8(&block[148..156]).ok().and_then(|text| {
        let digits = text.trim_matches([' ', '\0']);
        u32::from_str_radix(digits, 8).ok()
    });
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    block[0] != 0 && stored == Some(sum)
}

fn read_tar(reader: impl Read, budget: &mut Budget) -> Result<Parsed, ParseError> {
    let mut archive = tar::Archive::new(reader);
    let mut names = Names::default();
    let mut members = Vec::new();
    for entry in archive.entries().map_err(|error| tar_error(budget, &error))? {
        let entry = entry.map_err(|error| tar_error(budget, &error))?;
        budget.entries(1)?;
        let kind = entry.header().entry_type();
        if !(kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) {
            continue;
        }
        let name = unpack::path(&String::from_utf8_lossy(&entry.path_bytes()));
        let Some(name) = name else { continue };
        let bytes = budget.read(entry)?;
        members.push(Member { name: names.unique(&name), media_type: None, bytes });
    }
    Ok(parsed(members))
}

fn tar_error(budget: &Budget, error: &std::io::Error) -> ParseError {
    match error.kind() {
        ErrorKind::FileTooLarge => budget.unreadable(error),
        _ => budget.broken("it ends early, or the list of its entries cannot be read".to_owned()),
    }
}

fn parsed(members: Vec<Member>) -> Parsed {
    Parsed { title: None, text: String::new(), map: TextMap::default(), syntax: Syntax::Plain, members }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
