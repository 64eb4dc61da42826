//! Any events give whole parts: what a reader of the protocol relies on is held
//! by a reader written apart from the encoder.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::encoder::Encoder;
use crate::ids::{ConversationId, MessageId};
use crate::storage::events::Event;

const DOCUMENT: Uuid = Uuid::from_u128(7);

fn encoder() -> Encoder {
    Encoder::new(ConversationId(Uuid::from_u128(1)), MessageId(Uuid::from_u128(2)))
}

fn event(seq: i32, name: &str, data: Value) -> Event {
    Event { seq, name: name.into(), data }
}

/// The parts of events as JSON, to their end.
fn parts(events: &[(&str, Value)]) -> Vec<Value> {
    let mut encoder = encoder();
    let mut parts = Vec::new();
    for (seq, (name, data)) in (1..).zip(events) {
        parts.extend(encoder.encode(&event(seq, name, data.clone())));
    }
    if !encoder.has_ended() {
        parts.extend(encoder.break_off());
    }
    parts.into_iter().map(|part| serde_json::to_value(part).expect("JSON")).collect()
}

fn kinds(parts: &[Value]) -> Vec<&str> {
    parts.iter().map(|part| part["type"].as_str().expect("a type")).collect()
}

fn delta(text: &str) -> (&'static str, Value) {
    ("text.delta", json!({ "text": text }))
}

fn citation(n: u32) -> (&'static str, Value) {
    let citation = json!({
        "n": n, "document_id": DOCUMENT, "revision_id": DOCUMENT, "title": "Manual", "uri": null, "page": 3,
        "start": 4, "end": 9, "quote": "4 bar", "support": "quoted", "score": 1.0,
    });
    ("citation", json!({ "citation": citation }))
}

fn called(id: &str) -> (&'static str, Value) {
    ("tool.called", json!({ "id": id, "name": "calculate", "arguments": "{\"expression\":\"1+1\"}" }))
}

fn done(id: &str, failed: bool) -> (&'static str, Value) {
    ("tool.completed", json!({ "id": id, "name": "calculate", "failed": failed, "text": "2", "data": null }))
}

fn completed(grounded: bool, notices: &[&str]) -> (&'static str, Value) {
    let notices: Vec<Value> =
        notices.iter().map(|code| json!({ "type": "notice", "code": code, "text": "Words." })).collect();
    ("message.completed", json!({ "message": { "parts": notices, "grounded": grounded } }))
}

/// What the readers of the AI SDK rely on.
fn check(parts: &[Value]) {
    let kinds = kinds(parts);
    assert_eq!(kinds.iter().filter(|kind| **kind == "start").count(), 1);
    assert_eq!((kinds[0], kinds[1]), ("start", "start-step"));
    let ends: Vec<&&str> = kinds.iter().filter(|kind| matches!(**kind, "finish" | "abort")).collect();
    assert_eq!(ends.len(), 1, "{kinds:?}");
    assert_eq!(ends[0], kinds.last().expect("parts"));
    let (mut in_step, mut open, mut used, mut calls, mut sources) =
        (false, HashSet::new(), HashSet::new(), HashSet::new(), HashSet::new());
    for part in parts {
        let text = |field: &str| part[field].as_str().unwrap_or_else(|| panic!("no {field}: {part}")).to_owned();
        match text("type").as_str() {
            "start-step" => assert!(!std::mem::replace(&mut in_step, true)),
            "finish-step" => {
                assert!(std::mem::take(&mut in_step));
                assert!(open.is_empty(), "{open:?} are open at a step's end");
            }
            "text-start" | "reasoning-start" => {
                assert!(in_step && used.insert(text("id")), "{part}");
                open.insert(text("id"));
            }
            "text-delta" | "reasoning-delta" => assert!(open.contains(&text("id")) && !text("delta").is_empty()),
            "text-end" | "reasoning-end" => assert!(open.remove(&text("id")), "{part}"),
            "tool-input-available" => {
                assert!(calls.insert(text("toolCallId")), "{part}");
                assert!(!text("toolName").is_empty() && part["dynamic"] == true && part["providerExecuted"] == true);
            }
            "tool-output-available" | "tool-output-error" => assert!(calls.remove(&text("toolCallId")), "{part}"),
            "tool-approval-request" => assert!(calls.contains(&text("toolCallId")), "{part}"),
            "source-url" | "source-document" => assert!(sources.insert(text("sourceId")), "{part}"),
            "start" | "message-metadata" | "error" | "abort" | "finish" => {}
            data => assert!(data.starts_with("data-") && part.get("data").is_some(), "{part}"),
        }
    }
    assert!(open.is_empty() && !in_step, "{open:?} are open at the end");
    assert!(calls.is_empty(), "{calls:?} have no results");
}

