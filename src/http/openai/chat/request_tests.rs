use serde_json::json;

use super::*;

fn completion(body: Value) -> Completion {
    serde_json::from_value(body).expect("a request")
}

fn refusal(body: Value) -> String {
    completion(body).read().expect_err("refused").surface
}

#[test]
fn a_chat_is_read_with_its_calls_and_wishes() {
    let (talk, wishes) = completion(json!({
        "model": "m", "top_p": 0.5, "user": 7, "max_tokens": 9, "temperature": 0.5,
        "messages": [
            { "role": "system", "content": "a" }, { "role": "developer", "content": [{ "type": "text", "text": "b" }] },
            { "role": "user", "content": [{ "type": "text", "text": "c" }], "name": "x" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "1", "type": "function", "function": { "name": "look", "arguments": "{}" } },
            ] },
            { "role": "tool", "tool_call_id": "1", "content": "found" },
        ],
        "tools": [{ "type": "function", "function": { "name": "look" } }],
        "tool_choice": { "type": "function", "function": { "name": "look" } },
        "response_format": { "type": "json_object" },
    }))
    .read()
    .expect("a talk");
    assert_eq!(talk.instructions, ["a", "b"]);
    let call = ToolCall { id: "1".into(), name: "look".into(), arguments: "{}".into() };
    let expected = [
        Said::User { text: "c".into(), images: vec![] },
        Said::Assistant { text: String::new(), calls: vec![call] },
        Said::Result { call: "1".into(), text: "found".into() },
    ];
    assert_eq!(talk.turns, expected);
    assert_eq!((wishes.max_tokens, wishes.temperature, wishes.format), (Some(9), Some(0.5), Some(Format::Json)));
    assert_eq!(wishes.tool_choice, ToolChoice::Named { name: "look".into() });
    assert_eq!(wishes.tools[0].parameters["type"], "object");
}

#[test]
fn what_is_wrong_is_named() {
    let with = |field: &str, value: Value| {
        let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "a" }] });
        body[field] = value;
        body
    };
    for (field, value, param) in [
        ("n", json!(2), "n"),
        ("temperature", json!(3), "temperature"),
        ("max_tokens", json!(0), "max_completion_tokens"),
        ("tools", json!([{ "type": "web_search" }]), "tools[0].type"),
        ("tool_choice", json!("maybe"), "tool_choice"),
        ("response_format", json!({ "type": "json_schema" }), "response_format"),
        ("messages", json!([]), "messages"),
        ("messages", json!([{ "role": "robot", "content": "a" }]), "messages[0].role"),
        ("messages", json!([{ "role": "tool", "content": "a" }]), "messages[0].tool_call_id"),
        ("messages", json!([{ "role": "user", "content": [{ "type": "file" }] }]), "messages[0].content[0]"),
    ] {
        assert_eq!(refusal(with(field, value.clone())), param, "{field} {value}");
    }
    let image = json!({ "type": "image_url", "image_url": { "url": "http://host/a.png" } });
    assert_eq!(refusal(with("messages", json!([{ "role": "user", "content": [image] }]))), "messages[0].content");
}

#[test]
fn functions_of_the_client_s_are_not_for_documents() {
    let tools = json!([{ "type": "function", "function": { "name": "look" } }]);
    let with = completion(json!({ "model": "m", "messages": [], "tools": tools }));
    assert_eq!(with.check_grounded().expect_err("refused").surface, "tools");
    assert!(completion(json!({ "model": "m", "messages": [], "tools": [] })).check_grounded().is_ok());
}
