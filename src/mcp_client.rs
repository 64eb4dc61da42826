//! Tools of other people's servers: a client of the Model Context Protocol for
//! the servers that the operator names. Imports nothing of this crate.
//!
//! A server is a program that is started here, or an address of streamable HTTP.
//! Both eras of the protocol are spoken: that of 2026-07-28, without a
//! handshake, and those before it.
//!
//! What a server says is data. Names, descriptions, schemas and results have
//! bounds; arguments are checked before they are sent and structured results
//! when they come; that a tool only reads is the server's own word. A
//! definition's hash tells whether it is still what somebody approved.

mod checks;
mod config;
mod definition;
mod error;
mod failure;
mod http;
mod late;
mod link;
mod output;
mod peer;
mod process;
mod server;
#[cfg(test)]
mod tests;

use futures::future::join_all;
use serde_json::{Map, Value};

pub use config::{Approve, ServerConfig};
pub use definition::ToolDefinition;
pub use error::McpError;
pub use output::ToolOutput;
use server::Server;

/// The servers of the settings. Dropping it kills the programs among them.
pub struct Servers {
    servers: Vec<Server>,
}

impl Servers {
    /// Checks the settings and connects to nothing.
    ///
    /// # Errors
    /// [`McpError::Misconfigured`], for the first server that is.
    pub fn new(configs: Vec<ServerConfig>) -> Result<Self, McpError> {
        ServerConfig::validate_all(&configs)?;
        Ok(Self { servers: configs.into_iter().map(Server::new).collect() })
    }

    /// All tools there are now, in the order of the settings. Connects to those
    /// servers that are not connected, all at once, and lists again what has
    /// changed or is older than five minutes. A server that cannot be reached is
    /// left out, which is logged, and tried again after a pause.
    pub async fn tools(&self) -> Vec<ToolDefinition> {
        let listed = join_all(self.servers.iter().map(Server::tools)).await;
        let tools = listed.iter().flatten().flat_map(|tools| tools.iter());
        tools.map(|tool| tool.definition.clone()).collect()
    }

    /// Calls a tool by its full name. Is never sent twice: a connection that
    /// breaks is an error, and the next call connects anew.
    ///
    /// # Errors
    /// [`McpError`]; that a tool failed is no error but an output that says so.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<ToolOutput, McpError> {
        self.server_of(tool)?.call(tool, None, arguments).await
    }

    /// Calls a tool if its definition still has this hash, looked at on the very
    /// connection that the call takes.
    ///
    /// # Errors
    /// [`McpError::Changed`] if it has another; else as [`Self::call`].
    pub async fn call_pinned(
        &self,
        tool: &str,
        sha256: &str,
        arguments: Map<String, Value>,
    ) -> Result<ToolOutput, McpError> {
        self.server_of(tool)?.call(tool, Some(sha256), arguments).await
    }

    /// Closes all connections and ends the programs, within a few seconds.
    pub async fn stop(self) {
        join_all(self.servers.into_iter().map(Server::stop)).await;
    }

    fn server_of(&self, tool: &str) -> Result<&Server, McpError> {
        let name = tool.split_once("__").map(|(server, _)| server);
        let server = self.servers.iter().find(|server| Some(server.name()) == name);
        server.ok_or_else(|| McpError::UnknownTool { tool: tool.to_owned() })
    }
}
