//! Citations of what a model says: quotes that are true, loose, false, or of
//! another source than it names.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply};
use crate::fences::source_of;
use crate::harness::{Event, TestApp};
use crate::talk::{Talk, assert_exact, citations, completed, text, told};

const PUMP: &str = "The pump P4 is rated for a pressure of 4 bar. It weighs 3 kg and is painted red.\n\
                    The housing keeps its shape in high tempe-\nratures near the boiler.\n";
const VALVE: &str = "“Check valves” are e\u{fb03}cient – they open by themselves.\n\
                     Replace the rubber seal after 300\u{a0}hours of work.\n";

/// What is to be said next.
pub type Script = Arc<Mutex<String>>;

/// A model that says the script, in which a name such as `#pump` stands for
/// the number of the source that holds some words.
pub async fn actor(script: &Script, names: &'static [(&'static str, &'static str)]) -> Conversing {
    let script = Arc::clone(script);
    let mind = move |body: &Value| {
        let said = script.lock().unwrap().clone();
        let numbered = names.iter().fold(said, |said, (name, words)| {
            let source = source_of(body, words).expect("the source was found");
            said.replace(name, &source.n.to_string())
        });
        Reply::says(numbered)
    };
    Conversing::start(mind).await
}

/// Whether a citation's range lies in a passage that was found for its answer.
fn was_retrieved(events: &[Event], citation: &Value) -> bool {
    let found = told(events, "retrieval.completed");
    let mut passages = found.iter().filter_map(|data| data["passages"].as_array()).flatten();
    passages.any(|passage| {
        passage["revision_id"] == citation["revision_id"]
            && passage["start"].as_u64() <= citation["start"].as_u64()
            && citation["end"].as_u64() <= passage["end"].as_u64()
    })
}

/// All that must be true of an answer's citations, whatever the model said.
pub async fn assert_well_cited(app: &TestApp, events: &[Event]) {
    let message = completed(events);
    let (shown, cited) = (text(message), citations(message));
    let live: Vec<&Value> = told(events, "citation").into_iter().map(|data| &data["citation"]).collect();
    assert_eq!(live, cited);
    let numbers: Vec<u64> = cited.iter().map(|citation| citation["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=cited.len() as u64).collect::<Vec<_>>());
    // Each number that is shown is one of a citation, and the other way round.
    let brackets = shown.split('[').skip(1).map(|rest| rest.split_once(']').expect("a closed bracket").0);
    let markers: BTreeSet<u64> = brackets.map(|number| number.parse().expect("a number")).collect();
    assert_eq!(markers, numbers.into_iter().collect::<BTreeSet<_>>(), "{shown}");
    for citation in cited {
        assert!(was_retrieved(events, citation), "{citation}");
        assert_exact(app, citation).await;
    }
}

/// What is said, and what of it is cited: the quote with its kind, and words
/// of its document.
type Case = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

const CASES: &[Case] = &[
    // Exactly.
    (
        "The pump P4 is rated for 4 bar [#pump: \"rated for a pressure of 4 bar\"].",
        &[("rated for a pressure of 4 bar", "quoted", "pump")],
    ),
    // In other letters, spaces and lines.
    (
        "The pump P4 is rated for 4 bar [#pump: \"RATED  for a Pressure\nof 4 bar\"].",
        &[("rated for a pressure of 4 bar", "quoted", "pump")],
    ),
    // With other quotation marks, dashes, ligatures and spaces.
    (
        "Check valves open by themselves [#valve: \"'Check valves' are efficient - they open by themselves\"].",
        &[("“Check valves” are e\u{fb03}cient – they open by themselves", "quoted", "valve")],
    ),
    (
        "The seal is replaced after 300 hours [#valve: „Replace the rubber seal after 300 hours of work“].",
        &[("Replace the rubber seal after 300\u{a0}hours of work", "quoted", "valve")],
    ),
    // Across a line's end at which a word is divided.
    (
        "The housing keeps its shape near the boiler [#pump: \"keeps its shape in high temperatures near the boiler\"].",
        &[("keeps its shape in high tempe-\nratures near the boiler", "quoted", "pump")],
    ),
    // Made up.
    ("Leonardo built it in Florence with Raphael [#pump: \"Leonardo da Vinci built it with Raphael\"].", &[]),
    // With another number than the source has.
    ("The pump P4 is rated for 6 bar [#pump: \"rated for a pressure of 6 bar\"].", &[]),
    // Of another source than the named one, and of one that there is not.
    (
        "The pump P4 is rated for 4 bar [#valve: \"rated for a pressure of 4 bar\"].",
        &[("rated for a pressure of 4 bar", "quoted", "pump")],
    ),
    (
        "The pump P4 is rated for 4 bar [99: \"rated for a pressure of 4 bar\"].",
        &[("rated for a pressure of 4 bar", "quoted", "pump")],
    ),
    ("The pump P4 is rated for 4 bar [99].", &[]),
    // Without a quote: what stands there is cited, and nothing for what does not.
    (
        "The pump P4 weighs 3 kg and is painted red [#pump].",
        &[("It weighs 3 kg and is painted red.", "aligned", "pump")],
    ),
    ("The moon is made of green cheese [#pump].", &[]),
    // One sentence, two sources.
    (
        "The pump weighs 3 kg [#pump: \"It weighs 3 kg and is painted red\"] and its valves open by themselves \
         [#valve: \"they open by themselves\"].",
        &[("It weighs 3 kg and is painted red", "quoted", "pump"), ("they open by themselves", "quoted", "valve")],
    ),
];

#[tokio::test]
async fn quotes_are_cited_where_they_stand_and_nowhere_else() {
    let script = Script::default();
    let model = actor(&script, &[("#pump", "pump P4"), ("#valve", "rubber seal")]).await;
    let talk = Talk::with(model, |settings| settings.answer_cache = false).await;
    let ids = talk.read(&[("pump.txt", PUMP), ("valve.txt", VALVE)]).await;
    for (said, expected) in CASES {
        (*said).clone_into(&mut script.lock().unwrap());
        let question = json!({ "content": "What is known of the pump and its valves?", "parent_id": null });
        let events = talk.app.events(&talk.messages, &question).await;
        assert_well_cited(&talk.app, &events).await;
        let message = completed(&events);
        let cited: Vec<(&str, &str, &str)> = citations(message)
            .into_iter()
            .map(|citation| {
                let document = citation["document_id"].as_str().unwrap();
                let name = if document == ids[0] { "pump" } else { "valve" };
                (citation["quote"].as_str().unwrap(), citation["support"].as_str().unwrap(), name)
            })
            .collect();
        assert_eq!(cited, *expected, "{said}");
        assert_eq!(message["grounded"], !expected.is_empty(), "{said}");
        // What was said is shown, but for the marks.
        let claim = said.split(" [").next().unwrap();
        assert!(text(message).starts_with(claim), "{message}");
    }
    talk.stop().await;
}
