//! What each format comes to, and what is refused. Files are made here.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::document::{Span, slice};

fn read(name: &str, bytes: &[u8]) -> Result<Parsed, ParseError> {
    parse(&Source { bytes, name: Some(name), media_type: None })
}

fn html(body: &str) -> Parsed {
    read("page.html", format!("<!doctype html><html><body>{body}</body></html>").as_bytes()).unwrap()
}

/// Every heading starts where the map says, with its own title once markup goes.
fn check_map(parsed: &Parsed) {
    for heading in &parsed.map.headings {
        let line = slice(&parsed.text, Span { start: heading.start, end: usize::MAX }).lines().next().unwrap();
        // Markup may stand between the letters of a heading, but not in place of the first.
        let first = heading.title.chars().next().unwrap();
        assert!(line.contains(first), "{heading:?} is not at `{line}`");
    }
    let mut end = 0;
    for page in &parsed.map.pages {
        assert!(page.span.start >= end && page.span.end > page.span.start, "{page:?}");
        let text = slice(&parsed.text, page.span);
        assert_eq!(text.trim(), text);
        end = page.span.end;
    }
}

/// A line of text on a PDF's page: left edge, base line, size, words.
type Drawn<'a> = (f32, f32, f32, &'a str);

/// A PDF with these pages, `info` in its document information, and `trailer` in
/// its trailer.
fn pdf_with(pages: &[Vec<Drawn<'_>>], info: &str, trailer: &str) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 5 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        format!("<< {info} >>"),
    ];
    for (page, lines) in pages.iter().enumerate() {
        let contents = 6 + 2 * page;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {contents} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>"
        ));
        let mut stream = String::new();
        for (x, y, size, words) in lines {
            let words = words.replace('(', "\\(").replace(')', "\\)");
            writeln!(stream, "BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({words}) Tj ET").unwrap();
        }
        objects.push(format!("<< /Length {} >>\nstream\n{stream}endstream", stream.len()));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (object, number) in objects.iter().zip(1..) {
        offsets.push(file.len());
        writeln!(file, "{number} 0 obj\n{object}\nendobj").unwrap();
    }
    let table = file.len();
    write!(file, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(file, "{offset:010} 00000 n ").unwrap();
    }
    let size = objects.len() + 1;
    write!(file, "trailer\n<< /Size {size} /Root 1 0 R /Info 4 0 R {trailer} >>\nstartxref\n{table}\n%%EOF\n").unwrap();
    file.into_bytes()
}

