//! What JSON comes to.

use super::*;
use proptest::prelude::*;

fn text(source: &str) -> String {
    parse(source).unwrap().text
}

#[test]
fn a_list_of_flat_objects_is_a_table_with_all_keys() {
    let parsed =
        parse(r#"[{"a": 1, "b": "x | y", "c": ["p", 2]}, {"b": null, "a": 12345678901234567890123, "d": true}]"#);
    let parsed = parsed.unwrap();
    assert_eq!(parsed.text, "a | b | c | d\n1 | x | y | p, 2\n12345678901234567890123 |  |  | true");
    assert!(parsed.map.tables[0].header.is_some());
}

#[test]
fn an_object_is_lines_with_paths_and_its_keys_are_headings() {
    let source = r#"{"name": "px", "deps": {"serde": {"version": "1", "features": ["a", "b"]}}, "tags": ["x", "y"],
        "jobs": [{"id": 1}, {"id": 2}], "edition": 2024, "steps": [[1, 2], [3]]}"#;
    let parsed = parse(source).unwrap();
    let lines = "name: px\n\ndeps\n\ndeps.serde.version: 1\ndeps.serde.features: a, b\ntags: x, y\n\njobs\n\nid\n1\n2\n\n\
                 edition: 2024\n\nsteps\n\nsteps: 1, 2\nsteps: 3";
    assert_eq!(parsed.text, lines);
    let titles: Vec<_> = parsed.map.headings.iter().map(|heading| heading.title.as_str()).collect();
    assert_eq!(titles, ["deps", "jobs", "edition: 2024", "steps"]);
}

#[test]
fn prose_stands_by_itself_and_short_values_keep_their_path() {
    let long = "A sentence that goes on for so long that nobody would take it for a value of some setting or other.";
    let source = format!(
        r#"[{{"type": "Title", "text": "Short", "meta": {{"page": 1}}}}, {{"type": "NarrativeText", "text": "{long}"}}]"#
    );
    assert_eq!(text(&source), format!("type: Title\ntext: Short\nmeta.page: 1\n\ntype: NarrativeText\n\n{long}"));
}

#[test]
fn repeated_keys_and_plain_values_are_read() {
    assert_eq!(text(r#"{"a": 1, "a": 2}"#), "a: 1\na: 2");
    assert_eq!(text("\"just text\""), "just text");
    assert_eq!(text("[1, 2.50, \"x\"]"), "1, 2.50, x");
    assert_eq!(text("[]"), "");
}

#[test]
fn lines_of_objects_are_one_table() {
    let parsed = parse_lines("{\"a\": 1, \"b\": 2}\n\n{\"a\": 3, \"b\": 4}\r\n").unwrap();
    assert_eq!(parsed.text, "a | b\n1 | 2\n3 | 4");
    assert_eq!(parse("{\"a\": 1, \"b\": 2}\n{\"a\": 3, \"b\": 4}").unwrap().text, parsed.text);
    assert_eq!(parse_lines("{\"a\": {\"b\": 2}}\n{\"a\": 3}\n").unwrap().text, "a.b: 2\n\na: 3");
}

#[test]
fn damage_is_said_to_be_at_a_line_and_a_column() {
    let problem = |parsed: Result<Parsed, ParseError>| match parsed {
        Err(ParseError::Broken { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert!(problem(parse("{\n \"a\": }")).starts_with("line 2, column 7:"));
    assert!(problem(parse("{\"a\": 1}\nno json")).starts_with("line 2, column 1:"));
    assert!(problem(parse_lines("{\"a\": 1}\n\n{\"a\" 1}\n{")).starts_with("line 3, column 6:"));
}

#[test]
fn paths_do_not_grow_a_file_beyond_measure() {
    let key = "k".repeat(200);
    let deep = format!("{{\"{key}\":").repeat(2000) + "[" + &"[1],".repeat(20_000) + "2]" + &"}".repeat(2000);
    assert!(text(&deep).len() < 8 * deep.len());
    let ragged: Vec<String> = (0..3000).map(|key| format!("{{\"{key}\": {key}}}")).collect();
    let ragged = format!("[{}]", ragged.join(","));
    assert!(text(&ragged).len() < 4 * ragged.len());
}

#[test]
fn a_notebook_is_markdown_with_its_code_between_fences() {
    let source = r##"{"cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": "print(`1`)", "outputs": [
            {"output_type": "stream", "text": ["1\n"]},
            {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": ["<Figure>"]}}]}],
        "metadata": {"language_info": {"name": "python"}}, "nbformat": 4}"##;
    let parsed = notebook(source).unwrap();
    assert_eq!(parsed.text, "# Title\ntext\n\n```python\nprint(`1`)\n```\n\n```\n1\n```\n\n```\n<Figure>\n```");
    assert_eq!((parsed.title.as_deref(), parsed.syntax), (Some("Title"), Syntax::Markdown));
    assert!(matches!(notebook("{\"cells\": 1}"), Err(ParseError::Broken { .. })));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(source in any::<String>()) {
        let _ = (parse(&source), parse_lines(&source), notebook(&source));
    }

    #[test]
    fn no_json_makes_it_panic_and_tables_lie_within(source in json()) {
        let parsed = parse(&source).unwrap();
        let points = parsed.text.chars().count();
        prop_assert!(parsed.map.tables.iter().all(|table| table.span.end <= points));
        let _ = parse(&source[..source.len() / 2]);
        let twice = format!("{source}\n{source}");
        prop_assert!(parse_lines(&twice).is_ok());
    }
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("null".to_owned()),
        "[a-z ]{0,200}".prop_map(|text| format!("\"{text}\""))
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        let object = proptest::collection::vec(("[ab]", inner.clone()), 0..5).prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![proptest::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(","))), object]
    })
}
