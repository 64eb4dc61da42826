//! What tables in text files come to.

use super::*;
use crate::document::slice;
use proptest::prelude::*;

fn text(source: &str) -> String {
    parse(source, false).text
}

#[test]
fn each_delimiter_is_found() {
    for delimiter in [",", ";", "\t", "|"] {
        let source = "name,age,note\nAnn,30,a b\nBen,41,c".replace(',', delimiter);
        let parsed = parse(&source, false);
        assert_eq!(parsed.text, "name | age | note\nAnn | 30 | a b\nBen | 41 | c", "{delimiter:?}");
        let header = parsed.map.tables[0].header.unwrap();
        assert_eq!(slice(&parsed.text, header), "name | age | note");
    }
}

#[test]
fn a_comma_within_cells_is_not_taken_for_the_delimiter() {
    assert_eq!(text("a, b; c\nd; e\nf, g; h\ni; j"), "a, b | c\nd | e\nf, g | h\ni | j");
    assert_eq!(
        text("Year;Costs;\n2022;-1,5;\n2023;2,5;\n2024;3,5;"),
        "Year | Costs\n2022 | -1,5\n2023 | 2,5\n2024 | 3,5"
    );
    assert_eq!(
        text("one, two\nthree\nfour\nfive, six\nseven\neight"),
        "one, two\nthree\nfour\nfive, six\nseven\neight"
    );
    assert_eq!(text("sep=|\na|b,c\nd|e,f"), "a | b,c\nd | e,f");
}

#[test]
fn quoted_cells_may_hold_line_breaks_delimiters_and_quotes() {
    assert_eq!(text("a,b\r\n\"two\nlines\",\"say \"\"x\"\", y\"\r\n1,2\r\n"), "a | b\ntwo lines | say \"x\", y\n1 | 2");
}

#[test]
fn a_quote_that_is_never_closed_swallows_nothing() {
    let source = "size,name\n\"5,pipe\n".to_owned() + &"6,tube\n".repeat(1000);
    assert_eq!(text(&source).lines().count(), 1002);
    assert_eq!(parse("size\tname\n5\"\tpipe\n6\"\ttube", true).text, "size | name\n5\" | pipe\n6\" | tube");
}

#[test]
fn rows_of_unequal_length_are_kept() {
    assert_eq!(
        text("a,b,c\n1,2,3,4\n5\n,6,7\n8,9,10\n"),
        "a | b | c\n1 | 2 | 3 | 4\n5\n | 6 | 7\n8 | 9 | 10".replace("\n | 6", "\n| 6")
    );
}

#[test]
fn a_title_above_the_table_is_its_caption() {
    let parsed = parse("Stanley Cups,,\nTeam,Location,Cups\nBlues,STL,1\nFlyers,PHI,2\n", false);
    assert_eq!(parsed.text, "Stanley Cups\n\nTeam | Location | Cups\nBlues | STL | 1\nFlyers | PHI | 2");
    assert_eq!(parsed.map.tables[0].caption.as_deref(), Some("Stanley Cups"));
}

#[test]
fn only_a_regular_table_is_known_without_a_name() {
    assert!(is_table("id;name;city\n1;a;b\n2;c;d\n3;e;f\n4;g;h\n"));
    assert!(!is_table("One, two, three.\nFour, five, six.\nA, b, c.\nD, e, f.\nG, h, i.\n"));
    assert!(!is_table("a;b\nc;d\ne;f\ng;h\ni;j\n"));
    assert!(!is_table(""));
}

#[test]
fn a_million_cells_are_read() {
    let source = "x,1\n".repeat(500_000);
    assert_eq!(text(&source).len(), 500_000 * 6 - 1);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(source in "[a,;\"\n\t|1é]{0,80}", tabs in any::<bool>()) {
        let parsed = parse(&source, tabs);
        let points = parsed.text.chars().count();
        prop_assert!(parsed.map.tables.iter().all(|table| table.span.end <= points));
        is_table(&source);
    }
}
