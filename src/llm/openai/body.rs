//! The request's JSON.

use serde_json::{Map, Value, json};

use crate::llm::remote::Spelling;
use crate::llm::turns;
use crate::llm::{Format, Image, Request, Role, Step, ToolChoice};

/// Which name the limit of the answer's tokens goes by.
///
/// OpenAI calls it `max_completion_tokens` and refuses the old name for its
/// reasoning models; many other servers know the old name only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    MaxTokens,
    MaxCompletionTokens,
}

impl Limit {
    /// The name that a host most likely knows.
    fn of(host: &str) -> Self {
        if is_within(host, &["openai.com", "openai.azure.com"]) { Self::MaxCompletionTokens } else { Self::MaxTokens }
    }

    fn other(self) -> Self {
        match self {
            Self::MaxTokens => Self::MaxCompletionTokens,
            Self::MaxCompletionTokens => Self::MaxTokens,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// The body of `POST /chat/completions`. What is not needed is left out: servers
/// refuse fields that they do not know.
pub(super) struct Body<'a> {
    request: &'a Request,
    limit: Limit,
    /// Whether the tokens used are asked for.
    asks_usage: bool,
}

impl<'a> Body<'a> {
    /// The body that `host` most likely takes, unless it is to be spelled otherwise.
    pub(super) fn new(request: &'a Request, host: &str, spelling: Spelling) -> Self {
        let usual = Limit::of(host);
        let limit = if spelling == Spelling::OtherLimit { usual.other() } else { usual };
        // Mistral refuses the field, and tells the tokens in its last chunk anyway.
        let asks_usage = spelling != Spelling::UsageUnasked && !is_within(host, &["mistral.ai"]);
        Self { request, limit, asks_usage }
    }

    pub(super) fn into_json(self) -> Value {
        let Self { request, limit, asks_usage } = self;
        let mut body = Map::new();
        body.insert("model".into(), json!(request.model));
        body.insert("messages".into(), Value::Array(messages(request)));
        body.insert("stream".into(), json!(true));
        if asks_usage {
            body.insert("stream_options".into(), json!({ "include_usage": true }));
        }
        body.insert(limit.name().into(), json!(request.max_tokens));
        if let Some(temperature) = request.temperature {
            body.insert("temperature".into(), json!(temperature));
        }
        if let Some(format) = &request.format {
            body.insert("response_format".into(), response_format(format));
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                let function = json!({
                    "name": tool.name, "description": tool.description, "parameters": tool.parameters,
                });
                json!({ "type": "function", "function": function })
            });
            body.insert("tools".into(), tools.collect());
            let choice = match &request.tool_choice {
                ToolChoice::Auto => None,
                ToolChoice::None => Some(json!("none")),
                ToolChoice::Required => Some(json!("required")),
                ToolChoice::Named { name } => Some(json!({ "type": "function", "function": { "name": name } })),
            };
            body.extend(choice.map(|choice| ("tool_choice".to_owned(), choice)));
        }
        Value::Object(body)
    }
}

/// Whether a host is one of these domains or below one.
fn is_within(host: &str, domains: &[&str]) -> bool {
    let within =
        |domain: &&str| host.strip_suffix(*domain).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    domains.iter().any(within)
}

fn response_format(format: &Format) -> Value {
    match format {
        Format::Json => json!({ "type": "json_object" }),
        Format::Schema { name, schema, strict } => {
            json!({ "type": "json_schema", "json_schema": { "name": name, "schema": schema, "strict": strict } })
        }
    }
}

fn messages(request: &Request) -> Vec<Value> {
    let mut messages = Vec::new();
    if !request.system.is_empty() {
        messages.push(json!({ "role": "system", "content": request.system }));
    }
    let mut spells = turns::joined(&request.history);
    // Two turns of the user's in a row are refused by strict templates, such as
    // Gemma's.
    let before = spells.pop_if(|(role, _)| *role == Role::User).map(|(_, text)| text);
    messages.extend(spells.into_iter().map(|(role, text)| {
        let role = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": text })
    }));
    let prompt = before.into_iter().chain([request.prompt.clone()]).collect::<Vec<_>>().join("\n\n");
    messages.push(json!({ "role": "user", "content": content(&prompt, &request.images) }));
    for step in &request.steps {
        messages.push(called(step));
        messages.extend(
            step.results
                .iter()
                .map(|result| json!({ "role": "tool", "tool_call_id": result.call, "content": result.text })),
        );
    }
    messages
}

fn content(text: &str, images: &[Image]) -> Value {
    if images.is_empty() {
        return json!(text);
    }
    let pictures = images.iter().map(|image| {
        let url = format!("data:{};base64,{}", image.media_type, image.base64);
        json!({ "type": "image_url", "image_url": { "url": url } })
    });
    pictures.chain([json!({ "type": "text", "text": text })]).collect()
}