fn pdf(pages: &[Vec<Drawn<'_>>]) -> Parsed {
    let parsed = read("file.pdf", &pdf_with(pages, "", "")).unwrap();
    check_map(&parsed);
    parsed
}

#[test]
fn markdown_stays_as_it_is_and_its_headings_are_known() {
    let source = "Grüße\n\n# One `code` *and* more\n\nText\n\nTwo\nlines\n=====\n\n> # quoted\n\n## Three ##\n\n```\n# no heading\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |";
    let parsed = read("a.md", source.as_bytes()).unwrap();
    check_map(&parsed);
    assert_eq!(parsed.text, source);
    assert_eq!(parsed.syntax, Syntax::Markdown);
    assert_eq!(parsed.title.as_deref(), Some("One code and more"));
    let headings: Vec<_> = parsed.map.headings.iter().map(|heading| (heading.level, heading.title.as_str())).collect();
    assert_eq!(headings, [(1, "One code and more"), (1, "Two lines"), (2, "Three")]);
    assert_eq!(parsed.map.headings[0].start, 7);
}

#[test]
fn front_matter_goes_and_gives_the_title() {
    let cases = [
        ("---\ntitle: Plain words # comment\ntags: [a]\n---\n\n# H\n", Some("Plain words"), "# H"),
        ("---\r\ntitle: \"Said \\\"so\\\"\"\r\n---\r\ntext", Some("Said \"so\""), "text"),
        ("---\nlayout: x\ntitle: 'It''s'\n...\ntext", Some("It's"), "text"),
        ("---\ntitle: >-\n  Two\n  lines\nb: c\n---\ntext", Some("Two lines"), "text"),
        ("+++\ntitle = \"Toml\"\n[extra]\ntitle = \"no\"\n+++\ntext", Some("Toml"), "text"),
        ("---\ndate: 2024-01-01\n---\n# Heading\n", Some("Heading"), "# Heading"),
        ("---\n\nA rule, then text.\n\n---\nmore", None, "---\n\nA rule, then text.\n\n---\nmore"),
        ("---\nkey: never closed\n", None, "---\nkey: never closed"),
    ];
    for (source, title, text) in cases {
        let parsed = read("a.md", source.as_bytes()).unwrap();
        assert_eq!((parsed.title.as_deref(), parsed.text.as_str()), (title, text), "{source}");
    }
}

#[test]
fn plain_text_is_brought_into_canonical_form_only() {
    let parsed = read("a.txt", b"\xef\xbb\xbf# not a heading\r\n\r\n\r\n\r\n\r\ntext \r\n").unwrap();
    assert_eq!(parsed.text, "# not a heading\n\n\ntext");
    assert_eq!((parsed.title, parsed.map, parsed.syntax), (None, TextMap::default(), Syntax::Plain));
}

#[test]
fn html_blocks_come_to_lines() {
    let cases = [
        ("<p>One <b>bold</b>\n word.</p><p>Two<br>lines<br><br>apart</p>", "One bold word.\n\nTwo\nlines\n\napart"),
        ("<div>a<div>b</div>c</div>", "a\n\nb\n\nc"),
        ("<ul><li>a<li><p>b</p><p>more</p><ul><li>c</ul><li>d</ul>end", "- a\n- b\n\n  more\n\n  - c\n- d\n\nend"),
        ("<pre>\nfn a() {\n    b\n}\n</pre>x", "fn a() {\n    b\n}\n\nx"),
        ("<table><tr><th>A<th>B<tr><td>1<td>2 <p>3</p></table>", "A | B\n1 | 2 3"),
        ("<table><tbody><tr><td>1<td>2</tbody><thead><tr><th>A<th>B</thead></table>", "A | B\n1 | 2"),
        ("<table><tr><td><table><tr><td>a<td>b</table><td>c</table>", "a | b\n\nc"),
        ("<table><caption>C</caption><tr><td>a<td></td><td>b</table>z", "C\n\na | b\n\nz"),
        ("a&nbsp;b soft\u{ad}ly <a href=x>link</a> <img alt='no' src=y>", "a b softly link"),
        ("<dl><dt>term<dd>what it is</dl>", "term\nwhat it is"),
    ];
    for (body, text) in cases {
        assert_eq!(html(body).text, text, "{body}");
    }
}

#[test]
fn what_surrounds_a_page_and_what_is_hidden_goes() {
    let around = "<nav>N</nav><header>H</header><script>S</script><style>Y</style><aside>A</aside><footer>F</footer>\
                  <noscript>O</noscript><template>T</template><svg><text>V</text></svg><form>Q<input></form>\
                  <p hidden>I</p><p style='color:red; DISPLAY : none'>D</p><div role=navigation>R</div>";
    assert_eq!(html(&format!("{around}<p>The text of the page.</p>")).text, "The text of the page.");
    let article = "<article><header><h1>Title</h1></header><p>Most of the page's text stands here.</p></article>";
    let parsed = html(&format!("<div>Share this</div>{article}<div>Read next</div>"));
    assert_eq!(parsed.text, "Title\n\nMost of the page's text stands here.");
    assert_eq!(parsed.title.as_deref(), Some("Title"));
}

#[test]
fn a_page_that_is_one_large_form_is_read() {
    assert_eq!(html("<form><p>All of the text</p><button>Send</button></form>").text, "All of the text");
    assert_eq!(html("<footer>Only this</footer>").text, "Only this");
}

#[test]
fn html_headings_are_known_by_position() {
    let parsed = html("<title>The&amp;page</title><h1>Grüße\n<i>an</i> alle</h1><p>é</p><h3></h3><h2>Zwei</h2>x");
    check_map(&parsed);
    assert_eq!(parsed.title.as_deref(), Some("The&page"));
    let headings: Vec<_> = parsed.map.headings.iter().map(|heading| (heading.level, heading.title.as_str())).collect();
    assert_eq!(headings, [(1, "Grüße an alle"), (2, "Zwei")]);
}

#[test]
fn the_encoding_that_a_page_names_is_used() {
    let pages: [&[u8]; 4] = [
        b"<!doctype html><meta charset=windows-1252><p>5 \x80</p>",
        b"<html><head><!-- <meta charset=utf-8> --><META http-equiv=Content-Type content='text/html; charset=ISO-8859-1'><p>5 \x80",
        b"<?xml version='1.0' encoding='windows-1252'?><html><p>5 \x80</p></html>",
        b"\xef\xbb\xbf<!doctype html><meta charset=windows-1252><p>5 \xe2\x82\xac</p>",
    ];
    for page in pages {
        assert_eq!(read("a.html", page).unwrap().text, "5 €", "{}", String::from_utf8_lossy(page));
    }
}

#[test]
fn deeply_nested_pages_are_read() {
    for (open, close) in [("<div>", "</div>"), ("<ul><li>", ""), ("<table><tr><td>", ""), ("<b>", "")] {
        let page = format!("<html>{}deep{}", open.repeat(10_000), close.repeat(10_000));
        assert!(read("a.html", page.as_bytes()).unwrap().text.ends_with("deep"), "{open}");
    }
}

#[test]
fn pages_that_would_take_far_too_long_are_refused() {
    let attributes = " a='1'".repeat(20_000);
    for body in ["<div>".repeat(30_000), format!("<p{attributes}>x")] {
        assert_eq!(read("a.html", format!("<html>{body}").as_bytes()).unwrap_err().code(), "broken");
    }
    let plain = "<div><p>x<br>y<script>'<div>'.repeat(2)</script></div><ul><li>a<li>b</ul>".repeat(30_000);
    assert!(read("a.html", format!("<html>{plain}").as_bytes()).is_ok());
}

#[test]
fn pdf_lines_are_joined_to_paragraphs_and_words_made_whole() {
    let text = pdf(&[vec![
        (72.0, 700.0, 10.0, "The upper limit of the Tempe-"),
        (72.0, 688.0, 10.0, "ratur is read from the first dial at"),
        (72.0, 676.0, 10.0, "noon."),
        (72.0, 640.0, 10.0, "Next paragraph."),
        (72.0, 628.0, 10.0, "- first item"),
        (72.0, 616.0, 10.0, "- second item"),
    ]]);
    assert_eq!(
        text.text,
        "The upper limit of the Temperatur is read from the first dial at noon.\n\nNext paragraph.\n- first item\n- second item"
    );
}

#[test]
fn pdf_columns_are_read_one_after_the_other_and_tables_by_row() {
    let lines = |x, word: &'static str| (0..10_u8).map(move |i| (x, 600.0 - 12.0 * f32::from(i), 10.0, word));
    let mut page = vec![(200.0, 700.0, 20.0, "A title over both")];
    page.extend(lines(72.0, "left column with words in it").chain(lines(320.0, "right column with other words")));
    let parsed = pdf(&[page]);
    assert_eq!(parsed.title.as_deref(), Some("A title over both"));
    assert!(parsed.text.find("right").unwrap() > parsed.text.rfind("left").unwrap(), "{}", parsed.text);

    let table = pdf(&[vec![
        (72.0, 700.0, 10.0, "Name"),
        (200.0, 700.0, 10.0, "Price"),
        (72.0, 688.0, 10.0, "Bolt"),
        (200.0, 688.0, 10.0, "5"),
    ]]);
    assert_eq!(table.text, "Name | Price\nBolt | 5");
}

#[test]
fn pdf_pages_are_numbered_and_repeated_margins_go() {
    let footers: Vec<String> = (1..=4).map(|page| format!("Manual - page {page} of 4")).collect();
    let pages: Vec<Vec<Drawn<'_>>> = footers
        .iter()
        .zip(["first", "second", "third", "fourth"])
        .map(|(footer, word)| {
            let heading = (72.0, 700.0, 16.0, word);
            vec![
                (72.0, 760.0, 8.0, "ACME Inc."),
                heading,
                (72.0, 670.0, 10.0, "Words of this page are here."),
                (72.0, 658.0, 10.0, word),
                (72.0, 30.0, 8.0, footer.as_str()),
            ]
        })
        .collect();
    let parsed = pdf(&pages);
    // What is words stays on its first page.
    assert!(parsed.text.starts_with("ACME Inc.\n\nfirst\n\n"), "{}", parsed.text);
    let found = ["ACME", "Manual"].map(|words| parsed.text.matches(words).count());
    assert_eq!(found, [1, 1], "{}", parsed.text);
    let numbers: Vec<u32> = parsed.map.pages.iter().map(|page| page.page).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert!(slice(&parsed.text, parsed.map.pages[2].span).starts_with("third\n\nWords"));
    assert_eq!(parsed.map.headings.len(), 4);
    assert_eq!(parsed.map.page_at(parsed.map.headings[3].start), Some(4));
}

#[test]
fn a_pdf_without_text_on_one_page_keeps_the_other_numbers() {
    let parsed = pdf(&[vec![(72.0, 700.0, 10.0, "one")], vec![], vec![(72.0, 700.0, 10.0, "three")]]);
    assert_eq!(parsed.text, "one\n\nthree");
    assert_eq!(parsed.map.pages.iter().map(|page| page.page).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn a_pdf_title_is_taken_unless_a_program_made_it() {
    for (info, title) in [
        ("/Title (The real one)", Some("The real one")),
        ("/Title (Microsoft Word - draft3.doc)", Some("Heading")),
        ("/Title (untitled)", Some("Heading")),
        ("/Title (report.indd)", Some("Heading")),
    ] {
        let lines = vec![(72.0, 700.0, 20.0, "Heading"), (72.0, 650.0, 10.0, "Body text that is longer.")];
        assert_eq!(read("a.pdf", &pdf_with(&[lines], info, "")).unwrap().title.as_deref(), title, "{info}");
    }
}

#[test]
fn each_reason_to_refuse_a_file_has_its_name() {
    let locked = "/Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -44 /O (0123456789abcdef0123456789abcdef) \
                  /U (fedcba9876543210fedcba9876543210) >> /ID [(0123456789abcdef) (0123456789abcdef)]";
    let page = vec![(72.0, 700.0, 10.0, "secret")];
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("a.md", Vec::new(), "empty"),
        ("a.txt", b" \n\t\n".to_vec(), "no_text"),
        ("a.html", b"<!doctype html><title>t</title><script>x</script>".to_vec(), "no_text"),
        ("a.pdf", pdf_with(&[page], "", locked), "encrypted"),
        ("a.pdf", pdf_with(&[vec![], vec![]], "", ""), "no_text"),
        ("a.pdf", pdf_with(&[], "", ""), "broken"),
        ("a.pdf", b"%PDF-1.7\nnothing else".to_vec(), "broken"),
        ("a.pdf", b"<!doctype html><p>x".to_vec(), "wrong_type"),
        ("a.txt", pdf_with(&[vec![]], "", ""), "wrong_type"),
        ("a.txt", (0..=255).cycle().take(2000).collect(), "not_text"),
        ("a.xyz", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "unsupported"),
    ];
    for (name, bytes, code) in cases {
        let refused = read(name, &bytes).map(|parsed| parsed.text).unwrap_err();
        assert_eq!(refused.code(), code, "{name}: {refused}");
    }
}

#[test]
fn a_pdf_cut_short_is_read_or_refused_but_never_panics() {
    let whole = pdf_with(&[vec![(72.0, 700.0, 10.0, "words")]], "", "");
    for end in (0..whole.len()).step_by(7) {
        let _ = read("a.pdf", &whole[..end]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), kind in 0..5_usize) {
        let (name, start) = [("a.md", ""), ("a.txt", ""), ("a.html", "<html>"), ("a.pdf", "%PDF-1.7\n"), ("a", "")][kind];
        let bytes = [start.as_bytes(), &bytes].concat();
        if let Ok(parsed) = read(name, &bytes) {
            check_canonical(&parsed)?;
        }
    }

    #[test]
    fn arbitrary_text_is_read_in_every_format(text in "([a-z #>|`=\\-\\n\u{e9}\u{65e5}]|<(/?)(div|p|li|ul|table|tr|td|pre|h1|br|main|form)>){0,60}") {
        for name in ["a.md", "a.txt", "a.html"] {
            let source = if name == "a.html" { format!("<html>{text}") } else { text.clone() };
            if let Ok(parsed) = read(name, source.as_bytes()) {
                check_map(&parsed);
                check_canonical(&parsed)?;
            }
        }
    }

    #[test]
    fn a_damaged_pdf_never_panics(at in 0..900_usize, value in any::<u8>()) {
        let mut bytes = pdf_with(&[vec![(72.0, 700.0, 10.0, "words")]], "/Title (t)", "");
        let at = at % bytes.len();
        bytes[at] = value;
        let _ = read("a.pdf", &bytes);
    }
}

fn check_canonical(parsed: &Parsed) -> Result<(), TestCaseError> {
    prop_assert_eq!(&canonical::text(&parsed.text), &parsed.text);
    Ok(())
}
