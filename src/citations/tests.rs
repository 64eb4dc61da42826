//! Whole answers against sources.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const PUMP: &str = "# The P-200 pump\n\nThe pump is rated for a pressure of **4 bar** (58 psi). It weighs 12 kg and is \
    painted red. Das Gehäuse besteht aus Edelstahl und hält Tempe-\nraturen bis 1.200 °C stand.\n";
const VALVE: &str = "“Check valves” are e\u{fb03}cient: the valve opens at 0.5\u{a0}bar. Replace the seal every 300 hours.\n\n\
    | Part | Number |\n|---|---|\n| Main seal | V-77 |\n";

fn sources() -> Vec<SourceText> {
    let source = |n, text: &str, start, pages: &[(usize, u32)]| SourceText {
        n,
        text: text.into(),
        start,
        document_id: Uuid::from_u128(u128::from(n)),
        revision_id: Uuid::from_u128(u128::from(n) + 100),
        title: format!("Manual {}", ["A", "B"][n as usize - 1]),
        uri: None,
        pages: pages.to_vec(),
    };
    vec![source(1, PUMP, 0, &[]), source(2, VALVE, 1000, &[(1000, 3), (1050, 4)])]
}

/// An answer as it is shown, and its unsupported ranges in words.
#[derive(Debug, PartialEq)]
struct Checked {
    text: String,
    summary: Summary,
    unsupported: Vec<String>,
    citations: Vec<Citation>,
}

fn check_in(deltas: &[&str]) -> Checked {
    let mut verifier = Verifier::new(sources());
    let mut pieces: Vec<Piece> = deltas.iter().flat_map(|delta| verifier.push(delta)).collect();
    let (rest, summary) = verifier.finish();
    pieces.extend(rest);
    let (mut text, mut citations, mut ranges) = (String::new(), Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Text(words) => text.push_str(&words),
            Piece::Citation(citation) => citations.push(citation),
            Piece::Unsupported { start, end } => ranges.push((start, end)),
        }
    }
    let shown: Vec<char> = text.chars().collect();
    let unsupported = ranges.into_iter().map(|(start, end)| shown[start..end].iter().collect()).collect();
    Checked { text, summary, unsupported, citations }
}

fn check(answer: &str) -> Checked {
    check_in(&[answer])
}

#[test]
fn a_true_quote_is_shown_with_its_exact_range() {
    let checked = check("The pump holds 4 bar [1: \"rated for a pressure of 4 bar\"]. Good.");
    assert_eq!(checked.text, "The pump holds 4 bar [1]. Good.");
    assert_eq!((checked.summary.claims, checked.summary.supported), (1, 1));
    let citation = &checked.citations[0];
    assert_eq!((citation.n, citation.support, citation.score), (1, Support::Quoted, 1.0));
    assert_eq!(citation.quote, "rated for a pressure of **4 bar");
    assert_eq!(citation.start, PUMP.find("rated").unwrap());
    assert_eq!(checked.citations, checked.summary.citations);
    assert_eq!(checked.text, checked.summary.text);
}

#[test]
fn quotes_are_found_however_they_are_written() {
    let cases = [
        ("The valve opens at 0.5 bar [2: 'the valve opens at 0.5 bar'].", "the valve opens at 0.5\u{a0}bar"),
        ("Valves are efficient 【2: “\"Check valves\" are efficient”】.", "“Check valves” are e\u{fb03}cient"),
        (
            "Das Gehäuse hält Temperaturen stand [1: \"hält Temperaturen bis 1.200 °C stand\"].",
            "hält Tempe-\nraturen bis 1.200 °C stand",
        ),
        (
            "The pump is painted red [1: \"…it weighs 12 kg and is painted RED…\"].",
            "It weighs 12 kg and is painted red",
        ),
        ("Replace the seal every 300 hours [2: \"Replace … the seal every 300 hours.\"].", "the seal every 300 hours"),
        ("The main seal is number V-77 [2: \"Main seal V-77\"].", "Main seal | V-77"),
        ("The pump is painted red [1: It weighs 12 kg and is painted red].", "It weighs 12 kg and is painted red"),
        ("The pump is painted red [1: \"weighs 12 kg and is painted red].\n\nYes.", "weighs 12 kg and is painted red"),
    ];
    for (answer, quote) in cases {
        let checked = check(answer);
        assert_eq!(checked.citations.len(), 1, "{answer}: {checked:?}");
        assert_eq!(checked.citations[0].quote, quote);
        assert_eq!(checked.citations[0].support, Support::Quoted, "{answer}");
        assert!(checked.unsupported.is_empty() && checked.text.contains("[1]"), "{checked:?}");
    }
}

