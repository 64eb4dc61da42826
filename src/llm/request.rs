//! A question to a model, with everything that it may see. Plain types.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One question to a model.
///
/// A provider sends, in this order: `system`, `history`, `prompt` with
/// `images`, and `steps`. One that cites by its own means sends `sources` and
/// `question` in the place of `prompt`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The model's name as its provider knows it.
    pub model: String,
    /// The instructions above the conversation.
    pub system: String,
    /// Earlier turns, oldest first.
    pub history: Vec<Turn>,
    /// The evidence and the question, as they are put to the model.
    pub prompt: String,
    /// What was sent along to be looked at.
    pub images: Vec<Image>,
    /// The question alone.
    pub question: String,
    /// The evidence alone.
    pub sources: Vec<Source>,
    /// What the model has said and called since, in this answer.
    pub steps: Vec<Step>,
    /// What it may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it must.
    pub tool_choice: ToolChoice,
    /// Tokens of the answer, at most.
    pub max_tokens: u32,
    /// Randomness; none leaves it to the model.
    pub temperature: Option<f32>,
    /// What the answer's text must be; none leaves it to the model.
    pub format: Option<Format>,
}

impl Request {
    /// A question without evidence, history or tools.
    #[must_use]
    pub fn plain(model: &str, system: String, prompt: String, max_tokens: u32) -> Self {
        Self {
            model: model.to_owned(),
            system,
            history: vec![],
            question: prompt.clone(),
            prompt,
            images: vec![],
            sources: vec![],
            steps: vec![],
            tools: vec![],
            tool_choice: ToolChoice::Auto,
            max_tokens,
            temperature: None,
            format: None,
        }
    }
}

/// What an answer's text must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// JSON that fits a schema.
    Schema {
        /// The schema's name.
        name: String,
        /// The schema.
        schema: Value,
        /// Whether nothing else may come, for providers that tell it apart.
        strict: bool,
    },
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who spoke.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one who asks.
    User,
    /// The one who answers.
    Assistant,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub media_type: String,
    /// Its bytes in base64.
    pub base64: Arc<str>,
}

/// A passage that may be quoted.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its number in the answer's citations, from 1.
    pub n: usize,
    /// The document's title.
    pub title: String,
    /// Headings above the passage, outermost first.
    pub headings: Vec<String>,
    /// The passage.
    pub text: String,
    /// What it is ranked by.
    pub score: f32,
    /// Cosine similarity with the question, where it is known.
    pub dense: Option<f32>,
}

/// What a model said before it called tools, and what came of the calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its words.
    pub text: String,
    /// What it called; never empty.
    pub calls: Vec<ToolCall>,
    /// What came of each, in the same order.
    pub results: Vec<ToolResult>,
    /// What its provider wants back.
    pub state: Option<Value>,
}

/// What a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// At most 64 letters, digits, `_` and `-`.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON schema of its arguments, an object.
    pub parameters: Value,
}

/// Whether a model must call a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    #[serde(untagged)]
    Named {
        /// Its name.
        name: String,
    },
}

/// A call that a model wants made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's name for the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments as the model wrote them: should be a JSON object.
    pub arguments: String,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The call's id.
    pub call: String,
    /// The tool.
    pub name: String,
    /// What the model reads of it.
    pub text: String,
    /// Whether it failed.
    pub failed: bool,
}
