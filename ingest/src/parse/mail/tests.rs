//! Mails of many makers, written here.

use super::super::{Source, parse as parse_any};
use super::*;
use crate::document::{Span, slice};
use proptest::prelude::*;

fn read(mail: &str) -> Parsed {
    parse(mail.as_bytes()).unwrap()
}

/// A mail of parts, with the boundary `b`.
fn parts(kind: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
    format!("From: Ann <ann@example.org>\nSubject: Parts\nContent-Type: multipart/{kind}; boundary=b\n\n{parts}--b--\n")
}

const TEXT: &str = "Content-Type: text/plain; charset=utf-8\n\nHello in text.\n";
const HTML: &str = "Content-Type: text/html; charset=utf-8\n\n<h1>Größe</h1><p>Hello in <b>HTML</b>.</p>\n";
const FILE: &str = "Content-Type: text/plain; name=\"../note.txt\"\nContent-Disposition: attachment\n\
    Content-Transfer-Encoding: base64\n\nR3LDvMOfZQ==\n";
const PICTURE: &str = "Content-Type: image/png\nContent-ID: <logo>\nContent-Disposition: inline\nContent-Transfer-Encoding: base64\n\niVBORw0K\n";

#[test]
fn the_headers_worth_finding_stand_above_the_body() {
    let parsed = read(
        "Received: from a by b\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\nTo: Ann <a@example.org>, b@example.org\n\
         Cc: Team: c@example.org, d@example.org;\nDate: Fri, 16 Dec 2022 17:04:16 -0500\nX-Other: x\n\
         Subject: =?iso-8859-1?q?Gr=FC=DFe?=\n  and more\n\nHi,\n\n> quoted\n\nBye\n",
    );
    assert_eq!(parsed.title.as_deref(), Some("Grüße and more"));
    assert_eq!(
        parsed.text,
        "Grüße and more\nFrom: Jürgen <j@example.org>\nTo: Ann <a@example.org>, b@example.org\n\
         Cc: c@example.org, d@example.org\nDate: Fri, 16 Dec 2022 17:04:16 -0500\n\nHi,\n\n> quoted\n\nBye"
    );
    assert_eq!(parsed.map.heading_path(20), ["Grüße and more"]);
}

#[test]
fn a_text_that_is_there_twice_is_read_once() {
    let parsed = read(&parts("alternative", &[TEXT, HTML]));
    assert!(parsed.text.ends_with("\n\nHello in text."), "{}", parsed.text);
    assert!(parsed.members.is_empty());
    let only = read(&parts("alternative", &[HTML]));
    assert!(only.text.ends_with("Hello in HTML."), "{}", only.text);
    let blank = read(&parts("alternative", &["Content-Type: text/plain\n\n \n", HTML]));
    assert!(blank.text.ends_with("Hello in HTML."), "{}", blank.text);
}

#[test]
fn headings_of_html_go_below_the_subject() {
    let parsed = read(&parts("mixed", &[HTML]));
    let heading = &parsed.map.headings[1];
    assert_eq!((heading.level, heading.title.as_str()), (2, "Größe"));
    assert_eq!(slice(&parsed.text, Span { start: heading.start, end: heading.start + 5 }), "Größe");
    assert_eq!(parsed.map.heading_path(usize::MAX), ["Parts", "Größe"]);
}

#[test]
fn attached_files_are_members_under_plain_names() {
    let parsed = read(&parts("mixed", &[TEXT, FILE, FILE, PICTURE]));
    let names: Vec<&str> = parsed.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["note.txt", "note (2).txt"]);
    assert_eq!(parsed.members[0].bytes, "\u{feff}Grüße".as_bytes());
    assert_eq!(parsed.members[0].media_type.as_deref(), Some("text/plain"));
    assert!(parsed.text.contains("Attachments: note.txt, note (2).txt\n\nHello in text."), "{}", parsed.text);
}

#[test]
fn text_around_an_attached_file_is_body() {
    let file =
        "Content-Type: application/pdf\nContent-Disposition: attachment; filename*=utf-8''%C3%BC.pdf\n\n%PDF-1.4\n";
    let parsed = read(&parts("mixed", &[TEXT, file, "Content-Type: text/plain\n\nList footer\n"]));
    assert!(parsed.text.ends_with("Hello in text.\n\nList footer"), "{}", parsed.text);
    assert_eq!(parsed.members[0].name, "ü.pdf");
}

