//! The request of a response, and what it says.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::super::error::ApiError;
use super::super::super::extract::MAX_COLLECTIONS;
use super::super::chat::request::{Content, Function, format, tool_choice};
use super::super::ids;
use super::super::stores::filter::Filter;
use super::super::talk::{Said, Talk, Wishes};
use crate::ids::CollectionId;
use crate::llm::{ToolCall, ToolChoice, ToolSpec};

/// Tools of a request, at most.
const MAX_TOOLS: usize = 128;
/// What a request asks to have the results of a file search for.
const RESULTS: &str = "file_search_call.results";

/// A response to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiCreateResponse)]
pub(in super::super) struct Create {
    /// `kb/<collection>`, or a provider's model by its name.
    pub(super) model: String,
    /// The question, or items: what was said, the question last.
    #[schema(value_type = Object)]
    input: Input,
    /// What the model is told about how to answer; does not carry over from
    /// the previous response.
    instructions: Option<String>,
    /// Answer with a stream of events.
    #[serde(default)]
    stream: Option<bool>,
    /// The answer goes on when nobody reads it.
    #[serde(default)]
    background: Option<bool>,
    /// Whether the response is kept; those without documents never are.
    #[serde(default)]
    store: Option<bool>,
    /// The response that this one goes on from.
    pub(super) previous_response_id: Option<String>,
    /// Not taken: use `previous_response_id`.
    #[schema(value_type = Option<Object>)]
    conversation: Option<Value>,
    /// `collections`: names or ids with commas between them, to answer from.
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
    /// `file_search` over vector stores, or functions of the client's for
    /// answers without documents.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Vec<Value>>,
    /// `none`, `auto`, `required`, or the function that must be called.
    #[schema(value_type = Option<Object>)]
    tool_choice: Option<Value>,
    /// `file_search_call.results` shows what was found.
    include: Option<Vec<String>>,
    /// For models that take it: 0 to 2.
    temperature: Option<f32>,
    /// Tokens of the answer, at most.
    max_output_tokens: Option<u32>,
    /// `format`: what the answer's text must be, for answers without documents.
    #[schema(value_type = Option<Object>)]
    text: Option<Value>,
}

/// A question, or items.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Items(Vec<Item>),
}

/// Something that was said or done.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    content: Option<Content>,
    id: Option<String>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<Content>,
}

/// What the tools of a request come to.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) functions: Vec<ToolSpec>,
    /// Vector stores that are to be searched.
    pub(super) stores: Vec<CollectionId>,
    /// Only documents whose attributes fit.
    pub(super) filter: Option<Filter>,
}

impl Create {
    pub(super) fn streams(&self) -> bool {
        self.stream.unwrap_or_default()
    }

    pub(super) fn is_background(&self) -> bool {
        self.background.unwrap_or_default()
    }

    pub(super) fn is_kept(&self) -> bool {
        self.store.unwrap_or(true)
    }

    /// Whether the results of a file search are shown.
    pub(super) fn wants_results(&self) -> bool {
        self.include.iter().flatten().any(|wanted| wanted == RESULTS)
    }

