//! Pictures in a question: shown to a model that looks at them, refused where
//! they are none, nobody can look, or their owner has no room for them.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use footnote::config::{ProviderSettings, Settings};
use footnote::storage::messages::Part;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::conversing::{Conversing, MODEL, Reply, Task};
use crate::fences::{content, messages, question};
use crate::quotas::{assert_refused, used};
use crate::talk::{MANUAL, Talk, notices, parts, text};

const WORDS: &str = "Is this the pump P4?";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

fn picture(data: &str) -> Value {
    json!({ "type": "image", "data": data })
}

fn with_words(part: &Value) -> Value {
    json!([{ "type": "text", "text": WORDS }, part])
}

async fn with_eyes() -> Talk {
    with(|_| {}).await
}

async fn with(change: impl FnOnce(&mut Settings)) -> Talk {
    let talk = Talk::with(Conversing::start(|_| Reply::says("It is.")).await, change).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    talk
}

/// A question with a picture, as each face takes it: where it is asked, the
/// question, and what is at fault where the face names that.
fn on_other_faces() -> Vec<(&'static str, Value, Option<&'static str>)> {
    let url = format!("data:image/png;base64,{}", STANDARD.encode(PNG));
    let said = json!([{ "type": "text", "text": WORDS }, { "type": "image_url", "image_url": { "url": url } }]);
    let chat = |model: &str, metadata: Value| {
        let turns = json!([{ "role": "user", "content": said }]);
        ("/v1/chat/completions", json!({ "model": model, "messages": turns, "metadata": metadata }), Some("messages"))
    };
    let given = json!([{ "type": "input_text", "text": WORDS }, { "type": "input_image", "image_url": url }]);
    let response = |model: &str| {
        let input = json!([{ "role": "user", "content": given }]);
        ("/v1/responses", json!({ "model": model, "input": input }), Some("input"))
    };
    let file = json!({ "type": "file", "mediaType": "image/png", "url": url });
    let turn = json!({ "id": "m", "role": "user", "parts": [{ "type": "text", "text": WORDS }, file] });
    vec![
        chat("kb/main", json!({})),
        chat(MODEL, json!({ "collections": "main" })),
        chat(MODEL, json!({})),
        response("kb/main"),
        response(MODEL),
        ("/api/chat", json!({ "id": "c", "messages": [turn] }), None),
    ]
}

const MESSAGES: &str = "select count(*) from messages";
const CONVERSATIONS: &str = "select count(*) from conversations";

