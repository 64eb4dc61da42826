//! Mail (RFC 5322, MIME): the headers worth finding, the body, and what is
//! attached as [`Member`]s. Imports the document types, the canonical form,
//! the reader of HTML and the bounds.
//!
//! [`bounds`] looks before a mail is read, for what would take too long.

mod attachments;
mod bounds;

use std::borrow::Cow;

use mail_parser::{Address, Encoding, HeaderName, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use super::canonical::{self, Canonical};
use super::unpack::Budget;
use super::{ParseError, html, mbox, text};
use crate::document::{Parsed, Syntax, TextMap};

/// Most addresses of a header that are written.
const ADDRESSES: usize = 50;
/// Longest header that is written, in characters.
const HEADER: usize = 2000;
/// Lowest level of a heading.
const LOWEST: u8 = 6;

/// Whether a text starts as a mail does: with headers that only mails have.
pub(super) fn starts_as_mail(text: &str) -> bool {
    let mut found = 0;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    for (line, place) in text.lines().take_while(|line| !line.trim().is_empty()).take(200).zip(0..) {
        if place > 0 && line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        let of_mail = ["from", "to", "subject", "date", "message-id", "mime-version", "received", "return-path"];
        found += usize::from(of_mail.iter().any(|own| name.eq_ignore_ascii_case(own)));
    }
    found >= 3
}

/// Reads a mail. Its subject is the title and the first heading.
///
/// # Errors
/// [`ParseError::Empty`], [`ParseError::Encrypted`], [`ParseError::NotText`],
/// and [`ParseError::Broken`] where a bound is passed.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let bytes = utf8(bytes)?;
    let bytes = mbox::without_separator(bytes.trim_ascii_start());
    if bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    bounds::check(bytes)?;
    let Some(message) = message(bytes)? else { return plain(bytes) };
    let headers = message.parts.first().map_or(&[][..], |part| &part.headers);
    let has_own = headers.iter().any(|header| !matches!(header.name, HeaderName::Other(_)));
    let parsed = if has_own { read(&message, bytes) } else { plain(bytes) };
    dismantle(message);
    parsed
}

/// The bytes, in UTF-8 if all of them are in UTF-16 or UTF-32, with a byte
/// order mark or without one.
fn utf8(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ParseError> {
    let decoded = |bytes: &[u8]| text::decode(bytes).map(|text| Cow::Owned(text.into_bytes()));
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(Cow::Borrowed(rest)),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff, ..] => decoded(bytes),
        [0, 1..=u8::MAX, 0, 1..=u8::MAX, ..] => decoded(&[&[0xfe, 0xff], bytes].concat()),
        [1..=u8::MAX, 0, 1..=u8::MAX, 0, ..] => decoded(&[&[0xff, 0xfe], bytes].concat()),
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

fn plain(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let text = canonical::text(&text::decode(bytes)?);
    Ok(Parsed { title: None, text, map: TextMap::default(), syntax: Syntax::Plain, members: Vec::new() })
}

/// The parts of the mail, if it has a header. The parser checks itself where it
/// is built to, and panics on parts whose ends are not where they should be.
fn message(bytes: &[u8]) -> Result<Option<Message<'_>>, ParseError> {
    let parsed = std::panic::catch_unwind(|| MessageParser::default().parse(bytes));
    let problem = || "its parts do not end where they should".to_owned();
    parsed.map_err(|_| ParseError::Broken { format: "mail".into(), problem: problem() })
}

/// Drops the mails within each other one by one: there may be very many.
fn dismantle(message: Message<'_>) {
    let mut open = vec![message.parts];
    while let Some(parts) = open.pop() {
        for part in parts {
            if let PartType::Message(inner) = part.body {
                open.push(inner.parts);
            }
        }
    }
}

fn read(message: &Message<'_>, bytes: &[u8]) -> Result<Parsed, ParseError> {
    let mut budget = Budget::new("mail", bytes.len());
    let members = attachments::members(message, bytes, &mut budget)?;
    let mut out = Canonical::default();
    let title = header(message, &HeaderName::Subject).filter(|subject| !subject.is_empty());
    if let Some(title) = &title {
        out.heading(1, title);
    }
    for name in [HeaderName::From, HeaderName::To, HeaderName::Cc, HeaderName::Date] {
        if let Some(value) = header(message, &name).filter(|value| !value.is_empty()) {
            out.line(&format!("{}: {value}", name.as_str()));
        }
    }
    if !members.is_empty() {
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        out.line(&format!("Attachments: {}", shortened(&names.join(", "))));
    }
    let headers = out.points();
    out.blank();
    for ids in [&message.text_body, &message.html_body] {
        for part in ids.iter().filter_map(|id| message.part(*id)) {
            body(part, bytes, &mut out)?;
            out.blank();
        }
        if out.points() > headers {
            break;
        }
    }
    if out.points() == headers && is_encrypted(message) {
        return Err(ParseError::Encrypted { format: "mail".into() });
    }
    let (text, map) = out.finish();
    Ok(Parsed { title, text, map, syntax: Syntax::Plain, members })
}

