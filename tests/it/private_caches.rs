//! Answers that are remembered: for nobody but the one who asked, and for no
//! longer than the sources may be read.
//!
//! `FOOTNOTE_SAME_QUESTIONS` sets how often two users ask the same (20 unless
//! set; 1,000 in `make soak`).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply};
use crate::fences::{source_of, sources};
use crate::people::Person;
use crate::random::Random;
use crate::reading::amount;
use crate::talk::{Talk, citations, notices, text};

/// What both ask.
const CODE: &str = "What is the code of the vault?";

/// Reads the code out of the source.
fn reader(body: &Value) -> Reply {
    let Some(source) = source_of(body, "vault is ") else {
        let seen: Vec<String> = sources(body).into_iter().map(|source| source.text).collect();
        return Reply::says(if seen.is_empty() { "NOT_IN_DOCUMENTS".to_owned() } else { seen.concat() });
    };
    let (_, after) = source.text.split_once("vault is ").expect("a code");
    let code = after.split('.').next().expect("a code");
    Reply::says(format!("The code is {code} [{}: \"vault is {code}\"].", source.n))
}

fn vault(code: &str) -> String {
    format!("The code of the vault is {code}. It is changed each spring.")
}

async fn ask(person: &Person, question: &str) -> Value {
    let reply = person.post(&person.conversation().await, &json!({ "content": question })).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()
}

fn is_cached(message: &Value) -> bool {
    notices(message).contains(&"cached")
}

/// Ids of the conversations' owners whose answer this one repeats.
async fn repeated(talk: &Talk, message: &Value) -> Option<String> {
    let from = message["receipt"]["cached_from"].as_str()?;
    let owner = "select owner_id::text from messages where id = $1::uuid";
    Some(sqlx::query_scalar(owner).bind(from).fetch_one(&talk.app.db).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_of_two_users_is_answered_from_the_documents_of_each() {
    let talk = Talk::start(Conversing::start(reader).await).await;
    let mut random = Random::seeded();
    let mut people = Vec::new();
    for name in ["ada", "eve"] {
        let (person, code) = (Person::new(&talk.app, name).await, random.word());
        // The same names, so that nothing but the owner tells them apart.
        person.collection_with("main", "vault.txt", &vault(&code)).await;
        people.push((person, code));
    }
    let rounds = amount("FOOTNOTE_SAME_QUESTIONS", 20);
    let (mut shared, mut cached) = (0, 0);
    for round in 0..rounds {
        for at in [round % 2, 1 - round % 2] {
            let ((person, code), (_, foreign)) = (&people[at], &people[1 - at]);
            // Each is asked twice: once to be made, and once to be remembered.
            let question = format!("{CODE} ({})", round / 2);
            let message = ask(person, &question).await;
            let from = repeated(&talk, &message).await;
            cached += usize::from(is_cached(&message));
            let told = message.to_string();
            let is_foreign = told.contains(foreign) || from.is_some_and(|owner| owner != person.id);
            shared += usize::from(is_foreign);
            assert!(text(&message).contains(code.as_str()), "{message}");
        }
    }
    eprintln!("{shared} of {} answers were another user's; {cached} were remembered", 2 * rounds);
    assert_eq!(shared, 0);
    assert_eq!(cached, 2 * (rounds / 2), "each second one of a user is remembered");
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_remembered_of_a_shared_collection_is_gone_when_it_is_taken_back() {
    let talk = Talk::start(Conversing::start(reader).await).await;
    let (owner, other) = (Person::new(&talk.app, "owner").await, Person::new(&talk.app, "other").await);
    let code = Random::seeded().word();
    let (collection, _) = owner.collection_with("vaults", "vault.txt", &vault(&code)).await;
    let members = format!("/api/v1/collections/{collection}/members");
    let rounds = amount("FOOTNOTE_SAME_QUESTIONS", 20).div_ceil(10);
    for round in 0..rounds {
        let question = format!("{CODE} ({round})");
        let admitted = owner.post(&members, &json!({ "name": "other", "role": "reader" })).await;
        assert_eq!(admitted.status, StatusCode::OK, "{}", admitted.text());
        other.accept(&collection).await;
        let of_owner = ask(&owner, &question).await;
        let first = ask(&other, &question).await;
        // The sources are the same and allowed, but the answer is another's.
        assert!(!is_cached(&of_owner) && !is_cached(&first), "{first}");
        let again = ask(&other, &question).await;
        assert_eq!((is_cached(&again), citations(&again).len()), (true, 1), "{again}");
        assert_eq!(repeated(&talk, &again).await.as_deref(), Some(other.id.as_str()));

        let path = format!("{members}/{}", other.id);
        assert_eq!(owner.delete(&path).await.status, StatusCode::NO_CONTENT);
        let after = ask(&other, &question).await;
        assert!(!is_cached(&after) && !after.to_string().contains(&code), "{after}");
        assert_eq!((&after["grounded"], citations(&after).len()), (&json!(false), 0), "{after}");
        // Its owner's own is still there.
        assert!(is_cached(&ask(&owner, &question).await));
    }
    eprintln!("0 of {rounds} answers were remembered after the collection was taken back");
    talk.stop().await;
}
