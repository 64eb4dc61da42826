//! What models make for the reader: every version is kept, and nobody else's
//! can be seen, changed or shown.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::conversing::Conversing;
use crate::submitted::stranger;
use crate::talk::{MANUAL, Talk, completed, of_a_stranger, parts, puppet, told};

/// Updates of one artifact that a model wants made at once.
const AT_ONCE: usize = 8;

/// Has the model make a text, and returns its id.
async fn make(talk: &Talk) -> String {
    let message =
        talk.ask("CALL create_artifact {\"kind\": \"text\", \"title\": \"Notes\", \"content\": \"# One\"}").await;
    parts(&message, "artifact")[0]["id"].as_str().expect("an id").to_owned()
}

fn update(artifact: &str, content: &str) -> String {
    format!("CALL update_artifact {{\"artifact_id\": \"{artifact}\", \"content\": \"{content}\"}}\n")
}

/// What the calls of an answer were answered, and whether they failed.
fn outcomes(message: &Value) -> Vec<(&str, bool)> {
    let results = parts(message, "tool_result").into_iter();
    results.map(|part| (part["text"].as_str().expect("a text"), part["failed"] == true)).collect()
}

#[tokio::test]
async fn an_artifact_is_made_changed_and_all_its_versions_are_kept() {
    let talk = Talk::start(Conversing::start(puppet).await).await;
    let question =
        "CALL create_artifact {\"kind\": \"sheet\", \"title\": \" Prices \", \"content\": \"a,b\"}\nSAY Here it is.";
    let events = talk.events(question).await;
    let message = completed(&events);
    let made = parts(message, "artifact")[0];
    let id = made["id"].as_str().unwrap();
    assert_eq!(*made, json!({ "type": "artifact", "id": id, "version": 1, "kind": "sheet", "title": "Prices" }));
    assert_eq!(told(&events, "artifact.updated")[0]["artifact"], *made);
    let changed = talk.ask(&update(id, "a,b,c")).await;
    assert_eq!(parts(&changed, "artifact")[0]["version"], 2);

    let artifact = talk.app.get(&format!("/api/v1/artifacts/{id}")).await.json();
    let conversation = talk.messages.trim_end_matches("/messages").rsplit('/').next();
    assert_eq!(artifact["conversation_id"].as_str(), conversation);
    for (field, value) in
        [("kind", json!("sheet")), ("title", json!("Prices")), ("version", json!(2)), ("content", json!("a,b,c"))]
    {
        assert_eq!(artifact[field], value, "{artifact}");
    }
    let versions = format!("/api/v1/artifacts/{id}/versions");
    let first = talk.app.get(&format!("{versions}?limit=1")).await.json();
    assert_eq!((&first["items"][0]["content"], &first["items"][0]["message_id"]), (&json!("a,b"), &message["id"]));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = talk.app.get(&format!("{versions}?limit=1&cursor={cursor}")).await.json();
    assert_eq!((&second["items"][0]["content"], &second["items"][0]["message_id"]), (&json!("a,b,c"), &changed["id"]));
    assert_eq!(second["next_cursor"], Value::Null);
    talk.stop().await;
}

#[tokio::test]
async fn what_is_no_artifact_is_not_kept_and_the_model_is_told_why() {
    let talk = Talk::start(Conversing::start(puppet).await).await;
    let own = make(&talk).await;
    let (_, theirs) = of_a_stranger(&talk.app, "The vault of the embassy opens to the word heliotrope.").await;
    let text = talk.read(&[("p4.txt", MANUAL)]).await.remove(0);
    let create = |kind: &str, title: &str, content: &str| {
        format!("CALL create_artifact {{\"kind\": \"{kind}\", \"title\": \"{title}\", \"content\": \"{content}\"}}\n")
    };
    let calls = [
        create("film", "A film", "x"),
        create("text", " ", "x"),
        create("text", &"t".repeat(201), "x"),
        create("text", "Nothing", ""),
        create("image", "A picture", "http://evil.test/p.png"),
        create("image", "Theirs", &theirs.to_string()),
        // A document that is no picture.
        create("image", "A text", &text),
        update(&own, ""),
        update("019aa000-0000-7000-8000-000000000000", "x"),
    ];
    let message = talk.ask(&calls.concat()).await;
    let outcomes = outcomes(&message);
    assert_eq!(outcomes.len(), calls.len());
    for ((told, failed), call) in outcomes.iter().zip(&calls) {
        assert!(*failed && told.contains("are not valid"), "{call}: {told}");
    }
    assert!(parts(&message, "artifact").is_empty(), "{message}");
    assert_eq!(talk.count("select count(*) from artifact_versions").await, 1);
    talk.stop().await;
}

#[tokio::test]
async fn an_artifact_belongs_to_its_owner_and_its_conversation() {
    let talk = Talk::start(Conversing::start(puppet).await).await;
    let id = make(&talk).await;
    let (path, versions) = (format!("/api/v1/artifacts/{id}"), format!("/api/v1/artifacts/{id}/versions"));
    let elsewhere = talk.app.conversation().await;
    let message = talk.post(&elsewhere, &json!({ "content": update(&id, "changed") })).await;
    assert!(outcomes(&message)[0].1, "{message}");
    assert_eq!(talk.app.get(&path).await.json()["content"], "# One");

    let db = &talk.app.db;
    let other = stranger(db).await.owner();
    for statement in ["update artifacts set owner_id = $1", "update artifact_versions set owner_id = $1"] {
        sqlx::query(statement).bind(other).execute(db).await.unwrap();
    }
    for path in [&path, &versions] {
        let reply = talk.app.get(path).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_FOUND, "not_found:artifact"));
    }
    let message = talk.ask(&update(&id, "changed")).await;
    assert!(outcomes(&message)[0].1 && !message.to_string().contains("# One"), "{message}");
    assert_eq!(talk.count("select count(*) from artifact_versions").await, 1);
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_are_made_at_once_each_become_a_version() {
    let talk = Talk::start(Conversing::start(puppet).await).await;
    let id = make(&talk).await;
    let calls: String = (0..AT_ONCE).map(|n| update(&id, &format!("content {n}"))).collect();
    let message = talk.ask(&calls).await;
    assert!(outcomes(&message).iter().all(|(_, failed)| !failed), "{message}");
    let list = talk.app.get(&format!("/api/v1/artifacts/{id}/versions")).await.json();
    let items = list["items"].as_array().unwrap();
    let versions: Vec<u64> = items.iter().map(|item| item["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (1..=1 + AT_ONCE as u64).collect::<Vec<_>>());
    for n in 0..AT_ONCE {
        let content = format!("content {n}");
        assert_eq!(items.iter().filter(|item| item["content"] == content.as_str()).count(), 1, "{content}");
    }
    talk.stop().await;
}