#[test]
fn a_cited_answer_is_these_parts() {
    let found = json!({ "passages": [{ "document_id": DOCUMENT, "key": "p4.md" }], "queries": ["q"] });
    let usage = json!({ "usage": { "input_tokens": 5, "output_tokens": 2, "cached_tokens": 1, "estimated": false },
                        "cost_usd": null });
    let parts = parts(&[
        ("message.started", json!({ "message_id": "m", "question_id": "q", "model": "model" })),
        ("retrieval.completed", found),
        ("reasoning.delta", json!({ "text": "Let me see." })),
        delta("The P4 is rated for 4 bar "),
        citation(1),
        delta("[1]. 🙂 See"),
        delta(" [1]."),
        ("claim.unsupported", json!({ "start": 3, "end": 9 })),
        ("usage", usage),
        completed(true, &["unsupported"]),
    ]);
    check(&parts);
    let expected = [
        "start",
        "start-step",
        "data-retrieval",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "source-document",
        "data-citation",
        "text-delta",
        "text-delta",
        "data-claim",
        "message-metadata",
        "text-end",
        "data-notice",
        "data-grounded",
        "finish-step",
        "finish",
    ];
    assert_eq!(kinds(&parts), expected);
    assert_eq!(parts[0]["messageId"], json!(Uuid::from_u128(2)));
    assert_eq!(parts[0]["messageMetadata"]["model"], "model");
    assert_eq!(parts[2]["transient"], true);
    assert_eq!((&parts[8]["mediaType"], &parts[8]["filename"]), (&json!("text/markdown"), &json!("p4.md")));
    assert_eq!(parts[9]["data"]["quote"], "4 bar");
    assert_eq!(parts[13]["messageMetadata"]["usage"]["totalTokens"], 7);
    let backings = parts[14]["citations"].as_array().expect("citations");
    let ranges: Vec<_> = backings.iter().map(|backing| (&backing["startIndex"], &backing["endIndex"])).collect();
    assert_eq!(ranges, [(&json!(26), &json!(29)), (&json!(38), &json!(41))]);
    assert_eq!(backings[0]["source"]["sourceType"], "document");
    assert_eq!((&backings[0]["source"]["type"], &backings[0]["citedText"]), (&json!("source"), &json!("4 bar")));
    assert_eq!(parts[16]["data"], json!({ "grounded": true }));
    assert_eq!(parts[18]["finishReason"], "stop");
}

#[test]
fn each_call_of_the_model_is_a_step_and_calls_that_share_a_name_are_told_apart() {
    let parts = parts(&[
        ("message.started", json!({})),
        delta("Let me count."),
        called("call"),
        called("call"),
        done("call", false),
        done("call", true),
        called("call"),
        done("call", false),
        delta("It is 2."),
        completed(false, &["length"]),
    ]);
    check(&parts);
    assert_eq!(kinds(&parts).iter().filter(|kind| **kind == "start-step").count(), 3);
    let named: Vec<&Value> = parts.iter().filter(|part| part["type"] == "tool-input-available").collect();
    assert_eq!(named.iter().map(|part| &part["toolCallId"]).collect::<Vec<_>>(), ["call", "call-2", "call-3"]);
    assert_eq!(named[0]["input"], json!({ "expression": "1+1" }));
    let failed = parts.iter().find(|part| part["type"] == "tool-output-error").expect("an error");
    assert_eq!((&failed["toolCallId"], &failed["errorText"]), (&json!("call-2"), &json!("2")));
    assert_eq!(parts.last().expect("an end")["finishReason"], "length");
}

#[test]
fn what_broke_off_or_was_stopped_says_so() {
    let broken = parts(&[
        ("message.started", json!({})),
        delta("The pump"),
        ("message.interrupted", json!({ "message": null, "error": { "code": "c", "message": "the model is gone" } })),
    ]);
    check(&broken);
    let error = broken.iter().find(|part| part["type"] == "error").expect("an error");
    assert_eq!(error["errorText"], "the model is gone");
    assert_eq!(broken.last().expect("an end")["finishReason"], "error");

    // Before anything else was told.
    let failed = parts(&[("error", json!({ "error": { "code": "c", "message": "no model" } }))]);
    check(&failed);
    assert_eq!(kinds(&failed), ["start", "start-step", "finish-step", "error", "finish"]);

    let stopped = parts(&[called("a"), ("message.cancelled", json!({ "message": { "parts": [] } }))]);
    check(&stopped);
    assert_eq!(*kinds(&stopped).last().expect("an end"), "abort");
    check(&parts(&[]));
}

