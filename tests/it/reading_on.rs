//! The tool that reads on in a document: around a source, from a character on,
//! and nowhere that the one who asks may not look.

use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply};
use crate::fences::{results, source_of, sources};
use crate::talk::{MANUAL, Talk, assert_exact, citations, completed, library, of_a_stranger, parts, puppet, told};

/// Steps of the long manual.
const STEPS: usize = 300;

/// A text that no search returns whole.
fn long_manual() -> String {
    (1..=STEPS).map(|n| format!("Step {n}: turn the screw number {n} of the frame by {} degrees.\n", 3 * n)).collect()
}

#[tokio::test]
async fn what_is_read_around_a_source_can_be_cited_to_the_character() {
    let reader = |body: &Value| {
        if results(body).is_empty() {
            return Reply::calls("get_document", &json!({ "document": "1" }));
        }
        let read = sources(body).pop().expect("what was read");
        // Its last line may be cut.
        let line = read.text.lines().rev().nth(1).expect("lines").to_owned();
        let quote = line.split_once(": ").expect("a step").1.trim_end_matches('.');
        Reply::says(format!("In the end one has to {quote} [{}: \"{quote}\"].", read.n))
    };
    let talk = Talk::start(Conversing::start(reader).await).await;
    let ids = talk.read(&[("manual.txt", long_manual())]).await;
    let events = talk.events("By how much is the screw number 40 turned?").await;
    let (first, read) = (told(&events, "retrieval.completed")[0], told(&events, "tool.completed")[0]);
    let (source, read) = (&first["passages"][0], &read["data"]["passages"][0]);
    let place = |passage: &Value, name: &str| passage[name].as_u64().expect("a place");
    assert!(place(read, "start") <= place(source, "start") && place(source, "end") <= place(read, "end"), "{read}");
    let message = completed(&events);
    let cited = citations(message)[0];
    assert_eq!((cited["document_id"].as_str(), &cited["support"]), (Some(ids[0].as_str()), &json!("quoted")));
    assert!(cited["quote"].as_str().unwrap().starts_with("turn the screw number"), "{cited}");
    assert_exact(&talk.app, cited).await;
    // A text has no pages, whoever reads it.
    assert_eq!((&read["page"], &cited["page"]), (&Value::Null, &Value::Null));
    let told_to_model = results(&talk.model.last());
    assert!(!told_to_model[0].contains(", page"), "{}", told_to_model[0]);
    talk.stop().await;
}

#[tokio::test]
async fn a_document_is_read_from_any_character_and_nothing_lies_behind_its_end() {
    let talk = Talk::start(Conversing::start(puppet).await).await;
    let (text, ids) = (long_manual(), talk.read(&[("manual.txt", long_manual())]).await);
    let near_end = text.chars().count() - 200;
    let question = format!(
        "CALL get_document {{\"document\": \"[1]\"}}\n\
         CALL get_document {{\"document\": \"{id}\", \"start\": {near_end}}}\n\
         CALL get_document {{\"document\": \"{id}\", \"start\": 9000000}}\n\
         CALL get_document {{\"document\": \"everything\"}}\n\
         CALL get_document {{\"document\": \"1\", \"start\": -3}}\n\
         CALL get_document {{\"document\": \"99\"}}",
        id = ids[0]
    );
    let message = talk.ask(&question).await;
    let told_to_model = results(&talk.model.last());
    let expected = [
        "turn the screw",
        &format!("Step {STEPS}:"),
        "Nothing was found",
        "a source's number",
        "`start`",
        "a source's number",
    ];
    for (told, expected) in told_to_model.iter().zip(expected) {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let failed: Vec<&Value> = parts(&message, "tool_result").into_iter().map(|part| &part["failed"]).collect();
    assert_eq!(failed, [false, false, false, true, true, true]);
    talk.stop().await;
}

#[tokio::test]
async fn a_source_that_a_search_found_is_read_by_its_number_too() {
    let thorough = |body: &Value| match (results(body).len(), source_of(body, "heron")) {
        (0, _) => Reply::calls("search_documents", &json!({ "query": "What does a grey heron eat?" })),
        (1, Some(heron)) => Reply::calls("get_document", &json!({ "document": heron.n.to_string() })),
        _ => Reply::says("Done."),
    };
    let talk = Talk::start(Conversing::start(thorough).await).await;
    talk.read(&library()).await;
    let message = talk.ask("What pressure is the pump P7 of hall 7 rated for?").await;
    let made = parts(&message, "tool_result");
    assert_eq!(made.len(), 2, "{message}");
    assert_eq!(made[1]["failed"], false, "{}", made[1]);
    assert!(made[1]["text"].as_str().unwrap().contains("grey heron"), "{}", made[1]);
    talk.stop().await;
}

#[tokio::test]
async fn nothing_of_others_and_nothing_outside_of_the_question_s_collections_is_read() {
    let talk = Talk::start(Conversing::start(puppet).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let (_, theirs) = of_a_stranger(&talk.app, "The vault of the embassy opens to the word heliotrope.").await;
    let closed = talk.app.collection("closed").await;
    let own = talk.app.text(&closed, "diary.txt", "The diary lies under the chrysanthemum.").await;
    talk.app.settled(&closed).await;
    let calls = format!(
        "CALL get_document {{\"document\": \"{theirs}\"}}\n\
         CALL get_document {{\"document\": \"{own}\"}}\n\
         CALL search_documents {{\"query\": \"vault of the embassy\"}}\n\
         CALL search_documents {{\"query\": \"Where lies the diary?\"}}"
    );
    let within = json!({ "content": calls, "collections": ["main"] });
    let events = talk.app.events(&talk.messages, &within).await;
    let made = parts(completed(&events), "tool_result");
    for refused in &made[..2] {
        assert!(refused["text"].as_str().unwrap().contains("there is no such document"), "{refused}");
    }
    for secret in ["heliotrope", "chrysanthemum"] {
        assert!(events.iter().all(|event| !event.data.to_string().contains(secret)), "{secret}");
        assert!(talk.model.asked().iter().all(|asked| !asked.body.to_string().contains(secret)), "{secret}");
    }
    // Where all collections may be looked at, one's own is.
    let message = talk.ask(&calls).await;
    let made = parts(&message, "tool_result");
    assert_eq!((&made[0]["failed"], &made[1]["failed"]), (&json!(true), &json!(false)));
    assert!(made[1]["text"].as_str().unwrap().contains("chrysanthemum"), "{}", made[1]);
    assert!(!message.to_string().contains("heliotrope"), "{message}");
    talk.stop().await;
}
