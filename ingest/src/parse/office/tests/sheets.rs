//! What workbooks come to.

use super::files::{compound, package, rels};
use super::*;

/// An XLSX with these rows on one sheet, these shared strings and formats.
pub(super) fn xlsx(rows: &str, strings: &str, formats: &str) -> Vec<u8> {
    let relations = rels(&[
        ("r1", "worksheet", "worksheets/sheet1.xml"),
        ("r2", "sharedStrings", "sharedStrings.xml"),
        ("r3", "styles", "styles.xml"),
    ]);
    let sheet = format!("<worksheet><dimension ref=\"A1:XFD1048576\"/><sheetData>{rows}</sheetData></worksheet>");
    package(&[
        ("[Content_Types].xml", "<Types/>"),
        (
            "xl/workbook.xml",
            "<workbook><sheets><sheet name=\"Data\" state=\"hidden\" r:id=\"r1\"/></sheets></workbook>",
        ),
        ("xl/_rels/workbook.xml.rels", &relations),
        ("xl/worksheets/sheet1.xml", &sheet),
        ("xl/sharedStrings.xml", &format!("<sst>{strings}</sst>")),
        ("xl/styles.xml", &format!("<styleSheet>{formats}</styleSheet>")),
    ])
}

/// A compound file with this workbook.
pub(super) fn xls(stream: &[u8]) -> Vec<u8> {
    compound(&[("Workbook", stream)])
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&kind.to_le_bytes(), &length.to_le_bytes(), data].concat()
}

