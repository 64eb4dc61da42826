//! Unpacks the parts of an office package within bounds, and finds them by
//! their relations. Imports the error.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use encoding_rs::{Encoding, UTF_8};
use zip::ZipArchive;
use zip::result::ZipError;

use super::xml::{Node, Nodes, text_of};
use super::{OfficeKind, broken};
use crate::parse::{ParseError, canonical, unpack};

/// The kind of office document that a zip archive is, if it is one.
pub(in crate::parse) fn kind_of_zip(bytes: &[u8]) -> Option<OfficeKind> {
    if !bytes.starts_with(b"PK") {
        return None;
    }
    let mut package = Package::open(bytes, "zip").ok()?;
    if let Ok(Some(kind)) = package.part("mimetype") {
        return open_document(kind.trim());
    }
    if !package.has("[Content_Types].xml") && !package.has("_rels/.rels") {
        return None;
    }
    let has = |part: &str| package.has(part);
    let main = package.names.keys();
    let inside = |folder: &str| main.clone().any(|name| name.starts_with(folder));
    match () {
        () if has("word/document.xml") => Some(OfficeKind::Docx),
        () if has("ppt/presentation.xml") => Some(OfficeKind::Pptx),
        () if has("xl/workbook.xml") => Some(OfficeKind::Xlsx),
        () if has("xl/workbook.bin") => Some(OfficeKind::Unread("XLSB workbook")),
        () if inside("word/") => Some(OfficeKind::Docx),
        () if inside("ppt/") => Some(OfficeKind::Pptx),
        () if inside("xl/") => Some(OfficeKind::Xlsx),
        () if inside("visio/") => Some(OfficeKind::Unread("Visio drawing")),
        () => None,
    }
}

fn open_document(media_type: &str) -> Option<OfficeKind> {
    let kind = media_type.strip_prefix("application/vnd.oasis.opendocument.")?;
    Some(match kind {
        "text" | "text-template" | "text-master" => OfficeKind::Odt,
        "spreadsheet" | "spreadsheet-template" => OfficeKind::Ods,
        "presentation" | "presentation-template" => OfficeKind::Unread("OpenDocument presentation"),
        "graphics" | "graphics-template" => OfficeKind::Unread("OpenDocument drawing"),
        _ => OfficeKind::Unread("OpenDocument file"),
    })
}

/// How one part refers to another.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// Its name within the part.
    pub(super) id: String,
    /// The last segment of its type, such as `slide`.
    pub(super) kind: String,
    /// The part referred to.
    pub(super) target: String,
}

/// A package whose parts are unpacked when asked for.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Entries by name; names are compared without regard to case.
    names: HashMap<String, usize>,
    left: u64,
    format: &'static str,
}

impl<'a> Package<'a> {
    /// Opens a package of `format`.
    ///
    /// # Errors
    /// [`ParseError::Broken`] where it is no archive or has too many entries.
    pub(super) fn open(bytes: &'a [u8], format: &'static str) -> Result<Self, ParseError> {
        let archive =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(format, format!("not a package: {error}")))?;
        if archive.len() > unpack::ENTRIES {
            return Err(broken(format, format!("it has more than {} entries", unpack::ENTRIES)));
        }
        let name = |at: usize| archive.name_for_index(at)?.ok().map(|name| key(&name));
        let names = (0..archive.len()).filter_map(|at| Some((name(at)?, at))).collect();
        let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let left = packed.saturating_mul(unpack::RATIO).clamp(unpack::RATIO_FREE, unpack::UNPACKED);
        Ok(Self { archive, names, left, format })
    }

    /// Whether there is such a part.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains_key(&key(name))
    }

    /// The text of a part, `None` if there is no such part.
    ///
    /// # Errors
    /// [`ParseError::Encrypted`], and [`ParseError::Broken`] where it cannot be
    /// unpacked, or comes to more than the bounds allow.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, ParseError> {
        let Some(at) = self.names.get(&key(name)).copied() else { return Ok(None) };
        let format = self.format;
        let file = match self.archive.by_index(at) {
            Ok(file) => file,
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(ParseError::Encrypted { format: format.into() });
            }
            Err(error) => return Err(broken(format, format!("`{name}` cannot be unpacked: {error}"))),
        };
        let mut bytes = Vec::new();
        let read = file.take(self.left.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| broken(format, format!("`{name}` cannot be unpacked: {error}")))?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(size) else {
            return Err(broken(format, "it unpacks to far more than a document of its size does"));
        };
        self.left = left;
        Ok(Some(decoded(bytes)))
    }

    /// The text of a part that has to be there.
    ///
    /// # Errors
    /// As [`Self::part`], and [`ParseError::Broken`] without such a part.
    pub(super) fn required(&mut self, name: &str) -> Result<String, ParseError> {
        self.part(name)?.ok_or_else(|| broken(self.format, format!("`{name}` is missing")))
    }

    /// The relations of a part; those of the package itself for the empty name.
    /// Such as lead out of the package are left out.
    ///
    /// # Errors
    /// As [`Self::part`], and [`ParseError::Broken`] where they are not XML.
    pub(super) fn relations(&mut self, part: &str) -> Result<Vec<Relation>, ParseError> {
        let (folder, file) = part.rsplit_once('/').map_or(("", part), |(folder, file)| (folder, file));
        let slash = if folder.is_empty() { "" } else { "/" };
        let Some(xml) = self.part(&format!("{folder}{slash}_rels/{file}.rels"))? else { return Ok(Vec::new()) };
        let mut relations = Vec::new();
        let mut nodes = Nodes::new(&xml, self.format);
        while let Some(node) = nodes.next()? {
            let Node::Open(element) = node else { continue };
            if element.name() != "Relationship" || element.attribute("TargetMode").as_deref() == Some("External") {
                continue;
            }
            let values = (element.attribute("Id"), element.attribute("Type"), element.attribute("Target"));
            if let (Some(id), Some(kind), Some(target)) = values {
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                relations.push(Relation { id, kind, target: resolved(folder, &target) });
            }
        }
        Ok(relations)
    }

    /// The name of the part that holds the document itself.
    ///
    /// # Errors
    /// As [`Self::relations`].
    pub(super) fn main_part(&mut self, usual: &str) -> Result<String, ParseError> {
        let relations = self.relations("")?;
        let main = relations.into_iter().find(|relation| relation.kind == "officeDocument");
        Ok(main.map(|relation| relation.target).filter(|target| self.has(target)).unwrap_or_else(|| usual.to_owned()))
    }

    /// The title in the properties of an Office Open XML package.
    pub(super) fn core_title(&mut self) -> Option<String> {
        self.title("docProps/core.xml")
    }

    /// The `dc:title` of a part. What does not hold in it costs the title only.
    pub(super) fn title(&mut self, part: &str) -> Option<String> {
        let xml = self.part(part).ok()??;
        let title = text_of(&xml, "title", self.format).ok()??;
        Some(canonical::folded(&title)).filter(|title| !title.is_empty())
    }
}

fn key(name: &str) -> String {
    name.trim_start_matches('/').replace('\\', "/").to_ascii_lowercase()
}

/// A part's bytes as text: by its byte order mark, or else as UTF-8.
fn decoded(bytes: Vec<u8>) -> String {
    match Encoding::for_bom(&bytes) {
        Some((encoding, _)) if encoding != UTF_8 => encoding.decode(&bytes).0.into_owned(),
        _ => String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// The name of the part at `target`, as seen from `folder`.
fn resolved(folder: &str, target: &str) -> String {
    let mut segments: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    segments.retain(|segment| !segment.is_empty());
    segments.join("/")
}
