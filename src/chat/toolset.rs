//! The tools of one answer, as a model is told of them.

use serde_json::json;

use crate::llm::ToolSpec;
use crate::tools::Toolbox;

/// The tools of one answer.
#[derive(Debug, Default)]
pub(super) struct Toolset {
    pub(super) toolbox: Toolbox,
}

impl Toolset {
    pub(super) fn is_empty(&self) -> bool {
        self.toolbox.is_empty()
    }

    /// What the model is told of them.
    pub(super) fn specs(&self) -> Vec<ToolSpec> {
        let specs = self.toolbox.specs().map(|spec| ToolSpec {
            name: spec.name.clone(),
            description: spec.description.clone(),
            parameters: spec.parameters.clone(),
        });
        specs.collect()
    }

    /// The same as JSON, for its count.
    pub(super) fn json(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let specs = self.toolbox.specs().map(|spec| {
            json!({ "name": spec.name, "description": spec.description, "parameters": spec.parameters }).to_string()
        });
        specs.collect::<Vec<_>>().join("\n")
    }
}
