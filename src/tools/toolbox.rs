//! The tools of one answer, by name, and how one of them is run: arguments
//! read, time limited, panics contained, output bounded. Imports the trait.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::{Map, Value};

use super::{Output, Spec, Tool, ToolError, beginning};

/// Bytes of argument text that are read.
const ARGUMENT_BYTES: usize = 1 << 20;
/// Bytes of output that the model reads, the mark of a cut included.
const OUTPUT_BYTES: usize = 64 << 10;
/// Bytes of a tool's name; of an unknown one, no more are repeated.
const NAME_BYTES: usize = 64;

/// Why a tool cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTool {
    /// Providers would refuse its name.
    #[error("`{0}` is no name for a tool; use 1 to 64 of A–Z, a–z, 0–9, `_` and `-`")]
    Name(String),
    /// Another has its name.
    #[error("there is a tool `{0}` already; give this one another name")]
    Taken(String),
    /// Its arguments are not described as an object.
    #[error("the parameters of `{0}` must be a JSON schema with `\"type\": \"object\"`")]
    Parameters(String),
}

/// Tools by name; clones share them.
#[derive(Clone, Default)]
pub struct Toolbox {
    tools: BTreeMap<String, Arc<dyn Tool>>,
}

impl Toolbox {
    /// Adds a tool.
    ///
    /// # Errors
    /// [`BadTool`] for one that providers would refuse.
    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), BadTool> {
        let Spec { name, parameters, .. } = tool.spec();
        let name = name.clone();
        let is_name_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=NAME_BYTES).contains(&name.len()) || !name.bytes().all(is_name_char) {
            return Err(BadTool::Name(beginning(&name, NAME_BYTES).into()));
        }
        if parameters["type"] != "object" {
            return Err(BadTool::Parameters(name));
        }
        if self.tools.contains_key(&name) {
            return Err(BadTool::Taken(name));
        }
        self.tools.insert(name, tool);
        Ok(())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// What the model is told of them: always in the same order, so that a
    /// provider's cache of prompts holds.
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.tools.values().map(|tool| tool.spec())
    }

    /// The tool of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.get(name)
    }

    /// Runs a tool as the model called it: by its name and a JSON object as
    /// text. No text is an empty object. When the future is dropped or `limit`
    /// is over, the tool's own future is dropped.
    ///
    /// # Errors
    /// [`ToolError`], which the model may be told.
    pub async fn run(&self, name: &str, arguments: &str, limit: Duration) -> Result<Output, ToolError> {
        let tool = self.get(name).ok_or_else(|| self.unknown(name))?;
        let arguments = object(arguments)?;
        // Within the future, so that a panic before the first await counts too.
        let call = AssertUnwindSafe(async { tool.call(arguments).await }).catch_unwind();
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(result)) => result.map(bounded),
            Ok(Err(_)) => {
                tracing::error!(tool = name, "a tool panicked");
                Err(ToolError::Failed { problem: "it broke down within; go on without it".into() })
            }
            Err(_) => Err(ToolError::TimedOut { limit }),
        }
    }

    fn unknown(&self, name: &str) -> ToolError {
        let names: Vec<String> = self.tools.keys().map(|name| format!("`{name}`")).collect();
        let known = match names.as_slice() {
            [] => "there are no tools here".to_owned(),
            names => format!("the tools are {}", names.join(", ")),
        };
        ToolError::Unknown { name: beginning(name, NAME_BYTES).into(), known }
    }
}

impl std::fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.tools.keys()).finish()
    }
}

/// Arguments as an object.
fn object(text: &str) -> Result<Value, ToolError> {
    if text.len() > ARGUMENT_BYTES {
        let problem = format!("they take {} bytes; at most {ARGUMENT_BYTES} are read", text.len());
        return Err(ToolError::InvalidArguments { problem });
    }
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let wanted = "write one JSON object such as {\"field\": \"value\"}";
    match serde_json::from_str(text) {
        Ok(arguments @ Value::Object(_)) => Ok(arguments),
        Ok(_) => Err(ToolError::invalid(format!("they are no JSON object; {wanted}"))),
        Err(error) => Err(ToolError::invalid(format!("they are no JSON ({error}); {wanted}"))),
    }
}

/// An output that the model can read whole; what is cut is said to be.
fn bounded(output: Output) -> Output {
    let whole = output.text.len();
    if whole <= OUTPUT_BYTES {
        return output;
    }
    let mark = |shown: usize| format!("\n[cut: {shown} of {whole} bytes are shown]");
    let shown = beginning(&output.text, OUTPUT_BYTES - mark(whole).len());
    Output { text: format!("{shown}{}", mark(shown.len())), ..output }
}
