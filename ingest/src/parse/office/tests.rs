//! What office documents come to. Packages are made here.

mod files;
mod sheets;

use std::fmt::Write as _;
use std::sync::LazyLock;

use files::{docx, odt, package, pptx, rels};
use proptest::prelude::*;

use super::*;
use crate::document::{Span, slice};

fn read(bytes: &[u8]) -> Result<Parsed, ParseError> {
    let kind = kind_of_zip(bytes).or_else(|| kind_of_compound(bytes)).unwrap();
    parse(kind, bytes)
}

fn pages(parsed: &Parsed) -> Vec<(u32, &str)> {
    parsed.map.pages.iter().map(|page| (page.page, slice(&parsed.text, page.span))).collect()
}

#[test]
fn headings_of_a_docx_come_from_styles_their_bases_and_outline_levels() {
    let styles = r#"<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
        <w:style w:styleId="Own"><w:name w:val="My own"/><w:basedOn w:val="berschrift1"/></w:style>
        <w:style w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style>"#;
    let body = r#"<w:p><w:pPr><w:pStyle w:val="Own"/></w:pPr><w:r><w:t>One</w:t></w:r></w:p>
        <w:p><w:pPr><w:pStyle w:val="Loop"/></w:pPr><w:r><w:t>Text</w:t></w:r></w:p>
        <w:p><w:pPr><w:outlineLvl w:val="2"/></w:pPr><w:r><w:t>Three</w:t></w:r></w:p>"#;
    let parsed =
        read(&docx(body, &[("word/styles.xml", "styles", &format!("<w:styles>{styles}</w:styles>"))])).unwrap();
    assert_eq!(parsed.text, "One\n\nText\n\nThree");
    let levels: Vec<u8> = parsed.map.headings.iter().map(|heading| heading.level).collect();
    assert_eq!((levels, parsed.title.as_deref()), (vec![1, 3], Some("One")));
}

#[test]
fn insertions_of_a_docx_stay_and_deletions_go() {
    let body = "<w:p><w:ins><w:r><w:t>new </w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>\
        <w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom><w:r><w:t>a&amp;b&#x3C;</w:t><w:tab/><w:t>c</w:t></w:r>\
        <w:hyperlink><w:r><w:t> link</w:t></w:r></w:hyperlink></w:p>";
    assert_eq!(read(&docx(body, &[])).unwrap().text, "new a&b< c link");
}

#[test]
fn lists_of_a_docx_have_marks_and_no_blank_lines() {
    let item = |level: u8, text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr>\
             <w:r><w:t>{text}</w:t></w:r></w:p>"
        )
    };
    let body = format!("<w:p><w:r><w:t>List:</w:t></w:r></w:p>{}{}", item(0, "one"), item(1, "two"));
    assert_eq!(read(&docx(&body, &[])).unwrap().text, "List:\n\n- one\n  - two");
}

#[test]
fn a_table_of_a_docx_knows_its_header_and_its_caption() {
    let cell = |text: &str| format!("<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>");
    let inner =
        format!("<w:tc><w:tbl><w:tr>{}{}</w:tr><w:tr>{}</w:tr></w:tbl></w:tc>", cell("x"), cell("y"), cell("z"));
    let body = format!(
        "<w:p><w:pPr><w:pStyle w:val=\"Caption\"/></w:pPr><w:r><w:t>Table 1</w:t></w:r></w:p><w:tbl>\
         <w:tr><w:trPr><w:tblHeader/></w:trPr>{}{}</w:tr><w:tr>{}{inner}</w:tr>\
         <w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr><w:p/></w:tc>{}</w:tr></w:tbl>",
        cell("Name"),
        cell("Age"),
        cell("Ada"),
        cell("wide"),
    );
    let parsed = read(&docx(&body, &[])).unwrap();
    assert_eq!(parsed.text, "Table 1\n\nName | Age\nAda | x, y; z\n|  | wide");
    let [table] = parsed.map.tables.as_slice() else { panic!("one table") };
    assert_eq!(table.caption.as_deref(), Some("Table 1"));
    assert_eq!(table.header.map(|span| slice(&parsed.text, span)), Some("Name | Age"));
}