/// The pictures of the latest request.
fn shown(talk: &Talk) -> Vec<String> {
    let sent = talk.model.last();
    let asked = messages(&sent).last().unwrap()["content"].as_array().cloned().unwrap_or_default();
    asked.iter().filter_map(|part| part["image_url"]["url"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_picture_reaches_the_model_and_stays_with_its_question() {
    let talk = with_eyes().await;
    let encoded = STANDARD.encode(PNG);
    // What it is counts, not what it is said to be.
    let data = format!("data:image/jpeg;base64,{encoded}");
    let answer = talk.ask_with(&json!({ "parts": with_words(&picture(&data)) })).await;
    assert_eq!(text(&answer), "It is.");
    let expected = [format!("data:image/png;base64,{encoded}")];
    assert_eq!(shown(&talk), expected);
    assert_eq!(question(&talk.model.last()), WORDS);

    let asked = talk.app.get(&format!("{}/{}", talk.messages, answer["parent_id"].as_str().unwrap())).await.json();
    assert_eq!((parts(&asked, "image")[0]["base64"].as_str(), text(&asked).as_str()), (Some(encoded.as_str()), WORDS));
    // Made anew, it is answered with the picture.
    let path = format!("{}/{}/regenerate", talk.messages, answer["id"].as_str().unwrap());
    talk.post(&path, &json!({})).await;
    assert_eq!(shown(&talk), expected);
    // Nobody has asked about it any more.
    talk.ask("How heavy is the pump P4?").await;
    assert!(shown(&talk).is_empty());
    let sent = talk.model.last();
    assert!(messages(&sent).iter().any(|turn| content(turn) == WORDS), "what was asked before: {sent}");
    assert!(!sent.to_string().contains(&encoded), "its picture is not sent again");
    talk.stop().await;
}

#[tokio::test]
async fn what_is_no_picture_is_refused_before_anybody_is_asked() {
    let talk = with_eyes().await;
    let encoded = STANDARD.encode(PNG);
    let many: Vec<Value> = std::iter::repeat_with(|| picture(&encoded)).take(9).collect();
    let file = json!({ "type": "file", "name": "a.pdf", "data": encoded });
    for (what, question, code) in [
        ("an address", json!({ "parts": with_words(&picture("http://evil.test/p.png")) }), "unprocessable:parts"),
        ("no base64", json!({ "parts": with_words(&picture("%%%")) }), "unprocessable:parts"),
        ("a drawing", json!({ "parts": with_words(&picture(&STANDARD.encode("<svg/>"))) }), "unprocessable:parts"),
        ("an odd URL", json!({ "parts": with_words(&picture("data:image/png,abc")) }), "unprocessable:parts"),
        ("nine", json!({ "parts": many }), "unprocessable:parts"),
        ("a file", json!({ "parts": with_words(&file) }), "unprocessable:body"),
        ("a sound", json!({ "parts": with_words(&json!({ "type": "audio" })) }), "unprocessable:parts"),
        ("twice", json!({ "content": WORDS, "parts": with_words(&picture(&encoded)) }), "unprocessable:content"),
        ("nothing", json!({}), "unprocessable:content"),
        ("no words", json!({ "parts": [picture(&encoded)] }), "unprocessable:content"),
    ] {
        let reply = talk.app.post(&talk.messages, &question).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, code), "{what}");
    }
    assert_eq!(talk.model.bodies(Task::Answer).len(), 0);
    assert_eq!(talk.count("select count(*) from messages").await, 0);
    talk.stop().await;
}

#[tokio::test]
async fn an_answerer_that_cannot_look_says_so() {
    let talk = with_eyes().await;
    let parts = with_words(&picture(&STANDARD.encode(PNG)));
    let reply = talk.app.post(&talk.messages, &json!({ "parts": parts, "model": "extractive" })).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:parts"));
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("extractive") && message.contains("choose another"), "{message}");
    assert_eq!(talk.count("select count(*) from messages").await, 0);
    talk.stop().await;
}

#[tokio::test]
async fn a_model_that_takes_no_pictures_is_asked_about_none_on_any_face() {
    let talk = with(|settings| settings.text_models = vec![format!("openai/{MODEL}")]).await;
    let parts = with_words(&picture(&STANDARD.encode(PNG)));
    let reply = talk.app.post(&talk.messages, &json!({ "parts": parts })).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable:parts"));
    assert!(reply.text().contains(MODEL) && reply.text().contains("choose another"), "{}", reply.text());
    for (path, body, param) in on_other_faces() {
        let reply = talk.app.post(path, &body).await;
        assert!(reply.text().contains(MODEL) && reply.text().contains("choose another"), "{path}: {}", reply.text());
        match param {
            // What cannot be processed is a bad request there.
            Some(param) => {
                assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path} {body}");
                assert_eq!(reply.json()["error"]["param"], param, "{path} {body}");
            }
            None => assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}"),
        }
    }
    assert!(talk.model.asked().is_empty());
    // The one of the test itself.
    assert_eq!((talk.count(MESSAGES).await, talk.count(CONVERSATIONS).await), (0, 1));
    // Words are another matter.
    assert_eq!(text(&talk.ask(WORDS).await), "It is.");
    talk.stop().await;
}

