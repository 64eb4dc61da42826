//! The request of a chat completion, and what it says.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::super::error::ApiError;
use super::super::super::parts::{self, QuestionPart};
use super::super::talk::{Said, Talk, Wishes};
use super::Form;
use crate::llm::{Format, ToolCall, ToolChoice, ToolSpec};

/// Tools of a request, at most.
const MAX_TOOLS: usize = 128;

/// A chat to go on with.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "model": "kb/manuals", "messages": [{ "role": "user", "content": "How long is the warranty of the P4?" }],
}))]
#[schema(as = OpenAiChatCompletion)]
pub(in super::super) struct Completion {
    /// `kb/<collection>`, or a provider's model by its name.
    pub(super) model: String,
    /// What was said, the question last.
    #[schema(value_type = Vec<Object>)]
    messages: Vec<Message>,
    /// Answer with a stream of chunks.
    #[serde(default)]
    stream: Option<bool>,
    /// `{"include_usage": true}` adds the totals to a stream.
    stream_options: Option<StreamOptions>,
    /// For models that take it: 0 to 2.
    temperature: Option<f32>,
    /// Tokens of the answer, at most.
    max_completion_tokens: Option<u32>,
    /// The older name of the same.
    max_tokens: Option<u32>,
    /// Functions of the client's, for answers without documents.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Vec<Tool>>,
    /// `none`, `auto`, `required`, or the function that must be called.
    #[schema(value_type = Option<Object>)]
    tool_choice: Option<Value>,
    /// What the answer's text must be, for answers without documents.
    #[schema(value_type = Option<Object>)]
    response_format: Option<Value>,
    /// `collections`: names or ids with commas between them, to answer from.
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
    /// Whether the answer is kept.
    #[serde(default)]
    pub(super) store: Option<bool>,
    /// Answers: 1.
    n: Option<u32>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiStreamOptions)]
struct StreamOptions {
    /// Whether a last chunk holds the totals.
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
    tool_calls: Option<Vec<Call>>,
    tool_call_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Call {
    id: String,
    function: Called,
}

#[derive(Debug, Deserialize)]
struct Called {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// Words, or parts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in super::super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// A part of a turn, under the names of both resources.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<ImageUrl>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ImageUrl {
    Bare(String),
    Wrapped { url: String },
}

#[derive(Debug, Deserialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: String,
    function: Option<Function>,
}

/// A function of the client's.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Function {
    pub(in super::super) name: String,
    pub(in super::super) description: Option<String>,
    pub(in super::super) parameters: Option<Value>,
}

impl Completion {
    /// How the answer is to be written.
    pub(super) fn form(&self) -> Form {
        let totals = self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or_default();
        Form { model: self.model.clone(), streams: self.stream.unwrap_or_default(), totals }
    }

    /// Refuses what cannot be done over documents.
    pub(super) fn check_grounded(&self) -> Result<(), ApiError> {
        if self.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
            let message = "`tools` of the client's cannot be called by answers over documents; leave them out, or ask a \
                           provider's model without collections";
            return Err(ApiError::bad_request("tools", message));
        }
        if self.response_format.as_ref().is_some_and(|format| !format.is_null() && format["type"] != "text") {
            let message = "`response_format` other than text is not for answers over documents, which carry citations";
            return Err(ApiError::bad_request("response_format", message));
        }
        Ok(())
    }

    /// What was said, and how it is to be answered.
    pub(super) fn read(self) -> Result<(Talk, Wishes), ApiError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(ApiError::bad_request("n", "`n` is 1: there is one answer to a question"));
        }
        let wishes = Wishes {
            temperature: self.temperature,
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
            tools: tools(self.tools.unwrap_or_default())?,
            tool_choice: self.tool_choice.map_or(Ok(ToolChoice::Auto), |choice| tool_choice(&choice))?,
            format: self.response_format.map_or(Ok(None), |format| {
                let schema = &format["json_schema"];
                self::format(&format, schema, "response_format")
            })?,
        };
        wishes.check("max_completion_tokens")?;
        let mut talk = Talk::new("messages");
        for (place, message) in self.messages.into_iter().enumerate() {
            message.read(&mut talk, &format!("messages[{place}]"))?;
        }
        talk.check()?;
        Ok((talk, wishes))
    }
}