/// A header's value on one line, if it is there.
fn header(message: &Message<'_>, name: &HeaderName<'_>) -> Option<String> {
    let all = message.parts.first()?.headers.iter();
    let all = all.filter(|header| header.name == *name);
    let found = all.min_by_key(|header| header.value.is_empty())?;
    let raw =
        message.raw_message.get(usize::try_from(found.offset_start).ok()?..usize::try_from(found.offset_end).ok()?)?;
    let raw_text = || text::decode(raw).unwrap_or_default();
    let value = match found.value.as_address() {
        _ if str::from_utf8(raw).is_err() => raw_text(),
        Some(address) => addresses(address).unwrap_or_else(raw_text),
        None => found.value.as_text().map_or_else(raw_text, ToOwned::to_owned),
    };
    Some(shortened(&canonical::folded(&value)))
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(HEADER) {
        Some((end, _)) => format!("{} …", &value[..end]),
        None => value.to_owned(),
    }
}

fn addresses(all: &Address<'_>) -> Option<String> {
    let count = all.iter().count();
    let mut written: Vec<String> = all
        .iter()
        .take(ADDRESSES)
        .filter_map(|one| match (one.name(), one.address()) {
            (Some(name), Some(address)) if name != address => Some(format!("{name} <{address}>")),
            (_, Some(address)) => Some(address.to_owned()),
            (name, None) => name.map(ToOwned::to_owned),
        })
        .collect();
    if count > ADDRESSES {
        written.push(format!("and {} more", count - ADDRESSES));
    }
    (!written.is_empty()).then(|| written.join(", "))
}

/// Writes a part of the body.
fn body(part: &MessagePart<'_>, bytes: &[u8], out: &mut Canonical) -> Result<(), ParseError> {
    match &part.body {
        PartType::Html(page) => {
            let mut page = html::parse(&html::decode(&attachments::marked(&decoded(part, page, bytes)))?);
            for heading in &mut page.map.headings {
                // Below the subject.
                heading.level = heading.level.saturating_add(1).min(LOWEST);
            }
            out.append(&page);
        }
        PartType::Text(text) => {
            let text = decoded(part, text, bytes);
            let flowed = part
                .content_type()
                .filter(|own| own.attribute("format").is_some_and(|it| it.eq_ignore_ascii_case("flowed")));
            let text = match flowed {
                Some(own) => {
                    Cow::Owned(unflowed(&text, own.attribute("delsp").is_some_and(|it| it.eq_ignore_ascii_case("yes"))))
                }
                None => text,
            };
            for line in text.split('\n') {
                out.line(line.strip_suffix('\r').unwrap_or(line));
            }
        }
        _ => {}
    }
    Ok(())
}

/// A text part's characters: as they were read, or, where some could not be,
/// by a guess of the encoding.
fn decoded<'t>(part: &MessagePart<'_>, read: &'t str, bytes: &[u8]) -> Cow<'t, str> {
    if !read.contains(char::REPLACEMENT_CHARACTER) {
        return Cow::Borrowed(read);
    }
    let raw = attachments::raw(part, bytes);
    let raw = match part.encoding {
        Encoding::None => Some(Cow::Borrowed(raw)),
        Encoding::Base64 => mail_parser::decoders::base64::base64_decode(raw).map(Cow::Owned),
        Encoding::QuotedPrintable => {
            mail_parser::decoders::quoted_printable::quoted_printable_decode(raw).map(Cow::Owned)
        }
    };
    match raw.and_then(|raw| text::decode(&raw).ok()) {
        Some(guessed) if !guessed.contains(char::REPLACEMENT_CHARACTER) => Cow::Owned(guessed),
        _ => Cow::Borrowed(read),
    }
}

/// Text of `format=flowed` (RFC 3676): a line that ends with a space goes on in
/// the next one, if both are quoted as deeply.
fn unflowed(text: &str, drops_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open = None;
    for (line, place) in text.split('\n').zip(0_usize..) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let depth = line.bytes().take_while(|byte| *byte == b'>').count();
        let words = &line[depth..];
        let words = words.strip_prefix(' ').unwrap_or(words);
        let is_signature = words == "-- ";
        if open != Some(depth) || is_signature {
            if place > 0 {
                out.push('\n');
            }
            out.push_str(&line[..depth]);
            if depth > 0 {
                out.push(' ');
            }
        }
        let flows = words.ends_with(' ') && !is_signature;
        open = flows.then_some(depth);
        out.push_str(if flows && drops_space { &words[..words.len() - 1] } else { words });
    }
    out
}

/// Whether the mail's content is encrypted (RFC 1847, RFC 8551).
fn is_encrypted(message: &Message<'_>) -> bool {
    message.parts.iter().filter_map(MimeHeaders::content_type).any(|own| {
        let is = |kind: &str, of: &[&str]| {
            own.ctype().eq_ignore_ascii_case(kind)
                && own.subtype().is_some_and(|own| of.iter().any(|of| own.eq_ignore_ascii_case(of)))
        };
        let is_signed = || own.attribute("smime-type").is_some_and(|it| it.eq_ignore_ascii_case("signed-data"));
        is("multipart", &["encrypted"]) || is("application", &["pkcs7-mime", "x-pkcs7-mime"]) && !is_signed()
    })
}

#[cfg(test)]
mod tests;
