//! Chats of front ends built with the AI SDK: what they send, what their readers
//! are given, again and from anywhere.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::canaries::until;
use crate::conversing::{Conversing, Reply};
use crate::harness::{Reply as Answer, TestApp, request};
use crate::outside::with_servers;
use crate::reading::{Frame, Reading, count, frames, numbered, post, question, talking, varying};
use crate::scripted::Script;
use crate::talk::{MANUAL, PRESSURE, Talk, citations, puppet, text};

pub const MESSAGES: &str = "select count(*) from messages";
/// Pieces of an answer that is made slowly.
const PIECES: usize = 200;

pub fn user(id: &str, text: &str) -> Value {
    json!({ "id": id, "role": "user", "parts": [{ "type": "text", "text": text }] })
}

/// A body as `useChat` sends it.
pub fn sent(chat: &str, messages: &[Value]) -> Value {
    json!({ "id": chat, "messages": messages, "trigger": "submit-message", "metadata": { "ignored": true } })
}

pub fn resuming(chat: &str) -> Request<Body> {
    request("GET", &format!("/api/chat/{chat}/stream")).body(Body::empty()).unwrap()
}

/// The parts of a stream, without its end.
fn parts(frames: &[Frame]) -> Vec<Value> {
    let (last, parts) = frames.split_last().expect("a stream");
    assert_eq!(last.data, "[DONE]");
    parts.iter().map(Frame::json).collect()
}

pub fn read(reply: &Answer) -> Vec<Value> {
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    parts(&frames(&reply.bytes))
}

/// The words of a kind of delta.
fn said(parts: &[Value]) -> String {
    let deltas = parts.iter().filter(|part| part["type"] == "text-delta");
    deltas.map(|part| part["delta"].as_str().unwrap().to_owned()).collect()
}

/// The types of parts, each once where it is repeated.
fn kinds(parts: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    kinds.dedup();
    kinds
}

fn of<'p>(parts: &'p [Value], kind: &str) -> Vec<&'p Value> {
    parts.iter().filter(|part| part["type"] == kind).collect()
}

/// The message that a stream was of, as it is stored.
pub async fn stored(app: &TestApp, parts: &[Value]) -> Value {
    let (conversation, message) = (&parts[0]["messageMetadata"]["conversationId"], &parts[0]["messageId"]);
    let (conversation, message) =
        (conversation.as_str().expect("a conversation"), message.as_str().expect("a message"));
    app.get(&format!("/api/v1/conversations/{conversation}/messages/{message}")).await.json()
}

pub fn cites(_: &Value) -> Reply {
    Reply::says("The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"].")
}

