//! What XML comes to.

use super::*;
use proptest::prelude::*;

fn text(source: &str) -> String {
    parse(source).unwrap().text
}

#[test]
fn each_leaf_is_a_line_and_records_stand_apart() {
    let source = "<?xml version=\"1.0\"?><!-- no --><all a='no'><one><name>A &amp; B</name><n>1</n></one>\n<one><name>C</name><n/></one></all>";
    assert_eq!(text(source), "A & B\n1\n\nC");
}

#[test]
fn text_flows_around_elements_in_its_sentences() {
    assert_eq!(text("<d><p><b>Bold</b> and <i>more</i>.</p><p>Two\n  lines</p></d>"), "Bold and more.\nTwo lines");
}

#[test]
fn titles_are_headings_of_what_they_stand_in() {
    let source = "<book><info><title>B</title></info><chapter><title>One</title><para>x</para><table><title>T</title></table>\
                  <section><title>Deep</title></section></chapter><chapter><title>Two <e>x</e></title></chapter></book>";
    let parsed = parse(source).unwrap();
    let headings: Vec<_> = parsed.map.headings.iter().map(|heading| (heading.level, heading.title.as_str())).collect();
    assert_eq!(headings, [(1, "B"), (2, "One"), (3, "Deep"), (2, "Two x")]);
    assert_eq!(parsed.title.as_deref(), Some("B"));
    assert_eq!(parsed.text, "B\n\nOne\n\nx\n\nT\n\nDeep\n\nTwo x");
}

#[test]
fn html_within_a_feed_is_read() {
    let source = "<rss><item><description>&lt;p&gt;One &lt;b&gt;two&lt;/b&gt;&lt;/p&gt;</description>\
                  <c><![CDATA[<p>Three</p><p>Four</p>]]></c></item></rss>";
    assert_eq!(text(source), "One two\n\nThree\n\nFour");
}

#[test]
fn entities_of_the_file_are_not_expanded() {
    let source =
        "<!DOCTYPE a [<!ENTITY x \"xxxx\"><!ENTITY f SYSTEM \"file:///etc/passwd\">]><a>&x; &f; &#233;&nbsp;Q&A</a>";
    assert_eq!(text(source), "&x; &f; é Q&A");
}

#[test]
fn a_file_of_attributes_alone_stays_as_it_is() {
    let source = "<config>\n  <item name=\"a\"/>\n</config>";
    assert_eq!(text(source), source);
}

#[test]
fn damage_is_said_to_be_at_a_line() {
    for (source, start) in
        [("<a>\n<b></a>", "line 2"), ("<a>\n", "line 2"), ("", "line 1"), ("<a b", "line 1"), ("plain", "line 1")]
    {
        let Err(ParseError::Broken { problem, .. }) = parse(source) else { panic!("{source}") };
        assert!(problem.starts_with(start), "{source}: {problem}");
    }
}

#[test]
fn the_declaration_names_the_encoding() {
    let source = b"<?xml version='1.0' encoding='iso-8859-1'?><a>Gr\xfc\xdfe</a>";
    assert_eq!(text(&decode(source).unwrap()), "Grüße");
    let utf16: Vec<u8> =
        "\u{feff}<?xml version='1.0' encoding='UTF-8'?><a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text(&decode(&utf16).unwrap()), "é");
}

#[test]
fn depth_costs_no_stack() {
    let deep = "<title>".repeat(200_000) + "x" + &"</title>".repeat(200_000);
    assert_eq!(text(&deep), "x");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(source in "(<[ab]>|</[ab]>|<title>|</title>|[x \n&;<é]){0,60}") {
        let _ = parse(&source);
        let _ = parse(&format!("<a>{source}</a>"));
    }
}