#[test]
fn pages_of_a_docx_start_at_its_breaks_and_a_break_noted_twice_counts_once() {
    let rendered = "<w:r><w:lastRenderedPageBreak/></w:r>";
    let row =
        |text: &str, lead: &str| format!("<w:tr><w:tc><w:p>{lead}<w:r><w:t>{text}</w:t></w:r></w:p></w:tc></w:tr>");
    let body = format!(
        "<w:p><w:r><w:t>Größe one</w:t></w:r></w:p><w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>\
         <w:p>{rendered}<w:r><w:t>two goes </w:t></w:r>{rendered}<w:r><w:t>on</w:t></w:r></w:p>\
         <w:tbl>{}{}</w:tbl>",
        row("a", ""),
        row("b", rendered)
    );
    let parsed = read(&docx(&body, &[])).unwrap();
    assert_eq!(parsed.text, "Größe one\n\ntwo goes on\n\na\nb");
    assert_eq!(pages(&parsed), [(1, "Größe one"), (2, "two goes"), (3, "on\n\na"), (4, "b")]);
    assert_eq!(read(&docx("<w:p><w:r><w:t>one</w:t></w:r></w:p>", &[])).unwrap().map.pages, []);
}

#[test]
fn notes_comments_and_text_boxes_of_a_docx_follow_the_text() {
    let note = "<w:footnotes><w:footnote w:type=\"separator\"><w:p><w:r><w:t>no</w:t></w:r></w:p></w:footnote>\
        <w:footnote w:id=\"1\"><w:p><w:r><w:t>small</w:t></w:r></w:p></w:footnote></w:footnotes>";
    let comment =
        "<w:comments><w:comment w:author=\"Ada\"><w:p><w:r><w:t>why?</w:t></w:r></w:p></w:comment></w:comments>";
    let shape = "<w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent>";
    let body = format!(
        "<w:p><w:r><w:t>anchor</w:t></w:r><w:r><mc:AlternateContent><mc:Choice>{shape}</mc:Choice>\
         <mc:Fallback>{shape}</mc:Fallback></mc:AlternateContent></w:r></w:p><w:p><w:r><w:t>end</w:t></w:r></w:p>"
    );
    let parts = [("word/footnotes.xml", "footnotes", note), ("word/comments.xml", "comments", comment)];
    let parsed = read(&docx(&body, &parts)).unwrap();
    assert_eq!(parsed.text, "anchor\n\nbox\n\nend\n\nFootnote: small\n\nComment by Ada: why?");
}

#[test]
fn slides_come_in_the_order_of_the_presentation_with_their_notes() {
    let first = "<p:sp><p:nvPr><p:ph type=\"title\"/></p:nvPr><a:p><a:r><a:t>Start</a:t></a:r></a:p></p:sp>\
        <p:grpSp><p:sp><p:nvPr><p:ph idx=\"1\"/></p:nvPr><a:p><a:r><a:t>one</a:t></a:r></a:p>\
        <a:p><a:pPr lvl=\"1\"/><a:r><a:t>two</a:t></a:r></a:p></p:sp></p:grpSp>\
        <p:sp><p:nvPr><p:ph type=\"sldNum\"/></p:nvPr><a:p><a:fld><a:t>7</a:t></a:fld></a:p></p:sp>";
    let cell = |text: &str| format!("<a:tc><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>");
    let second = format!(
        "<p:graphicFrame><a:tbl><a:tblPr firstRow=\"1\"/><a:tr>{}{}</a:tr><a:tr>{}{}</a:tr></a:tbl></p:graphicFrame>",
        cell("A"),
        cell("B"),
        cell("1"),
        cell("2")
    );
    let parsed = read(&pptx(&[first, &second], "Say hello")).unwrap();
    assert_eq!(parsed.text, "Slide 1\n\nA | B\n1 | 2\n\nStart\n\n- one\n  - two\n\nNotes: Say hello");
    let expected = [(1, "Slide 1\n\nA | B\n1 | 2"), (2, "Start\n\n- one\n  - two\n\nNotes: Say hello")];
    assert_eq!(pages(&parsed), expected);
    assert!(parsed.map.tables[0].header.is_some());
}