#[test]
fn a_page_is_that_on_which_the_range_starts() {
    let checked =
        check("The valve opens at 0.5 bar [2: \"the valve opens at 0.5 bar\"]. Replace the seal every 300 hours [2].");
    assert_eq!(checked.citations.iter().map(|citation| citation.page).collect::<Vec<_>>(), [Some(3), Some(4)]);
}

#[test]
fn a_quote_of_another_source_cites_that_source() {
    let checked = check("Replace the seal every 300 hours [1: \"Replace the seal every 300 hours\"].");
    assert_eq!(checked.citations[0].document_id, Uuid::from_u128(2));
    let checked = check("Replace the seal every 300 hours [9: \"Replace the seal every 300 hours\"].");
    assert_eq!(checked.text, "Replace the seal every 300 hours [1].");
}

#[test]
fn a_number_without_a_quote_is_aligned() {
    let checked = check("The pump weighs 12 kg and is red [1].");
    assert_eq!(checked.citations[0].support, Support::Aligned);
    assert_eq!(checked.citations[0].quote, "It weighs 12 kg and is painted red.");
    assert!(checked.citations[0].score >= 0.5 && checked.citations[0].score <= 1.0);
    let both = check("The pump weighs 12 kg and is red [1, 2].");
    assert_eq!(both.text, "The pump weighs 12 kg and is red [1].");
    let short = check("The pump weighs 12 kg [1: \"12 kg\"].");
    assert_eq!((short.citations[0].support, short.citations[0].quote.as_str()), (Support::Quoted, "12 kg"));
}

#[test]
fn a_row_of_a_table_says_what_its_head_says_of_it() {
    let text =
        "| Model | Flow in litres | Power |\n|---|---|---|\n| P-200 | 120 | 1.5 kW |\n| P-300 | 180 | 2.2 kW |\n";
    for answer in ["The flow of the model P-300 is 180 litres [1].", "The P-300 delivers 180 [1: \"P-300 | 180\"]."] {
        let mut verifier = Verifier::new(vec![SourceText { text: text.into(), ..sources().remove(0) }]);
        verifier.push(answer);
        let summary = verifier.finish().1;
        assert!(summary.citations[0].quote.starts_with("P-300 | 180"), "{summary:?}");
        assert_eq!(summary.supported, 1);
    }
}

#[test]
fn the_same_range_keeps_its_number() {
    let quote = "[1: \"rated for a pressure of 4 bar\"]";
    let checked = check(&format!(
        "It is rated for 4 bar {quote}. The pump weighs 12 kg and is red [1]. The pressure is 4 bar {quote}."
    ));
    assert_eq!(
        checked.text,
        "It is rated for 4 bar [1]. The pump weighs 12 kg and is red [2]. The pressure is 4 bar [1]."
    );
    assert_eq!(checked.citations.len(), 2);
    assert_eq!((checked.summary.claims, checked.summary.supported), (3, 3));
}

#[test]
fn what_no_source_says_is_not_cited() {
    let cases = [
        ("The pump holds 9 bar [1: \"rated for a pressure of 9 bar\"].", "The pump holds 9 bar."),
        ("The pump holds 9 bar [1: \"rated for a pressure of 4 bar\"].", "The pump holds 9 bar."),
        ("The pump plays loud music [1: \"the pump\"] daily.", "The pump plays loud music daily."),
        ("The pump plays loud music [7].", "The pump plays loud music."),
        ("The pump plays loud music. [7]", "The pump plays loud music."),
        ("The pump plays loud music.", "The pump plays loud music."),
        ("[1] The pump plays loud music.", "The pump plays loud music."),
        ("The pump plays loud music [1: \"never", "The pump plays loud music"),
    ];
    for (answer, shown) in cases {
        let checked = check(answer);
        assert_eq!(checked.text, shown, "{answer}");
        assert_eq!(checked.unsupported, [shown], "{answer}");
        assert_eq!((checked.summary.claims, checked.summary.supported), (1, 0), "{answer}");
        assert!(checked.citations.is_empty());
    }
}