#[test]
fn pictures_within_the_text_are_left_out() {
    let related = "Content-Type: multipart/related; boundary=c\n\n--c\nContent-Type: text/html\n\n<p>See <img src='cid:logo'></p>\n\
        --c\nContent-Type: image/png\nContent-ID: <logo>\nContent-Transfer-Encoding: base64\n\niVBORw0K\n--c--\n";
    let parsed = read(&parts("mixed", &[related]));
    assert!(parsed.members.is_empty(), "{:?}", parsed.members);
    assert!(parsed.text.ends_with("\n\nSee"), "{}", parsed.text);
}

#[test]
fn a_mail_within_a_mail_is_a_member() {
    let inner = "Content-Type: message/rfc822\n\nFrom: eve@example.org\nSubject: In/ner\n\nInner text.\n";
    let parsed = read(&parts("mixed", &[TEXT, inner]));
    let [member] = parsed.members.as_slice() else { panic!("{:?}", parsed.members) };
    assert_eq!((member.name.as_str(), member.media_type.as_deref()), ("In-ner.eml", Some("message/rfc822")));
    let inner = parse(&member.bytes).unwrap();
    assert_eq!(inner.text, "In/ner\nFrom: eve@example.org\n\nInner text.");
    assert!(!parsed.text.contains("Inner text"));
}

#[test]
fn a_digest_is_its_mails() {
    let mail = |n: u8| format!("\nFrom: eve@example.org\nSubject: Number {n}\n\nText {n}.\n");
    let parsed = read(&parts("digest", &[&mail(1), &mail(2)]));
    let names: Vec<&str> = parsed.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["Number 1.eml", "Number 2.eml"]);
}

#[test]
fn other_forms_of_a_text_are_no_attachments_but_an_invitation_is() {
    let amp = "Content-Type: text/x-amp-html\n\n<html amp4email></html>\n";
    let invitation = "Content-Type: text/calendar; charset=utf-8\n\nBEGIN:VCALENDAR\n";
    let parsed = read(&parts("alternative", &[TEXT, amp, HTML, invitation]));
    let names: Vec<&str> = parsed.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["attachment-1.ics"]);
}

#[test]
fn encodings_are_taken_as_said_or_guessed() {
    let coded = "Subject: x\nContent-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: quoted-printable\n\n5 =80 f=FCr=\n zwei";
    assert!(read(coded).text.ends_with("5 € für zwei"), "{}", read(coded).text);
    let unsaid =
        b"From: J\xfcrgen M\xfcller <j@example.org>\nSubject: Gr\xfc\xdfe\n\nSch\xf6ne Gr\xfc\xdfe aus M\xfcnchen.\n";
    let parsed = parse(unsaid).unwrap();
    assert!(parsed.text.contains("Schöne Grüße aus München."), "{}", parsed.text);
    assert_eq!(parsed.title.as_deref(), Some("Grüße"));
    let wide: Vec<u8> = "\u{feff}Subject: Größe\n\nText\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(parse(&wide).unwrap().text, "Größe\n\nText");
    assert_eq!(parse(&wide[2..]).unwrap().text, "Größe\n\nText");
    let big: Vec<u8> = "Subject: Größe\n\nText".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(parse(&big).unwrap().text, "Größe\n\nText");
}

#[test]
fn soft_line_ends_are_none() {
    let mail = "Subject: x\nContent-Type: text/plain; format=flowed\n\nOne \ntwo.\n> quoted \n> more\n>> deep\n\nthree \n-- \nAnn\n";
    assert_eq!(read(mail).text, "x\n\nOne two.\n> quoted more\n>> deep\n\nthree\n--\nAnn");
}

