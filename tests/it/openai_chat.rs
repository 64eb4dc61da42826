//! Chat completions: cited answers from documents, and models that are passed
//! on as they are.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::canaries::until;
use crate::conversing::{Conversing, MODEL, Reply};
use crate::harness::request;
use crate::talk::{MANUAL, PRESSURE, Talk};

const PATH: &str = "/v1/chat/completions";
const HIDDEN: &str = "select count(*) from conversations where origin <> 'native'";
const CITED: &str = "The pump P4 is rated for 4 bar [1: \"rated for a pressure of 4 bar\"].";

/// The question of a request, whatever stands before it.
fn asked(body: &Value) -> &str {
    let turns = body["messages"].as_array().unwrap();
    turns.iter().rfind(|turn| turn["role"] == "user").and_then(|turn| turn["content"].as_str()).unwrap_or_default()
}

/// Looks for a tool when it is offered one; quotes the manual else.
fn mind(body: &Value) -> Reply {
    let results = body["messages"].as_array().unwrap().iter().filter(|turn| turn["role"] == "tool").count();
    match (body["tools"].is_array(), results) {
        (true, 0) if !body["tools"].to_string().contains("search_documents") => {
            Reply::says("Let me look.").and_calls("look", "{\"at\":\"P4\"}").and_calls("look", "{\"at\":\"P5\"}")
        }
        _ if asked(body).contains("slowly") => {
            Reply::says("word ".repeat(500)).slowly(std::time::Duration::from_millis(20))
        }
        _ => Reply::says(CITED).used(100, 40, 9),
    }
}

pub async fn with_manual() -> Talk {
    let talk = Talk::with(Conversing::start(mind).await, |settings| settings.answer_cache = false).await;
    talk.read(&[("docs/p4.md", MANUAL)]).await;
    talk
}

fn user(text: &str) -> Value {
    json!([{ "role": "user", "content": text }])
}

/// The chunks of a stream, which ends as it should.
fn chunks(text: &str) -> Vec<Value> {
    let data: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(data.last(), Some(&"[DONE]"), "{text}");
    data[..data.len() - 1].iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn said(chunks: &[Value], field: &str) -> String {
    let deltas = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"][field].as_str());
    deltas.collect()
}

/// The annotations' markers, sliced out of the text, and what they cite.
async fn check_annotations(talk: &Talk, text: &str, annotations: &Value) {
    let letters: Vec<char> = text.chars().collect();
    let annotations = annotations.as_array().expect("annotations");
    assert!(!annotations.is_empty(), "{text}");
    for annotation in annotations {
        assert_eq!(annotation.as_object().unwrap().len(), 2);
        assert_eq!(annotation["type"], "url_citation");
        let about = &annotation["url_citation"];
        assert_eq!(about.as_object().unwrap().len(), 4, "{about}");
        let place = |field: &str| usize::try_from(about[field].as_u64().unwrap()).unwrap();
        let marker: String = letters[place("start_index")..place("end_index")].iter().collect();
        assert_eq!(marker, "[1]");
        let url = about["url"].as_str().unwrap();
        let (revision, range) = url.strip_prefix("http://localhost/s/").unwrap().split_once('?').unwrap();
        let range = range.split('#').next().unwrap();
        let part = talk.app.get(&format!("/api/v1/revisions/{revision}/text?{range}")).await.json();
        assert_eq!(part["text"], "rated for a pressure of 4 bar", "{url}");
    }
}

async fn until_forgotten(talk: &Talk) {
    until("conversation that is forgotten", async || (talk.count(HIDDEN).await == 0).then_some(())).await;
}

#[tokio::test]
async fn an_answer_from_a_collection_is_cited_by_places_in_its_text() {
    let talk = with_manual().await;
    let body = json!({ "model": "kb/main", "messages": user(PRESSURE), "stream": false, "top_p": 1, "user": 7 });
    let answer = talk.post(PATH, &body).await;
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], "The pump P4 is rated for 4 bar [1].");
    check_annotations(&talk, message["content"].as_str().unwrap(), &message["annotations"]).await;
    assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("kb/main")));
    assert_eq!((&message["role"], &answer["choices"][0]["finish_reason"]), (&json!("assistant"), &json!("stop")));
    assert_eq!(answer["usage"]["total_tokens"], 109);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 40);
    talk.stop().await;
}

#[tokio::test]
async fn a_streamed_answer_says_the_same_and_cites_in_one_late_delta() {
    let talk = with_manual().await;
    let mut body = json!({ "model": "kb/main", "messages": user(PRESSURE), "stream": true });
    let reply = talk.app.post(PATH, &body).await;
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    let plain = chunks(&reply.text());
    let text = said(&plain, "content");
    assert_eq!(text, "The pump P4 is rated for 4 bar [1].");
    let with: Vec<&Value> = plain
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"])
        .filter(|delta| delta.get("annotations").is_some())
        .collect();
    assert_eq!(with.len(), 1);
    check_annotations(&talk, &text, &with[0]["annotations"]).await;
    assert_eq!(plain[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(plain.iter().all(|chunk| chunk["id"] == plain[0]["id"] && chunk.get("usage").is_none()));
    assert_eq!(plain.last().unwrap()["choices"][0]["finish_reason"], "stop");
    // The totals come when they are asked for.
    body["stream_options"] = json!({ "include_usage": true });
    let counted = chunks(&talk.app.post(PATH, &body).await.text());
    let last = counted.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["completion_tokens"]), (&json!([]), &json!(9)));
    talk.stop().await;
}

