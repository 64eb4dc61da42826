//! One child process, seen from the parent: start it, hand it files, tell why
//! it ended. Imports the protocol and rights.

use std::borrow::Cow;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::SandboxConfig;
use super::protocol::{self, Bounds, Confinement, Frame, FrameError, Outcome, Reply, Request, Setup, VERSION};
use super::refusal::{Limit, Refusal};
use crate::document::Parsed;
use crate::parse::{ParseError, Purpose, Source};
use crate::rights;

/// How long a child may take to get ready.
const START: Duration = Duration::from_secs(20);
/// How long a child may take to end once its pipe is closed.
const END: Duration = Duration::from_secs(2);
/// Most bytes of the answer to a setup.
const READY_BYTES: u64 = 4 << 10;
/// What is kept of a child's last words.
const LAST_WORDS: usize = 4 << 10;
/// What the allocators of Rust and C++ say before they abort.
const OUT_OF_MEMORY: [&str; 3] = ["memory allocation of", "bad_alloc", "failed to allocate"];
/// A child's environment: what these are set to here, and nothing else.
const ENVIRONMENT: [&str; 3] = ["PATH", "LANG", "LD_LIBRARY_PATH"];

/// A child that is ready for a file. It is killed when dropped.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last_words: JoinHandle<Vec<u8>>,
    /// Files it has answered.
    pub served: u32,
    /// How far the kernel confines it.
    pub confinement: Confinement,
}

/// Why a child gave no answer. It is not to be used again.
#[derive(Debug)]
pub struct Failure {
    /// What to say of the file.
    pub refusal: Refusal,
    /// Whether the file may be innocent: the child was ended from outside, or
    /// may have suffered from files before this one.
    pub doubtful: bool,
}