#[test]
fn what_is_missing_or_wrong_is_no_obstacle() {
    assert!(
        read("Date: yesterday, around noon\nSubject:\n\nText").text.starts_with("Date: yesterday, around noon\n\nText")
    );
    assert_eq!(read("Just a text.\n\nMore.").text, "Just a text.\n\nMore.");
    assert_eq!(read("From ann Mon Jan  2\nSubject: S\n\nText").text, "S\n\nText");
    assert_eq!(read("Subject: Only a subject\n").text, "Only a subject");
    let cut = parts("mixed", &[TEXT, HTML]);
    for end in 0..cut.len() {
        let _ = parse(&cut.as_bytes()[..end]);
    }
    assert_eq!(parse(b" \n\n \n"), Err(ParseError::Empty));
}

#[test]
fn an_encrypted_mail_is_said_to_be_one() {
    let mail = parts(
        "encrypted; protocol=\"application/pgp-encrypted\"",
        &[
            "Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
            "Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n",
        ],
    );
    assert_eq!(parse(mail.as_bytes()), Err(ParseError::Encrypted { format: "mail".into() }));
}

#[test]
fn very_many_mails_within_each_other_are_no_harm() {
    let deep = format!("Subject: a\n{}\nText", "Content-Type: message/rfc822\n\n".repeat(50_000));
    let _ = parse(deep.as_bytes());
}

#[test]
fn what_takes_too_long_is_refused() {
    let is_refused = |mail: &str| matches!(parse(mail.as_bytes()), Err(ParseError::Broken { .. }));
    assert!(is_refused(&"A: b\n".repeat(20_000)));
    assert!(is_refused(&format!("Content-Type: multipart/mixed; boundary={}\n\n", "-".repeat(300))));
    let part = "--b\nContent-Type: multipart/mixed; boundary=none\n\nx\n";
    assert!(is_refused(&format!("Content-Type: multipart/mixed; boundary=b\n\n{}", part.repeat(40_000))));
    assert!(is_refused(&format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\n".repeat(200_000))));
}

#[test]
fn a_mail_is_known_by_its_headers() {
    let any = |name: Option<&str>, text: &str| {
        parse_any(&Source { bytes: text.as_bytes(), name, media_type: None }).unwrap().title
    };
    let mail = "Received: by a\n\tfor b\nFrom: a@example.org\nTo: b@example.org\nSubject: Known\n\nText";
    assert_eq!(any(None, mail).as_deref(), Some("Known"));
    assert_eq!(any(Some("a.txt"), mail), None);
    assert_eq!(any(None, "From: a\nText: b"), None);
    assert_eq!(any(Some("a.eml"), "Subject: S\n\nText").as_deref(), Some("S"));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn neither_does_a_mail_with_changes(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..12)
    ) {
        let inner = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogYQoKYg==\n";
        let mut mail = parts("mixed", &[TEXT, HTML, FILE, inner, PICTURE]).into_bytes();
        for (at, byte, inserts) in changes {
            let at = at.index(mail.len());
            if inserts { mail.insert(at, byte) } else { mail[at] = byte }
        }
        if let Ok(parsed) = parse(&mail) {
            prop_assert_eq!(&canonical::text(&parsed.text), &parsed.text);
            for heading in &parsed.map.headings {
                let end = heading.start + heading.title.chars().count();
                prop_assert_eq!(slice(&parsed.text, Span { start: heading.start, end }), &heading.title);
            }
        }
    }

    #[test]
    fn nor_a_mail_of_such_lines(
        lines in proptest::collection::vec(
            "(--b|--b--|--c|Content-Type: multipart/(mixed|digest|alternative); boundary=[bc]|Content-Type: message/rfc822|Content-Transfer-Encoding: (base64|quoted-printable)|Subject: .{0,5}||\"|[a-z=]{0,9})",
            0..40,
        )
    ) {
        let _ = parse(lines.join("\n").as_bytes());
    }
}

#[test]
fn a_type_that_is_no_name_of_one_is_not_told() {
    let attached = |kind: &str| format!("Content-Type: {kind}; name=a.txt\nContent-Disposition: attachment\n\nhi\n");
    for (kind, told) in [("text/x-log", Some("text/x-log")), ("application/x\0y", None), ("application/ä", None)] {
        let parsed = read(&parts("mixed", &[TEXT, &attached(kind)]));
        let [member] = &parsed.members[..] else { panic!("{:?}", parsed.members) };
        assert_eq!(member.media_type.as_deref(), told, "{kind:?}");
    }
}
