//! Scans through a reader, with programs that are scripts of a line.

use std::fmt::Write as _;

use super::*;
use crate::document::slice;
use crate::ocr::tests::script;

/// A page: words, or a grey picture as large as itself.
enum Page {
    Words(&'static str),
    Picture,
}

fn pdf(pages: &[Page]) -> Vec<u8> {
    let pixels = "80".repeat(80 * 100);
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 5 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
        format!(
            "<< /Type /XObject /Subtype /Image /Width 80 /Height 100 /ColorSpace /DeviceGray /BitsPerComponent 8 \
             /Filter /ASCIIHexDecode /Length {} >>\nstream\n{pixels}>\nendstream",
            pixels.len() + 1
        ),
    ];
    for (page, number) in pages.iter().zip(5..) {
        let contents = 6 + 2 * (number - 5);
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {contents} 0 R \
             /Resources << /Font << /F1 3 0 R >> /XObject << /Im1 4 0 R >> >> >>"
        ));
        let stream = match page {
            Page::Words(words) => format!("BT /F1 10 Tf 1 0 0 1 72 700 Tm ({words}) Tj ET"),
            Page::Picture => "q 612 0 0 792 0 0 cm /Im1 Do Q".to_owned(),
        };
        objects.push(format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len() + 1));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (object, number) in objects.iter().zip(1..) {
        writeln!(table, "{:010} 00000 n ", file.len()).unwrap();
        writeln!(file, "{number} 0 obj\n{object}\nendobj").unwrap();
    }
    let start = file.len();
    let size = objects.len() + 1;
    write!(file, "{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file.into_bytes()
}

async fn recognised(pages: &[Page], lines: &str) -> Result<Parsed, Unread> {
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::here().with_ocr(Some(&script(folder.path(), lines))).unwrap();
    reader.read(pdf(pages), "scan.pdf", None).await
}

#[tokio::test]
async fn a_scanned_page_gets_the_text_that_the_program_prints_at_its_place() {
    let pages = [Page::Words("First page"), Page::Picture, Page::Words("Last page")];
    let parsed = recognised(&pages, "printf 'Recog-\\nnised words\\n\\nof a page\\f'").await.unwrap();
    assert_eq!(parsed.text, "First page\n\nRecognised words\n\nof a page\n\nLast page");
    let numbers: Vec<u32> = parsed.map.pages.iter().map(|page| page.page).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(slice(&parsed.text, parsed.map.pages[1].span), "Recognised words\n\nof a page");
    assert!(parsed.map.scans.is_empty() && parsed.members.is_empty());
}

#[tokio::test]
async fn a_file_of_many_scans_is_read_to_its_end() {
    let pages: Vec<Page> = (0..9).map(|_| Page::Picture).collect();
    let parsed = recognised(&pages, "head -c 4 \"$1\" | tr -d '\\211'").await.unwrap();
    assert_eq!(parsed.text, ["PNG"; 9].join("\n\n"));
    assert_eq!(parsed.map.pages.len(), 9);
}

#[tokio::test]
async fn a_scan_without_a_program_or_without_text_needs_recognition() {
    let plain = Reader::here().read(pdf(&[Page::Picture]), "scan.pdf", None).await;
    assert!(matches!(plain, Err(Unread::Unreadable(ParseError::NeedsOcr { pages: 1 }))), "{plain:?}");
    let silent = recognised(&[Page::Picture], "true").await;
    assert!(matches!(silent, Err(Unread::Unreadable(ParseError::NeedsOcr { pages: 1 }))), "{silent:?}");
}

#[tokio::test]
async fn pages_that_are_pictures_are_named_when_nothing_reads_them() {
    let pages = [Page::Picture, Page::Words("Words that stand on a page")];
    let parsed = Reader::here().read(pdf(&pages), "scan.pdf", None).await.unwrap();
    assert_eq!((parsed.text.as_str(), parsed.map.scans.as_slice()), ("Words that stand on a page", &[1][..]));
}

#[tokio::test]
async fn a_program_that_fails_costs_its_page_or_the_file_if_nothing_else_is_there() {
    let failed = recognised(&[Page::Picture], "echo half; exit 3").await;
    let Err(Unread::Limit { code: "ocr_failed", message }) = failed else { panic!("{failed:?}") };
    assert!(message.contains("exit status: 3"), "{message}");
    let rest = recognised(&[Page::Words("Words"), Page::Picture], "exit 3").await.unwrap();
    assert_eq!((rest.text.as_str(), rest.map.scans.as_slice()), ("Words", &[2][..]));
    let reader = Reader::here().with_ocr(Some("/nowhere/recognise")).unwrap();
    let missing = reader.read(pdf(&[Page::Words("Words"), Page::Picture]), "scan.pdf", None).await;
    assert!(matches!(missing, Err(Unread::Limit { code: "ocr_failed", .. })), "{missing:?}");
}
