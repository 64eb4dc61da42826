//! Tables of lines that are placed by hand.

use super::*;

/// A line: base line, and cells with their left ends; letters are 5 points wide.
fn line(y: f32, cells: &[(f32, &str)]) -> Line {
    let cells: Vec<Segment> = cells
        .iter()
        .map(|(x, text)| Segment {
            text: (*text).to_owned(),
            x: [*x, *x + 5.0 * f32::from(u16::try_from(text.len()).unwrap())],
            y,
            size: 10.0,
            is_mono: false,
            is_bold: text.starts_with('*'),
        })
        .collect();
    Line { y, size: 10.0, column: 0, within: [72.0, 540.0], cells }
}

fn rows(table: &Table) -> Vec<String> {
    table.rows.iter().map(|row| row.join(" | ")).collect()
}

#[test]
fn numbers_under_names_are_a_table_with_a_header_row() {
    let lines = [
        line(712.0, &[(72.0, "Some words that stand before it, in a line of its own.")]),
        line(700.0, &[(72.0, "Part"), (200.0, "Price"), (300.0, "Count")]),
        line(688.0, &[(72.0, "Bolt"), (210.0, "5"), (310.0, "12")]),
        line(676.0, &[(72.0, "Washer, large"), (310.0, "7")]),
        line(664.0, &[(72.0, "Nut"), (205.0, "15"), (312.0, "9")]),
        line(630.0, &[(72.0, "Words after it.")]),
    ];
    let found = find(&lines);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lines, 1..5);
    assert!(found[0].has_header);
    assert_eq!(rows(&found[0]), ["Part | Price | Count", "Bolt | 5 | 12", "Washer, large |  | 7", "Nut | 15 | 9"]);
}

#[test]
fn a_cell_of_several_lines_stays_one() {
    let lines = [
        line(700.0, &[(72.0, "Signal"), (200.0, "Meaning")]),
        line(680.0, &[(72.0, "Red"), (200.0, "The door is open and")]),
        line(668.0, &[(200.0, "Cannot be locked.")]),
        line(648.0, &[(72.0, "Green"), (200.0, "The door is closed")]),
        line(636.0, &[(200.0, "and locked.")]),
        line(616.0, &[(72.0, "Blue"), (200.0, "Nothing is known")]),
        line(604.0, &[(200.0, "about the door.")]),
    ];
    let found = find(&lines);
    assert_eq!(found.len(), 1);
    assert_eq!(
        rows(&found[0]),
        [
            "Signal | Meaning",
            "Red | The door is open and Cannot be locked.",
            "Green | The door is closed and locked.",
            "Blue | Nothing is known about the door.",
        ]
    );
}

#[test]
fn a_label_of_two_lines_belongs_to_the_numbers_of_its_second() {
    let lines = [
        line(700.0, &[(72.0, "Assets"), (300.0, "2021"), (400.0, "2022")]),
        line(688.0, &[(72.0, "Cash"), (300.0, "10"), (400.0, "11")]),
        line(676.0, &[(72.0, "Liabilities under")]),
        line(664.0, &[(72.0, "benefit plans"), (300.0, "20"), (400.0, "21")]),
        line(652.0, &[(300.0, "30"), (400.0, "32")]),
    ];
    let found = find(&lines);
    assert_eq!(
        rows(&found[0]),
        ["Assets | 2021 | 2022", "Cash | 10 | 11", "Liabilities under benefit plans | 20 | 21", " | 30 | 32"]
    );
    assert!(found[0].has_header);
}

#[test]
fn lists_and_prose_in_columns_are_no_tables() {
    let list: Vec<Line> =
        (0..5_u8).map(|i| line(700.0 - 12.0 * f32::from(i), &[(72.0, "1."), (100.0, "Words")])).collect();
    assert!(find(&list).is_empty());
    let words = "words of a paragraph, one after the other as usual";
    let prose: Vec<Line> =
        (0..5_u8).map(|i| line(700.0 - 12.0 * f32::from(i), &[(10.0, words), (400.0, words)])).collect();
    assert!(find(&prose).is_empty());
}

#[test]
fn a_caption_has_a_number_and_is_no_sentence() {
    for caption in [
        "Table 3: Prices",
        "TABLE IV Results of all",
        "Tabelle 2.1 Preise",
        "Table 5",
        "Tab. 7. Masse",
        "表 1 価格",
        "Table A: x",
    ] {
        assert!(is_caption(caption), "{caption}");
    }
    for text in ["Table 3 shows the prices", "Tables are useful", "Table of contents", "The Table 3: x", "", "Table"] {
        assert!(!is_caption(text), "{text}");
    }
}
