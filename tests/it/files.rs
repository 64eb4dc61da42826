//! Documents that a question names: it is answered from them and from nothing
//! else, and only by those who may read them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply, Task};
use crate::fences::{question, results, source_of, sources};
use crate::people::Person;
use crate::talk::{MANUAL, PRESSURE, Talk, assert_exact, citations, of_a_stranger, parts, puppet, text};

const P5: &str = "The pump P5 is rated for a pressure of 6 bar. It weighs 9 kg.";
const HERON: &str = "A grey heron in the pond of the park eats about four hundred grams of fish a day.";
/// Parts of the long book: more than a search looks at, and no more than are
/// given of a document that is named.
const PARTS: usize = 31;
const WORDS: [&str; 16] = [
    "water", "stone", "river", "house", "green", "light", "small", "dark", "road", "winter", "bread", "paper", "clock",
    "garden", "window", "tree",
];

/// Says how many bars the first source tells of that tells of any.
fn reader(body: &Value) -> Reply {
    let Some(source) = source_of(body, "pressure of") else { return Reply::says("NOT_IN_DOCUMENTS") };
    let bars = source.text.split_once("pressure of ").expect("a pressure").1.split(' ').next().expect("a number");
    Reply::says(format!("It is rated for {bars} bar [{}: \"a pressure of {bars} bar\"].", source.n))
}

fn file(document: &str) -> Value {
    json!({ "type": "file", "document_id": document })
}

fn about(words: &str, documents: &[&String]) -> Value {
    let files = documents.iter().map(|document| file(document));
    json!({ "parts": files.chain([json!({ "type": "text", "text": words })]).collect::<Vec<_>>() })
}

/// The texts of a request's sources, each once.
fn told(body: &Value) -> Vec<String> {
    let mut told: Vec<String> = sources(body).into_iter().map(|source| source.text).collect();
    told.sort();
    told.dedup();
    told
}