#[tokio::test]
async fn a_response_that_cannot_be_gone_on_from_with_a_picture_stays_as_it_is() {
    let talk = with(|settings| settings.text_models = vec![MODEL.into()]).await;
    let first = json!({ "model": "kb/main", "input": WORDS, "instructions": "Be brief." });
    let first = talk.post("/v1/responses", &first).await;
    let stored = talk.count(MESSAGES).await;
    let (_, mut next, _) = on_other_faces().into_iter().find(|(path, ..)| *path == "/v1/responses").unwrap();
    next["previous_response_id"] = first["id"].clone();
    let said = [json!({ "role": "user", "content": "Look." }), json!({ "role": "assistant", "content": "At what?" })];
    next["input"].as_array_mut().unwrap().splice(..0, said);
    let reply = talk.app.post("/v1/responses", &next).await;
    assert_eq!((reply.status, reply.json()["error"]["param"].as_str()), (StatusCode::BAD_REQUEST, Some("input")));
    assert_eq!(talk.count(MESSAGES).await, stored);
    let instructed = "select count(*) from conversations where system_prompt = 'Be brief.'";
    assert_eq!(talk.count(instructed).await, 1);
    talk.stop().await;
}

#[tokio::test]
async fn a_response_that_has_no_room_for_a_picture_stays_as_it_is() {
    let talk = with(|settings| settings.quota.bytes = MANUAL.len() as u64).await;
    let first = json!({ "model": "kb/main", "input": WORDS, "instructions": "Be brief." });
    let first = talk.post("/v1/responses", &first).await;
    let stored = talk.count(MESSAGES).await;
    let (_, mut next, _) = on_other_faces().into_iter().find(|(path, ..)| *path == "/v1/responses").unwrap();
    (next["previous_response_id"], next["instructions"]) = (first["id"].clone(), json!("Be long."));
    let said = [json!({ "role": "user", "content": "Look." }), json!({ "role": "assistant", "content": "At what?" })];
    next["input"].as_array_mut().unwrap().splice(..0, said);
    let reply = talk.app.post("/v1/responses", &next).await;
    assert_eq!(
        (reply.status, reply.json()["error"]["code"].as_str()),
        (StatusCode::FORBIDDEN, Some("insufficient_quota"))
    );
    let instructed = "select count(*) from conversations where system_prompt = 'Be brief.'";
    assert_eq!((talk.count(instructed).await, talk.count(MESSAGES).await), (1, stored));
    talk.stop().await;
}

#[tokio::test]
async fn all_pictures_of_a_question_in_several_turns_are_looked_at() {
    let talk = with(|settings| settings.context_window = Some(100_000)).await;
    let picture = |n: u8| format!("data:image/png;base64,{}", STANDARD.encode([PNG, &[n]].concat()));
    let chat = |turns: &[(&str, Vec<u8>)]| {
        let turn = |(role, shown): &(&str, Vec<u8>)| {
            let shown = shown.iter().map(|n| json!({ "type": "image_url", "image_url": { "url": picture(*n) } }));
            let content: Vec<Value> = [json!({ "type": "text", "text": WORDS })].into_iter().chain(shown).collect();
            json!({ "role": role, "content": content })
        };
        json!({ "model": "kb/main", "messages": turns.iter().map(turn).collect::<Vec<_>>() })
    };
    let as_input = |body: &Value| {
        let mut input = body["messages"].clone();
        for part in input.as_array_mut().unwrap().iter_mut().flat_map(|turn| turn["content"].as_array_mut().unwrap()) {
            let url = part["image_url"]["url"].take();
            *part = match url {
                Value::Null => json!({ "type": "input_text", "text": WORDS }),
                url => json!({ "type": "input_image", "image_url": url }),
            };
        }
        json!({ "model": "kb/main", "input": input })
    };
    for (turns, expected) in [
        (vec![("user", vec![1, 2]), ("user", vec![]), ("user", vec![3])], vec![1, 2, 3]),
        // Those of an earlier question are not its own.
        (vec![("user", vec![1]), ("assistant", vec![]), ("user", vec![2]), ("user", vec![3])], vec![2, 3]),
    ] {
        let body = chat(&turns);
        let expected: Vec<String> = expected.into_iter().map(picture).collect();
        talk.post("/v1/chat/completions", &body).await;
        assert_eq!(shown(&talk), expected);
        talk.post("/v1/responses", &as_input(&body)).await;
        assert_eq!(shown(&talk), expected);
    }
    // As many as in one turn, and no more.
    let body = chat(&[("user", (0..5).collect()), ("user", (5..8).collect())]);
    talk.post("/v1/chat/completions", &body).await;
    assert_eq!(shown(&talk).len(), 8);
    let body = chat(&[("user", (0..5).collect()), ("user", (5..9).collect())]);
    for (path, body, param) in [("/v1/responses", as_input(&body), "input"), ("/v1/chat/completions", body, "messages")]
    {
        let reply = talk.app.post(path, &body).await;
        assert_eq!((reply.status, reply.json()["error"]["param"].as_str()), (StatusCode::BAD_REQUEST, Some(param)));
    }
    talk.stop().await;
}