    /// Refuses what cannot be meant.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if self.conversation.as_ref().is_some_and(|conversation| !conversation.is_null()) {
            let message = "`conversation` is not taken here; go on with `previous_response_id`";
            return Err(ApiError::bad_request("conversation", message));
        }
        if self.is_background() && !self.is_kept() {
            return Err(ApiError::bad_request("background", "`background` needs `store`: nobody could find it again"));
        }
        Ok(())
    }

    /// Refuses what cannot be done over documents.
    pub(super) fn check_grounded(&self, tools: &Tools) -> Result<(), ApiError> {
        if !tools.functions.is_empty() {
            let message = "`tools` of type `function` cannot be called by answers over documents; leave them out, or ask \
                           a provider's model without collections";
            return Err(ApiError::bad_request("tools", message));
        }
        let format = self.text.as_ref().map_or(&Value::Null, |text| &text["format"]);
        if !format.is_null() && format["type"] != "text" {
            let message = "`text.format` other than text is not for answers over documents, which carry citations";
            return Err(ApiError::bad_request("text.format", message));
        }
        Ok(())
    }

    /// What the tools come to.
    pub(super) fn tools(&self) -> Result<Tools, ApiError> {
        let given = self.tools.as_deref().unwrap_or_default();
        if given.len() > MAX_TOOLS {
            return Err(ApiError::bad_request("tools", format!("`tools` are {MAX_TOOLS} at most")));
        }
        let mut tools = Tools::default();
        for (place, tool) in given.iter().enumerate() {
            tools.take(tool, &format!("tools[{place}]"))?;
        }
        Ok(tools)
    }

    /// What a response repeats of its request; its id and when it was made are left
    /// out.
    pub(super) fn shown(&self, kept: bool) -> Value {
        let nothing = || json!([]);
        json!({
            "id": null, "object": "response", "created_at": null, "model": self.model,
            "instructions": self.instructions, "metadata": self.metadata.clone().unwrap_or_default(),
            "tools": self.tools.as_ref().map_or_else(nothing, |tools| json!(tools)),
            "tool_choice": self.tool_choice.clone().filter(|choice| !choice.is_null()).unwrap_or_else(|| json!("auto")),
            "parallel_tool_calls": true, "temperature": self.temperature, "top_p": null,
            "max_output_tokens": self.max_output_tokens, "previous_response_id": self.previous_response_id,
            "reasoning": { "effort": null, "summary": null }, "background": self.is_background(), "store": kept,
            "text": self.text.clone().filter(Value::is_object).unwrap_or_else(|| json!({ "format": { "type": "text" } })),
            "truncation": "disabled", "user": null,
        })
    }

    /// Messages of earlier responses that the input refers to.
    pub(super) fn references(&self) -> Vec<Uuid> {
        match &self.input {
            Input::Text(_) => vec![],
            Input::Items(items) => items.iter().filter_map(Item::reference).collect(),
        }
    }

    /// What was said, and how it is to be answered. `referred` gives the words
    /// of a message of an earlier response.
    pub(super) fn read(
        self,
        tools: Vec<ToolSpec>,
        referred: impl Fn(Uuid) -> Option<String>,
    ) -> Result<(Talk, Wishes), ApiError> {
        let form = self.text.as_ref().map_or(&Value::Null, |text| &text["format"]);
        let wishes = Wishes {
            temperature: self.temperature,
            max_tokens: self.max_output_tokens,
            tools,
            tool_choice: self.tool_choice.as_ref().map_or(Ok(ToolChoice::Auto), tool_choice)?,
            format: format(form, form, "text.format")?,
        };
        wishes.check("max_output_tokens")?;
        let mut talk = Talk::new("input");
        talk.instructions.extend(self.instructions);
        match self.input {
            Input::Text(text) => talk.turns.push(Said::User { text, images: vec![] }),
            Input::Items(items) => {
                for (place, item) in items.into_iter().enumerate() {
                    item.read(&mut talk, &format!("input[{place}]"), &referred)?;
                }
            }
        }
        talk.check()?;
        Ok((talk, wishes))
    }
}

impl Tools {
    fn take(&mut self, tool: &Value, path: &str) -> Result<(), ApiError> {
        let wrong = |field: &str, message: &str| ApiError::bad_request(&format!("{path}.{field}"), message);
        match tool["type"].as_str() {
            Some("function") => {
                let function = serde_json::from_value::<Function>(tool.clone());
                let function = function.map_err(|error| wrong("name", &format!("a function has a name: {error}")))?;
                self.functions.push(function.into_spec());
            }
            Some("file_search") => {
                let stores = tool["vector_store_ids"].as_array().filter(|stores| !stores.is_empty());
                for store in stores.ok_or_else(|| wrong("vector_store_ids", "`file_search` names vector stores"))? {
                    let store = store.as_str().and_then(|store| ids::read(ids::STORE, store));
                    let store = CollectionId(store.ok_or_else(|| ApiError::not_found("vector store"))?);
                    if !self.stores.contains(&store) {
                        self.stores.push(store);
                    }
                    if self.stores.len() > MAX_COLLECTIONS {
                        let message = format!("at most {MAX_COLLECTIONS} vector stores are searched at once");
                        return Err(wrong("vector_store_ids", &message));
                    }
                }
                if tool["filters"].is_object() {
                    self.filter = Some(Filter::read(&tool["filters"], &format!("{path}.filters"))?);
                }
            }
            _ => return Err(wrong("type", "a tool is of type `file_search` or `function`")),
        }
        Ok(())
    }
}

impl Item {
    fn reference(&self) -> Option<Uuid> {
        let id = self.id.as_deref().filter(|_| self.kind.as_deref() == Some("item_reference"))?;
        ids::read(ids::MESSAGE, id)
    }

