//! Responses: their events and ids, what follows them, what is kept of them.

use axum::body::Body;
use axum::http::StatusCode;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::canaries::until;
use crate::conversing::{MODEL, Task};
use crate::harness::request;
use crate::openai_chat::with_manual;
use crate::talk::{PRESSURE, Talk};

const PATH: &str = "/v1/responses";
const STRANGER: &str = "0190a00000007000800000000000000a";

/// The events of a stream, whose names are their types.
fn events(text: &str) -> Vec<Value> {
    let blocks = text.split("\n\n").filter(|block| block.starts_with("event: "));
    let read = |block: &str| {
        let (name, data) = block.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    };
    blocks.map(read).collect()
}

async fn streamed(talk: &Talk, body: &Value) -> Vec<Value> {
    let mut body = body.clone();
    body["stream"] = json!(true);
    let reply = talk.app.post(PATH, &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert!(!reply.text().contains("[DONE]"));
    events(&reply.text())
}

fn message(response: &Value) -> &Value {
    let output = response["output"].as_array().expect("items");
    &output.iter().find(|item| item["type"] == "message").expect("a message")["content"][0]
}

#[tokio::test]
async fn events_are_numbered_and_end_with_the_whole_response() {
    let talk = with_manual().await;
    let events = streamed(&talk, &json!({ "model": "kb/main", "input": PRESSURE })).await;
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(&kinds[..3], ["response.created", "response.in_progress", "response.output_item.added"]);
    let annotated = kinds.iter().position(|kind| *kind == "response.output_text.annotation.added").unwrap();
    assert_eq!(
        kinds[annotated + 1..],
        ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",]
    );
    let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());

    let last = &events.last().unwrap()["response"];
    let text: String = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(message(last)["text"], text);
    assert_eq!(last["output"][0]["type"], "file_search_call");
    assert_eq!((&last["output"][0]["queries"], &last["output"][0]["results"]), (&json!([PRESSURE]), &Value::Null));
    assert_eq!((&last["usage"]["input_tokens"], &last["usage"]["output_tokens"]), (&json!(100), &json!(9)));
    // Kept, it is the same.
    let id = last["id"].as_str().unwrap();
    assert!(id.starts_with("resp_"), "{id}");
    assert_eq!(talk.app.get(&format!("{PATH}/{id}")).await.json(), *last);
    talk.stop().await;
}

#[tokio::test]
async fn a_citation_names_its_file_and_stands_at_its_marker() {
    let talk = with_manual().await;
    let body = json!({
        "model": MODEL, "input": [{ "role": "user", "content": [{ "type": "input_text", "text": PRESSURE }] }],
        "tools": [{ "type": "file_search", "vector_store_ids": [format!("vs_{}", talk.collection)] }],
        "include": ["file_search_call.results"],
    });
    let response = talk.post(PATH, &body).await;
    let said = message(&response);
    let letters: Vec<char> = said["text"].as_str().unwrap().chars().collect();
    let annotations = said["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), 1, "{said}");
    let at = usize::try_from(annotations[0]["index"].as_u64().unwrap()).unwrap();
    assert_eq!(letters[at..at + 3].iter().collect::<String>(), "[1]");
    assert_eq!((&annotations[0]["type"], &annotations[0]["filename"]), (&json!("file_citation"), &json!("p4.md")));
    let file = annotations[0]["file_id"].as_str().unwrap();
    let found = talk.app.get(&format!("/v1/vector_stores/vs_{}/files/{file}", talk.collection)).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text());
    let result = &response["output"][0]["results"][0];
    assert_eq!((&result["file_id"], &result["filename"]), (&json!(file), &json!("p4.md")));
    assert!(result["text"].as_str().unwrap().contains("4 bar"), "{result}");
    talk.stop().await;
}