/// A workbook with a sheet of two rows; a shared string goes on in a second record.
pub(super) fn records() -> Vec<u8> {
    let mut globals = record(0x0809, &[0, 6, 5, 0]);
    globals.extend(record(0x00e0, &[0, 0, 0, 0]));
    globals.extend(record(0x00e0, &[0, 0, 14, 0]));
    let sst = [&[3u8, 0, 0, 0, 3, 0, 0, 0][..], &[4, 0, 0], b"Name", &[4, 0, 0], b"Date", &[5, 0, 0], b"Gr"].concat();
    globals.extend(record(0x00fc, &sst));
    globals.extend(record(0x003c, &[1, 0xfc, 0, 0xdf, 0, 0x65, 0]));
    let length = globals.len() + 4 + 12 + 4;
    let start = u32::try_from(length).unwrap().to_le_bytes();
    globals.extend(record(0x0085, &[&start[..], &[0, 0, 4, 0], b"Data"].concat()));
    globals.extend(record(0x000a, &[]));
    globals.extend(record(0x0809, &[0, 6, 16, 0]));
    globals.extend(record(0x00fd, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    globals.extend(record(0x00fd, &[0, 0, 1, 0, 0, 0, 1, 0, 0, 0]));
    globals.extend(record(0x00fd, &[1, 0, 0, 0, 0, 0, 2, 0, 0, 0]));
    let whole = (45_000u32 << 2 | 2).to_le_bytes();
    globals.extend(record(0x027e, &[&[1u8, 0, 1, 0, 1, 0][..], &whole].concat()));
    globals.extend(record(0x000a, &[]));
    globals
}

#[test]
fn regions_of_a_sheet_are_tables_below_its_name() {
    let rows = r#"<row r="2"><c r="B2" t="inlineStr"><is><t>Sales</t></is></c></row>
        <row r="3"><c r="B3" t="s"><v>0</v></c><c r="D3" t="str"><f>A1</f><v>Share</v></c></row>
        <row r="4"><c r="B4" s="1"><v>45000</v></c><c r="D4" s="2"><v>0.125</v></c></row>
        <row r="1048576"><c r="XFD1048576" t="b"><v>1</v></c></row>"#;
    let formats = r#"<numFmts><numFmt numFmtId="164" formatCode="0.0%"/></numFmts><cellStyleXfs><xf/></cellStyleXfs>
        <cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs>"#;
    let strings = "<si><r><t>Da</t></r><r><t>te</t></r><rPh><t>x</t></rPh></si>";
    let parsed = read(&xlsx(rows, strings, formats)).unwrap();
    assert_eq!(parsed.text, "Data\n\nSales\n\nDate | Share\n2023-03-15 | 12.5%\n\nTRUE");
    let [table] = parsed.map.tables.as_slice() else { panic!("one table") };
    assert_eq!(table.caption.as_deref(), Some("Sales"));
    assert_eq!(table.header.map(|span| slice(&parsed.text, span)), Some("Date | Share"));
}

#[test]
fn a_workbook_without_cells_is_empty() {
    assert_eq!(read(&xlsx("<row r=\"1\"/>", "", "")), Err(ParseError::Empty));
}

#[test]
fn a_sheet_of_scattered_cells_takes_what_its_cells_do() {
    let cell = |at: usize| {
        let letters: String =
            [26 * 26, 26, 1].map(|unit| char::from(b'A' + u8::try_from(at / unit % 26).unwrap())).into_iter().collect();
        format!("<row r=\"{0}\"><c r=\"{letters}{0}\"><v>1</v></c></row>", at + 1)
    };
    let rows: String = (0..8000).map(cell).collect();
    let parsed = read(&xlsx(&rows, "", "")).unwrap();
    assert!(parsed.text.len() < 100_000, "{}", parsed.text.len());
}

#[test]
fn one_long_string_in_many_cells_is_refused() {
    let row = |at: u32| format!("<row r=\"{at}\"><c r=\"A{at}\" t=\"s\"><v>0</v></c></row>");
    let rows: String = (1..3000).map(row).collect();
    let noise: String = (0..100_000u64).map(|at| char::from(b'a' + u8::try_from(at * at / 7 % 26).unwrap())).collect();
    let error = read(&xlsx(&rows, &format!("<si><t>{noise}</t></si>"), "")).unwrap_err();
    assert!(error.to_string().contains("more cells"), "{error}");
}

#[test]
fn an_ods_shows_what_it_showed_and_repeats_within_bounds() {
    let cell = |attributes: &str, text: &str| {
        format!("<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>")
    };
    let content = format!(
        "<office:spreadsheet><table:table table:name=\"One\"><table:table-row>{}{}</table:table-row>\
         <table:table-row>{}{}</table:table-row><table:table-row table:number-rows-repeated=\"1048000\">\
         <table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>\
         <table:table-row table:number-rows-repeated=\"1048000\">{}</table:table-row></table:table></office:spreadsheet>",
        cell("office:value-type=\"string\"", "Day"),
        cell("office:value-type=\"string\"", "Part"),
        cell("office:value-type=\"date\" office:date-value=\"2024-02-29\"", "29.02.24"),
        cell("office:value-type=\"percentage\" office:value=\"0.5\"", "50 %"),
        cell("office:value-type=\"float\" office:value=\"7\" table:number-columns-repeated=\"16384\"", "7"),
    );
    let kind = "application/vnd.oasis.opendocument.spreadsheet";
    let parsed = read(&package(&[("mimetype", kind), ("content.xml", &content)])).unwrap();
    assert!(parsed.text.starts_with("One\n\nDay | Part\n2024-02-29 | 50 %\n\n7 | 7 | 7"));
    assert!(parsed.text.len() < 1_000_000);
}

#[test]
fn an_xls_has_its_strings_numbers_and_dates() {
    let parsed = read(&xls(&records())).unwrap();
    assert_eq!(parsed.text, "Data\n\nName | Date\nGrüße | 2023-03-15");
    assert!(parsed.map.tables[0].header.is_some());
}

#[test]
fn an_xls_with_a_password_is_said_to_be_encrypted() {
    let mut stream = record(0x0809, &[0, 6, 5, 0]);
    stream.extend(record(0x002f, &[1, 0, 1, 0, 1, 0]));
    assert_eq!(read(&xls(&stream)), Err(ParseError::Encrypted { format: "XLS".into() }));
}
