//! Mailboxes in the mbox formats: each message becomes a [`Member`], a mail of
//! its own (RFC 4155; `>From ` as in mboxrd). Imports the document types and
//! the bounds.

use mail_parser::MessageParser;

use super::unpack::{self, Budget};
use super::{ParseError, canonical};
use crate::document::{Member, Parsed, Syntax, TextMap};

/// How far into a message its subject is looked for, in bytes.
const HEADERS_WITHIN: usize = 64 * 1024;
/// Longest part of a name that is a subject, in characters.
const SUBJECT: usize = 60;

/// Whether the file starts as a mailbox does: a line `From `, then a header.
pub(super) fn starts_as_mbox(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    separator(bytes).is_some()
}

/// Whether it is a mailbox of more than one message; with one it may as well be
/// a mail as some programs save it.
pub(super) fn holds_several(bytes: &[u8]) -> bool {
    starts_as_mbox(bytes) && messages(bytes).len() > 1
}

/// A mail without the line that starts it in a mailbox.
pub(super) fn without_separator(bytes: &[u8]) -> &[u8] {
    &bytes[separator(bytes).unwrap_or(0)..]
}

/// Splits a mailbox. A message's name is its place and its subject, which both
/// stay as they are when the mailbox grows at its end.
///
/// # Errors
/// [`ParseError::Broken`] where a bound is passed, or no message is found.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut budget = Budget::new("mailbox", bytes.len());
    let mut members = Vec::new();
    for message in messages(bytes) {
        budget.entries(1)?;
        let bytes = unescaped(message);
        budget.count(bytes.len())?;
        let name = name(members.len() + 1, &bytes);
        members.push(Member { name, media_type: Some("message/rfc822".to_owned()), bytes });
    }
    if members.is_empty() {
        return Err(budget.broken("no line that starts a message is found".to_owned()));
    }
    Ok(Parsed { title: None, text: String::new(), map: TextMap::default(), syntax: Syntax::Plain, members })
}

/// The messages, without the lines between them.
fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    let mut start = None;
    let mut at = 0;
    let mut after_blank = true;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if after_blank && let Some(length) = separator(rest) {
            if let Some(start) = start {
                messages.push(&bytes[start..at]);
            }
            at += length;
            start = Some(at);
            after_blank = false;
            continue;
        }
        let line = line_length(rest);
        after_blank = rest[..line].trim_ascii_end().is_empty();
        at += line;
    }
    if let Some(start) = start {
        messages.push(&bytes[start..]);
    }
    messages
}

/// Bytes of the line at the start of `bytes`, with its end.
fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1)
}

/// Bytes of the line that starts a message, if one does here: `From `, and a
/// header in the next line.
fn separator(bytes: &[u8]) -> Option<usize> {
    bytes.starts_with(b"From ").then_some(())?;
    let length = line_length(bytes);
    is_header(&bytes[length..]).then_some(length)
}

/// Whether a header stands at the start: a name of letters, then a colon.
fn is_header(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b">").unwrap_or(bytes);
    let name = bytes.iter().take(80).take_while(|byte| byte.is_ascii_alphanumeric() || matches!(**byte, b'-' | b'_'));
    let name = name.count();
    name > 0 && bytes[name..].trim_ascii_start().starts_with(b":")
}

/// The message with `>From ` as `From `, one mark less on each such line.
fn unescaped(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let marks = line.iter().take_while(|byte| **byte == b'>').count();
        let is_escaped = marks > 0 && line[marks..].starts_with(b"From ");
        out.extend_from_slice(&line[usize::from(is_escaped)..]);
    }
    out
}

/// `0001 Subject.eml`.
fn name(place: usize, message: &[u8]) -> String {
    let head = &message[..message.len().min(HEADERS_WITHIN)];
    let parser = MessageParser::new().header_text(mail_parser::HeaderName::Subject);
    let parsed = parser.parse_headers(head);
    let subject = parsed.as_ref().and_then(|parsed| parsed.subject()).unwrap_or_default();
    let subject: String = canonical::folded(subject).chars().take(SUBJECT).collect();
    // A slash in a subject starts no folder, and a dot no extension.
    let subject = unpack::file_name(&subject.replace(['/', '\\', ':'], "-"), "message");
    format!("{place:04} {}.eml", subject.trim_end_matches(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAILBOX: &str = "From ann@example.org Mon Jan  2 03:04:05 2023\nFrom: ann@example.org\n\
        Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe/heute=3A_alles?=\n\nHello.\n>From here on\n>>From there\n\
        From what I know, yes.\n\nFrom the start: no header follows this line\nbut text.\n\n\
        From bob@example.org Mon Jan  2 03:04:06 2023\nTo: x@example.org\n\nBye.\n";

    #[test]
    fn a_mailbox_is_split_at_lines_that_a_header_follows() {
        assert!(starts_as_mbox(MAILBOX.as_bytes()));
        let members = parse(MAILBOX.as_bytes()).unwrap().members;
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["0001 Grüße-heute- alles.eml", "0002 message.eml"]);
        let first = String::from_utf8(members[0].bytes.clone()).unwrap();
        assert!(first.starts_with("From: ann"), "{first}");
        assert!(first.contains("\nFrom here on\n>From there\nFrom what I know"), "{first}");
        assert!(first.ends_with("but text.\n\n"));
        assert_eq!(members[1].bytes, b"To: x@example.org\n\nBye.\n");
    }

    #[test]
    fn lines_of_windows_split_as_well() {
        let members = parse(MAILBOX.replace('\n', "\r\n").as_bytes()).unwrap().members;
        assert_eq!(members.len(), 2);
        assert!(members[0].bytes.windows(15).any(|window| window == b"\r\nFrom here on\r"));
    }

    #[test]
    fn one_message_may_be_a_mail() {
        assert!(holds_several(MAILBOX.as_bytes()));
        let one = b"From a@example.org Mon\nSubject: One\n\nText";
        assert!(starts_as_mbox(one) && !holds_several(one));
        assert_eq!(without_separator(one), b"Subject: One\n\nText");
    }

    #[test]
    fn a_letter_is_no_mailbox() {
        assert!(!starts_as_mbox(b"From the desk of Ann\n\nDear Bob,"));
        assert!(!starts_as_mbox(b"From: ann@example.org\nTo: x\n"));
        assert!(matches!(parse(b"Dear Bob"), Err(ParseError::Broken { .. })));
    }

    #[test]
    fn too_many_messages_are_refused() {
        let bytes = "From a\nA: b\n\n".repeat(unpack::ENTRIES + 1);
        let error = parse(bytes.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("10000 entries"), "{error}");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..400_usize) {
            let mut mailbox = MAILBOX.as_bytes().to_vec();
            let at = at.min(mailbox.len());
            mailbox.splice(at..at, bytes.iter().copied());
            let _ = parse(&bytes);
            let _ = parse(&mailbox);
        }
    }
}