#[test]
fn a_number_behind_the_marker_counts_as_well() {
    let checked = check("It is [1: \"rated for a pressure of 4 bar\"], so the pump holds 9 bar.");
    assert_eq!(checked.text, "It is [1], so the pump holds 9 bar.");
    assert_eq!(checked.unsupported, [checked.text.as_str()]);
}

#[test]
fn numbers_of_several_sources_add_up() {
    let first = "[1: \"rated for a pressure of 4 bar\"]";
    let second = "[2: \"the valve opens at 0.5 bar\"]";
    for answer in [
        format!("The pump holds 4 bar {first} and its valve opens at 0.5 bar {second}."),
        format!("The pump holds 4 bar and its valve opens at 0.5 bar {first}{second}."),
    ] {
        let checked = check(&answer);
        assert_eq!((checked.citations.len(), checked.summary.supported), (2, 1), "{checked:?}");
    }
}

#[test]
fn only_sentences_that_claim_something_count() {
    let lead = "# The weight of pumps\n\nHere is what the manuals hold:\n\nIs the pump heavy and red?\n\n**Weight of the pump**\n\n\
                | Part name | Part number | Stock |\n|---|---|---|\n\n```\nlet pump = weight[1] + red;\n```\n\nYes.";
    let checked = check(lead);
    assert_eq!((checked.text.as_str(), checked.summary.claims), (lead, 0), "{:?}", checked.unsupported);
}

#[test]
fn lists_and_rows_are_claims_of_their_own() {
    let answer = "- It weighs 12 kg and is red [1]\n- The pump plays loud music\n\n| main seal | number V-77 | [2] |\n\n\
                  [1: \"rated for a pressure of 4 bar\"] The pump holds 4 bar.";
    let checked = check(answer);
    assert_eq!(checked.unsupported, ["The pump plays loud music"]);
    assert_eq!((checked.summary.claims, checked.summary.supported), (4, 3), "{checked:?}");
}

#[test]
fn a_marker_behind_the_full_stop_belongs_to_the_sentence_before() {
    let checked = check("The pump holds 4 bar. [1: \"rated for a pressure of 4 bar\"] The pump plays loud music.");
    assert_eq!(checked.text, "The pump holds 4 bar. [1] The pump plays loud music.");
    assert_eq!(checked.unsupported, ["The pump plays loud music."]);
}

#[test]
fn brackets_that_are_no_markers_stay() {
    for text in
        ["see [the list](x) and [x] and []", "`list[1]` and [12:30], [2024], [^1]", "```\na[1][2]\n```\n", "[", "a [2"]
    {
        assert_eq!(check(text).text, text);
    }
}

#[test]
fn a_number_never_becomes_a_link() {
    let quote = "[1: \"rated for a pressure of 4 bar\"]";
    assert_eq!(check(&format!("{quote}: https://x.y")).text, "[1] : https://x.y");
    assert_eq!(check(&format!("Holds 4 bar {quote}(https://x.y)")).text, "Holds 4 bar [1] (https://x.y)");
}

#[test]
fn text_is_not_held_back_without_need() {
    let mut verifier = Verifier::new(sources());
    assert_eq!(verifier.push("The pump"), [Piece::Text("The pump".into())]);
    assert_eq!(verifier.push(" [1"), []);
    assert_eq!(verifier.push("x"), [Piece::Text(" [1x".into())]);
    let long = format!("[1: \"{}", "x ".repeat(700));
    assert!(matches!(verifier.push(&long).as_slice(), [Piece::Text(_)]));
}

#[test]
fn a_citation_survives_json() {
    let citation = check("The pump weighs 12 kg and is red [1].").citations.remove(0);
    let json = serde_json::to_value(&citation).unwrap();
    assert_eq!(json["support"], "aligned");
    assert_eq!(serde_json::from_value::<Citation>(json).unwrap(), citation);
}

#[test]
fn hostile_answers_take_no_long_time() {
    for part in
        ["[1:\"]", "[1: \"", "[1", "a. ", "e.g. ", "[2]", "- a\n", "\u{301}", "```\n", "| a\n", "[1: \"a a a\"]"]
    {
        check(&part.repeat(20_000 / part.len()));
    }
}