#[tokio::test]
async fn a_provider_s_model_is_grounded_in_the_collections_of_the_metadata() {
    let talk = with_manual().await;
    for named in ["main".to_owned(), format!(" {} , main", talk.collection)] {
        let metadata = json!({ "collections": named });
        let answer =
            talk.post(PATH, &json!({ "model": MODEL, "messages": user(PRESSURE), "metadata": metadata })).await;
        assert_eq!(answer["choices"][0]["message"]["content"], "The pump P4 is rated for 4 bar [1].");
        assert_eq!(answer["model"], MODEL);
    }
    let metadata = json!({ "collections": "nowhere" });
    let reply = talk.app.post(PATH, &json!({ "model": MODEL, "messages": user(PRESSURE), "metadata": metadata })).await;
    assert_eq!(
        (reply.status, reply.json()["error"]["param"].as_str()),
        (StatusCode::NOT_FOUND, Some("metadata.collections"))
    );
    talk.stop().await;
}

#[tokio::test]
async fn what_was_said_before_and_instructions_reach_the_model() {
    let talk = with_manual().await;
    let messages = json!([
        { "role": "system", "content": "Answer like a pirate." },
        { "role": "user", "content": "How heavy is it?" },
        { "role": "assistant", "content": "It weighs 3 kg [1]." },
        { "role": "user", "content": PRESSURE },
    ]);
    talk.post(PATH, &json!({ "model": "kb/main", "messages": messages })).await;
    let sent = talk.model.last()["messages"].clone();
    assert!(sent[0]["content"].as_str().unwrap().contains("Answer like a pirate."));
    assert_eq!(sent[1], json!({ "role": "user", "content": "How heavy is it?" }));
    assert_eq!(sent[2], json!({ "role": "assistant", "content": "It weighs 3 kg." }));
    talk.stop().await;
}

#[tokio::test]
async fn what_the_documents_do_not_say_is_said_in_words() {
    let talk = Talk::start(Conversing::start(|_| Reply::says("NOT_IN_DOCUMENTS")).await).await;
    talk.read(&[("p4.md", MANUAL)]).await;
    let answer = talk.post(PATH, &json!({ "model": "kb/main", "messages": user("Who painted the pump?") })).await;
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], "The documents do not answer this question.");
    assert_eq!((&message["annotations"], &message["refusal"]), (&json!([]), &Value::Null));
    talk.stop().await;
}

#[tokio::test]
async fn a_conversation_behind_an_answer_is_hidden_and_goes_with_it_unless_it_is_kept() {
    let talk = with_manual().await;
    talk.post(PATH, &json!({ "model": "kb/main", "messages": user(PRESSURE) })).await;
    until_forgotten(&talk).await;
    talk.post(PATH, &json!({ "model": "kb/main", "messages": user(PRESSURE), "store": true })).await;
    assert_eq!(talk.count(HIDDEN).await, 1);
    let listed = talk.app.get("/api/v1/conversations").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let found = talk.app.get("/api/v1/conversations/search?q=pump").await.json();
    assert_eq!(found["items"], json!([]));
    talk.stop().await;
}

#[tokio::test]
async fn an_answer_ends_when_its_reader_goes_away() {
    let talk = with_manual().await;
    let body = json!({ "model": "kb/main", "messages": user("Tell slowly of the pump P4."), "stream": true });
    let request =
        request("POST", PATH).header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
    let reply = tower::ServiceExt::oneshot(talk.app.router.clone(), request).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let mut body = reply.into_body().into_data_stream();
    futures::StreamExt::next(&mut body).await.expect("a first chunk").unwrap();
    assert_eq!(talk.app.service.app.hub.len(), 1);
    drop(body);
    until("end of the answer", async || talk.app.service.app.hub.is_empty().then_some(())).await;
    until_forgotten(&talk).await;
    talk.stop().await;
}

