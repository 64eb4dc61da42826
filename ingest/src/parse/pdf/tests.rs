//! Files of which the library alone makes too much or too little.

use std::fmt::Write as _;

use super::*;

/// A page: what it draws, and what else is in its dictionary. Its fonts are F1,
/// Latin letters; F2, where `a` to `z` are the Hebrew letters from alef on; and
/// F3, Latin letters and a wide blank for each code below 32. Im1 is a picture.
struct Page<'a>(&'a str, &'a str);

const HEBREW: &str = "/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <00> <ff> endcodespacerange \
                      1 beginbfrange <61> <7a> <05d0> endbfrange endcmap end";

fn file(pages: &[Page<'_>]) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 8 + 2 * page)).collect();
    let own = |last: u8, entries: &str| {
        let widths = vec!["500"; usize::from(last)].join(" ");
        format!(
            "<< /Type /Font /Subtype /Type1 /BaseFont /ABCDEF+Own /FirstChar 1 /LastChar {last} /Widths [{widths}] \
             {entries} >>"
        )
    };
    let pixels = "80".repeat(80 * 100);
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        own(122, "/ToUnicode 5 0 R"),
        format!("<< /Length {} >>\nstream\n{HEBREW}\nendstream", HEBREW.len() + 1),
        own(126, ""),
        format!(
            "<< /Type /XObject /Subtype /Image /Width 80 /Height 100 /ColorSpace /DeviceGray /BitsPerComponent 8 \
             /Filter /ASCIIHexDecode /Length {} >>\nstream\n{pixels}>\nendstream",
            pixels.len() + 1
        ),
    ];
    for (Page(stream, entries), number) in pages.iter().zip((9..).step_by(2)) {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {number} 0 R {entries} /Resources << \
             /Font << /F1 3 0 R /F2 4 0 R /F3 6 0 R >> /XObject << /Im1 7 0 R >> >> >>"
        ));
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

fn read_page(stream: &str, entries: &str) -> Result<String, ParseError> {
    parse(&file(&[Page(stream, entries)])).map(|parsed| parsed.text)
}

/// Draws words in a font of 10 points, each at its place.
fn drawn(font: &str, words: &[(f32, f32, &str)]) -> String {
    words.iter().map(|(x, y, word)| format!("BT /{font} 10 Tf 1 0 0 1 {x} {y} Tm ({word}) Tj ET\n")).collect()
}

const SHOWS_A_PICTURE: &str = "q 612 0 0 792 0 0 cm /Im1 Do Q";

#[test]
fn words_from_right_to_left_are_read_in_their_order() {
    let letters = [(500.0, "a"), (495.0, "b"), (490.0, "c"), (480.0, "d"), (475.0, "e")];
    let first: Vec<_> = letters.iter().map(|(x, letter)| (*x, 700.0, *letter)).collect();
    let second: Vec<_> = letters.iter().rev().map(|(x, letter)| (*x, 650.0, *letter)).collect();
    let text = read_page(&(drawn("F2", &first) + &drawn("F2", &second)), "").unwrap();
    assert_eq!(text, "אבג דה\n\nאבג דה");
}

#[test]
fn what_stands_at_the_right_comes_first_where_text_runs_from_the_right() {
    let cells = drawn("F2", &[(100.0, 700.0, "a"), (300.0, 700.0, "b"), (500.0, 700.0, "c")]);
    assert_eq!(read_page(&cells, "").unwrap(), "ג ב א");
}

#[test]
fn numbers_that_stand_side_by_side_are_no_decimal() {
    let near = drawn("F1", &[(100.0, 700.0, "12"), (116.0, 700.0, "34")]);
    assert_eq!(read_page(&near, "").unwrap(), "12 34");
    assert_eq!(read_page(&drawn("F1", &[(100.0, 700.0, "12.34")]), "").unwrap(), "12.34");
}

#[test]
fn what_lies_beyond_the_visible_page_is_not_read() {
    let words = drawn("F1", &[(100.0, 700.0, "shown"), (100.0, 2000.0, "above"), (900.0, 680.0, "beside")]);
    assert_eq!(read_page(&words, "").unwrap(), "shown");
    let cropped = drawn("F1", &[(100.0, 700.0, "shown"), (100.0, 50.0, "cropped")]);
    assert_eq!(read_page(&cropped, "/CropBox [0 100 612 792]").unwrap(), "shown");
}

#[test]
fn a_page_that_is_turned_is_read_as_it_is_shown() {
    let words =
        "BT /F1 10 Tf 0 1 -1 0 100 100 Tm (first line) Tj ET BT /F1 10 Tf 0 1 -1 0 150 100 Tm (second line) Tj ET";
    assert_eq!(read_page(words, "/Rotate 90").unwrap(), "first line\n\nsecond line");
}

#[test]
fn words_that_control_characters_part_stay_apart() {
    let words = drawn("F3", &[(100.0, 700.0, "these\\002words\\011apart")]);
    assert_eq!(read_page(&words, "").unwrap(), "these words apart");
}

#[test]
fn words_of_a_font_size_below_nothing_stay_on_their_line() {
    let stream = "BT /F1 -10 Tf 1 0 0 -1 60 700 Tm (one) Tj ET BT /F1 -10 Tf 1 0 0 -1 100 700 Tm (two) Tj ET";
    assert_eq!(read_page(stream, "").unwrap(), "one two");
}

#[test]
fn only_pages_that_are_pictures_need_recognition() {
    assert_eq!(read_page("", "").unwrap_err(), ParseError::NoText);
    assert_eq!(read_page("0 0 m 100 100 l S", "").unwrap_err(), ParseError::NoText);
    let pages = [Page("", ""), Page(SHOWS_A_PICTURE, "")];
    assert_eq!(parse(&file(&pages)).unwrap_err(), ParseError::NeedsOcr { pages: 2 });
}