impl Message {
    fn read(self, talk: &mut Talk, path: &str) -> Result<(), ApiError> {
        let path_of = |field: &str| format!("{path}.{field}");
        let content = self.content;
        let said = |content: Option<Content>| match content {
            Some(content) => content.read(&path_of("content")),
            None => Ok((String::new(), vec![])),
        };
        match self.role.as_str() {
            "system" | "developer" => talk.instructions.push(said(content)?.0),
            "user" => {
                let (text, images) = said(content)?;
                talk.turns.push(Said::User { text, images });
            }
            "assistant" => {
                let calls = self.tool_calls.unwrap_or_default().into_iter();
                let call = |Call { id, function }| ToolCall { id, name: function.name, arguments: function.arguments };
                talk.turns.push(Said::Assistant { text: said(content)?.0, calls: calls.map(call).collect() });
            }
            "tool" => {
                let missing =
                    || ApiError::bad_request(&path_of("tool_call_id"), "a `tool` message names its `tool_call_id`");
                let call = self.tool_call_id.ok_or_else(missing)?;
                talk.turns.push(Said::Result { call, text: said(content)?.0 });
            }
            _ => {
                let message = "a role is `system`, `developer`, `user`, `assistant` or `tool`";
                return Err(ApiError::bad_request(&path_of("role"), message));
            }
        }
        Ok(())
    }
}

impl Content {
    /// The words and the pictures.
    pub(in super::super) fn read(self, path: &str) -> Result<(String, Vec<crate::llm::Image>), ApiError> {
        let parts = match self {
            Self::Text(text) => return Ok((text, vec![])),
            Self::Parts(parts) => parts,
        };
        let mut read = Vec::with_capacity(parts.len());
        for (place, part) in parts.into_iter().enumerate() {
            let wrong = |message: &str| ApiError::bad_request(&format!("{path}[{place}]"), message);
            read.push(match part.kind.as_str() {
                "text" | "input_text" | "output_text" => {
                    QuestionPart::Text { text: part.text.ok_or_else(|| wrong("a part of type `text` has a `text`"))? }
                }
                "refusal" => QuestionPart::Text { text: part.refusal.unwrap_or_default() },
                "image_url" | "input_image" => match part.image_url {
                    Some(ImageUrl::Bare(data) | ImageUrl::Wrapped { url: data }) => QuestionPart::Image { data },
                    None => return Err(wrong("an image has an `image_url`, a `data:` URL")),
                },
                _ => {
                    let message = "a part is text or an image; put files into a vector store and ask over that";
                    return Err(wrong(message));
                }
            });
        }
        parts::read(read).map(|read| (read.words, read.images)).map_err(|error| error.about(path))
    }
}

fn tools(tools: Vec<Tool>) -> Result<Vec<ToolSpec>, ApiError> {
    if tools.len() > MAX_TOOLS {
        return Err(ApiError::bad_request("tools", format!("`tools` are {MAX_TOOLS} at most")));
    }
    let specs = tools.into_iter().enumerate().map(|(place, tool)| match (tool.kind.as_str(), tool.function) {
        ("function", Some(function)) => Ok(function.into_spec()),
        ("function", None) => {
            Err(ApiError::bad_request(&format!("tools[{place}].function"), "a tool has a `function`"))
        }
        _ => Err(ApiError::bad_request(&format!("tools[{place}].type"), "a tool is of type `function`")),
    });
    specs.collect()
}

impl Function {
    pub(in super::super) fn into_spec(self) -> ToolSpec {
        let nothing = || serde_json::json!({ "type": "object", "properties": {} });
        let parameters = self.parameters.filter(Value::is_object).unwrap_or_else(nothing);
        ToolSpec { name: self.name, description: self.description.unwrap_or_default(), parameters }
    }
}

/// Whether a function must be called. Its name stands in `function`, or beside
/// the type.
pub(in super::super) fn tool_choice(choice: &Value) -> Result<ToolChoice, ApiError> {
    let named = choice["function"]["name"].as_str().or(choice["name"].as_str());
    match (choice.as_str(), named) {
        (Some("auto"), _) => Ok(ToolChoice::Auto),
        (Some("none"), _) => Ok(ToolChoice::None),
        (Some("required"), _) => Ok(ToolChoice::Required),
        (None, Some(name)) => Ok(ToolChoice::Named { name: name.to_owned() }),
        _ if choice.is_null() => Ok(ToolChoice::Auto),
        _ => {
            let message = "`tool_choice` is `none`, `auto`, `required` or `{\"type\": \"function\", ...}` with a name";
            Err(ApiError::bad_request("tool_choice", message))
        }
    }
}

/// What the answer's text must be; `schema` holds the schema with its name.
pub(in super::super) fn format(format: &Value, schema: &Value, param: &str) -> Result<Option<Format>, ApiError> {
    match format["type"].as_str() {
        _ if format.is_null() => Ok(None),
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(Format::Json)),
        Some("json_schema") if schema["schema"].is_object() => Ok(Some(Format::Schema {
            name: schema["name"].as_str().unwrap_or("answer").to_owned(),
            schema: schema["schema"].clone(),
            strict: schema["strict"].as_bool().unwrap_or_default(),
        })),
        _ => {
            let message = format!("`{param}` is of type `text`, `json_object` or `json_schema` with a `schema`");
            Err(ApiError::bad_request(param, message))
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