/// Three documents: of the pumps P4 and P5, and of a heron in another collection.
async fn with_pumps(mind: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> (Talk, [String; 3]) {
    let talk = Talk::start(Conversing::start(mind).await).await;
    let pumps = talk.read(&[("p4.txt", MANUAL), ("p5.txt", P5)]).await;
    let park = talk.app.collection("park").await;
    let heron = talk.app.text(&park, "heron.txt", HERON).await;
    talk.app.settled(&park).await;
    let [p4, p5] = pumps.try_into().expect("two");
    (talk, [p4, p5, heron])
}

#[tokio::test]
async fn a_question_is_answered_from_the_document_that_it_names() {
    let (talk, [_, p5, _]) = with_pumps(reader).await;
    // The best fit is another one.
    let answer = talk.ask_with(&about(PRESSURE, &[&p5])).await;
    assert_eq!((text(&answer).as_str(), &answer["grounded"]), ("It is rated for 6 bar [1].", &json!(true)));
    let cited = citations(&answer)[0];
    assert_eq!(cited["document_id"], p5.as_str());
    assert_exact(&talk.app, cited).await;
    assert_eq!((told(&talk.model.last()), question(&talk.model.last()).as_str()), (vec![P5.to_owned()], PRESSURE));

    let asked = talk.app.get(&format!("{}/{}", talk.messages, answer["parent_id"].as_str().unwrap())).await.json();
    let title = talk.app.get(&format!("/api/v1/documents/{p5}")).await.json()["title"].clone();
    let expected = json!({ "type": "file", "document_id": p5, "title": title });
    assert_eq!((parts(&asked, "file"), text(&asked).as_str()), (vec![&expected], PRESSURE));
    // Made anew, it is answered from the same.
    talk.post(&format!("{}/{}/regenerate", talk.messages, answer["id"].as_str().unwrap()), &json!({})).await;
    assert_eq!(told(&talk.model.last()), [P5]);
    // The answerer that quotes keeps to it too.
    let mut quoted = about("How much does the pump weigh?", &[&p5]);
    quoted["model"] = json!("extractive");
    quoted["parent_id"] = Value::Null;
    let quoted = talk.ask_with(&quoted).await;
    assert!(text(&quoted).contains("9 kg") && !text(&quoted).contains("3 kg"), "{quoted}");
    // The next question is about everything again.
    talk.ask(PRESSURE).await;
    assert!(told(&talk.model.last()).contains(&MANUAL.to_owned()), "{:?}", told(&talk.model.last()));
    talk.stop().await;
}

#[tokio::test]
async fn what_is_named_counts_whatever_the_collections_and_the_filter() {
    let (talk, [p4, _, heron]) = with_pumps(|_| Reply::says("Fine.")).await;
    let conversation = talk.messages.trim_end_matches("/messages");
    let changed = talk.app.send("PATCH", conversation, &json!({ "collections": ["main"] })).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let mut asked = about("What do they say?", &[&heron, &p4, &heron]);
    asked["filter"] = json!({ "year": 1999 });
    asked["collections"] = json!(["main"]);
    let answer = talk.ask_with(&asked).await;
    assert_eq!(told(&talk.model.last()), [HERON, MANUAL]);
    let question = talk.app.get(&format!("{}/{}", talk.messages, answer["parent_id"].as_str().unwrap())).await.json();
    let named: Vec<&Value> = parts(&question, "file").iter().map(|part| &part["document_id"]).collect();
    assert_eq!(named, [heron.as_str(), p4.as_str()]);
    talk.stop().await;
}

/// A text in parts that have little in common.
fn book() -> String {
    let mut state = 7_usize;
    let mut word = || {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        WORDS[(state >> 16) % WORDS.len()]
    };
    let mut sentence = || (0..14).map(|_| word()).collect::<Vec<_>>().join(" ") + ".";
    let mut part = |n: usize| {
        let words: Vec<String> = (0..10).map(|_| sentence()).collect();
        format!("{} This was part {n} of it.", words.join(" "))
    };
    (1..=PARTS).map(&mut part).collect::<Vec<_>>().join("\n\n")
}

#[tokio::test]
async fn a_document_that_is_named_is_given_to_its_last_word() {
    let talk = Talk::start(Conversing::start(|_| Reply::says("Fine.")).await).await;
    let ids = talk.read(&[("book.txt", book())]).await;
    let given = || {
        let body = talk.model.last();
        (1..=PARTS).filter(|n| source_of(&body, &format!("This was part {n} of it.")).is_some()).count()
    };
    talk.ask("What does it tell of?").await;
    assert!(given() < PARTS, "a search alone does not find all");
    let answer = talk.ask_with(&about("What does it tell of?", &[&ids[0]])).await;
    assert_eq!(given(), PARTS, "{}", answer["receipt"]);
    // Nothing is given twice.
    let whole: usize = sources(&talk.model.last()).iter().map(|source| source.text.chars().count()).sum();
    assert!(whole <= book().chars().count(), "{whole}");
    talk.stop().await;
}

#[tokio::test]
async fn tools_look_nowhere_else() {
    let (talk, [p4, _, heron]) = with_pumps(puppet).await;
    let calls = format!(
        "CALL search_documents {{\"query\": \"What does a grey heron eat?\"}}\n\
         CALL get_document {{\"document\": \"{heron}\"}}\n\
         CALL get_document {{\"document\": \"{p4}\"}}"
    );
    let answer = talk.ask_with(&about(&calls, &[&p4])).await;
    let told_to_model = results(&talk.model.last());
    assert!(told_to_model[0].contains("P4") && told_to_model[2].contains("P4"), "{told_to_model:?}");
    assert!(told_to_model[1].contains("no such document"), "{told_to_model:?}");
    assert!(!told_to_model.concat().contains("grams of fish"), "{told_to_model:?}");
    let failed: Vec<&Value> = parts(&answer, "tool_result").into_iter().map(|part| &part["failed"]).collect();
    assert_eq!(failed, [false, true, false]);
    talk.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_cannot_be_named() {
    let (talk, [p4, p5, _]) = with_pumps(reader).await;
    let (_, theirs) = of_a_stranger(&talk.app, "The vault of the embassy opens to the word heliotrope.").await;
    let empty = talk.app.text(&talk.collection, "empty.txt", "   ").await;
    talk.app.settled(&talk.collection).await;
    assert_eq!(talk.app.delete(&format!("/api/v1/documents/{p5}")).await.status, StatusCode::NO_CONTENT);
    let nobody = "01990000-0000-7000-8000-000000000000".to_owned();
    let many = vec![&p4; 17];
    let inline = json!([{ "type": "file", "name": "a.txt", "data": "aGVsbG8=" }, { "type": "text", "text": "What?" }]);
    for (what, question, code) in [
        ("a stranger's", about("What?", &[&theirs.to_string()]), "not_found:document"),
        ("one beside", about("What?", &[&p4, &theirs.to_string()]), "not_found:document"),
        ("none", about("What?", &[&nobody]), "not_found:document"),
        ("a deleted one", about("What?", &[&p5]), "not_found:document"),
        ("an empty one", about("What?", &[&empty]), "unprocessable:parts"),
        ("too many", about("What?", &many), "unprocessable:parts"),
        ("no id", about("What?", &[&"p4.txt".to_owned()]), "unprocessable:body"),
        ("a file itself", json!({ "parts": inline }), "unprocessable:body"),
        ("no words", json!({ "parts": [file(&p4)] }), "unprocessable:content"),
    ] {
        let reply = talk.app.post(&talk.messages, &question).await;
        assert_eq!(reply.code(), code, "{what}: {}", reply.text());
        assert!(!reply.text().contains("heliotrope"), "{what}");
    }
    let why = talk.app.post(&talk.messages, &about("What?", &[&empty])).await.text();
    assert!(why.contains(&empty) && why.contains("could not be read"), "{why}");
    assert_eq!(talk.model.bodies(Task::Answer).len(), 0);
    assert_eq!(talk.count("select count(*) from messages").await, 0);
    talk.stop().await;
}

#[tokio::test]
async fn what_is_shared_can_be_named_as_long_as_it_is() {
    let (talk, _) = with_pumps(reader).await;
    let (owner, other) = (Person::new(&talk.app, "owner").await, Person::new(&talk.app, "other").await);
    let (collection, document) = owner.collection_with("pumps", "p5.txt", P5).await;
    let messages = other.conversation().await;
    let question = about(PRESSURE, &[&document]);
    assert_eq!(other.post(&messages, &question).await.code(), "not_found:document");
    let members = format!("/api/v1/collections/{collection}/members");
    owner.post(&members, &json!({ "name": "other", "role": "reader" })).await;
    assert_eq!(other.post(&messages, &question).await.code(), "not_found:document", "not accepted yet");
    other.accept(&collection).await;
    let answer = other.post(&messages, &question).await.json();
    assert_eq!(text(&answer), "It is rated for 6 bar [1].");
    assert_eq!(citations(&answer)[0]["document_id"], document.as_str());

    let again = format!("{messages}/{}/regenerate", answer["id"].as_str().unwrap());
    assert_eq!(other.post(&again, &json!({})).await.status, StatusCode::OK);
    assert_eq!(owner.delete(&format!("{members}/{}", other.id)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(other.post(&again, &json!({})).await.code(), "not_found:document");
    talk.stop().await;
}
