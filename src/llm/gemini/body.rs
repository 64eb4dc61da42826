//! The request's JSON.

use serde_json::{Map, Value, json};

use crate::llm::{Format, Request, Role, Step, ToolChoice, turns};

/// What stands for a signature that is not known, "Thought signatures" in Google's
/// documentation of the Gemini API.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// The body of `streamGenerateContent`.
pub(super) fn of(request: &Request) -> Value {
    let mut body = Map::new();
    if !request.system.trim().is_empty() {
        body.insert("systemInstruction".into(), json!({ "parts": [{ "text": request.system }] }));
    }
    body.insert("contents".into(), Value::Array(contents(request)));
    let mut limits = json!({ "maxOutputTokens": request.max_tokens });
    if let Some(temperature) = request.temperature {
        limits["temperature"] = json!(temperature);
    }
    if let Some(format) = &request.format {
        limits["responseMimeType"] = json!("application/json");
        if let Format::Schema { schema, .. } = format {
            limits["responseJsonSchema"] = schema.clone();
        }
    }
    body.insert("generationConfig".into(), limits);
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({ "name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters })
        });
        body.insert("tools".into(), json!([{ "functionDeclarations": tools.collect::<Vec<_>>() }]));
        let mode = match &request.tool_choice {
            ToolChoice::Auto => json!({ "mode": "AUTO" }),
            ToolChoice::None => json!({ "mode": "NONE" }),
            ToolChoice::Required => json!({ "mode": "ANY" }),
            ToolChoice::Named { name } => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
        };
        body.insert("toolConfig".into(), json!({ "functionCallingConfig": mode }));
    }
    Value::Object(body)
}

fn contents(request: &Request) -> Vec<Value> {
    let mut spells: Vec<(Role, Vec<Value>)> = turns::alternating(&request.history)
        .into_iter()
        .map(|(role, texts)| (role, texts.into_iter().map(|text| json!({ "text": text })).collect()))
        .collect();
    let pictures = request
        .images
        .iter()
        .map(|image| json!({ "inlineData": { "mimeType": image.media_type, "data": *image.base64 } }));
    let question = pictures.chain([json!({ "text": request.prompt })]);
    match spells.last_mut() {
        Some((Role::User, parts)) => parts.extend(question),
        _ => spells.push((Role::User, question.collect())),
    }
    for step in &request.steps {
        let (parts, ids) = called(step, &request.model);
        spells.push((Role::Assistant, parts));
        spells.push((Role::User, results(step, &ids)));
    }
    let content = |(role, parts)| {
        let role = match role {
            Role::User => "user",
            Role::Assistant => "model",
        };
        json!({ "role": role, "parts": Value::Array(parts) })
    };
    spells.into_iter().map(content).collect()
}

/// Whether a model wants the first call of a turn to be signed: those from Gemini 3 on.
fn signs(model: &str) -> bool {
    !["gemini-1", "gemini-2"].iter().any(|older| model.contains(older))
}

/// The model's own turn, its parts as they came, since their signatures hold
/// for them only; and the ids that it gave its calls, by ours.
fn called(step: &Step, model: &str) -> (Vec<Value>, Map<String, Value>) {
    let (mut parts, mut ids) = (Vec::new(), Map::new());
    let state = step.state.as_ref();
    match state.and_then(|state| state["parts"].as_array()) {
        Some(kept) => {
            let mut names = state.and_then(|state| state["calls"].as_array()).into_iter().flatten();
            for part in kept {
                if part["functionCall"].is_object() {
                    let name = names.next().and_then(Value::as_str).unwrap_or_default();
                    if !step.calls.iter().any(|call| call.id == name) {
                        continue;
                    }
                    ids.insert(name.to_owned(), part["functionCall"]["id"].clone());
                }
                parts.push(part.clone());
            }
        }
        None if step.text.trim().is_empty() => {}
        None => parts.push(json!({ "text": step.text })),
    }
    let rest = step.calls.iter().filter(|call| !ids.contains_key(&call.id));
    let mut rest: Vec<Value> =
        rest.map(|call| json!({ "functionCall": { "name": call.name, "args": turns::arguments(call) } })).collect();
    // Calls that a program tells again come without a signature, which is refused.
    if let Some(first) = rest.first_mut().filter(|_| ids.is_empty() && signs(model)) {
        first["thoughtSignature"] = json!(UNSIGNED);
    }
    parts.append(&mut rest);
    (parts, ids)
}

