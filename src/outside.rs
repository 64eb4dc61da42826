//! Tools of the operator's MCP servers, as models may call them.
//!
//! A definition is pinned when it is first seen: a server that gives a tool
//! other words or another schema later may want something else by it, so the
//! tool is left out until somebody trusts it anew.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::rights::as_system;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::mcp_client::{McpError, ServerConfig, Servers, ToolDefinition};
use crate::storage::tool_pins;
use crate::tools::{Effect, Output, Spec, Tool, ToolError};

/// Time to tell that a call took too long.
const SPARE: Duration = Duration::from_secs(5);

/// The servers. Cloning shares them.
#[derive(Clone)]
pub struct Outside(Arc<Servers>);

/// A tool of a server, as an operator sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutsideTool {
    /// Its name, as models call it.
    pub name: String,
    /// The server.
    pub server: String,
    /// What the server says of it.
    pub description: String,
    /// Whether a person has to allow each call.
    pub needs_approval: bool,
    /// Whether its definition is the pinned one; else it is not offered.
    pub trusted: bool,
}

impl Outside {
    /// Checks the settings and connects to nothing.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new(servers: Vec<ServerConfig>) -> Result<Self> {
        let setting = |error: McpError| Error::Setting { setting: "mcp_servers".into(), problem: error.to_string() };
        Ok(Self(Arc::new(Servers::new(servers).map_err(setting)?)))
    }

    /// The tools that may be offered now. Those whose server does not answer,
    /// or whose definition has changed, are left out.
    pub async fn tools(&self, db: &PgPool) -> Vec<Arc<dyn Tool>> {
        let definitions = self.0.tools().await;
        if definitions.is_empty() {
            return vec![];
        }
        let pins = match pin(db, &definitions).await {
            Ok(pins) => pins,
            Err(error) => {
                tracing::warn!(%error, "the pins of tools cannot be read; none is offered");
                return vec![];
            }
        };
        let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
        for definition in definitions {
            if is_trusted(&definition, &pins) {
                tools.push(Arc::new(Offered::new(self.clone(), definition)));
            } else {
                tracing::warn!(
                    tool = definition.name,
                    "a tool has changed and is not offered until it is trusted anew"
                );
            }
        }
        tools
    }

    /// All tools, as an operator sees them.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list(&self, db: &PgPool) -> Result<Vec<OutsideTool>> {
        let definitions = self.0.tools().await;
        let pins = pin(db, &definitions).await?;
        let shown = definitions.into_iter().map(|definition| OutsideTool {
            trusted: is_trusted(&definition, &pins),
            name: definition.name,
            server: definition.server,
            description: definition.description,
            needs_approval: definition.needs_approval,
        });
        Ok(shown.collect())
    }

    /// Pins a tool as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a tool that no server has; what the database says.
    pub async fn trust(&self, db: &PgPool, name: &str) -> Result<()> {
        let definitions = self.0.tools().await;
        let found = definitions.iter().find(|definition| definition.name == name);
        let definition = found.ok_or(Error::NotFound("tool"))?;
        as_system(tool_pins::replace(db, &definition.server, &definition.tool, &definition.sha256)).await?;
        Ok(())
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outside")
    }
}

type Pins = HashMap<(String, String), String>;

/// The pins, after those of tools that are seen for the first time.
async fn pin(db: &PgPool, definitions: &[ToolDefinition]) -> sqlx::Result<Pins> {
    let new: Vec<(&str, &str, &str)> = definitions
        .iter()
        .map(|definition| (definition.server.as_str(), definition.tool.as_str(), definition.sha256.as_str()))
        .collect();
    // The service's own record: those who ask may only read it.
    as_system(tool_pins::pin_new(db, &new)).await?;
    Ok(tool_pins::all(db).await?.into_iter().map(|pin| ((pin.server, pin.tool), pin.sha256)).collect())
}

fn is_trusted(definition: &ToolDefinition, pins: &Pins) -> bool {
    let pin = pins.get(&(definition.server.clone(), definition.tool.clone()));
    pin == Some(&definition.sha256)
}

/// A tool of a server, as it is offered to a model.
struct Offered {
    outside: Outside,
    spec: Spec,
    effect: Effect,
    limit: Duration,
    sha256: String,
}

impl Offered {
    fn new(outside: Outside, definition: ToolDefinition) -> Self {
        let effect = match &definition {
            ToolDefinition { needs_approval: true, .. } => Effect::Writes,
            ToolDefinition { read_only: true, .. } => Effect::ReadOnly,
            _ => Effect::Trusted,
        };
        let ToolDefinition { name, description, input_schema, limit, sha256, .. } = definition;
        // The server keeps to its own limit, for its greeting and for the call.
        let limit = 2 * limit + SPARE;
        Self { outside, spec: Spec { name, description, parameters: input_schema }, effect, limit, sha256 }
    }
}

impl Tool for Offered {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn limit(&self) -> Duration {
        self.limit
    }

    fn call(&self, arguments: Value) -> BoxFuture<'_, Result<Output, ToolError>> {
        async move {
            let Value::Object(arguments) = arguments else {
                return Err(ToolError::invalid("the arguments are a JSON object"));
            };
            let called = self.outside.0.call_pinned(&self.spec.name, &self.sha256, arguments).await;
            match called.map_err(refusal)? {
                output if output.is_error => Err(ToolError::Failed { problem: output.text }),
                output => Ok(Output { text: output.text, data: output.structured }),
            }
        }
        .boxed()
    }
}

fn refusal(error: McpError) -> ToolError {
    match error {
        McpError::InvalidArguments { .. } => ToolError::InvalidArguments { problem: error.to_string() },
        McpError::Changed { .. } => ToolError::NotAllowed { problem: error.to_string() },
        error => ToolError::Failed { problem: error.to_string() },
    }
}
