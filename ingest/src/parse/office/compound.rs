//! The container of the older binary formats: what is in it, and its streams
//! within bounds. Imports the error.

use std::io::{Cursor, Read};

use cfb::CompoundFile;

use super::{OfficeKind, broken};
use crate::parse::ParseError;

/// What a compound file starts with.
const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
/// Streams that tell a kind, the surest first.
const KINDS: [(&str, OfficeKind); 8] = [
    ("EncryptedPackage", OfficeKind::Encrypted),
    ("Workbook", OfficeKind::Xls),
    ("Book", OfficeKind::Xls),
    ("WordDocument", OfficeKind::Unread("Word 97-2003 document (DOC)")),
    ("PowerPoint Document", OfficeKind::Unread("PowerPoint 97-2003 presentation (PPT)")),
    ("__properties_version1.0", OfficeKind::Unread("Outlook message (MSG)")),
    ("VisioDocument", OfficeKind::Unread("Visio drawing (VSD)")),
    ("Quill", OfficeKind::Unread("Publisher document (PUB)")),
];

/// The kind of office document that a compound file is; `None` if it is no
/// compound file.
pub(in crate::parse) fn kind_of_compound(bytes: &[u8]) -> Option<OfficeKind> {
    if !bytes.starts_with(&MAGIC) {
        return None;
    }
    let other = OfficeKind::Unread("older binary document (OLE2)");
    let Ok(file) = CompoundFile::open(Cursor::new(bytes)) else { return Some(other) };
    Some(KINDS.iter().find(|(name, _)| file.exists(name)).map_or(other, |(_, kind)| *kind))
}

/// The first of the streams `names` that there is.
///
/// # Errors
/// [`ParseError::Broken`] where there is none, or it cannot be read.
pub(super) fn stream(bytes: &[u8], names: &[&str], format: &'static str) -> Result<Vec<u8>, ParseError> {
    let damaged = |error: std::io::Error| broken(format, error.to_string());
    let mut file = CompoundFile::open(Cursor::new(bytes)).map_err(damaged)?;
    let name = names.iter().find(|name| file.is_stream(name));
    let name = name.ok_or_else(|| broken(format, format!("`{}` is missing", names.join("` and `"))))?;
    // A stream lies within the file, so that more would be damage.
    let limit = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut stream = Vec::new();
    file.open_stream(name).map_err(damaged)?.take(limit).read_to_end(&mut stream).map_err(damaged)?;
    Ok(stream)
}