#[test]
fn a_stream_that_waits_for_leave_ends_with_a_step_that_wants_a_call() {
    let mut encoder = encoder();
    let asked = json!({ "approval": { "id": "leave" }, "call": "a" });
    let events = [delta("I will send it."), called("a"), ("approval.requested", asked)];
    let mut parts: Vec<Value> = Vec::new();
    for (seq, (name, data)) in (1..).zip(events) {
        parts.extend(encoder.encode(&event(seq, name, data)).into_iter().map(|part| json!(part)));
    }
    parts.extend(encoder.pause().into_iter().map(|part| json!(part)));
    assert!(encoder.has_ended());
    let expected = [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "tool-input-available",
        "tool-approval-request",
        "finish-step",
        "finish",
    ];
    assert_eq!(kinds(&parts), expected);
    assert_eq!((&parts[6]["approvalId"], &parts[6]["toolCallId"]), (&json!("leave"), &json!("a")));
    assert_eq!(parts[8]["finishReason"], "tool-calls");
}

/// An event of any kind, whatever came before.
fn any_event() -> impl Strategy<Value = (&'static str, Value)> {
    let id = prop_oneof![Just(""), Just("a"), Just("b"), Just("a-2")];
    let last = prop_oneof![Just("message.cancelled"), Just("message.interrupted"), Just("error")];
    prop_oneof![
        8 => "[ab\\[\\]1🙂 ]{0,6}".prop_map(|text| ("text.delta", json!({ "text": text }))),
        3 => "[ab]{0,3}".prop_map(|text| ("reasoning.delta", json!({ "text": text }))),
        3 => (1_u32..4).prop_map(citation),
        1 => Just(("citation", json!({}))),
        1 => Just(("claim.unsupported", json!({ "start": 0, "end": 1 }))),
        4 => id.clone().prop_map(called),
        4 => (id.clone(), any::<bool>()).prop_map(|(id, failed)| done(id, failed)),
        2 => id.prop_map(|id| ("approval.requested", json!({ "approval": { "id": "x" }, "call": id }))),
        1 => Just(("artifact.updated", json!({ "artifact": { "id": "x" } }))),
        1 => Just(("notice", json!({ "code": "fallback", "text": "Words." }))),
        1 => Just(("usage", json!({ "usage": {}, "cost_usd": 0.1 }))),
        1 => Just(("something.new", json!({ "a": 1 }))),
        1 => Just(("message.started", json!({ "model": "m" }))),
        1 => any::<bool>().prop_map(|grounded| completed(grounded, &["unsupported"])),
        1 => last.prop_map(|name| (name, json!({ "error": { "message": "gone" } }))),
    ]
}

proptest! {
    #[test]
    fn any_events_give_whole_parts_and_all_of_the_words(events in prop::collection::vec(any_event(), 0..60)) {
        let parts = parts(&events);
        check(&parts);
        let is_end = |(name, _): &&(&str, Value)| *name == "error" || (name.starts_with("message.") && *name != "message.started");
        let end = events.iter().position(|event| is_end(&event)).unwrap_or(events.len());
        let told = |name: &str| -> String {
            events[..end].iter().filter(|event| event.0 == name).filter_map(|event| event.1["text"].as_str()).collect()
        };
        let given = |kind: &str| -> String {
            parts.iter().filter(|part| part["type"] == kind).filter_map(|part| part["delta"].as_str()).collect()
        };
        prop_assert_eq!(given("text-delta"), told("text.delta"));
        prop_assert_eq!(given("reasoning-delta"), told("reasoning.delta"));
    }

    #[test]
    fn however_a_text_is_split_it_gives_the_same_message(
        words in prop::collection::vec("[ab\\[\\]1🙂 ]{1,5}", 1..12), cuts in prop::collection::vec(any::<bool>(), 12),
    ) {
        // The same words in fewer pieces.
        let mut joined: Vec<String> = vec![String::new()];
        for (word, cut) in words.iter().zip(cuts) {
            if cut {
                joined.push(String::new());
            }
            if let Some(last) = joined.last_mut() {
                last.push_str(word);
            }
        }
        let message = |pieces: &[String]| {
            let deltas = pieces.iter().map(|piece| delta(piece));
            let events: Vec<_> = [citation(1)].into_iter().chain(deltas).chain([completed(true, &[])]).collect();
            let parts = parts(&events);
            check(&parts);
            parts.into_iter().filter(|part| part["type"] != "text-delta").collect::<Vec<_>>()
        };
        prop_assert_eq!(message(&words), message(&joined));
    }
}
