//! What is attached to a mail. Imports the document types and the bounds.

use std::borrow::Cow;
use std::collections::HashSet;

use mail_parser::{ContentType, Encoding, Message, MessagePart, MimeHeaders, PartType};

use super::super::ParseError;
use super::super::unpack::{self, Budget, Names};
use crate::document::Member;

/// The attached files; no pictures that stand within the text, no signatures,
/// no other forms of the text.
pub(super) fn members(message: &Message<'_>, bytes: &[u8], budget: &mut Budget) -> Result<Vec<Member>, ParseError> {
    let alternatives = alternatives(message);
    let mut names = Names::default();
    let mut members = Vec::new();
    for id in &message.attachments {
        let Some(part) = message.part(*id) else { continue };
        if is_left_out(part, alternatives.contains(id)) {
            continue;
        }
        let content = match &part.body {
            PartType::Text(text) | PartType::Html(text) => {
                let text = super::decoded(part, text, bytes);
                if text.trim().is_empty() {
                    continue;
                }
                marked(&text)
            }
            PartType::Binary(content) | PartType::InlineBinary(content) => content.to_vec(),
            PartType::Message(_) if part.encoding == Encoding::None => raw(part, bytes).to_vec(),
            PartType::Message(inner) => inner.raw_message.to_vec(),
            PartType::Multipart(_) => continue,
        };
        budget.entries(1)?;
        budget.count(content.len())?;
        let name = names.unique(&name(part, members.len() + 1));
        members.push(Member { name, media_type: media_type(part), bytes: content });
    }
    Ok(members)
}

/// A part's bytes as they stand in the mail.
pub(super) fn raw<'b>(part: &MessagePart<'_>, bytes: &'b [u8]) -> &'b [u8] {
    let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    bytes.get(at(part.offset_body)..at(part.offset_end)).unwrap_or_default()
}

/// A text in UTF-8 that says so itself, whatever else is written in it.
pub(super) fn marked(text: &str) -> Vec<u8> {
    let mark: &[u8] = if text.is_ascii() || text.starts_with('\u{feff}') { b"" } else { b"\xef\xbb\xbf" };
    [mark, text.as_bytes()].concat()
}

/// Parts that are another form of a text beside them.
fn alternatives(message: &Message<'_>) -> HashSet<u32> {
    let of = message.parts.iter().filter(|part| part.is_content_type("multipart", "alternative"));
    let ids = of.filter_map(|part| match &part.body {
        PartType::Multipart(ids) => Some(ids.iter().copied()),
        _ => None,
    });
    ids.flatten().collect()
}

fn is_left_out(part: &MessagePart<'_>, is_alternative: bool) -> bool {
    let is_attached = part.content_disposition().is_some_and(ContentType::is_attachment);
    let is = |kind: &str| part.content_type().is_some_and(|own| own.ctype().eq_ignore_ascii_case(kind));
    let is_signature = ["pgp-signature", "pkcs7-signature", "x-pkcs7-signature", "pgp-keys", "pgp-encrypted"]
        .iter()
        .any(|kind| part.is_content_type("application", kind));
    let is_within = part.content_disposition().is_some_and(ContentType::is_inline) || part.content_id().is_some();
    let is_other_form = is_alternative && is("text") && !part.is_content_type("text", "calendar");
    is_signature || !is_attached && (is_other_form || is("image") && is_within)
}

fn media_type(part: &MessagePart<'_>) -> Option<String> {
    let own = part.content_type()?;
    let full = format!("{}/{}", own.ctype(), own.subtype()?).to_ascii_lowercase();
    // It says nothing, so that the name may; so does what is no name of a type.
    let is_name = full.bytes().all(|byte| byte.is_ascii_graphic());
    (is_name && full != "application/octet-stream").then_some(full)
}

fn name(part: &MessagePart<'_>, place: usize) -> String {
    let inner = match &part.body {
        PartType::Message(inner) => Some(inner),
        _ => None,
    };
    let own = part.attachment_name().map(Cow::Borrowed);
    let subject = || inner.and_then(|inner| inner.subject()).map(|it| Cow::Owned(it.replace(['/', '\\', ':'], "-")));
    let extension = extension(part);
    let otherwise = if inner.is_some() { format!("message-{place}") } else { format!("attachment-{place}") };
    let name = unpack::file_name(&own.or_else(subject).unwrap_or_default(), &otherwise);
    let has_extension = match inner {
        Some(_) => name.to_ascii_lowercase().ends_with(".eml"),
        None => name.contains('.') && name != otherwise,
    };
    if has_extension || extension.is_empty() { name } else { format!("{}.{extension}", name.trim_end_matches('.')) }
}

/// The extension that a file of the part's media type has.
fn extension(part: &MessagePart<'_>) -> &'static str {
    if matches!(part.body, PartType::Message(_)) {
        return "eml";
    }
    let media_type = media_type(part).unwrap_or_default();
    match media_type.as_str() {
        "text/html" => "html",
        "text/calendar" => "ics",
        "text/csv" => "csv",
        "text/markdown" => "md",
        "text/rtf" | "application/rtf" => "rtf",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/json" => "json",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        _ if matches!(part.body, PartType::Text(_)) => "txt",
        _ if media_type.starts_with("message/") => "txt",
        _ => "",
    }
}
