//! A server that is a program: started with hardly any environment, heard on its
//! pipes, and ended with all that it started. Imports settings and the peer.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::rights;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::config::ServerConfig;
use super::peer::Peer;

/// What the program gets of this process's environment.
const ENVIRONMENT: [&str; 3] = ["PATH", "HOME", "LANG"];
/// Bytes of a line on standard error; a longer one becomes several.
const MAX_LINE: u64 = 4096;
/// Time to end by itself, and once more after it was told to.
const GRACE: Duration = Duration::from_secs(2);

/// A running program; killed with what it started when dropped.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts it without a shell. Its standard error goes to the log.
    pub(super) fn start(
        command: &str,
        config: &ServerConfig,
        peer: &Arc<Peer>,
    ) -> io::Result<(Self, ChildStdout, ChildStdin)> {
        let kept = ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(command)
            .args(&config.args)
            .env_clear()
            .envs(kept)
            .envs(&config.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pipes = (child.stdout.take(), child.stdin.take(), child.stderr.take());
        let process = Self(child);
        let (Some(stdout), Some(stdin), Some(stderr)) = pipes else {
            return Err(io::Error::other("it has no pipes"));
        };
        rights::spawn(log(stderr, Arc::clone(peer)));
        Ok((process, stdout, stdin))
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        let Some(pid) = self.pid() else { return true };
        // Its end is not taken note of, so that the number stays its own.
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(rustix::process::waitid(WaitId::Pid(pid), how), Ok(None))
    }

    /// Lets it end now that its standard input is closed; else tells it to. What
    /// outlasts that, or was left behind, is killed by the drop.
    pub(super) async fn end(self) {
        if tokio::time::timeout(GRACE, self.ended()).await.is_err() {
            self.signal(Signal::TERM);
            let _ = tokio::time::timeout(GRACE, self.ended()).await;
        }
    }

    /// Waits for its end.
    async fn ended(&self) {
        let Ok(mut children) = signal(SignalKind::child()) else { return };
        while !self.has_ended() {
            children.recv().await;
        }
    }

    /// None once its end was taken note of.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.pid() {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Reads to the end, so that the program never waits for its log.
async fn log(stderr: ChildStderr, peer: Arc<Peer>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await {
        let words = peer.line(&String::from_utf8_lossy(&line));
        tracing::debug!(mcp.server = peer.name(), "{words}");
        line.clear();
    }
}