#[tokio::test]
async fn a_response_goes_on_from_the_one_before_it() {
    let talk = with_manual().await;
    let first =
        talk.post(PATH, &json!({ "model": "kb/main", "input": PRESSURE, "instructions": "Be a pirate." })).await;
    let id = first["id"].as_str().unwrap();
    let next = json!({ "model": "kb/main", "input": "And how heavy is it?", "previous_response_id": id });
    let second = talk.post(PATH, &next).await;
    assert_eq!(second["previous_response_id"], id);
    let sent = talk.model.last()["messages"].clone();
    assert_eq!(
        (&sent[1]["content"], &sent[2]["content"]),
        (&json!(PRESSURE), &json!("The pump P4 is rated for 4 bar."))
    );
    assert!(!sent[0]["content"].as_str().unwrap().contains("pirate"));
    // Another branch from the same response.
    let other = talk.post(PATH, &next).await;
    assert_ne!(other["id"], second["id"]);
    let items = talk.app.get(&format!("{PATH}/{}/input_items", second["id"].as_str().unwrap())).await.json();
    assert_eq!(items["data"].as_array().unwrap().len(), 1, "{items}");
    assert_eq!(items["data"][0]["content"][0]["text"], "And how heavy is it?");
    let unknown = json!({ "model": "kb/main", "input": "a", "previous_response_id": format!("resp_{STRANGER}") });
    let reply = talk.app.post(PATH, &unknown).await;
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (StatusCode::NOT_FOUND, &json!("previous_response_not_found")));
    talk.stop().await;
}

