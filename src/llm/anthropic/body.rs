//! The request's JSON.

use serde_json::{Map, Value, json};

use super::evidence;
use crate::llm::{Format, Image, Request, Role, Step, ToolChoice, ToolResult, turns};

/// The body of `POST /v1/messages`. No temperature: models of today refuse it.
pub(super) fn of(request: &Request) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("max_tokens".into(), json!(request.max_tokens));
    body.insert("stream".into(), json!(true));
    let system = system(request);
    if !system.trim().is_empty() {
        body.insert("system".into(), json!(system));
    }
    body.insert("messages".into(), Value::Array(messages(request)));
    if !request.tools.is_empty() {
        let tools = request
            .tools
            .iter()
            .map(|tool| json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters }));
        body.insert("tools".into(), tools.collect());
        let choice = match &request.tool_choice {
            ToolChoice::Auto => json!({ "type": "auto" }),
            ToolChoice::None => json!({ "type": "none" }),
            ToolChoice::Required => json!({ "type": "any" }),
            ToolChoice::Named { name } => json!({ "type": "tool", "name": name }),
        };
        body.insert("tool_choice".into(), choice);
    }
    Value::Object(body)
}

/// The instructions. What the answer must be is one of them: not all who speak
/// this protocol know a field for it.
fn system(request: &Request) -> String {
    let wish = match &request.format {
        None => return request.system.clone(),
        Some(Format::Json) => "Answer with one JSON object and nothing else.".to_owned(),
        Some(Format::Schema { schema, .. }) => {
            format!("Answer with JSON that fits this JSON schema, and nothing else:\n{schema}")
        }
    };
    if request.system.trim().is_empty() { wish } else { format!("{}\n\n{wish}", request.system) }
}

fn messages(request: &Request) -> Vec<Value> {
    let mut spells: Vec<(Role, Vec<Value>)> = turns::alternating(&request.history)
        .into_iter()
        .map(|(role, texts)| (role, texts.into_iter().map(text).collect()))
        .collect();
    match spells.last_mut() {
        Some((Role::User, blocks)) => blocks.extend(question(request)),
        _ => spells.push((Role::User, question(request))),
    }
    for step in &request.steps {
        spells.push((Role::Assistant, called(step)));
        spells.push((Role::User, results(step)));
    }
    let message = |(role, content)| {
        let role = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": Value::Array(content) })
    };
    spells.into_iter().map(message).collect()
}

