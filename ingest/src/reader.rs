//! Where files are read: in this process, or in child processes with limits.
//! Floor 3: imports the parsers and the sandbox.

use std::time::Duration;

use crate::config::ParserLimits;
use crate::document::Parsed;
use crate::parse::{self, ParseError, Source};
use crate::sandbox::{Refusal, Sandbox, SandboxConfig};

/// First argument of a process that reads files for another.
pub const CHILD_ARG: &str = "__parse-child";
/// Memory of a reader for each byte of the largest file that is taken: its
/// bytes, its text, its canonical text, and what a format needs between.
const MEMORY_FOR_A_BYTE: u64 = 8;

/// Reads files for the process that started this one, until that closes the
/// pipe. For `main`, before any thread is started.
///
/// # Errors
/// If the limits cannot be set, or the pipe carries something else.
pub fn serve_child() -> std::io::Result<()> {
    crate::sandbox::serve(parse::parse)
}

/// Reads files. Cloning shares it.
#[derive(Debug, Clone)]
pub enum Reader {
    /// In this process, without limits: for tests and measurements.
    Here,
    /// In child processes: a hostile file costs one document.
    Sandboxed(Sandbox),
}

/// Why a file was not read.
#[derive(Debug)]
pub enum Unread {
    /// It cannot be read, however often it is tried.
    Unreadable(ParseError),
    /// Its reader ran over a limit, or ended early: once may be chance.
    Limit {
        /// Stable name.
        code: &'static str,
        /// What happened and what to do.
        message: String,
    },
    /// Our own fault.
    Failed(String),
}

impl From<ParseError> for Unread {
    fn from(error: ParseError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Parse(error) => Self::Unreadable(error),
            Refusal::Limit { which, .. } => Self::Limit { code: which.code(), message: refusal.to_string() },
            Refusal::Unavailable { .. } => Self::Failed(refusal.to_string()),
        }
    }
}

impl Reader {
    /// A reader in child processes of `program`, with `limits` for each file.
    #[must_use]
    pub fn sandboxed(program: std::path::PathBuf, limits: ParserLimits, max_file_bytes: u64) -> Self {
        let usual = SandboxConfig::new(program, vec![CHILD_ARG.into()]);
        Self::Sandboxed(Sandbox::new(SandboxConfig {
            memory_bytes: limits.memory_bytes.max(max_file_bytes.saturating_mul(MEMORY_FOR_A_BYTE)),
            cpu_seconds: limits.cpu_seconds,
            wall: Duration::from_secs(limits.wall_seconds),
            output_bytes: usual.output_bytes.max(max_file_bytes.saturating_mul(2)),
            ..usual
        }))
    }

    /// Starts what reading needs ahead of the first file, and logs how far it is
    /// confined.
    ///
    /// # Errors
    /// [`crate::Error::Reader`] when no file could be read at all.
    pub async fn warm(&self) -> crate::Result<()> {
        if let Self::Sandboxed(sandbox) = self {
            let confinement = sandbox.warm().await.map_err(|refusal| crate::Error::Reader(refusal.to_string()))?;
            tracing::debug!(?confinement, "files are read in processes of their own");
        }
        Ok(())
    }

    /// Reads a file: its bytes, its name or key, and its media type if the
    /// sender gave one.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn read(&self, bytes: Vec<u8>, name: &str, media_type: Option<&str>) -> Result<Parsed, Unread> {
        match self {
            Self::Here => {
                let (name, media_type) = (name.to_owned(), media_type.map(str::to_owned));
                let read = move || {
                    let source = parse::Source { bytes: &bytes, name: Some(&name), media_type: media_type.as_deref() };
                    parse::parse(&source)
                };
                let read = tokio::task::spawn_blocking(read).await;
                Ok(read.map_err(|_| Unread::Failed("the parser ended early".to_owned()))??)
            }
            Self::Sandboxed(sandbox) => {
                Ok(sandbox.parse(&Source { bytes: &bytes, name: Some(name), media_type }).await?)
            }
        }
    }
}