pub async fn with_manual(mind: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Talk {
    let talk = Talk::start(Conversing::start(mind).await).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    talk
}

/// Reads on until a part of this type is there.
async fn reads(reading: &mut Reading, kind: &str) -> Value {
    loop {
        let parts = frames(&reading.bytes).into_iter().filter(|frame| frame.data != "[DONE]").map(|frame| frame.json());
        if let Some(found) = parts.into_iter().find(|part| part["type"] == kind) {
            return found;
        }
        assert!(reading.more().await, "no `{kind}` in {}", String::from_utf8_lossy(&reading.bytes));
    }
}

/// A service whose model talks slowly, and the beginning of an answer.
pub async fn under_way(chat: &str) -> (TestApp, Reading) {
    let (app, _provider) = talking(varying(&numbered(3, PIECES), 10), |_| {}).await;
    let mut reading = Reading::open(&app.router, post("/api/chat", &sent(chat, &[user("u1", &question(0))]))).await;
    reads(&mut reading, "text-delta").await;
    (app, reading)
}

#[tokio::test]
async fn a_cited_answer_is_a_whole_message_for_its_reader() {
    let talk = with_manual(cites).await;
    let reply = talk.app.post("/api/chat", &sent("c/1", &[user("u1", PRESSURE)])).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("x-vercel-ai-ui-message-stream", "v1"),
        ("x-accel-buffering", "no"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(reply.headers[name], value);
    }
    let parts = read(&reply);
    let expected = [
        "start",
        "start-step",
        "data-retrieval",
        "text-start",
        "text-delta",
        "source-document",
        "data-citation",
        "text-delta",
        "message-metadata",
        "text-end",
        "data-grounded",
        "finish-step",
        "finish",
    ];
    assert_eq!(kinds(&parts), expected, "{}", reply.text());
    let message = stored(&talk.app, &parts).await;
    assert_eq!((said(&parts), "completed"), (text(&message), message["status"].as_str().unwrap()));
    let cited: Vec<&Value> = of(&parts, "data-citation").into_iter().map(|part| &part["data"]).collect();
    assert_eq!(cited, citations(&message));
    assert_eq!(of(&parts, "source-document")[0]["sourceId"], cited[0]["document_id"]);
    assert_eq!(of(&parts, "source-document")[0]["filename"], "p4.txt");
    let backings = of(&parts, "text-end")[0]["citations"].as_array().unwrap();
    let units: Vec<u16> = text(&message).encode_utf16().collect();
    for backing in backings {
        let at = |field: &str| usize::try_from(backing[field].as_u64().unwrap()).unwrap();
        assert_eq!(String::from_utf16(&units[at("startIndex")..at("endIndex")]).unwrap(), "[1]");
        assert_eq!(backing["citedText"], cited[0]["quote"]);
    }
    assert_eq!(backings.len(), 1);
    assert_eq!(of(&parts, "data-grounded")[0]["data"]["grounded"], true);
    assert_eq!(of(&parts, "finish")[0]["finishReason"], "stop");
    let usage = &of(&parts, "message-metadata")[0]["messageMetadata"]["usage"];
    assert_eq!((&usage["inputTokens"], &usage["totalTokens"]), (&json!(120), &json!(129)), "{usage}");
    talk.stop().await;
}

#[tokio::test]
async fn what_the_documents_do_not_say_is_told_as_such() {
    let talk = with_manual(|_| Reply::says("NOT_IN_DOCUMENTS")).await;
    let parts = read(&talk.app.post("/api/chat", &sent("c", &[user("u1", "Who sang at the opera?")])).await);
    assert_eq!(of(&parts, "data-grounded")[0]["data"]["grounded"], false);
    assert!(of(&parts, "data-notice").iter().any(|part| part["data"]["code"] == "not_in_documents"), "{parts:?}");
    assert!(of(&parts, "source-document").is_empty() && !said(&parts).contains("NOT_IN"));
    talk.stop().await;
}

#[tokio::test]
async fn a_stream_that_has_ended_is_given_again_from_any_place_and_then_no_more() {
    let talk = with_manual(cites).await;
    assert_eq!(talk.app.request(resuming("c")).await.status, StatusCode::NO_CONTENT);
    let first = talk.app.post("/api/chat", &sent("c", &[user("u1", PRESSURE)])).await;
    let read = frames(&first.bytes);
    // With no place to go on from, there is nothing that is under way.
    let none = talk.app.request(resuming("c")).await;
    assert_eq!((none.status, none.bytes.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(talk.app.get("/api/chat/c/stream?after=0").await.bytes, first.bytes);
    let text = first.text();
    let blocks: Vec<&str> = text.split_inclusive("\n\n").collect();
    let places = blocks.iter().enumerate().filter_map(|(place, block)| {
        let id = block.lines().find_map(|line| line.strip_prefix("id: "))?;
        Some((place + 1, id.parse::<i32>().unwrap()))
    });
    let places: Vec<(usize, i32)> = places.collect();
    assert!(places.len() > 3, "{text}");
    let (last, rest) = places.split_last().unwrap();
    for (place, id) in rest {
        let by_query = talk.app.get(&format!("/api/chat/c/stream?after={id}")).await;
        assert_eq!(by_query.text(), blocks[*place..].concat(), "after {id}");
        let mut by_header = resuming("c");
        by_header.headers_mut().insert("last-event-id", id.to_string().parse().unwrap());
        assert_eq!(talk.app.request(by_header).await.bytes, by_query.bytes, "after {id}");
    }
    let after_all = talk.app.get(&format!("/api/chat/c/stream?after={}", last.1)).await;
    assert_eq!(after_all.status, StatusCode::NO_CONTENT);
    assert_eq!(read.len(), blocks.len());
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_in_the_middle_reads_all_of_it() {
    let (app, first) = under_way("c").await;
    let second = Reading::open(&app.router, resuming("c")).await;
    let (first, second) = tokio::join!(first.rest(), second.rest());
    assert!(first == second, "the replay is another stream");
    let parts = parts(&frames(&first));
    assert_eq!(said(&parts), text(&stored(&app, &parts).await));
    assert_eq!(app.request(resuming("c")).await.status, StatusCode::NO_CONTENT);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_the_answer_and_keeps_what_was_said() {
    let (app, reading) = under_way("c").await;
    let stop = async |body: Value| app.post("/api/chat/c/stop", &body).await.json();
    // Another one than that which is being made is left alone.
    let other = stop(json!({ "messageId": "0190a000-0000-7000-8000-000000000000" })).await;
    assert_eq!(other, json!({ "stopped": false, "messageId": null }));
    let answer = frames(&reading.bytes)[0].json()["messageId"].clone();
    let empty = request("POST", "/api/chat/c/stop").body(Body::empty()).unwrap();
    assert_eq!(app.request(empty).await.json(), json!({ "stopped": true, "messageId": answer }));
    let parts = parts(&frames(&reading.rest().await));
    assert_eq!(parts.last().unwrap()["type"], "abort");
    let message = stored(&app, &parts).await;
    assert_eq!((message["status"].as_str().unwrap(), text(&message)), ("cancelled", said(&parts)));
    assert!(!said(&parts).is_empty());
    assert_eq!(stop(json!({})).await["stopped"], false);
    assert_eq!(app.request(resuming("c")).await.status, StatusCode::NO_CONTENT);
    // The chat goes on.
    let next = sent("c", &[user("u1", &question(0)), user("u2", &question(1))]);
    let reading = Reading::open(&app.router, post("/api/chat", &next)).await;
    app.post("/api/chat/c/stop", &json!({})).await;
    reading.rest().await;
    assert_eq!(count(&app, "select count(*) from conversations").await, 1);
    assert_eq!(count(&app, MESSAGES).await, 4);
    app.stop().await;
}

#[tokio::test]
async fn a_refusal_is_the_text_that_a_reader_shows() {
    let app = TestApp::start().await;
    let long = "x".repeat(201);
    let with = |more: Value| {
        let mut body = sent("c", &[user("u1", "What is P4?")]);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let answered = json!({ "id": "a", "role": "assistant", "parts": [] });
    let file =
        json!({ "role": "user", "parts": [{ "type": "file", "mediaType": "application/pdf", "url": "data:x" }] });
    for (what, body, words) in [
        ("no words", with(json!({ "messages": [user("u1", " ")] })), "`content`"),
        ("no chat", with(json!({ "id": "" })), "`id`"),
        ("long id", with(json!({ "id": long })), "200 characters"),
        ("no messages", with(json!({ "messages": [] })), "`messages`"),
        ("an answer", with(json!({ "message": answered })), "answer already"),
        ("a file", with(json!({ "message": file })), "upload files"),
        ("model", with(json!({ "model": "gpt-9" })), "gpt-9"),
        ("collection", with(json!({ "collections": ["none"] })), "no such collection"),
        ("no id", json!({ "messages": [] }), "`id`"),
    ] {
        let reply = app.post("/api/chat", &body).await;
        assert!(reply.status.is_client_error(), "{what}: {}", reply.status);
        assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8", "{what}");
        assert!(reply.headers.contains_key("x-request-id"), "{what}");
        assert!(reply.text().contains(words) && !reply.text().contains('{'), "{what}: {}", reply.text());
    }
    let no_json = request("POST", "/api/chat").body("x".into()).unwrap();
    assert!(app.request(no_json).await.text().contains("content-type: application/json"));
    assert_eq!(app.post("/api/chat/none/stop", &json!({})).await.text(), "no such chat");
    assert_eq!(app.get("/api/chat/c/stream?after=-1").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(app.get("/api/chat/c/nothing").await.text(), "no such route");
    // Nothing of it began a conversation.
    assert_eq!(count(&app, "select count(*) from conversations").await, 0);
    app.stop().await;
}

#[tokio::test]
async fn a_model_that_fails_is_told_in_the_stream() {
    let (app, _provider) = talking(Script::Refuses(400, json!({ "error": { "message": "no" } })), |_| {}).await;
    let parts = read(&app.post("/api/chat", &sent("c", &[user("u1", &question(0))])).await);
    let error = of(&parts, "error")[0]["errorText"].as_str().unwrap();
    assert!(error.len() > 10 && !error.contains("sk-canary"), "{error}");
    assert_eq!(of(&parts, "finish")[0]["finishReason"], "error");
    assert_eq!(stored(&app, &parts).await["status"], "failed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_needs_leave_ends_the_stream_and_goes_on_with_the_decision() {
    let talk = with_servers(Conversing::start(puppet).await).await;
    for (chat, approve) in [("yes", true), ("no", false)] {
        let asked = format!("{PRESSURE}\nCALL everything__echo {{\"message\":\"herons {chat}\"}}\nSAY It said so.");
        let first = read(&talk.app.post("/api/chat", &sent(chat, &[user("u1", &asked)])).await);
        assert_eq!(of(&first, "finish")[0]["finishReason"], "tool-calls", "{first:?}");
        let (call, leave) = (of(&first, "tool-input-available")[0], of(&first, "tool-approval-request")[0]);
        assert_eq!(leave["toolCallId"], call["toolCallId"]);
        assert_eq!(call["input"], json!({ "message": format!("herons {chat}") }));
        // Who comes back before the decision is asked again.
        let again = read(&talk.app.request(resuming(chat)).await);
        assert_eq!(again, first);

        let part = json!({
            "type": "dynamic-tool", "toolName": call["toolName"], "toolCallId": call["toolCallId"],
            "state": "approval-responded", "approval": { "id": leave["approvalId"], "approved": approve },
        });
        let answer = json!({ "id": first[0]["messageId"], "role": "assistant", "parts": [part] });
        let mut decided = sent(chat, &[user("u1", &asked), answer]);
        decided["messageId"] = first[0]["messageId"].clone();
        let rest = read(&talk.app.post("/api/chat", &decided).await);
        assert_eq!((&rest[0]["type"], &rest[0]["messageId"]), (&json!("start"), &first[0]["messageId"]));
        let kind = if approve { "tool-output-available" } else { "tool-output-error" };
        assert_eq!(of(&rest, kind)[0]["toolCallId"], call["toolCallId"], "{rest:?}");
        assert_eq!((said(&rest).trim(), of(&rest, "finish").len()), ("It said so.", 1));
        assert_eq!(text(&stored(&talk.app, &first).await).trim(), "It said so.");
    }
    assert_eq!(talk.count("select count(*) from approvals where state = 'used'").await, 1);
    until("nothing under way", async || talk.app.service.app.hub.is_empty().then_some(())).await;
    talk.stop().await;
}
