//! What can go wrong with a configured server, by what the caller or operator
//! can do about it. Imports nothing of this crate.
//!
//! `details` are mostly the server's own words, cleaned and shortened where they
//! are taken in; no variant ever holds a header's value or an address.

use std::time::Duration;

/// A failure of a server or of one call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum McpError {
    /// A server's settings cannot be what they are.
    #[error("MCP server `{server}`: {problem}")]
    Misconfigured {
        /// Its name as it was given.
        server: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// No server offers this tool, or the allow list leaves it out.
    #[error("there is no tool `{tool}`; list the tools again")]
    UnknownTool {
        /// The name that was asked for.
        tool: String,
    },
    /// The tool is no longer what was approved. Nothing was sent.
    #[error("the definition of the tool `{tool}` has changed; list the tools again and approve it anew")]
    Changed {
        /// The tool's name.
        tool: String,
    },
    /// The arguments do not fit the tool's schema. Nothing was sent.
    #[error("the arguments of `{tool}` do not fit its schema: {problem}")]
    InvalidArguments {
        /// The tool's name.
        tool: String,
        /// Which fields, and what they must be; holds none of the values.
        problem: String,
    },
    /// Nothing came in time. The call may have had its effect.
    #[error("MCP server `{server}` gave no {what} within {} s; try again, or raise its `timeout`", .limit.as_secs_f32())]
    Timeout {
        /// Which server.
        server: String,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// There is no connection. A call that was under way may have had its
    /// effect; the next one connects anew.
    #[error("MCP server `{server}` cannot be reached ({details}); try again, and check its `command` or `url`")]
    Gone {
        /// Which server.
        server: String,
        /// How it is known.
        details: String,
    },
    /// The server wants other credentials.
    #[error("MCP server `{server}` refuses the credentials; check its `headers`")]
    Unauthorized {
        /// Which server.
        server: String,
    },
    /// The reply is an error of the protocol, or no reply of this protocol.
    #[error("MCP server `{server}` sent no usable reply ({details}); its operator has to look into it")]
    Protocol {
        /// Which server.
        server: String,
        /// What is wrong with it.
        details: String,
    },
}

impl McpError {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Misconfigured { .. } => "misconfigured",
            Self::UnknownTool { .. } => "unknown_tool",
            Self::Changed { .. } => "changed",
            Self::InvalidArguments { .. } => "invalid_arguments",
            Self::Timeout { .. } => "timeout",
            Self::Gone { .. } => "gone",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Protocol { .. } => "protocol",
        }
    }
}
