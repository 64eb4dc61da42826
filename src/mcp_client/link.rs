//! One connection to a server, from its start to its loss. Imports settings, the
//! peer, and both transports.
//!
//! The server is asked for the protocol of 2026-07-28, which has no handshake;
//! one that does not know the question is greeted as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig, Implementation,
    PaginatedRequestParams, ProtocolVersion, SubscriptionFilter, Tool as ServerTool,
};
use rmcp::service::{
    ClientCacheConfig, ClientLifecycleMode, ClientServiceExt, NotificationContext, Peer as Connection, RoleClient,
    RunningService,
};
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::task::JoinSet;

use super::config::{ServerConfig, Way};
use super::definition::MAX_TOOLS;
use super::error::McpError;
use super::failure;
use super::http;
use super::late::Late;
use super::peer::Peer;
use super::process::Process;

/// Pages of a list of tools that are read.
const MAX_PAGES: usize = 32;
/// So many calls without an answer in a row, and the server counts as stuck.
const MAX_TIMEOUTS: u32 = 3;

/// A connection. Dropping it closes it and kills the program at its other end.
pub(super) struct Link {
    service: RunningService<RoleClient, Handler>,
    process: Option<Process>,
    /// Aborted by the drop.
    _listener: JoinSet<()>,
    peer: Arc<Peer>,
    lost: AtomicBool,
    timeouts: AtomicU32,
}

/// What the server may ask or tell us: that its tools have changed, and nothing
/// else. No capability is offered, so it gets refusals.
struct Handler {
    changes: Arc<AtomicU64>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let name = Implementation::new("footnote", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), name)
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

impl Link {
    /// Starts or reaches the server and agrees on a protocol. Has no time limit;
    /// dropping the future ends what was begun.
    pub(super) async fn connect(config: &ServerConfig, peer: Arc<Peer>) -> Result<Self, McpError> {
        let handler = Handler { changes: Arc::default() };
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        };
        let (connected, process) = match config.way() {
            Some(Way::Program(command)) => {
                let (process, stdout, stdin) = Process::start(command, config, &peer)
                    .map_err(|error| peer.gone(&format!("its program cannot be run: {}", error.kind())))?;
                let transport = Late::dropped(AsyncRwTransport::new_client(stdout, stdin));
                (handler.serve_with_lifecycle(transport, lifecycle).await, Some(process))
            }
            Some(Way::Address(url)) => {
                let transport = http::transport(url, config).map_err(|error| peer.gone(&failure::cause(&error)))?;
                (handler.serve_with_lifecycle(transport, lifecycle).await, None)
            }
            None => return Err(peer.gone("it has neither program nor address")),
        };
        let service = connected.map_err(|error| failure::of_connecting(&peer, &error))?;
        // How old a list may be is decided here, not by the server.
        service.set_response_cache_config(ClientCacheConfig::disabled()).await;
        let mut listener = JoinSet::new();
        if announces_changes(&service) {
            listener.spawn(listen(service.peer().clone(), Arc::clone(&service.service().changes)));
        }
        let (lost, timeouts) = (AtomicBool::new(false), AtomicU32::new(0));
        Ok(Self { service, process, _listener: listener, peer, lost, timeouts })
    }

    /// Whether another call may go this way.
    pub(super) fn is_usable(&self) -> bool {
        !self.lost.load(Ordering::Acquire)
            && self.timeouts.load(Ordering::Acquire) < MAX_TIMEOUTS
            && !self.service.is_transport_closed()
            && !self.process.as_ref().is_some_and(Process::has_ended)
    }

    /// How often the server has said that its tools changed.
    pub(super) fn changes(&self) -> u64 {
        self.service.service().changes.load(Ordering::Acquire)
    }

    /// All tools, as far as they can be taken.
    pub(super) async fn list(&self) -> Result<Vec<ServerTool>, McpError> {
        if self.service.peer_info().is_some_and(|info| info.capabilities.tools.is_none()) {
            return Ok(Vec::new());
        }
        let (mut tools, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.service.list_tools(Some(PaginatedRequestParams::default().with_cursor(cursor)));
            let page = page.await.map_err(|error| self.failed(&error))?;
            tools.extend(page.tools);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(tools);
            }
            // Those above the limit may be what the allow list leaves out.
            if tools.len() > MAX_TOOLS * 8 {
                break;
            }
        }
        tracing::warn!(mcp.server = self.peer.name(), "the server lists more tools than are read");
        Ok(tools)
    }

    /// One call, without a time limit; dropping the future tells the server.
    pub(super) async fn call(&self, call: CallToolRequestParams) -> Result<CallToolResult, McpError> {
        let reply = self.service.call_tool_once(call).await;
        self.timeouts.store(0, Ordering::Release);
        match reply.map_err(|error| self.failed(&error))? {
            CallToolResponse::Complete(result) => Ok(result),
            _ => Err(self.peer.protocol("it asks back or answers later, which was not offered")),
        }
    }

    /// Takes note of a call that came to no end in time.
    pub(super) fn timed_out(&self) {
        self.timeouts.fetch_add(1, Ordering::AcqRel);
    }

    /// Closes the connection, and lets the program end by itself if it does.
    pub(super) async fn end(self) {
        // What the transport says about its end concerns nobody.
        let _ = self.service.cancel().await;
        if let Some(process) = self.process {
            process.end().await;
        }
    }

    #[cfg(test)]
    pub(super) fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    #[cfg(test)]
    pub(super) fn protocol_version(&self) -> String {
        self.service.peer_info().map(|info| info.protocol_version.to_string()).unwrap_or_default()
    }

    fn failed(&self, error: &rmcp::ServiceError) -> McpError {
        let error = failure::of_request(&self.peer, error);
        if matches!(error, McpError::Gone { .. }) {
            self.lost.store(true, Ordering::Release);
        }
        error
    }
}

/// Whether the server has to be asked to tell of changes: without a handshake
/// it tells only those who listen.
fn announces_changes(connection: &Connection<RoleClient>) -> bool {
    connection.peer_info().is_some_and(|info| {
        let changes = info.capabilities.tools.as_ref().and_then(|tools| tools.list_changed);
        !info.protocol_version.has_initialize() && changes == Some(true)
    })
}

/// Listens as long as the server likes. Should it stop, lists grow old by
/// themselves.
async fn listen(connection: Connection<RoleClient>, changes: Arc<AtomicU64>) {
    let filter = SubscriptionFilter::builder().tools_list_changed().build();
    let Ok(mut subscription) = connection.listen(filter).await else { return };
    while let Ok(Some(_)) = subscription.next().await {
        changes.fetch_add(1, Ordering::AcqRel);
    }
}