/// Parts of which documents are made.
const PARTS: [&str; 32] = [
    "the pump holds",
    " 4 bar",
    " and",
    " Weighs",
    " 12.5 kg",
    " (58 psi)",
    ". ",
    ", ",
    "\n",
    "\n\n",
    "- ",
    "# ",
    "| ",
    " | ",
    " well-",
    " “quoted”",
    " \"said\", 4, 5",
    " 'x'",
    " **bold**",
    " `a_b`",
    "...",
    " …",
    " \\",
    " Tempe\u{ad}ratur",
    " e\u{fb03}cient",
    " [3]",
    " e.g.",
    "! ",
    " 泵压为四巴",
    " e\u{301}te\u{301}",
    " - ",
    "-",
];

/// Pieces of which answers are made, good and bad.
fn answer() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        Just("The pump holds 4 bar".to_owned()),
        Just(" [1: \"rated for a pressure of 4 bar\"]".to_owned()),
        Just(" [2: “the valve opens at 0.5 bar”; 1]".to_owned()),
        Just("It weighs 12 kg and is red".to_owned()),
        Just("[1]".to_owned()),
        Just("[7, 2]".to_owned()),
        Just("【1: \"".to_owned()),
        "[.!?,:;\\[\\]【】\"“”'`*#|() \n\\\\-]{1,3}",
        "[0-9]{1,4}",
        "\\PC{0,6}",
    ];
    proptest::collection::vec(parts, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn it_does_not_matter_how_an_answer_is_cut(answer in answer(), cuts in proptest::collection::vec(1usize..9, 1..6)) {
        let chars: Vec<char> = answer.chars().collect();
        let (mut deltas, mut at) = (Vec::new(), 0);
        for length in cuts.iter().cycle() {
            if at >= chars.len() { break; }
            let end = (at + length).min(chars.len());
            deltas.push(chars[at..end].iter().collect::<String>());
            at = end;
        }
        let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
        prop_assert_eq!(check_in(&deltas), check(&answer));
    }

    #[test]
    fn every_quote_is_a_slice_of_its_source(answer in answer()) {
        let checked = check(&answer);
        for (citation, n) in checked.citations.iter().zip(1..) {
            let source = sources().into_iter().find(|source| source.revision_id == citation.revision_id).unwrap();
            let range = source.text.chars().skip(citation.start - source.start).take(citation.end - citation.start);
            prop_assert_eq!(range.collect::<String>(), citation.quote.clone());
            prop_assert!(citation.start < citation.end && citation.n == n);
            let shown = format!("[{n}]");
            prop_assert!(checked.text.contains(&shown));
        }
        let summary = &checked.summary;
        prop_assert!(summary.supported <= summary.claims);
        prop_assert_eq!(summary.claims - summary.supported, checked.unsupported.len());
        prop_assert_eq!(&summary.citations, &checked.citations);
        prop_assert_eq!(&summary.text, &checked.text);
    }

    #[test]
    fn a_text_without_brackets_passes_unchanged(answer in "([^\\[【]|[ \n`.*]){0,80}") {
        prop_assert_eq!(check(&answer).text, answer);
    }

    #[test]
    fn any_source_and_quote_are_survived(text in "\\PC{0,60}", from in 0usize..60, length in 1usize..60) {
        let quote: String = text.chars().skip(from).take(length).collect();
        let source = SourceText { text, ..sources().remove(0) };
        let mut verifier = Verifier::new(vec![source.clone()]);
        verifier.push(&format!("It says [1: \"{quote}\"]."));
        for citation in verifier.finish().1.citations {
            let range = source.text.chars().skip(citation.start).take(citation.end - citation.start);
            prop_assert_eq!(range.collect::<String>(), citation.quote);
        }
    }

    #[test]
    fn a_sentence_of_a_source_is_always_found_in_it(parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 1..30)) {
        let source = SourceText { text: parts.concat(), ..sources().remove(0) };
        for range in crate::sentences::split(&source.text) {
            let sentence = &source.text[range.clone()];
            if sentence.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).count() < 5 { continue; }
            let mut verifier = Verifier::new(vec![source.clone()]);
            let proof = sentence.replace('\\', "\\\\").replace('"', "\\\"");
            let pieces = verifier.push(&format!("The pump holds it [1: \"{proof}\"]."));
            prop_assert!(matches!(&pieces[..2], [Piece::Text(_), Piece::Citation(_)]), "{proof:?} {pieces:?}");
            let citations = verifier.finish().1.citations;
            prop_assert_eq!((citations.len(), citations[0].support), (1, Support::Quoted), "{:?}", sentence);
        }
    }
}