#[tokio::test]
async fn functions_of_the_client_s_are_passed_on_and_their_results_back() {
    let talk = with_manual().await;
    let parameters = json!({ "type": "object", "properties": { "at": { "type": "string" } } });
    let tools = json!([{ "type": "function", "function": { "name": "look", "description": "Looks.", "parameters": parameters } }]);
    let body = json!({
        "model": MODEL, "messages": user("Look at P4 and P5."), "tools": tools, "temperature": 0.5, "max_tokens": 77,
        "response_format": { "type": "json_object" },
    });
    let answer = talk.post(PATH, &body).await;
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &json!("Let me look."))
    );
    let calls = choice["message"]["tool_calls"].clone();
    assert_eq!((calls.as_array().unwrap().len(), &calls[1]["function"]["arguments"]), (2, &json!("{\"at\":\"P5\"}")));
    let sent = talk.model.last();
    assert_eq!((&sent["temperature"], &sent["max_tokens"]), (&json!(0.5), &json!(77)));
    assert_eq!((&sent["tools"], &sent["response_format"]), (&tools, &json!({ "type": "json_object" })));

    // The same as a stream: fragments by their places.
    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    let chunks = chunks(&talk.app.post(PATH, &streamed).await.text());
    let pieces: Vec<&Value> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| call.is_object())
        .collect();
    assert_eq!(pieces.iter().map(|call| call["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");

    let mut messages = user("Look at P4 and P5.").as_array().unwrap().clone();
    messages.push(choice["message"].clone());
    messages.extend(
        (0..2).map(|n| json!({ "role": "tool", "tool_call_id": calls[n]["id"], "content": format!("seen {n}") })),
    );
    let answer = talk.post(PATH, &json!({ "model": MODEL, "messages": messages, "tools": tools })).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let sent = talk.model.last()["messages"].clone();
    assert_eq!(
        (&sent[2]["role"], &sent[2]["content"], &sent[2]["tool_call_id"]),
        (&json!("tool"), &json!("seen 0"), &calls[0]["id"])
    );
    talk.stop().await;
}

#[tokio::test]
async fn a_call_that_is_passed_on_leaves_its_bill_and_nothing_else() {
    let talk = with_manual().await;
    let rows = talk.count("select count(*) from messages").await;
    talk.post(PATH, &json!({ "model": MODEL, "messages": user(PRESSURE) })).await;
    talk.app.service.app.ledger.settled().await;
    let billed = "select count(*) from model_calls where outcome = 'ok' and input_tokens = 100 and cached_tokens = 40 and \
                  output_tokens = 9 and message_id is null";
    assert_eq!(talk.count(billed).await, 1);
    assert_eq!(talk.count("select count(*) from messages").await, rows);
    talk.stop().await;
}

#[tokio::test]
async fn every_refusal_has_openai_s_shape() {
    let talk = with_manual().await;
    let chat = async |body: Value| {
        let mut whole = json!({ "model": "kb/main", "messages": user(PRESSURE) });
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        talk.app.post(PATH, &whole).await
    };
    let tools = json!([{ "type": "function", "function": { "name": "look" } }]);
    let replies = [
        (
            "unknown collection",
            chat(json!({ "model": "kb/none" })).await,
            404,
            json!("model"),
            json!("model_not_found"),
        ),
        ("wrong type", chat(json!({ "model": 7 })).await, 400, json!("model"), Value::Null),
        ("deep type", chat(json!({ "messages": [{ "role": 1 }] })).await, 400, json!("messages[0].role"), Value::Null),
        ("nothing said", chat(json!({ "messages": [] })).await, 400, json!("messages"), Value::Null),
        ("empty question", chat(json!({ "messages": user(" ") })).await, 400, json!("messages"), Value::Null),
        ("tools over documents", chat(json!({ "tools": tools })).await, 400, json!("tools"), Value::Null),
        ("no route", talk.app.get("/v1/nothing").await, 404, Value::Null, json!("route_not_found")),
        ("no method", talk.app.delete(PATH).await, 405, Value::Null, json!("method_not_allowed")),
        ("no such model", talk.app.get("/v1/models/kb/none").await, 404, json!("model"), json!("model_not_found")),
        (
            "no JSON",
            talk.app.request(request("POST", PATH).body(Body::from("x")).unwrap()).await,
            400,
            Value::Null,
            Value::Null,
        ),
    ];
    for (what, reply, status, param, code) in replies {
        assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!((&error["param"], &error["code"]), (&param, &code), "{what}: {error}");
        assert!(error["message"].as_str().unwrap().len() > 10 && error["type"].is_string(), "{what}: {error}");
        assert!(reply.headers.contains_key("x-request-id"), "{what}");
    }
    talk.stop().await;
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_in_openai_s_shape() {
    let talk = with_manual().await;
    for path in ["/v1/models", "/v1/files"] {
        let request = request("GET", path).header("authorization", "Bearer not-a-key").body(Body::empty()).unwrap();
        let reply = talk.app.request(request).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!((&error["code"], &error["type"]), (&json!("invalid_api_key"), &json!("invalid_request_error")));
    }
    talk.stop().await;
}

#[tokio::test]
async fn a_provider_s_refusal_is_the_client_s_to_read() {
    let talk = Talk::start(Conversing::start(|_| Reply::refuses("no such voice")).await).await;
    let reply = talk.app.post(PATH, &json!({ "model": MODEL, "messages": user("Hello?") })).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains("no such voice"), "{}", reply.text());
    talk.stop().await;
}

#[tokio::test]
async fn models_are_collections_and_those_that_answer() {
    let talk = with_manual().await;
    let list = talk.app.get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"kb/main") && ids.contains(&MODEL) && ids.contains(&"extractive"), "{ids:?}");
    for id in ids {
        let one = talk.app.get(&format!("/v1/models/{id}")).await;
        assert_eq!((one.status, one.json()["id"].as_str()), (StatusCode::OK, Some(id)));
    }
    talk.stop().await;
}