#[tokio::test]
async fn what_a_response_was_asked_with_is_listed_with_its_own_pictures() {
    let talk = with_eyes().await;
    let (_, first, _) = on_other_faces().into_iter().find(|(path, ..)| *path == "/v1/responses").unwrap();
    let first_response = talk.post("/v1/responses", &first).await;
    let next = json!({ "model": "kb/main", "input": WORDS, "previous_response_id": first_response["id"] });
    let next = talk.post("/v1/responses", &next).await;
    let items = async |response: &Value| {
        let path = format!("/v1/responses/{}/input_items?order=asc", response["id"].as_str().unwrap());
        talk.app.get(&path).await.json()["data"].clone()
    };
    let told = items(&first_response).await;
    let url = &first["input"][0]["content"][1]["image_url"];
    assert_eq!((told.as_array().unwrap().len(), &told[0]["content"][0]["image_url"]), (1, url), "{told}");
    let told = items(&next).await;
    assert_eq!(told[0]["content"], json!([{ "type": "input_text", "text": WORDS }]));
    assert_eq!(told.as_array().unwrap().len(), 1);
    talk.stop().await;
}

#[tokio::test]
async fn the_list_of_models_tells_which_look_at_pictures() {
    let talk = with(|settings| {
        settings.fallback_models = vec!["another".into()];
        settings.text_models = vec!["another".into()];
    })
    .await;
    let models = talk.app.get("/api/v1/models").await.json();
    let told = models["items"].as_array().unwrap().iter().map(|model| json!([model["name"], model["images"]]));
    let expected = [json!([MODEL, true]), json!(["another", false]), json!(["extractive", false])];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    talk.stop().await;
}

#[tokio::test]
async fn a_picture_is_not_sent_to_a_stand_in_that_takes_none() {
    let talk = with(|settings| {
        let base_url = Some("http://127.0.0.1:1/v1".into());
        settings.providers = vec![ProviderSettings { name: "gone".into(), base_url, ..Default::default() }];
        settings.model = "gone/away".into();
        settings.fallback_models = vec![MODEL.into()];
        settings.text_models = vec![MODEL.into()];
    })
    .await;
    let answer = talk.ask_with(&json!({ "parts": with_words(&picture(&STANDARD.encode(PNG))) })).await;
    assert!(notices(&answer).contains(&"fallback"), "{answer}");
    assert!(talk.model.bodies(Task::Answer).is_empty());
    // It does stand in where there is nothing to look at.
    assert!(text(&talk.ask("How heavy is the pump P4?").await).contains("It is."));
    talk.stop().await;
}

