//! Tests against servers: odd ones made here, and real ones made by others.

mod fake;
mod over_http;
mod program;
mod real;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{McpError, ServerConfig, Servers, ToolDefinition, ToolOutput};

/// Servers with these settings.
fn servers(configs: &[Value]) -> Servers {
    let config = |config: &Value| serde_json::from_value::<ServerConfig>(config.clone()).expect("a config");
    Servers::new(configs.iter().map(config).collect()).expect("valid settings")
}

fn arguments(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// The limit from here on. Only what is meant to take too long is given little.
fn limit(servers: &mut Servers, seconds: u64) {
    Arc::make_mut(&mut servers.servers[0].config).timeout = seconds;
}

async fn call(servers: &Servers, tool: &str, with: Value) -> Result<ToolOutput, McpError> {
    servers.call(tool, arguments(&with)).await
}

async fn definition(servers: &Servers, name: &str) -> ToolDefinition {
    servers.tools().await.into_iter().find(|tool| tool.name == name).expect("the tool")
}

/// A tool as a server lists it, with more or other fields.
fn tool(more: &Value) -> Value {
    let mut tool = json!({ "name": "add", "description": "Adds.", "inputSchema": {
        "type": "object",
        "properties": { "a": { "type": "number" }, "b": { "type": "number" } },
        "required": ["a", "b"]
    } });
    for (name, value) in more.as_object().expect("an object") {
        tool[name] = value.clone();
    }
    tool
}
