//! Books, packed here.

use std::io::Write as _;

use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::super::{Source, parse as parse_any};
use super::*;
use crate::document::{Span, slice};

const LIST: &str = r#"<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Über &amp; unter&#32;Tage</dc:title><dc:title>x</dc:title></metadata>
<manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="b" href="text/zwei%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="../OEBPS/text/a.xhtml#start" media-type="application/xhtml+xml"/>
<item id="c" href="cover.png" media-type="image/png"/></manifest>
<spine toc="ncx"><itemref idref="n"/><itemref idref="c"/><itemref idref="a"/><itemref idref="b"/><itemref idref="a"/></spine></package>"#;
const CONTAINER_XML: &str = r#"<container><rootfiles><rootfile full-path="OEBPS/list.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"#;
const A: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title/></head>\
    <body><a id=\"p1\"/><h1>Erstes</h1><p>Grün &amp; blau</p></body></html>";
const B: &str = "<html><head><title>B</title><script src=\"x\"/></head><body><h1>Zweites</h1><div class=\"rule\"/><h2>Teil</h2>\
    <table><tr><th>Maß</th><th>Wert</th></tr><tr><td>a</td><td>1</td></tr></table></body></html>";

fn book(more: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let all = [
        ("mimetype", "application/epub+zip"),
        (CONTAINER, CONTAINER_XML),
        ("OEBPS/list.opf", LIST),
        ("OEBPS/nav.xhtml", "<html><body><p>Contents: Erstes</p></body></html>"),
        ("OEBPS/text/zwei b.xhtml", B),
        ("OEBPS/text/A.xhtml", A),
    ];
    for (name, text) in all.iter().chain(more) {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn chapters_follow_each_other_as_they_are_read() {
    let bytes = book(&[]);
    let parsed = parse_any(&Source { bytes: &bytes, name: Some("a.epub"), media_type: None }).unwrap();
    assert_eq!(parsed.title.as_deref(), Some("Über & unter Tage"));
    assert_eq!(parsed.text, "Erstes\n\nGrün & blau\n\nZweites\n\nTeil\n\nMaß | Wert\na | 1");
    let titles: Vec<(u8, &str)> = parsed.map.headings.iter().map(|it| (it.level, it.title.as_str())).collect();
    assert_eq!(titles, [(1, "Erstes"), (1, "Zweites"), (2, "Teil")]);
    for heading in &parsed.map.headings {
        let end = heading.start + heading.title.chars().count();
        assert_eq!(slice(&parsed.text, Span { start: heading.start, end }), heading.title);
    }
    assert_eq!(slice(&parsed.text, parsed.map.tables[0].span), "Maß | Wert\na | 1");
    assert!(parsed.map.pages.is_empty() && parsed.members.is_empty());
}

#[test]
fn an_encrypted_chapter_is_refused_but_a_font_is_not() {
    let list = |method: &str, path: &str| {
        format!(
            "<encryption xmlns:enc='x'><enc:EncryptedData><enc:EncryptionMethod Algorithm='{method}'/>\
             <enc:CipherData><enc:CipherReference URI='{path}'/></enc:CipherData></enc:EncryptedData></encryption>"
        )
    };
    let aes = list("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/text/zwei%20b.xhtml");
    assert_eq!(parse(&book(&[(ENCRYPTION, &aes)])), Err(ParseError::Encrypted { format: "EPUB".into() }));
    let font = list("http://www.idpf.org/2008/embedding", "OEBPS/font.otf");
    assert!(parse(&book(&[(ENCRYPTION, &font)])).is_ok());
}

#[test]
fn a_book_without_its_lists_is_damaged() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("mimetype", SimpleFileOptions::default()).unwrap();
    writer.write_all(b"application/epub+zip").unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert!(matches!(parse(&bytes), Err(ParseError::Broken { .. })));
}

#[test]
fn empty_tags_of_xhtml_get_an_end() {
    let fixed = |page: &str| String::from_utf8(package::with_end_tags(page.as_bytes())).unwrap();
    assert_eq!(fixed("<title/><br/><IMG src=\"a>b\"/>"), "<title></title><br/><IMG src=\"a>b\"/>");
    assert_eq!(
        fixed("<!-- <p/> --><p class='x' />1 < 2 it's <i/>"),
        "<!-- <p/> --><p class='x' ></p>1 < 2 it's <i></i>"
    );
    assert_eq!(fixed("<"), "<");
    assert_eq!(fixed("a </"), "a </");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), xml in "[<>/\"'=a-z:&#; é]{0,80}") {
        let _ = parse(&bytes);
        let _ = package::with_end_tags(&bytes);
        let _ = package::with_end_tags(xml.as_bytes());
        let _ = package::contents(&xml, "a/b");
        let _ = package::package_path(&xml);
        let _ = package::encrypted(&xml);
    }

    #[test]
    fn neither_does_a_book_with_changes(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut bytes = book(&[]);
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let _ = parse(&bytes);
    }
}
