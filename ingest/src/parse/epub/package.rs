//! The XML files of an EPUB: where the list of content is, what it lists, and
//! what is encrypted. Imports the canonical form.

use std::collections::{HashMap, HashSet};

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::super::canonical;

/// What a book consists of.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The book's title.
    pub(super) title: Option<String>,
    /// Paths of the chapters within the book, in the order they are read.
    pub(super) chapters: Vec<String>,
}

/// The path of the list of content.
pub(super) fn package_path(container: &str) -> Option<String> {
    let mut found = None;
    elements(container, |element, _| {
        if found.is_none() && element.local_name().as_ref() == "rootfile" {
            found = attribute(element, "full-path").map(|path| resolved("", &path));
        }
    });
    found.filter(|path| !path.is_empty())
}

/// Reads the list of content, which lies at `path`.
pub(super) fn contents(list: &str, path: &str) -> Contents {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut files: HashMap<String, Option<String>> = HashMap::new();
    let mut spine = Vec::new();
    let mut contents = Contents::default();
    elements(list, |element, text| match element.local_name().as_ref() {
        "item" => {
            let (Some(id), Some(link)) = (attribute(element, "id"), attribute(element, "href")) else { return };
            let media_type = attribute(element, "media-type").unwrap_or_default();
            let properties = attribute(element, "properties").unwrap_or_default();
            let is_page =
                matches!(media_type.as_str(), "application/xhtml+xml" | "text/html" | "text/x-oeb1-document" | "");
            let is_contents = properties.split_whitespace().any(|property| property == "nav");
            files.insert(id, (is_page && !is_contents).then(|| resolved(folder, &link)));
        }
        "itemref" => spine.extend(attribute(element, "idref")),
        "title" if contents.title.is_none() => {
            contents.title = Some(canonical::folded(text)).filter(|title| !title.is_empty());
        }
        _ => {}
    });
    contents.chapters = spine.iter().filter_map(|id| files.get(id)?.clone()).collect();
    contents
}

/// Paths of what is encrypted, but for fonts that are only obfuscated.
pub(super) fn encrypted(list: &str) -> HashSet<String> {
    let mut paths = HashSet::new();
    let mut is_font = false;
    elements(list, |element, _| match element.local_name().as_ref() {
        "EncryptionMethod" => {
            let method = attribute(element, "Algorithm").unwrap_or_default();
            is_font =
                matches!(method.as_str(), "http://www.idpf.org/2008/embedding" | "http://ns.adobe.com/pdf/enc#RC");
        }
        "CipherReference" if !is_font => paths.extend(attribute(element, "URI").map(|path| resolved("", &path))),
        _ => {}
    });
    paths
}

/// Visits each element, with the text up to its end or its first child, as far
/// as the XML can be read.
fn elements(xml: &str, mut visit: impl FnMut(&BytesStart<'_>, &str)) {
    let mut reader = Reader::from_str(xml);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    let mut open: Option<BytesStart<'_>> = None;
    let mut text = String::new();
    loop {
        let event = reader.read_event();
        match &event {
            Ok(Event::Text(part)) if open.is_some() => text.push_str(&part.xml10_content()),
            Ok(Event::CData(part)) if open.is_some() => text.push_str(&part.xml10_content()),
            Ok(Event::GeneralRef(name)) if open.is_some() => match name.resolve_char_ref() {
                Ok(Some(letter)) => text.push(letter),
                _ => text.push_str(quick_xml::escape::resolve_predefined_entity(name).unwrap_or(" ")),
            },
            Ok(Event::Start(_) | Event::Empty(_) | Event::End(_) | Event::Eof) | Err(_) => {
                if let Some(element) = open.take() {
                    visit(&element, &text);
                    text.clear();
                }
            }
            _ => {}
        }
        match event {
            Ok(Event::Start(element)) => open = Some(element),
            Ok(Event::Empty(element)) => visit(&element, ""),
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let found =
        attributes.with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}

/// The path that `link` leads to from `folder`, without `..` and escapes.
fn resolved(folder: &str, link: &str) -> String {
    let link = link.split(['#', '?']).next().unwrap_or_default();
    let link = unescaped(link);
    let from = if link.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(link.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// With `%20` as a space and so on.
fn unescaped(link: &str) -> String {
    let mut bytes = Vec::with_capacity(link.len());
    let mut rest = link.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let code = code.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A page of XHTML as HTML wants it: `<title/>` and its like, which HTML takes
/// for a start only, get an end tag of their own.
pub(super) fn with_end_tags(page: &[u8]) -> Vec<u8> {
    const VOID: [&[u8]; 14] = [
        b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"link", b"meta", b"param", b"source",
        b"track", b"wbr",
    ];
    let mut out = Vec::with_capacity(page.len() + page.len() / 16);
    let mut rest = page;
    while let Some(start) = rest.iter().position(|byte| *byte == b'<') {
        out.extend_from_slice(&rest[..start]);
        rest = &rest[start..];
        let length = tag_length(rest);
        let tag = &rest[..length];
        rest = &rest[length..];
        let name = tag[1..].iter().position(|byte| byte.is_ascii_whitespace() || matches!(*byte, b'/' | b'>'));
        let name = &tag[1..name.map_or(tag.len(), |end| end + 1)];
        let is_name = name.first().is_some_and(u8::is_ascii_alphabetic);
        match tag.strip_suffix(b"/>") {
            Some(start) if is_name && !VOID.iter().any(|own| name.eq_ignore_ascii_case(own)) => {
                out.extend_from_slice(start);
                out.extend_from_slice(b"></");
                out.extend_from_slice(name);
                out.push(b'>');
            }
            _ => out.extend_from_slice(tag),
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Bytes of the tag, the comment or the like that starts here.
fn tag_length(rest: &[u8]) -> usize {
    let up_to = |end: &[u8]| rest.windows(end.len()).position(|window| window == end).map(|at| at + end.len());
    if rest.starts_with(b"<!--") {
        return up_to(b"-->").unwrap_or(rest.len());
    }
    if rest.starts_with(b"<![CDATA[") {
        return up_to(b"]]>").unwrap_or(rest.len());
    }
    if !rest.get(1).is_some_and(|next| next.is_ascii_alphabetic() || matches!(*next, b'/' | b'!' | b'?')) {
        return 1;
    }
    let mut quote = None;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        match (quote, *byte) {
            (Some(open), byte) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'>') => return at + 1,
            // No tag, but a sign of its own.
            (None, b'<') => return at,
            _ => {}
        }
    }
    rest.len()
}
