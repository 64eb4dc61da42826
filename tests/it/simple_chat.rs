//! A message in, an answer out: told whole or in pieces, kept whole or not at all.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::canaries::until;
use crate::conversing::{Conversing, Reply, Task};
use crate::harness::{Reply as Answer, TestApp};
use crate::reading::{Reading, count, post, question, talking};
use crate::scripted::{Script, pieces};
use crate::submitted::stranger;
use crate::talk::{MANUAL, PRESSURE, Talk, assert_exact, citations, text};

const MESSAGES: &str = "select count(*) from messages";
const CONVERSATIONS: &str = "select count(*) from conversations";

/// The path of the caller's own chat.
async fn own(app: &TestApp) -> String {
    let conversation = app.conversation().await;
    let id = conversation.split('/').nth(4).unwrap();
    let owner: String = sqlx::query_scalar("select owner_id::text from conversations where id = $1::uuid")
        .bind(id)
        .fetch_one(&app.db)
        .await
        .unwrap();
    let deleted = app.delete(conversation.trim_end_matches("/messages")).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    format!("/api/{owner}/chat")
}

/// What its lines say.
fn lines(reply: &Answer) -> Vec<Value> {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    let text = reply.text();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line.strip_prefix("data: ").expect(line)).expect(line)).collect()
}

/// The stored answer of a reply.
async fn stored(app: &TestApp, said: &Value) -> Value {
    let (conversation, message) = (said["conversation_id"].as_str().unwrap(), said["message_id"].as_str().unwrap());
    app.get(&format!("/api/v1/conversations/{conversation}/messages/{message}")).await.json()
}

fn cites(_: &Value) -> Reply {
    Reply::says("The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"].")
}

