use super::*;

fn writer() -> Writer {
    Writer::new(json!({ "id": "resp_1", "object": "response" }), "1".into())
}

fn events(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).expect("text");
    let blocks = text.split("\n\n").filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let (name, data) = block.split_once('\n').expect("two lines");
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect()
}

fn answer(writer: &mut Writer, ending: Ending) -> Vec<u8> {
    let mut out = Vec::new();
    writer.begin(&mut out);
    writer.searched(&mut out, &["how much?".into()], None);
    writer.text(&mut out, "4 bar ");
    writer.text(&mut out, "[1].");
    let citation = json!({ "type": "file_citation", "file_id": "file-1", "filename": "a", "index": 6 });
    writer.end(&mut out, ending, &[citation], Usage::default());
    out
}

#[test]
fn events_come_in_the_order_of_the_protocol() {
    let mut writer = writer();
    let events = events(&answer(&mut writer, Ending::Whole(FinishReason::Stop)));
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.file_search_call.completed",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(kinds, expected);
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
    assert_eq!(numbers, (0..16).collect::<Vec<u64>>());
    let last = &events[15]["response"];
    assert_eq!(*last, writer.response());
    assert_eq!(last["output"][1]["content"][0]["text"], "4 bar [1].");
    assert_eq!((&last["status"], &last["output"][0]["queries"]), (&json!("completed"), &json!(["how much?"])));
}

#[test]
fn a_reader_that_comes_back_is_given_the_rest_as_it_was() {
    let whole = answer(&mut writer(), Ending::Whole(FinishReason::Stop));
    let text = String::from_utf8(whole).expect("text");
    for known in 0..16 {
        let rest = answer(&mut writer().after(Some(known)), Ending::Whole(FinishReason::Stop));
        let skipped: String = text.split_inclusive("\n\n").skip(usize::try_from(known).expect("small") + 1).collect();
        assert_eq!(String::from_utf8(rest).expect("text"), skipped);
    }
    assert!(answer(&mut writer().silent(), Ending::Cancelled).is_empty());
}

#[test]
fn each_end_has_its_status() {
    for (ending, status, incomplete) in [
        (Ending::Whole(FinishReason::Length), "incomplete", json!({ "reason": "max_output_tokens" })),
        (Ending::Cancelled, "cancelled", Value::Null),
        (Ending::Failed(ApiError::upstream("timeout", "late")), "failed", Value::Null),
    ] {
        let mut writer = writer();
        let events = events(&answer(&mut writer, ending));
        let response = writer.response();
        assert_eq!((&response["status"], &response["incomplete_details"]), (&json!(status), &incomplete));
        assert_eq!(response["output"][1]["status"], "incomplete");
        let error = events.iter().find(|event| event["type"] == "error");
        assert_eq!(error.is_some(), status == "failed");
        assert!(error.is_none_or(|error| error["message"] == "late" && error["error"]["code"] == "timeout"));
    }
}

#[test]
fn a_call_stands_behind_the_words() {
    let (mut writer, mut out) = (writer(), Vec::new());
    writer.begin(&mut out);
    writer.text(&mut out, "Let me look.");
    writer.call(&mut out, &ToolCall { id: "c".into(), name: "look".into(), arguments: "{}".into() });
    writer.end(&mut out, Ending::Whole(FinishReason::ToolCalls), &[], Usage::default());
    let output = writer.response()["output"].clone();
    assert_eq!((&output[0]["type"], &output[1]["type"]), (&json!("message"), &json!("function_call")));
    assert_eq!((&output[1]["call_id"], &output[1]["arguments"]), (&json!("c"), &json!("{}")));
    assert_eq!(output.as_array().map(Vec::len), Some(2));
}