/// What came of the calls: under `error` what failed, as the reference asks.
fn results(step: &Step, ids: &Map<String, Value>) -> Vec<Value> {
    let results = step.results.iter().map(|result| {
        let response = if result.failed { json!({ "error": result.text }) } else { json!({ "result": result.text }) };
        let mut response = json!({ "name": result.name, "response": response });
        if let Some(Value::String(id)) = ids.get(&result.call) {
            response["id"] = json!(id);
        }
        json!({ "functionResponse": response })
    });
    results.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{Image, ToolCall, ToolResult, ToolSpec, Turn};

    fn request() -> Request {
        Request::plain("gemini-x", "be brief".into(), "prompt".into(), 9)
    }

    fn call(id: &str, arguments: &str) -> ToolCall {
        ToolCall { id: id.into(), name: "look".into(), arguments: arguments.into() }
    }

    fn result(call: &str, failed: bool) -> ToolResult {
        ToolResult { call: call.into(), name: "look".into(), text: "found".into(), failed }
    }

    #[test]
    fn a_question_goes_out_with_its_history_and_pictures() {
        let turn = |role, text: &str| Turn { role, text: text.into() };
        let request = Request {
            history: vec![turn(Role::User, "hello"), turn(Role::Assistant, "hi"), turn(Role::User, "so")],
            images: vec![Image { media_type: "image/png".into(), base64: "AAAA".into() }],
            temperature: Some(0.5),
            ..request()
        };
        let expected = json!({
            "systemInstruction": { "parts": [{ "text": "be brief" }] },
            "contents": [
                { "role": "user", "parts": [{ "text": "hello" }] },
                { "role": "model", "parts": [{ "text": "hi" }] },
                { "role": "user", "parts": [
                    { "text": "so" }, { "inlineData": { "mimeType": "image/png", "data": "AAAA" } },
                    { "text": "prompt" },
                ] },
            ],
            "generationConfig": { "maxOutputTokens": 9, "temperature": 0.5 },
        });
        assert_eq!(of(&request), expected);
    }

    #[test]
    fn calls_go_back_with_their_signatures_and_results() {
        let signed =
            json!({ "functionCall": { "name": "look", "args": { "q": 1 }, "id": "g1" }, "thoughtSignature": "s" });
        let unnamed = json!({ "functionCall": { "name": "look", "args": {} } });
        let ending = json!({ "text": "", "thoughtSignature": "t" });
        let state = json!({ "parts": [signed, unnamed, unnamed, ending], "calls": ["g1", "call_1", "left out"] });
        let step = Step {
            text: String::new(),
            calls: vec![call("g1", "{\"q\":1}"), call("call_1", "{}")],
            results: vec![result("g1", false), result("call_1", true)],
            state: Some(state),
        };
        let contents = of(&Request { steps: vec![step], ..request() })["contents"].clone();
        let expected = json!([
            { "role": "model", "parts": [signed, unnamed, ending] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "look", "id": "g1", "response": { "result": "found" } } },
                { "functionResponse": { "name": "look", "response": { "error": "found" } } },
            ] },
        ]);
        assert_eq!(contents.as_array().expect("contents")[1..], expected.as_array().expect("two")[..]);
    }

    #[test]
    fn a_step_of_another_provider_goes_back_without_its_state() {
        let step = Step {
            text: "I look.".into(),
            calls: vec![call("c1", "no JSON")],
            results: vec![result("c1", false)],
            state: Some(json!({ "content": [{ "type": "thinking" }] })),
        };
        let contents = of(&Request { steps: vec![step.clone()], ..request() })["contents"].clone();
        let called = |call: Value| json!([{ "text": "I look." }, call]);
        let (plain, signature) = (json!({ "name": "look", "args": {} }), "skip_thought_signature_validator");
        let signed = json!({ "functionCall": plain, "thoughtSignature": signature });
        assert_eq!(contents[1]["parts"], called(signed));
        // Older ones know no signatures.
        let older = of(&Request { model: "gemini-2.5-flash".into(), steps: vec![step], ..request() });
        assert_eq!(older["contents"][1]["parts"], called(json!({ "functionCall": plain })));
        assert_eq!(contents[2]["parts"][0]["functionResponse"]["id"], Value::Null);
    }

    #[test]
    fn every_choice_of_tools_has_its_mode() {
        let tool =
            ToolSpec { name: "look".into(), description: "looks".into(), parameters: json!({ "type": "object" }) };
        let named = ToolChoice::Named { name: "look".into() };
        for (choice, mode) in [
            (ToolChoice::Auto, json!({ "mode": "AUTO" })),
            (ToolChoice::None, json!({ "mode": "NONE" })),
            (ToolChoice::Required, json!({ "mode": "ANY" })),
            (named, json!({ "mode": "ANY", "allowedFunctionNames": ["look"] })),
        ] {
            let body = of(&Request { tools: vec![tool.clone()], tool_choice: choice, ..request() });
            assert_eq!(body["toolConfig"]["functionCallingConfig"], mode);
            let declared =
                json!({ "name": "look", "description": "looks", "parametersJsonSchema": { "type": "object" } });
            assert_eq!(body["tools"], json!([{ "functionDeclarations": [declared] }]));
        }
    }
}