/// The evidence, what is to be looked at, and the question.
fn question(request: &Request) -> Vec<Value> {
    let mut blocks: Vec<Value> = evidence::sent(request).map(evidence::block).collect();
    let words = if blocks.is_empty() { &request.prompt } else { &request.question };
    blocks.extend(request.images.iter().map(picture));
    if blocks.is_empty() || !words.trim().is_empty() {
        blocks.push(text(words));
    }
    blocks
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn picture(image: &Image) -> Value {
    let source = json!({ "type": "base64", "media_type": image.media_type, "data": *image.base64 });
    json!({ "type": "image", "source": source })
}

/// The model's own turn, given back with its calls. Its thoughts are signed and
/// stand where they stood.
fn called(step: &Step) -> Vec<Value> {
    let call = |id: &str| {
        let call = step.calls.iter().find(|call| call.id == id)?;
        Some(json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": turns::arguments(call) }))
    };
    let kept = step.state.as_ref().and_then(|state| state["content"].as_array());
    let mut blocks: Vec<Value> = match kept {
        Some(kept) => kept
            .iter()
            .filter_map(|block| match block["type"].as_str() {
                Some("tool_use") => call(block["id"].as_str().unwrap_or_default()),
                _ => Some(block.clone()),
            })
            .collect(),
        None if step.text.trim().is_empty() => vec![],
        None => vec![text(&step.text)],
    };
    let rest = step.calls.iter().filter(|call| !blocks.iter().any(|block| block["id"] == call.id));
    let rest: Vec<Value> = rest.filter_map(|known| call(&known.id)).collect();
    blocks.extend(rest);
    blocks
}

/// What came of the calls. A failure may not be blank.
fn results(step: &Step) -> Vec<Value> {
    let result = |result: &ToolResult| {
        let mut block = json!({ "type": "tool_result", "tool_use_id": result.call });
        if !result.text.trim().is_empty() {
            block["content"] = json!(result.text);
        } else if result.failed {
            block["content"] = json!("failed");
        }
        if result.failed {
            block["is_error"] = json!(true);
        }
        block
    };
    step.results.iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{Source, ToolCall, ToolSpec, Turn};

    fn request() -> Request {
        Request { temperature: Some(0.5), ..Request::plain("claude-x", "be brief".into(), "prompt".into(), 9) }
    }

    fn turn(role: Role, text: &str) -> Turn {
        Turn { role, text: text.into() }
    }

    fn call(id: &str, arguments: &str) -> ToolCall {
        ToolCall { id: id.into(), name: "look".into(), arguments: arguments.into() }
    }

    fn result(call: &str, text: &str, failed: bool) -> ToolResult {
        ToolResult { call: call.into(), name: "look".into(), text: text.into(), failed }
    }

    #[test]
    fn a_plain_question_holds_what_is_needed_and_no_temperature() {
        let expected = json!({
            "model": "claude-x", "max_tokens": 9, "stream": true, "system": "be brief",
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": "prompt" }] }],
        });
        assert_eq!(of(&request()), expected);
    }

    #[test]
    fn the_evidence_stands_before_the_question_and_replaces_the_prompt() {
        let source = |n, text: &str| Source {
            n,
            title: "Pumps".into(),
            headings: vec![],
            text: text.into(),
            score: 1.0,
            dense: None,
        };
        let request = Request {
            history: vec![
                turn(Role::Assistant, "before any question"),
                turn(Role::User, "hello"),
                turn(Role::User, "again"),
                turn(Role::Assistant, "hi"),
                turn(Role::User, "unanswered"),
            ],
            question: "how much?".into(),
            sources: vec![source(1, "4 bar"), source(2, "5 bar")],
            images: vec![Image { media_type: "image/png".into(), base64: "AAAA".into() }],
            ..request()
        };
        let text = |text: &str| json!({ "type": "text", "text": text });
        let found = |name: &str, words: &str| {
            json!({
                "type": "search_result", "source": name, "title": "Pumps", "content": [text(words)],
                "citations": { "enabled": true },
            })
        };
        let picture = json!({ "type": "base64", "media_type": "image/png", "data": "AAAA" });
        let expected = json!([
            { "role": "user", "content": [text("hello"), text("again")] },
            { "role": "assistant", "content": [text("hi")] },
            { "role": "user", "content": [
                text("unanswered"), found("source-1", "4 bar"), found("source-2", "5 bar"),
                { "type": "image", "source": picture }, text("how much?"),
            ] },
        ]);
        assert_eq!(of(&request)["messages"], expected);
        let other = Request { model: "deepseek-chat".into(), ..request };
        assert_eq!(of(&other)["messages"][2]["content"][2], text("prompt"));
    }

    #[test]
    fn calls_go_back_with_their_results_and_with_the_thoughts_before_them() {
        let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "s1" });
        let hidden = json!({ "type": "redacted_thinking", "data": "x" });
        let state = json!({ "content": [
            thought, hidden, { "type": "text", "text": "I look." },
            { "type": "tool_use", "id": "c1" }, { "type": "tool_use", "id": "left out" },
        ] });
        let tool = ToolSpec { name: "look".into(), description: "looks".into(), parameters: json!({}) };
        let step = Step {
            text: "I look.".into(),
            calls: vec![call("c1", "{\"q\":1}"), call("c2", "no JSON")],
            results: vec![result("c1", "found", false), result("c2", "", true)],
            state: Some(state),
        };
        let request = Request {
            steps: vec![step],
            tools: vec![tool],
            tool_choice: ToolChoice::Named { name: "look".into() },
            ..request()
        };
        let body = of(&request);
        let expected = json!([
            { "role": "assistant", "content": [
                thought, hidden, { "type": "text", "text": "I look." },
                { "type": "tool_use", "id": "c1", "name": "look", "input": { "q": 1 } },
                { "type": "tool_use", "id": "c2", "name": "look", "input": {} },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "c1", "content": "found" },
                { "type": "tool_result", "tool_use_id": "c2", "content": "failed", "is_error": true },
            ] },
        ]);
        assert_eq!(body["messages"].as_array().expect("messages")[1..], expected.as_array().expect("two")[..]);
        assert_eq!(body["tools"], json!([{ "name": "look", "description": "looks", "input_schema": {} }]));
        assert_eq!(body["tool_choice"], json!({ "type": "tool", "name": "look" }));
    }

    #[test]
    fn a_step_of_another_provider_goes_back_without_its_state() {
        let step = Step {
            text: " ".into(),
            calls: vec![call("c1", "{}")],
            results: vec![result("c1", "", false)],
            state: Some(json!({ "message": { "reasoning": "hm" }, "calls": {} })),
        };
        let messages = of(&Request { steps: vec![step], ..request() })["messages"].clone();
        let used = json!({ "type": "tool_use", "id": "c1", "name": "look", "input": {} });
        assert_eq!(messages[1]["content"], json!([used]));
        assert_eq!(messages[2]["content"], json!([{ "type": "tool_result", "tool_use_id": "c1" }]));
    }

    #[test]
    fn every_choice_of_tools_has_its_name() {
        let tool = ToolSpec { name: "look".into(), description: String::new(), parameters: json!({}) };
        for (choice, name) in [(ToolChoice::Auto, "auto"), (ToolChoice::None, "none"), (ToolChoice::Required, "any")] {
            let request = Request { tools: vec![tool.clone()], tool_choice: choice, ..request() };
            assert_eq!(of(&request)["tool_choice"]["type"], name);
        }
    }
}