/// The model's own turn, given back with its calls: reasoning and signatures
/// under the names they came by, where a server wants them.
fn called(step: &Step) -> Value {
    let state = step.state.as_ref();
    let calls = step.calls.iter().map(|call| {
        let mut given = json!({
            "id": call.id, "type": "function", "function": { "name": call.name, "arguments": object(&call.arguments) },
        });
        if let Some(extra) = state.and_then(|state| state["calls"].get(&call.id)) {
            given["extra_content"] = extra.clone();
        }
        given
    });
    let content = if step.text.is_empty() { Value::Null } else { json!(step.text) };
    let mut message = json!({ "role": "assistant", "content": content, "tool_calls": calls.collect::<Vec<_>>() });
    for (name, value) in state.and_then(|state| state["message"].as_object()).into_iter().flatten() {
        message[name] = value.clone();
    }
    message
}

/// The text of arguments; servers refuse what is no JSON object, even their own
/// model's.
fn object(arguments: &str) -> &str {
    let is_object = matches!(serde_json::from_str(arguments), Ok(Value::Object(_)));
    if is_object { arguments } else { "{}" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{ToolCall, ToolResult, ToolSpec, Turn};

    #[test]
    fn the_limits_name_goes_by_the_host() {
        assert_eq!(Limit::of("api.openai.com"), Limit::MaxCompletionTokens);
        assert_eq!(Limit::of("mine.openai.azure.com"), Limit::MaxCompletionTokens);
        assert_eq!(Limit::of("notopenai.com"), Limit::MaxTokens);
        assert_eq!(Limit::of("localhost"), Limit::MaxTokens);
    }

    #[test]
    fn no_two_turns_of_one_role_follow_each_other() {
        let turn = |role, text: &str| Turn { role, text: text.into() };
        let history = vec![
            turn(Role::User, "notes"),
            turn(Role::User, "q"),
            turn(Role::Assistant, "a"),
            turn(Role::User, "go on"),
        ];
        let request = Request { history, ..Request::plain("m", String::new(), "p".into(), 9) };
        let messages = Body::new(&request, "localhost", Spelling::Usual).into_json()["messages"].take();
        let user = |text: &str| json!({ "role": "user", "content": text });
        let answer = json!({ "role": "assistant", "content": "a" });
        assert_eq!(messages, json!([user("notes\n\nq"), answer, user("go on\n\np")]));
    }

    #[test]
    fn usage_is_asked_for_where_that_is_taken() {
        let request = Request::plain("m", "s".into(), "p".into(), 9);
        let asks = |host, spelling| Body::new(&request, host, spelling).into_json().get("stream_options").is_some();
        assert!(asks("api.openai.com", Spelling::Usual) && asks("localhost", Spelling::OtherLimit));
        assert!(!asks("api.mistral.ai", Spelling::Usual) && !asks("localhost", Spelling::UsageUnasked));
    }

    #[test]
    fn the_format_of_the_answer_is_asked_for_as_the_protocol_names_it() {
        let of = |format| {
            let request = Request { format: Some(format), ..Request::plain("m", "s".into(), "p".into(), 9) };
            Body::new(&request, "localhost", Spelling::Usual).into_json()["response_format"].clone()
        };
        assert_eq!(of(Format::Json), json!({ "type": "json_object" }));
        let schema = json!({ "type": "object" });
        let told = of(Format::Schema { name: "pump".into(), schema: schema.clone(), strict: true });
        let inner = json!({ "name": "pump", "schema": schema, "strict": true });
        assert_eq!(told, json!({ "type": "json_schema", "json_schema": inner }));
    }

    #[test]
    fn calls_go_back_with_their_results_and_with_what_the_provider_wants() {
        let call = ToolCall { id: "c1".into(), name: "look".into(), arguments: "{\"q\":1}".into() };
        let result = ToolResult { call: "c1".into(), name: "look".into(), text: "found".into(), failed: false };
        let state = json!({
            "message": { "reasoning_content": "hm" },
            "calls": { "c1": { "google": { "thought_signature": "x" } } },
        });
        let step = Step { text: String::new(), calls: vec![call], results: vec![result], state: Some(state) };
        let tool = ToolSpec { name: "look".into(), description: "looks".into(), parameters: json!({}) };
        let request = Request {
            history: vec![Turn { role: Role::Assistant, text: "hi".into() }],
            steps: vec![step],
            tools: vec![tool],
            tool_choice: ToolChoice::Named { name: "look".into() },
            images: vec![Image { media_type: "image/png".into(), base64: "AAAA".into() }],
            ..Request::plain("m", "s".into(), "p".into(), 9)
        };
        let body = Body::new(&request, "localhost", Spelling::Usual).into_json();
        let expected = json!({
            "model": "m", "stream": true, "stream_options": { "include_usage": true }, "max_tokens": 9,
            "messages": [
                { "role": "system", "content": "s" },
                { "role": "assistant", "content": "hi" },
                { "role": "user", "content": [
                    { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
                    { "type": "text", "text": "p" },
                ] },
                {
                    "role": "assistant", "content": null, "reasoning_content": "hm",
                    "tool_calls": [{
                        "id": "c1", "type": "function", "function": { "name": "look", "arguments": "{\"q\":1}" },
                        "extra_content": { "google": { "thought_signature": "x" } },
                    }],
                },
                { "role": "tool", "tool_call_id": "c1", "content": "found" },
            ],
            "tools": [{
                "type": "function", "function": { "name": "look", "description": "looks", "parameters": {} },
            }],
            "tool_choice": { "type": "function", "function": { "name": "look" } },
        });
        assert_eq!(body, expected);
    }
}
