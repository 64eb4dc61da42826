//! `footnote mcp`: the MCP server on standard input and output, for programs
//! that start it themselves.

mod remote;

use std::time::Duration;

use rmcp::service::{QuitReason, ServerInitializeError, ServiceExt};
use rmcp::transport::stdio_pipes;

use crate::client::Client;
use crate::config::Settings;
use crate::mcp::Server;

use super::failure::Failure;
use remote::Remote;

/// Arguments of `mcp`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The collection that is meant where none is named.
    #[arg(long, env = "FOOTNOTE_COLLECTION", value_name = "NAME")]
    collection: Option<String>,
}

/// Serves until the program at the other end closes the connection. Standard
/// output belongs to the protocol: everything else is said on standard error.
pub(super) async fn run(client: &Client, args: Args, settings: &Settings) -> Result<(), Failure> {
    let answer = Duration::from_secs(settings.answer_timeout);
    let server = Server::new(Remote::new(client.clone()), answer).within(args.collection);
    let running = match server.serve(stdio_pipes()).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(Failure::Usage(format!("what came on standard input is not MCP: {error}"))),
    };
    match running.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(Failure::Unexpected(error.into())),
        Ok(_) => Ok(()),
    }
}
