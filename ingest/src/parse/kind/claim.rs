//! What a file's name says it is, or else its media type.

use super::{Kind, Source};
use crate::parse::names;
use crate::parse::office::OfficeKind;

/// What the name says, or else the media type.
pub(super) fn of(source: &Source<'_>) -> Option<Kind> {
    let extension = source.name.and_then(extension);
    let by_extension = extension.as_deref().and_then(of_extension);
    let by_name = by_extension.or_else(|| source.name.and_then(names::of).map(Kind::Named));
    by_name.or_else(|| {
        let media_type = source.media_type?.split(';').next()?.trim().to_ascii_lowercase();
        // Said of whatever a program knows no type of.
        of_media_type(&media_type).filter(|kind| *kind != Kind::Text || source.name.is_none())
    })
}

pub(super) fn extension(name: &str) -> Option<String> {
    let file = name.rsplit(['/', '\\']).next()?;
    file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase())
}

fn of_extension(extension: &str) -> Option<Kind> {
    Some(match extension {
        "md" | "markdown" | "mdown" | "mkd" | "mkdn" | "mdx" => Kind::Markdown,
        "html" | "htm" | "xhtml" | "xht" => Kind::Html,
        "pdf" => Kind::Pdf,
        "txt" | "text" => Kind::Text,
        "docx" | "docm" | "dotx" => Kind::Office(OfficeKind::Docx),
        "pptx" | "pptm" | "ppsx" => Kind::Office(OfficeKind::Pptx),
        "xlsx" | "xlsm" | "xltx" => Kind::Office(OfficeKind::Xlsx),
        "odt" | "ott" => Kind::Office(OfficeKind::Odt),
        "ods" | "ots" => Kind::Office(OfficeKind::Ods),
        "xls" | "xlt" => Kind::Office(OfficeKind::Xls),
        "eml" => Kind::Mail,
        "mbox" | "mbx" => Kind::Mbox,
        "srt" | "vtt" | "sbv" => Kind::Subtitles,
        "epub" => Kind::Epub,
        "zip" => Kind::Zip,
        "tar" => Kind::Tar,
        "gz" | "tgz" => Kind::Gzip,
        _ => return None,
    })
}

fn of_media_type(media_type: &str) -> Option<Kind> {
    Some(match media_type {
        "text/markdown" | "text/x-markdown" => Kind::Markdown,
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "application/pdf" | "application/x-pdf" => Kind::Pdf,
        "text/plain" => Kind::Text,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => Kind::Office(OfficeKind::Docx),
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => Kind::Office(OfficeKind::Pptx),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Kind::Office(OfficeKind::Xlsx),
        "application/vnd.oasis.opendocument.text" => Kind::Office(OfficeKind::Odt),
        "application/vnd.oasis.opendocument.spreadsheet" => Kind::Office(OfficeKind::Ods),
        "application/vnd.ms-excel" => Kind::Office(OfficeKind::Xls),
        "message/rfc822" | "message/global" => Kind::Mail,
        "application/mbox" => Kind::Mbox,
        "text/vtt" | "application/x-subrip" => Kind::Subtitles,
        "application/epub+zip" => Kind::Epub,
        "application/zip" | "application/x-zip-compressed" => Kind::Zip,
        "application/x-tar" => Kind::Tar,
        "application/gzip" | "application/x-gzip" => Kind::Gzip,
        other => return names::of_media_type(other).map(Kind::Named),
    })
}