    fn read(self, talk: &mut Talk, path: &str, referred: &impl Fn(Uuid) -> Option<String>) -> Result<(), ApiError> {
        let wrong = |field: &str, message: &str| ApiError::bad_request(&format!("{path}.{field}"), message);
        match self.kind.as_deref() {
            None | Some("message") => return self.message(talk, path),
            Some("function_call") => {
                let call = ToolCall {
                    id: self.call_id.ok_or_else(|| wrong("call_id", "a call has a `call_id`"))?,
                    name: self.name.ok_or_else(|| wrong("name", "a call has the `name` of its function"))?,
                    arguments: self.arguments.unwrap_or_default(),
                };
                // Calls that were made together come one after the other.
                match talk.turns.last_mut() {
                    Some(Said::Assistant { calls, .. }) => calls.push(call),
                    _ => talk.turns.push(Said::Assistant { text: String::new(), calls: vec![call] }),
                }
            }
            Some("function_call_output") => {
                let call = self.call_id.ok_or_else(|| wrong("call_id", "a result has the `call_id` of its call"))?;
                let (text, _) = match self.output {
                    Some(output) => output.read(&format!("{path}.output"))?,
                    None => Default::default(),
                };
                talk.turns.push(Said::Result { call, text });
            }
            Some("item_reference") => {
                // What is no message of ours was for the model that made it.
                if let Some(id) = self.reference() {
                    let message = "this item was not kept; send the message itself, as with `store: false`";
                    let text = referred(id).ok_or_else(|| wrong("id", message))?;
                    talk.turns.push(Said::Assistant { text, calls: vec![] });
                }
            }
            // Reasoning, searches and what else was done on the way.
            Some(_) => {}
        }
        Ok(())
    }

    fn message(self, talk: &mut Talk, path: &str) -> Result<(), ApiError> {
        let (text, images) = match self.content {
            Some(content) => content.read(&format!("{path}.content"))?,
            None => return Err(ApiError::bad_request(&format!("{path}.content"), "a message has a `content`")),
        };
        match self.role.as_deref() {
            Some("system" | "developer") => talk.instructions.push(text),
            Some("user") => talk.turns.push(Said::User { text, images }),
            Some("assistant") => talk.turns.push(Said::Assistant { text, calls: vec![] }),
            _ => {
                let message = "a role is `system`, `developer`, `user` or `assistant`";
                return Err(ApiError::bad_request(&format!("{path}.role"), message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(body: &Value) -> Create {
        let mut whole = json!({ "model": "m", "input": "a" });
        whole.as_object_mut().expect("an object").extend(body.as_object().cloned().unwrap_or_default());
        serde_json::from_value(whole).expect("a request")
    }

    fn talk(body: &Value) -> Result<Talk, ApiError> {
        let known = |id: Uuid| (id == Uuid::nil()).then(|| "4 bar".to_owned());
        create(body).read(vec![], known).map(|(talk, _)| talk)
    }

    #[test]
    fn items_are_turns_and_calls_that_follow_each_other_one_turn() {
        let input = json!([
            { "role": "developer", "content": "Be brief." },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "one" }] },
            { "type": "reasoning", "id": "rs_1", "summary": [] },
            { "type": "function_call", "call_id": "a", "name": "look", "arguments": "{}" },
            { "type": "function_call", "call_id": "b", "name": "look", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "a", "output": "x" },
            { "type": "function_call_output", "call_id": "b", "output": [{ "type": "output_text", "text": "y" }] },
            { "type": "item_reference", "id": ids::show(ids::MESSAGE, Uuid::nil()) },
            { "role": "user", "content": "two" },
        ]);
        let talk = talk(&json!({ "input": input, "instructions": "In English." })).expect("a talk");
        assert_eq!(talk.instructions, ["In English.", "Be brief."]);
        assert_eq!(talk.turns.len(), 6);
        assert!(matches!(&talk.turns[1], Said::Assistant { calls, .. } if calls.len() == 2));
        assert!(matches!(&talk.turns[3], Said::Result { text, .. } if text == "y"));
        assert!(matches!(&talk.turns[4], Said::Assistant { text, .. } if text == "4 bar"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let unknown = ids::show(ids::MESSAGE, Uuid::max());
        for (input, param) in [
            (json!([]), "input"),
            (json!([{ "role": "user" }]), "input[0].content"),
            (json!([{ "role": "robot", "content": "a" }]), "input[0].role"),
            (json!([{ "type": "function_call", "name": "x" }]), "input[0].call_id"),
            (json!([{ "type": "item_reference", "id": unknown }]), "input[0].id"),
        ] {
            assert_eq!(talk(&json!({ "input": input })).expect_err("refused").surface, param, "{input}");
        }
        for (body, param) in [
            (json!({ "conversation": "conv_1" }), "conversation"),
            (json!({ "background": true, "store": false }), "background"),
        ] {
            assert_eq!(create(&body).check().expect_err("refused").surface, param);
        }
        for (tool, param) in [
            (json!({ "type": "web_search" }), "tools[0].type"),
            (json!({ "type": "file_search" }), "tools[0].vector_store_ids"),
            (json!({ "type": "function" }), "tools[0].name"),
        ] {
            assert_eq!(create(&json!({ "tools": [tool] })).tools().expect_err("refused").surface, param);
        }
    }
}
