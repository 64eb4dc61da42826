//! One server: connected when it is first needed, listed now and then, and let
//! alone for a while when it cannot be reached. Imports all beside it.

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::upstream;
use rmcp::model::CallToolRequestParams;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::ServerConfig;
use super::definition::{self, Tool};
use super::error::McpError;
use super::link::Link;
use super::output::ToolOutput;
use super::peer::Peer;

/// Age at which a list of tools is read again.
const LIST_AGE: Duration = Duration::from_mins(5);
/// First pause after a server could not be reached; each one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A server of the settings.
pub(super) struct Server {
    pub(super) config: Arc<ServerConfig>,
    peer: Arc<Peer>,
    /// Held while connecting and listing, so that this is done once; never
    /// during a call.
    pub(super) state: Mutex<State>,
}

/// What is known of a server now.
#[derive(Default)]
pub(super) struct State {
    pub(super) ready: Option<Ready>,
    failures: u32,
    pub(super) pause_until: Option<Instant>,
}

/// A connection and what it offers.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) link: Arc<Link>,
    tools: Arc<Vec<Tool>>,
    /// Changes that the server had told of before the list was read.
    changes: u64,
    pub(super) list_until: Instant,
}

impl Ready {
    fn is_fresh(&self) -> bool {
        Instant::now() < self.list_until && self.link.changes() == self.changes
    }
}

impl Server {
    pub(super) fn new(config: ServerConfig) -> Self {
        let peer = Arc::new(Peer::new(&config));
        Self { config: Arc::new(config), peer, state: Mutex::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    /// Its tools, connecting and listing where that is due.
    pub(super) async fn tools(&self) -> Result<Arc<Vec<Tool>>, McpError> {
        Ok(self.ready().await?.tools)
    }

    /// Calls the tool with this full name. With a hash, only as it was then.
    pub(super) async fn call(
        &self,
        name: &str,
        sha256: Option<&str>,
        arguments: Map<String, Value>,
    ) -> Result<ToolOutput, McpError> {
        let Ready { link, tools, .. } = self.ready().await?;
        let named = |tool: &&Tool| tool.definition.name == name;
        let tool = tools.iter().find(named).ok_or_else(|| McpError::UnknownTool { tool: name.to_owned() })?;
        if sha256.is_some_and(|sha256| sha256 != tool.definition.sha256) {
            return Err(McpError::Changed { tool: name.to_owned() });
        }
        let invalid = |problem| McpError::InvalidArguments { tool: name.to_owned(), problem };
        let arguments = tool.checks.arguments(arguments).await.map_err(invalid)?;

        let call = CallToolRequestParams::new(tool.definition.tool.clone()).with_arguments(arguments);
        let limit = self.config.limit();
        let called = upstream::watched("tools", self.peer.name(), timeout(limit, link.call(call)));
        let result = called.await.map_err(|_| {
            link.timed_out();
            self.peer.timeout("answer", limit)
        })??;

        let is_error = result.is_error == Some(true);
        let structured = match is_error {
            // A failure need not have the form of a success.
            true => None,
            false => {
                let unfit = |problem| self.peer.protocol(&format!("the result does not fit its schema: {problem}"));
                tool.checks.result(result.structured_content).await.map_err(unfit)?
            }
        };
        Ok(ToolOutput::new(&self.peer, result.content, structured, is_error))
    }

    /// Ends the connection; a program may take its time to end by itself.
    pub(super) async fn stop(self) {
        let ready = self.state.into_inner().ready;
        if let Some(link) = ready.and_then(|ready| Arc::into_inner(ready.link)) {
            link.end().await;
        }
    }

    /// A usable connection and a list that is not old.
    async fn ready(&self) -> Result<Ready, McpError> {
        let mut state = self.state.lock().await;
        state.ready.take_if(|ready| !ready.link.is_usable());
        if let Some(ready) = state.ready.as_ref().filter(|ready| ready.is_fresh()) {
            return Ok(ready.clone());
        }
        self.patient(&state)?;
        let link = state.ready.as_ref().map(|ready| Arc::clone(&ready.link));
        match self.prepare(link).await {
            Ok(ready) => {
                (state.failures, state.pause_until) = (0, None);
                Ok(state.ready.insert(ready).clone())
            }
            Err(error) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(16)).min(LONGEST_PAUSE);
                state.ready = None;
                state.failures = state.failures.saturating_add(1);
                state.pause_until = Some(Instant::now() + pause);
                tracing::warn!(mcp.server = self.name(), %error, pause_s = pause.as_secs(), "no tools of this server");
                Err(error)
            }
        }
    }

    /// Connects, unless there is a connection, and lists; both within the limit.
    async fn prepare(&self, link: Option<Arc<Link>>) -> Result<Ready, McpError> {
        let limit = self.config.limit();
        let end = Instant::now() + limit;
        let link = match link {
            Some(link) => link,
            None => {
                let connecting = Link::connect(&self.config, Arc::clone(&self.peer));
                let connected = timeout_at(end, connecting).await;
                Arc::new(connected.map_err(|_| self.peer.timeout("greeting", limit))??)
            }
        };
        let changes = link.changes();
        let listed = timeout_at(end, link.list()).await.map_err(|_| self.peer.timeout("list of tools", limit))??;
        let config = Arc::clone(&self.config);
        let tools = tokio::task::spawn_blocking(move || definition::take(&config, listed)).await;
        let tools = tools.map_err(|_| self.peer.protocol("its list of tools cannot be read"))?;
        Ok(Ready { link, tools: Arc::new(tools), changes, list_until: Instant::now() + LIST_AGE })
    }

    /// Refuses while the pause after a failure lasts.
    fn patient(&self, state: &State) -> Result<(), McpError> {
        let left = state.pause_until.map(|until| until.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if !left.is_zero() => {
                let seconds = left.as_secs() + 1;
                Err(self.peer.gone(&format!("it failed before, and is tried again in {seconds} s")))
            }
            _ => Ok(()),
        }
    }
}