#[test]
fn an_odt_keeps_its_order_and_drops_what_was_deleted() {
    let parsed = read(&odt("<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>\
         <text:h text:outline-level=\"2\">Head</text:h><text:p>a<text:s text:c=\"2\"/>b<text:line-break/>c\
         <text:note text:note-class=\"footnote\"><text:note-citation>1</text:note-citation><text:note-body>\
         <text:p>small</text:p></text:note-body></text:note></text:p>\
         <text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>two</text:p>\
         </text:list-item></text:list></text:list-item></text:list>\
         <text:p>Last<text:soft-page-break/> words</text:p>\
         <table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>N</text:p></table:table-cell>\
         <table:table-cell><text:p>V</text:p></table:table-cell></table:table-row></table:table-header-rows>\
         <table:table-row><table:table-cell><text:p>n</text:p></table:table-cell></table:table-row></table:table>"))
    .unwrap();
    assert_eq!(parsed.text, "Head\n\na b\nc\n\n- one\n  - two\n\nLast words\n\nN | V\nn\n\nFootnote: small");
    assert_eq!(parsed.map.tables[0].header.map(|span| slice(&parsed.text, span)), Some("N | V"));
    assert_eq!(parsed.map.pages.len(), 2);
    assert_eq!(slice(&parsed.text, Span { end: 4, ..parsed.map.pages[0].span }), "Head");
}

#[test]
fn an_encrypted_odt_is_said_to_be_one() {
    let manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>";
    let bytes = package(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", manifest),
        ("content.xml", "noise"),
    ]);
    assert_eq!(read(&bytes), Err(ParseError::Encrypted { format: "ODT".into() }));
}