#[tokio::test]
async fn an_answer_is_told_with_what_it_cites_and_is_what_is_stored() {
    let talk = Talk::start(Conversing::start(cites).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let chat = own(&talk.app).await;
    let said = talk.post(&chat, &json!({ "message": PRESSURE })).await;
    assert_eq!(said["response"], "The pump P4 is rated for 4 bar [1].");
    assert_exact(&talk.app, &said["citations"][0]).await;
    assert_eq!(said["tool_calls"], json!([]));
    let message = stored(&talk.app, &said).await;
    assert_eq!((&said["response"], &said["timestamp"]), (&json!(text(&message)), &message["updated_at"]));
    assert_eq!(said["citations"].as_array().unwrap().iter().collect::<Vec<_>>(), citations(&message));

    let more = json!({ "message": "And what does it weigh?", "conversation_id": said["conversation_id"] });
    let next = talk.post(&chat, &more).await;
    assert_eq!(next["conversation_id"], said["conversation_id"]);
    // The model was told what was said before.
    let asked = talk.model.last()["messages"].to_string();
    assert!(asked.contains(PRESSURE) && asked.contains("rated for 4 bar"), "{asked}");
    let question = app_message(&talk.app, &next, &stored(&talk.app, &next).await["parent_id"]).await;
    assert_eq!(question["parent_id"], said["message_id"]);
    talk.stop().await;
}

async fn app_message(app: &TestApp, said: &Value, id: &Value) -> Value {
    let (conversation, id) = (said["conversation_id"].as_str().unwrap(), id.as_str().unwrap());
    app.get(&format!("/api/v1/conversations/{conversation}/messages/{id}")).await.json()
}

#[tokio::test]
async fn calls_of_tools_are_told_with_what_came_of_them() {
    let counting = |body: &Value| match body["messages"].as_array().unwrap().last().unwrap()["role"].as_str() {
        Some("tool") => Reply::says("It is 42."),
        _ => Reply::calls("calculate", &json!({ "expression": "6*7" })).and_calls("fly", "to the moon"),
    };
    let talk = Talk::start(Conversing::start(counting).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let said = talk.post(&own(&talk.app).await, &json!({ "message": "What is six times seven?" })).await;
    let calls = said["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2, "{said}");
    assert_eq!((&calls[0]["name"], &calls[0]["arguments"]), (&json!("calculate"), &json!({ "expression": "6*7" })));
    assert_eq!((&calls[0]["failed"], &calls[1]["failed"]), (&json!(false), &json!(true)));
    assert!(calls[0]["result"].as_str().unwrap().contains("42"), "{said}");
    assert_eq!(calls[1]["arguments"], "to the moon");
    assert_eq!(talk.model.bodies(Task::Answer).len(), 2);
    talk.stop().await;
}

#[tokio::test]
async fn a_stream_tells_the_same_in_pieces() {
    let talk = Talk::start(Conversing::start(cites).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let reply = talk.app.post(&own(&talk.app).await, &json!({ "message": PRESSURE, "stream": true })).await;
    let lines = lines(&reply);
    let (last, rest) = lines.split_last().unwrap();
    let words: String = rest.iter().map(|line| line["content"].as_str().unwrap()).collect();
    assert!(rest.len() > 1, "{lines:?}");
    assert_eq!((last["done"].as_bool(), last["response"].as_str()), (Some(true), Some(words.as_str())));
    assert_eq!(last["citations"].as_array().map(Vec::len), Some(1));
    let message = stored(&talk.app, last).await;
    assert_eq!((text(&message), &message["updated_at"]), (words, &last["timestamp"]));
    talk.stop().await;
}

#[tokio::test]
async fn nobody_talks_as_somebody_else() {
    let app = TestApp::start().await;
    let other = stranger(&app.db).await;
    let (own, theirs) = (own(&app).await, format!("/api/{}/chat", other.owner()));
    for path in [theirs.as_str(), "/api/me/chat", "/api/0190a000-0000-7000-8000-000000000000/chat"] {
        let reply = app.post(path, &json!({ "message": "What is P4?" })).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::FORBIDDEN, "forbidden:user"), "{path}");
    }
    // Nor in their conversations.
    let theirs: String = sqlx::query_scalar(
        "insert into conversations (id, owner_id, title, created_at, updated_at)
         values (gen_random_uuid(), $1, 'Theirs', now(), now()) returning id::text",
    )
    .bind(other.owner())
    .fetch_one(&app.db)
    .await
    .unwrap();
    let reply = app.post(&own, &json!({ "message": "What is P4?", "conversation_id": theirs })).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::NOT_FOUND, "not_found:conversation"));
    assert_eq!(count(&app, MESSAGES).await, 0);
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_and_leaves_nothing() {
    let app = TestApp::start().await;
    let own = own(&app).await;
    for (body, code) in [
        (json!({ "message": " " }), "unprocessable:message"),
        (json!({ "message": "a", "model": "gpt-9" }), "unprocessable:model"),
        (json!({ "message": "a", "mesage": "b" }), "unprocessable:body"),
        (json!({}), "unprocessable:body"),
    ] {
        let reply = app.post(&own, &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, code), "{body}");
    }
    assert_eq!((count(&app, CONVERSATIONS).await, count(&app, MESSAGES).await), (0, 0));
    app.stop().await;
}

/// Ways in which a model fails: at once, and in the middle.
fn failures() -> [Script; 2] {
    [
        Script::Refuses(400, json!({ "error": { "message": "no" } })),
        Script::BreaksOff(pieces("The pump P4 is rated for a pressure of")),
    ]
}