fn bytes(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

/// Room for a picture and a half beside the manual.
fn narrow(settings: &mut Settings) {
    settings.quota.bytes = (MANUAL.len() + PNG.len() * 3 / 2) as u64;
}

#[tokio::test]
async fn pictures_count_as_bytes_until_their_conversation_is_deleted() {
    let talk = with(narrow).await;
    let asked = json!({ "parts": with_words(&picture(&STANDARD.encode(PNG))) });
    let answer = talk.ask_with(&asked).await;
    let (manual, both) = (bytes(MANUAL.len()), bytes(MANUAL.len() + PNG.len()));
    assert_eq!(used(&talk.app, "bytes").await, both);
    let stored = talk.count(MESSAGES).await;
    let refused = talk.app.post(&talk.messages, &asked).await;
    assert_refused(&refused, "quota_exceeded:bytes");
    assert!(refused.text().contains("conversations with pictures"), "{}", refused.text());
    let edit = format!("{}/{}/edit", talk.messages, answer["parent_id"].as_str().unwrap());
    assert_refused(&talk.app.post(&edit, &asked).await, "quota_exceeded:bytes");
    // Documents and pictures share the room.
    let documents = format!("/api/v1/collections/{}/documents", talk.collection);
    let large = json!({ "key": "large", "text": "x".repeat(PNG.len()) });
    assert_refused(&talk.app.post(&documents, &large).await, "quota_exceeded:bytes");
    assert_eq!((talk.count(MESSAGES).await, talk.count(CONVERSATIONS).await), (stored, 1));

    // What is kept already is not kept once more, and words take nothing.
    talk.post(&format!("{}/{}/regenerate", talk.messages, answer["id"].as_str().unwrap()), &json!({})).await;
    talk.ask("How heavy is the pump P4?").await;
    assert_eq!(used(&talk.app, "bytes").await, both);
    let conversation = talk.messages.strip_suffix("/messages").unwrap();
    assert_eq!(talk.app.delete(conversation).await.status, StatusCode::NO_CONTENT);
    assert_eq!(used(&talk.app, "bytes").await, manual);
    let messages = talk.app.conversation().await;
    talk.post(&messages, &asked).await;
    assert_eq!(used(&talk.app, "bytes").await, both);
    talk.stop().await;
}

#[tokio::test]
async fn a_picture_without_room_leaves_nothing_on_any_face() {
    let talk = with(|settings| settings.quota.bytes = MANUAL.len() as u64).await;
    for (path, body, param) in on_other_faces() {
        // What is passed on is not kept.
        if body["model"] == MODEL && body["metadata"]["collections"].is_null() {
            assert_eq!(talk.app.post(path, &body).await.status, StatusCode::OK, "{path}");
            continue;
        }
        let reply = talk.app.post(path, &body).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path}: {}", reply.text());
        assert!(reply.text().contains("FOOTNOTE_QUOTA_BYTES"), "{path}: {}", reply.text());
        if param.is_some() {
            assert_eq!(reply.json()["error"]["code"], "insufficient_quota", "{path}");
        }
    }
    assert_eq!((talk.count(MESSAGES).await, talk.count(CONVERSATIONS).await), (0, 1));
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_pictures_that_are_sent_at_once_as_many_are_taken_as_there_is_room_for() {
    let talk = with(|settings| settings.quota.bytes = (MANUAL.len() + 3 * PNG.len()) as u64).await;
    let asked = json!({ "parts": with_words(&picture(&STANDARD.encode(PNG))) });
    let places = join_all((0..8).map(|_| talk.app.conversation())).await;
    let replies = join_all(places.iter().map(|messages| talk.app.post(messages, &asked))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == StatusCode::OK);
    assert_eq!((taken.len(), refused.len()), (3, 5), "{replies:?}");
    for reply in refused {
        assert_refused(reply, "quota_exceeded:bytes");
    }
    assert_eq!(used(&talk.app, "bytes").await, bytes(MANUAL.len() + 3 * PNG.len()));
    talk.stop().await;
}

#[test]
fn a_picture_has_the_bytes_that_its_base64_stands_for() {
    for count in 0..10 {
        let base64 = STANDARD.encode(vec![7; count]);
        assert_eq!(Part::Image { media_type: "image/png".into(), base64, url: None }.bytes(), bytes(count));
    }
    assert_eq!(Part::Text { text: "QQ==".into() }.bytes(), 0);
}