#[tokio::test]
async fn a_request_that_is_refused_leaves_the_response_before_it_as_it_was() {
    let talk = with_manual().await;
    let first =
        talk.post(PATH, &json!({ "model": "kb/main", "input": PRESSURE, "instructions": "Be a pirate." })).await;
    let instructed = "select count(*) from conversations where system_prompt = 'Be a pirate.'";
    let messages = "select count(*) from messages";
    let stored = talk.count(messages).await;
    let said = [json!({ "role": "user", "content": "Look." }), json!({ "role": "assistant", "content": "At what?" })];
    let after = |question: &str| [&said[..], &[json!({ "role": "user", "content": question })]].concat();
    for (what, field, value) in [
        ("nothing asked", "input", json!(after(" "))),
        ("a question too long", "input", json!(after(&"pump ".repeat(20_000)))),
        ("no room", "max_output_tokens", json!(100_000_000)),
        ("no model", "model", json!("kb/none")),
        ("no temperature", "temperature", json!(7)),
    ] {
        for instructions in [Value::Null, json!("Be a poet.")] {
            let mut next = json!({
                "model": "kb/main", "input": after(PRESSURE), "previous_response_id": first["id"],
                "instructions": instructions,
            });
            next[field] = value.clone();
            let reply = talk.app.post(PATH, &next).await;
            assert!(reply.status.is_client_error(), "{what}: {}", reply.text());
            assert_eq!((talk.count(instructed).await, talk.count(messages).await), (1, stored), "{what}");
        }
    }
    // One that is taken brings its own, and what was said before it.
    let next = json!({
        "model": "kb/main", "input": after(PRESSURE), "previous_response_id": first["id"], "instructions": "Be a poet.",
    });
    talk.post(PATH, &next).await;
    let sent = talk.model.last()["messages"].clone();
    assert!(sent[0]["content"].as_str().unwrap().contains("Be a poet."), "{sent}");
    let told: Vec<&str> = sent.as_array().unwrap()[1..5].iter().filter_map(|turn| turn["content"].as_str()).collect();
    assert_eq!(told, [PRESSURE, "The pump P4 is rated for 4 bar.", "Look.", "At what?"]);
    assert_eq!(talk.count(messages).await, stored + 4);
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_that_go_on_from_one_at_once_have_instructions_of_their_own() {
    let talk = with_manual().await;
    let first = talk.post(PATH, &json!({ "model": "kb/main", "input": PRESSURE })).await;
    let names: Vec<String> = (0..12).map(|n| format!("sailor-{n}")).collect();
    let asked = names.iter().map(|name| {
        let body = json!({
            "model": "kb/main", "input": format!("How would {name} say what pressure the pump P4 is rated for?"),
            "instructions": format!("Speak as {name} does."), "previous_response_id": first["id"],
        });
        let talk = &talk;
        async move { talk.post(PATH, &body).await }
    });
    futures::future::join_all(asked).await;
    let sent = talk.model.bodies(Task::Answer);
    for name in &names {
        let own = sent.iter().find(|body| {
            let last = body["messages"].as_array().unwrap().last().unwrap();
            last["content"].as_str().unwrap().contains(&format!("How would {name} say"))
        });
        let told = own.expect("it was asked")["messages"][0]["content"].as_str().unwrap();
        assert!(told.contains(&format!("Speak as {name} does.")), "{name}: {told}");
    }
    talk.stop().await;
}

#[tokio::test]
async fn an_item_of_an_earlier_response_may_be_referred_to() {
    let talk = with_manual().await;
    let first = talk.post(PATH, &json!({ "model": "kb/main", "input": PRESSURE })).await;
    let item = first["output"].as_array().unwrap().last().unwrap()["id"].clone();
    let input = json!([
        { "role": "user", "content": PRESSURE }, { "type": "item_reference", "id": item },
        { "role": "user", "content": "And how heavy is it?" },
    ]);
    talk.post(PATH, &json!({ "model": "kb/main", "input": input })).await;
    assert_eq!(talk.model.last()["messages"][2]["content"], "The pump P4 is rated for 4 bar.");
    talk.stop().await;
}

#[tokio::test]
async fn a_response_in_the_background_is_read_on_after_any_event() {
    let talk = with_manual().await;
    let body = json!({ "model": "kb/main", "input": PRESSURE, "background": true });
    let begun = talk.post(PATH, &body).await;
    assert_eq!((&begun["status"], &begun["background"]), (&json!("in_progress"), &json!(true)));
    let path = format!("{PATH}/{}", begun["id"].as_str().unwrap());
    let whole = talk.app.get(&format!("{path}?stream=true")).await.text();
    let all = events(&whole);
    assert_eq!(all.last().unwrap()["type"], "response.completed");
    for after in 0..all.len() {
        let rest = talk.app.get(&format!("{path}?stream=true&starting_after={after}")).await.text();
        let expected: String = whole.split_inclusive("\n\n").skip(after + 1).collect();
        assert_eq!(rest, expected, "after {after}");
    }
    talk.stop().await;
}

#[tokio::test]
async fn a_reader_that_goes_away_stops_a_response_unless_it_is_in_the_background() {
    let talk = with_manual().await;
    for background in [false, true] {
        let body = json!({
            "model": "kb/main", "input": "Tell slowly of the pump P4.", "stream": true, "background": background,
        });
        let request = request("POST", PATH).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        let mut body = talk.app.router.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
        let first = String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap();
        let path = format!("{PATH}/{}", events(&first)[0]["response"]["id"].as_str().unwrap());
        drop(body);
        if background {
            assert_eq!(talk.app.get(&path).await.json()["status"], "in_progress");
            let stopped = talk.app.post(&format!("{path}/cancel"), &json!({})).await.json();
            assert_eq!(stopped["status"], "cancelled", "{stopped}");
        } else {
            let is_cancelled = async || (talk.app.get(&path).await.json()["status"] == "cancelled").then_some(());
            until("end of the response", is_cancelled).await;
        }
    }
    talk.stop().await;
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not_and_what_is_deleted_is_gone() {
    let talk = with_manual().await;
    let kept = talk.post(PATH, &json!({ "model": "kb/main", "input": PRESSURE })).await;
    let fleeting = talk.post(PATH, &json!({ "model": "kb/main", "input": PRESSURE, "store": false })).await;
    let path = |response: &Value| format!("{PATH}/{}", response["id"].as_str().unwrap());
    assert_eq!(talk.app.get(&path(&fleeting)).await.status, StatusCode::NOT_FOUND);
    let hidden = "select count(*) from conversations where origin <> 'native'";
    until("conversation that is forgotten", async || (talk.count(hidden).await == 1).then_some(())).await;
    let deleted = talk.app.delete(&path(&kept)).await;
    assert_eq!((deleted.status, &deleted.json()["deleted"]), (StatusCode::OK, &json!(true)));
    assert_eq!(talk.count(hidden).await, 0);
    for reply in [talk.app.get(&path(&kept)).await, talk.app.delete(&path(&kept)).await] {
        assert_eq!((reply.status, reply.code()), (StatusCode::NOT_FOUND, "response_not_found".to_owned()));
    }
    talk.stop().await;
}

#[tokio::test]
async fn a_provider_s_model_is_passed_on_with_its_calls() {
    let talk = with_manual().await;
    let tools = json!([{ "type": "function", "name": "look", "parameters": { "type": "object" } }]);
    let body = json!({ "model": MODEL, "input": "Look at P4 and P5.", "tools": tools, "instructions": "Be brief." });
    let response = talk.post(PATH, &body).await;
    let kinds: Vec<&str> =
        response["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "function_call", "function_call"]);
    assert_eq!((&response["status"], &response["store"]), (&json!("completed"), &json!(false)));
    assert_eq!(talk.model.last()["messages"][0], json!({ "role": "system", "content": "Be brief." }));
    let kinds: Vec<Value> = streamed(&talk, &body).await.iter().map(|event| event["type"].clone()).collect();
    let done = json!("response.function_call_arguments.done");
    assert_eq!(kinds.iter().filter(|kind| **kind == done).count(), 2, "{kinds:?}");

    let mut input = vec![json!({ "role": "user", "content": "Look at P4 and P5." })];
    input.extend(response["output"].as_array().unwrap().clone());
    for call in &response["output"].as_array().unwrap()[1..] {
        input.push(json!({ "type": "function_call_output", "call_id": call["call_id"], "output": "seen" }));
    }
    let answer = talk.post(PATH, &json!({ "model": MODEL, "input": input, "tools": tools })).await;
    assert_eq!(answer["output"][0]["type"], "message");
    let sent = talk.model.last()["messages"].clone();
    assert_eq!((&sent[1]["content"], &sent[2]["role"]), (&json!("Let me look."), &json!("tool")));
    talk.stop().await;
}

#[tokio::test]
async fn refusals_name_their_parameters() {
    let talk = with_manual().await;
    let function = json!([{ "type": "function", "name": "look" }]);
    let store = json!([{ "type": "file_search", "vector_store_ids": [format!("vs_{STRANGER}")] }]);
    let either = json!({ "type": "or", "filters": [{ "type": "eq", "key": "a", "value": 1 }] });
    let search = json!([{
        "type": "file_search", "vector_store_ids": [format!("vs_{}", talk.collection)], "filters": either,
    }]);
    for (field, value, status, param, code) in [
        ("tools", function, 400, json!("tools"), Value::Null),
        ("tools", search, 400, json!("tools"), Value::Null),
        ("tools", store, 404, Value::Null, json!("vector_store_not_found")),
        ("input", json!(7), 400, json!("input"), Value::Null),
        ("input", json!(" "), 400, json!("input"), Value::Null),
        ("conversation", json!("conv_1"), 400, json!("conversation"), Value::Null),
        ("text", json!({ "format": { "type": "json_object" } }), 400, json!("text.format"), Value::Null),
    ] {
        let mut body = json!({ "model": "kb/main", "input": PRESSURE });
        body[field] = value;
        let reply = talk.app.post(PATH, &body).await;
        assert_eq!(reply.status.as_u16(), status, "{field}: {}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!((&error["param"], &error["code"]), (&param, &code), "{field}: {error}");
    }
    talk.stop().await;
}