#[test]
fn entities_of_its_own_make_a_document_broken() {
    for bomb in ["<!DOCTYPE w [<!ENTITY a \"aaaa\">]><w:document/>", "<w:document>&lol;</w:document>"] {
        let bytes = package(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", bomb)]);
        assert_eq!(read(&bytes).map_err(|error| error.code()), Err("broken"));
    }
}

#[test]
fn a_package_that_unpacks_to_far_more_than_it_is_becomes_broken() {
    let spaces = " ".repeat(12 << 20);
    let body = format!("<w:document>{spaces}</w:document>");
    let bytes = package(&[("[Content_Types].xml", "<Types/>"), ("word/document.xml", &body)]);
    let Err(ParseError::Broken { problem, .. }) = read(&bytes) else { panic!("not refused") };
    assert!(problem.contains("unpacks"), "{problem}");
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    let (open, close) = ("<w:tbl><w:tr><w:tc>".repeat(50_000), "</w:tc></w:tr></w:tbl>".repeat(50_000));
    let error = read(&docx(&format!("{open}{close}"), &[])).unwrap_err();
    assert!(error.to_string().contains("nest"), "{error}");
}

#[test]
fn the_kind_of_a_package_is_told_by_its_parts() {
    let odp = package(&[("mimetype", "application/vnd.oasis.opendocument.presentation")]);
    assert_eq!(kind_of_zip(&odp), Some(OfficeKind::Unread("OpenDocument presentation")));
    assert_eq!(kind_of_zip(&package(&[("notes.txt", "word/")])), None);
    assert_eq!(kind_of_zip(b"PK but no zip"), None);
    assert_eq!(kind_of_zip(&docx("", &[])), Some(OfficeKind::Docx));
}

#[test]
fn an_old_binary_document_is_told_by_its_streams() {
    let kind = |stream: &str| kind_of_compound(&files::compound(&[(stream, b"x")]));
    assert_eq!(kind("EncryptedPackage"), Some(OfficeKind::Encrypted));
    assert_eq!(kind("WordDocument"), Some(OfficeKind::Unread("Word 97-2003 document (DOC)")));
    assert_eq!(kind("Workbook"), Some(OfficeKind::Xls));
    assert_eq!(kind_of_compound(b"text"), None);
}

#[test]
fn relations_may_lead_anywhere_in_the_package() {
    let bytes = package(&[
        ("_rels/.rels", &rels(&[("r1", "officeDocument", "/doc/Main.xml")])),
        ("[Content_Types].xml", "<Types/>"),
        ("word/x.xml", "<x/>"),
        ("doc/main.xml", "<w:document><w:p><w:r><w:t>here</w:t></w:r></w:p></w:document>"),
    ]);
    assert_eq!(read(&bytes).unwrap().text, "here");
}

/// A file of each kind, to be damaged.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let row = "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc/></w:tr></w:tbl>";
    vec![
        docx(row, &[("word/styles.xml", "styles", "<w:styles><w:style w:styleId=\"a\"/></w:styles>")]),
        pptx(&["<p:sp><a:p><a:r><a:t>x</a:t></a:r></a:p></p:sp>"], "note"),
        odt("<text:p>a</text:p><table:table><table:table-row/></table:table>"),
        sheets::xlsx("<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>", "", ""),
        sheets::xls(&sheets::records()),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_damaged_file_is_read_or_refused(which in 0usize..5, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut bytes = SAMPLES[which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(kind) = kind_of_zip(&bytes).or_else(|| kind_of_compound(&bytes)) {
            let _ = parse(kind, &bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let kinds = [OfficeKind::Docx, OfficeKind::Pptx, OfficeKind::Xlsx, OfficeKind::Odt, OfficeKind::Ods, OfficeKind::Xls];
        for kind in kinds {
            prop_assert!(parse(kind, &bytes).is_err());
        }
    }

    #[test]
    fn any_stream_of_a_workbook_is_read_or_refused(stream in prop::collection::vec(any::<u8>(), 0..512)) {
        let mut records = sheets::records();
        records.truncate(records.len() / 2);
        records.extend(stream);
        let _ = parse(OfficeKind::Xls, &sheets::xls(&records));
    }

    #[test]
    fn pages_of_any_body_lie_in_its_text(parts in prop::collection::vec(0usize..16, 0..64)) {
        const ELEMENTS: [&str; 5] = ["w:p", "w:tbl", "w:tr", "w:tc", "w:txbxContent"];
        const PIECES: [&str; 6] = [
            "<w:t>x </w:t>", "<w:lastRenderedPageBreak/>", "<w:br w:type=\"page\"/>", "<w:pStyle w:val=\"Caption\"/>",
            "<w:numId w:val=\"1\"/>", "<w:br/>",
        ];
        let (mut body, mut open) = (String::new(), Vec::new());
        for part in parts {
            if let Some(element) = ELEMENTS.get(part) {
                open.push(*element);
                write!(body, "<{element}>").unwrap();
            } else if let Some(piece) = PIECES.get(part - ELEMENTS.len()) {
                body += piece;
            } else if let Some(element) = open.pop() {
                write!(body, "</{element}>").unwrap();
            }
        }
        while let Some(element) = open.pop() {
            write!(body, "</{element}>").unwrap();
        }
        let parsed = read(&docx(&body, &[])).unwrap();
        let mut end = 0;
        for page in &parsed.map.pages {
            prop_assert!(page.span.start >= end && page.span.end > page.span.start);
            prop_assert_eq!(slice(&parsed.text, page.span).trim().chars().count(), page.span.len());
            end = page.span.end;
        }
        prop_assert!(end <= parsed.text.chars().count());
    }
}