impl Worker {
    /// Starts a child and waits until its limits hold.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn start(config: &SandboxConfig) -> Result<Self, Refusal> {
        let unavailable = |problem: String| Refusal::Unavailable { problem };
        let mut command = Command::new(&config.program);
        command.args(&config.arguments).env_clear().current_dir("/");
        command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        // An own group: a Ctrl-C at the terminal is for the server alone.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| unavailable(error.to_string()))?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(unavailable("its pipes are missing".into()));
        };
        let last_words = rights::spawn(last_of(errors));
        let confinement = Confinement { memory: false, landlock: false, seccomp: false, inherited: 0 };
        let output = BufReader::new(output);
        let mut worker = Self { child, input, output, last_words, served: 0, confinement };
        match tokio::time::timeout(START, worker.set_up(config)).await {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(error)) => {
                let (status, words) = worker.end().await;
                tracing::error!(%error, ?status, words, "a parser process did not start");
                Err(unavailable(format!("it ended before it was ready ({error})")))
            }
            Err(_) => Err(unavailable(format!("it was not ready after {} s", START.as_secs()))),
        }
    }

    async fn set_up(&mut self, config: &SandboxConfig) -> Result<(), FrameError> {
        let SandboxConfig { memory_bytes, cpu_seconds, .. } = *config;
        protocol::send(&mut self.input, &Setup { version: VERSION, memory_bytes, cpu_seconds }, &[]).await?;
        let reply: Frame<Reply> = protocol::receive(&mut self.output, Bounds::of(READY_BYTES)).await?;
        match reply.head.outcome {
            Outcome::Ready(confinement) => self.confinement = confinement,
            _ => return Err(FrameError::Malformed("an answer before the setup".into())),
        }
        Ok(())
    }

    /// Has one file read.
    ///
    /// # Errors
    /// [`Failure`], after which the child is of no more use.
    pub async fn ask(
        &mut self,
        config: &SandboxConfig,
        source: &Source<'_>,
        purpose: &Purpose,
    ) -> Result<Result<Parsed, ParseError>, Failure> {
        match tokio::time::timeout(config.wall, self.exchange(config, source, purpose)).await {
            Ok(Ok(answer)) => {
                self.served += 1;
                Ok(answer)
            }
            Ok(Err(FrameError::TooLarge { .. })) => Err(Failure {
                refusal: limit(Limit::Output, format!("its text takes more than {}", size(config.output_bytes))),
                doubtful: false,
            }),
            Ok(Err(error)) => Err(self.explain(config, &error).await),
            Err(_) => Err(Failure {
                refusal: limit(Limit::Wall, format!("reading it takes more than {} s", config.wall.as_secs_f32())),
                doubtful: false,
            }),
        }
    }

    async fn exchange(
        &mut self,
        config: &SandboxConfig,
        source: &Source<'_>,
        purpose: &Purpose,
    ) -> Result<Result<Parsed, ParseError>, FrameError> {
        let number = u64::from(self.served) + 1;
        let request = Request {
            number,
            purpose: Cow::Borrowed(purpose),
            name: source.name.map(Into::into),
            media_type: source.media_type.map(Into::into),
        };
        protocol::send(&mut self.input, &request, &[source.bytes]).await?;
        let Frame { head, sections } =
            protocol::receive::<Reply, _>(&mut self.output, Bounds::of(config.output_bytes)).await?;
        match head.outcome {
            _ if head.number != number => Err(FrameError::Malformed("the answer to another request".into())),
            Outcome::Parsed(outline) => Ok(Ok(protocol::unpack(outline, sections)?)),
            Outcome::Failed(error) => Ok(Err(error)),
            Outcome::Ready(_) => Err(FrameError::Malformed("no answer".into())),
        }
    }

    /// Resident memory of the child in bytes; 0 if it cannot be told.
    pub fn resident_bytes(&self) -> u64 {
        let Some(id) = self.child.id() else { return 0 };
        let statm = std::fs::read_to_string(format!("/proc/{id}/statm")).unwrap_or_default();
        let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        pages.saturating_mul(rustix::param::page_size() as u64)
    }

    /// Why there is no answer: how the process ended, and its last words.
    async fn explain(&mut self, config: &SandboxConfig, error: &FrameError) -> Failure {
        let used = self.served > 0;
        if !matches!(error, FrameError::Pipe(_)) {
            tracing::error!(%error, "a parser process gave a malformed answer");
            let detail = "its parser gave an answer that cannot be read".to_owned();
            return Failure { refusal: limit(Limit::Crash, detail), doubtful: used };
        }
        let (status, words) = self.end().await;
        tracing::warn!(%error, ?status, served = self.served, words, "a parser process ended");
        let out_of_memory = OUT_OF_MEMORY.iter().any(|sign| words.contains(sign));
        let (which, detail, doubtful) = match status.and_then(|status| status.signal()).and_then(Signal::from_named_raw)
        {
            None => (Limit::Crash, "its parser process ended without an answer".to_owned(), true),
            Some(Signal::XCPU) => {
                let detail = format!("reading it takes more than {} s of processor time", config.cpu_seconds);
                (Limit::Cpu, detail, false)
            }
            Some(Signal::KILL | Signal::TERM | Signal::INT | Signal::HUP | Signal::QUIT) => {
                (Limit::Crash, "its parser process was ended from outside twice".to_owned(), true)
            }
            Some(Signal::ABORT) if out_of_memory => {
                let detail = format!("reading it takes more than {} of memory", size(config.memory_bytes));
                (Limit::Memory, detail, used)
            }
            Some(other) => (Limit::Crash, format!("its parser crashed (signal {})", other.as_raw()), used),
        };
        Failure { refusal: limit(which, detail), doubtful }
    }

    /// How the child ended, and its last words; kills it if it still runs.
    async fn end(&mut self) -> (Option<ExitStatus>, String) {
        // The pipe closes shortly before the status that says why is there.
        let status = match tokio::time::timeout(END, self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => {
                let _ = self.child.kill().await;
                None
            }
        };
        let words = tokio::time::timeout(END, &mut self.last_words).await;
        let words = words.ok().and_then(Result::ok).unwrap_or_default();
        (status, String::from_utf8_lossy(&words).into_owned())
    }
}

fn limit(which: Limit, detail: String) -> Refusal {
    Refusal::Limit { which, detail }
}

fn size(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// Reads to the end and keeps the last [`LAST_WORDS`] bytes.
async fn last_of(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::with_capacity(2 * LAST_WORDS);
    while let Ok(1..) = from.read_buf(&mut kept).await {
        let surplus = kept.len().saturating_sub(LAST_WORDS);
        kept.drain(..surplus);
    }
    kept
}