#[tokio::test]
async fn of_an_answer_that_fails_nothing_is_kept() {
    for script in failures() {
        let (app, _provider) = talking(script.clone(), |_| {}).await;
        let own = own(&app).await;
        let reply = app.post(&own, &json!({ "message": question(0) })).await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{script:?}: {}", reply.text());
        assert!(reply.code().starts_with("upstream:"), "{}", reply.text());
        assert_eq!((count(&app, CONVERSATIONS).await, count(&app, MESSAGES).await), (0, 0), "{script:?}");

        let told = lines(&app.post(&own, &json!({ "message": question(0), "stream": true })).await);
        let last = told.last().unwrap();
        assert_eq!(last["done"], true, "{told:?}");
        assert!(!last["error"].as_str().unwrap().is_empty() && last.get("response").is_none(), "{last}");
        assert_eq!((count(&app, CONVERSATIONS).await, count(&app, MESSAGES).await), (0, 0), "{script:?}");
        assert_eq!(count(&app, "select count(*) from message_events").await, 0);
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fails_before_it_is_listened_to_says_why_too() {
    let [refuses, _] = failures();
    let (app, _provider) = talking(refuses, |_| {}).await;
    let own = own(&app).await;
    let asking = (0..40).map(|n| {
        let (router, own) = (app.router.clone(), own.clone());
        async move {
            let reply = router.oneshot(post(&own, &json!({ "message": question(n) }))).await.unwrap();
            assert_eq!(reply.status(), StatusCode::BAD_GATEWAY);
        }
    });
    futures::future::join_all(asking.map(tokio::spawn)).await.into_iter().for_each(|asked| asked.unwrap());
    assert_eq!((count(&app, CONVERSATIONS).await, count(&app, MESSAGES).await), (0, 0));
    app.stop().await;
}

#[tokio::test]
async fn a_conversation_goes_on_where_it_was_before_an_answer_that_failed() {
    let moody = |body: &Value| match body["messages"].to_string().contains("FAIL") {
        true => Reply::refuses("no"),
        false => Reply::says("Well."),
    };
    let talk = Talk::start(Conversing::start(moody).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let own = own(&talk.app).await;
    let said = talk.post(&own, &json!({ "message": PRESSURE })).await;
    let id = &said["conversation_id"];
    let kept = talk.count(MESSAGES).await;
    for stream in [false, true] {
        let failing = json!({ "message": "FAIL, pump P4", "conversation_id": id, "stream": stream });
        let reply = talk.app.post(&own, &failing).await;
        assert!(stream || reply.status == StatusCode::BAD_GATEWAY, "{}", reply.text());
        assert_eq!(talk.count(MESSAGES).await, kept);
    }
    let conversation = talk.app.get(&format!("/api/v1/conversations/{}", id.as_str().unwrap())).await.json();
    assert_eq!(conversation["leaf_id"], said["message_id"]);
    let next = talk.post(&own, &json!({ "message": "What does it weigh?", "conversation_id": id })).await;
    let question = app_message(&talk.app, &next, &stored(&talk.app, &next).await["parent_id"]).await;
    assert_eq!(question["parent_id"], said["message_id"]);
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_after_its_caller_has_left_is_not_kept_either() {
    // An answer may take a second; this one takes twenty.
    let slowly = Script::SaysSlowly(pieces(&"The pump runs. ".repeat(400)), Duration::from_millis(20));
    let (app, provider) = talking(slowly, |settings| {
        settings.answer_timeout = 1;
        settings.abandoned_after = 0;
    })
    .await;
    let own = own(&app).await;
    let body = json!({ "message": question(0), "stream": true });
    let mut reading = Reading::open(&app.router, post(&own, &body)).await;
    assert!(reading.more().await);
    drop(reading);
    until("the end of the provider's stream", async || (provider.open_streams() == 0).then_some(())).await;
    until("an empty table", async || (count(&app, MESSAGES).await == 0).then_some(())).await;
    assert_eq!(count(&app, CONVERSATIONS).await, 0);
    app.stop().await;
}

#[tokio::test]
async fn a_message_whose_key_comes_again_is_asked_once() {
    let (app, provider) = talking(Script::Says(pieces("The gauge shows 4 bar.")), |_| {}).await;
    let chat = own(&app).await;
    let ask = async |message: &str| {
        let request = crate::harness::request("POST", &chat)
            .header("content-type", "application/json")
            .header("idempotency-key", "the-same");
        app.request(request.body(json!({ "message": message }).to_string().into()).unwrap()).await
    };
    let all = futures::future::join_all((0..5).map(|_| ask("What does it show?"))).await;
    let later = ask("What does it show?").await;
    for reply in all.iter().chain([&later]) {
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(reply.json(), later.json());
    }
    assert_eq!((count(&app, MESSAGES).await, count(&app, CONVERSATIONS).await), (2, 1));
    assert_eq!(provider.calls().len(), 1);
    assert_eq!(ask("Something else?").await.code(), "unprocessable:idempotency_key");
    app.stop().await;
}
