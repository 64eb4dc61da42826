//! Answers put together at random from true, loose and false sentences: all
//! that is true is cited, and nothing that is not.
//!
//! `FOOTNOTE_QUOTES` sets how many answers there are (200 unless set).

use std::collections::BTreeSet;

use serde_json::json;

use crate::quoting::{Script, actor, assert_well_cited};
use crate::random::{Random, number};
use crate::talk::{Talk, citations, completed, text};

/// Sentences of an answer, at most.
const SENTENCES: u64 = 6;

/// Documents by the names that stand for their numbers, and their sentences:
/// each with a number of its own, none of which follows another.
const DOCUMENTS: [(&str, [&str; 4]); 5] = [
    (
        "#heron",
        [
            "The grey heron waits in shallow water for up to 20 minutes until a fish swims past",
            "Its nest of twigs weighs as much as 42 kilograms after many springs",
            "Both parents sit on the eggs for 26 days in turns",
            "Ringed birds have reached an age of 37 years in Switzerland",
        ],
    ),
    (
        "#bridge",
        [
            "The suspension bridge over the gorge was opened in 1884 by the governor",
            "Its main cable consists of 912 strands of galvanised steel",
            "Painters work all the year round with 58 buckets of lacquer each month",
            "Lorries above 16 tonnes have to take the tunnel",
        ],
    ),
    (
        "#clock",
        [
            "The tower clock is wound by hand every 31 hours with an iron crank",
            "Its pendulum measures 274 centimetres and swings behind a glass door",
            "A watchmaker from Geneva cast the bell from 653 old coins",
            "During the siege the dial was hidden under 77 sacks of flour",
        ],
    ),
    (
        "#bread",
        [
            "The village oven bakes rye loaves at 245 degrees on flat stones",
            "Sourdough has to rest for 18 hours in wooden troughs",
            "Each family marks its dough with one of 63 carved stamps",
            "Bakers sweep the ashes out with a broom of 11 birch branches",
        ],
    ),
    (
        "#tide",
        [
            "The harbour falls dry when the ebb exceeds 467 centimetres",
            "Fishermen read the moon from an almanac of 1743 and rarely err",
            "A siren warns hikers 48 minutes before the mudflats are flooded",
            "Seals rest on the sandbank numbered 85 throughout the summer",
        ],
    ),
];

/// How a sentence is quoted.
#[derive(Debug, Clone, Copy)]
enum Way {
    Exactly,
    InCapitals,
    WithOtherSpaces,
    OfAnotherSource,
    OfNoSource,
    /// By the number alone.
    Unquoted,
    /// By the number of another source alone.
    UnquotedOfAnother,
    /// With another number than the sentence has.
    Falsified,
    /// Words that stand nowhere.
    MadeUp,
}

const WAYS: [Way; 9] = [
    Way::Exactly,
    Way::InCapitals,
    Way::WithOtherSpaces,
    Way::OfAnotherSource,
    Way::OfNoSource,
    Way::Unquoted,
    Way::UnquotedOfAnother,
    Way::Falsified,
    Way::MadeUp,
];

/// A sentence of an answer, and the quote that it must be shown with, if any.
fn sentence(random: &mut Random) -> (String, Option<String>) {
    let at = random.index(DOCUMENTS.len());
    let (name, sentences) = DOCUMENTS[at];
    let other = DOCUMENTS[(at + 1 + random.index(DOCUMENTS.len() - 1)) % DOCUMENTS.len()].0;
    let true_one = sentences[random.index(sentences.len())];
    let quoted = |number: &str, quote: &str| format!("{true_one} [{number}: \"{quote}\"].");
    let kept = Some(true_one.to_owned());
    match WAYS[random.index(WAYS.len())] {
        Way::Exactly => (quoted(name, true_one), kept),
        Way::InCapitals => (quoted(name, &true_one.to_uppercase()), kept),
        Way::WithOtherSpaces => (quoted(name, &true_one.replacen(' ', "\n", 1).replace(' ', "  ")), kept),
        Way::OfAnotherSource => (quoted(other, true_one), kept),
        Way::OfNoSource => (quoted("99", true_one), kept),
        Way::Unquoted => (format!("{true_one} [{name}]."), Some(format!("{true_one}."))),
        Way::UnquotedOfAnother => (format!("{true_one} [{other}]."), None),
        Way::Falsified => {
            let number: u64 = true_one.split(' ').find_map(|word| word.parse().ok()).expect("a number");
            let false_one = true_one.replace(&number.to_string(), &(number + 1).to_string());
            (format!("{false_one} [{name}: \"{false_one}\"]."), None)
        }
        Way::MadeUp => {
            let words: Vec<String> = (0..5).map(|_| random.word()).collect();
            (format!("The {} [{name}: \"{}\"].", words.join(" "), words[1..].join(" ")), None)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_model_says_only_what_is_true_is_cited() {
    let answers = number("FOOTNOTE_QUOTES", 200);
    let mut random = Random::seeded();
    let script = Script::default();
    let names = &[
        ("#heron", "grey heron"),
        ("#bridge", "gorge"),
        ("#clock", "tower clock"),
        ("#bread", "rye"),
        ("#tide", "ebb"),
    ];
    let talk = Talk::with(actor(&script, names).await, |settings| settings.answer_cache = false).await;
    let texts =
        DOCUMENTS.map(|(name, sentences)| (format!("{}.txt", &name[1..]), format!("{}.", sentences.join(". "))));
    talk.read(&texts).await;
    let question =
        json!({ "content": "What is known of herons, bridges, clocks, bread and tides?", "parent_id": null });
    let mut kept = 0;
    for _ in 0..answers {
        let count = 1 + random.below(SENTENCES);
        let (said, expected): (Vec<String>, Vec<Option<String>>) = (0..count).map(|_| sentence(&mut random)).unzip();
        let said = said.join(" ");
        said.clone_into(&mut script.lock().unwrap());
        let events = talk.app.events(&talk.messages, &question).await;
        assert_well_cited(&talk.app, &events).await;
        let message = completed(&events);
        let cited: BTreeSet<&str> =
            citations(message).into_iter().map(|citation| citation["quote"].as_str().unwrap()).collect();
        let expected: BTreeSet<&str> = expected.iter().flatten().map(String::as_str).collect();
        assert_eq!(cited, expected, "{said}");
        assert_eq!(message["grounded"], !expected.is_empty(), "{said}");
        let shown = text(message);
        assert!(!shown.contains(['"', ':']), "a mark is left over: {shown}");
        kept += cited.len();
    }
    eprintln!("{answers} answers with {kept} citations");
    assert!(kept > 0);
    talk.stop().await;
}
