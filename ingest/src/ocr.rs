//! Text recognition: the operator's program is given one image of a page after
//! the other and prints their text. Floor 3: imports the document types and
//! errors.
//!
//! The command line is split at white space and run without a shell, in a
//! folder of its own that goes with the page, with hardly any environment. Time
//! and output are bounded; what overruns is killed with all that it started.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::document::Member;
use crate::error::{Error, Result};

/// Where the image's file stands in the command; at its end if nowhere.
const INPUT: &str = "{input}";
/// The program's environment: what these are set to here, and nothing else.
const ENVIRONMENT: [&str; 4] = ["PATH", "LANG", "TESSDATA_PREFIX", "HOME"];

/// What recognition may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Time for one page.
    page: Duration,
    /// Time for a file; pages after that stay without text.
    file: Duration,
    /// Bytes of text of a page; what is more is left out.
    page_bytes: u64,
    /// Bytes of text of a file; pages after that stay without text.
    file_bytes: usize,
}

const LIMITS: Limits = Limits {
    page: Duration::from_mins(2),
    file: Duration::from_hours(1),
    page_bytes: 1024 * 1024,
    // A request to a reader's process holds it twice over.
    file_bytes: 12 * 1024 * 1024,
};

/// The operator's program.
#[derive(Debug, Clone)]
pub struct Ocr {
    program: String,
    arguments: Vec<String>,
    limits: Limits,
    /// Where pictures lie while they are read.
    temporary: PathBuf,
    /// As many run at once as there are processors: more would only make each other
    /// overrun their time. Who waits is served in order, page by page.
    turns: Arc<Semaphore>,
}

/// Why an image gave no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The program cannot be run at all.
    #[error("`{program}` cannot be run: {reason}; install it, or correct FOOTNOTE_OCR_COMMAND")]
    Program {
        /// Its name.
        program: String,
        /// What the system says.
        reason: String,
    },
    /// This machine has no room for it, or no process: that says nothing about the
    /// page.
    #[error("a page's picture cannot be handed to the program: {0}; is there memory, and room in {1}?")]
    Machine(String, String),
    /// It failed on this page.
    #[error("{0}")]
    Page(String),
}

impl Problem {
    /// Whether it says nothing about the page, and the next one would fare alike.
    pub(crate) fn is_of_all(&self) -> bool {
        matches!(self, Self::Program { .. } | Self::Machine(..))
    }

    /// Nothing more is read of the file.
    pub(crate) fn over() -> Self {
        Self::Page("the time for the file is over".to_owned())
    }
}

/// What is left of the time and the room of one file.
#[derive(Debug)]
pub struct Budget {
    end: Instant,
    bytes: usize,
}

impl Budget {
    /// Whether no time is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end <= Instant::now()
    }
}

impl Ocr {
    /// A program by its command line, such as `tesseract {input} stdout`; the
    /// image's path stands in for `{input}`, or comes last.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a command without a program.
    pub fn new(command: &str) -> Result<Self> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let Some(program) = words.next() else {
            let problem = "names no program; give one, such as `tesseract {input} stdout`".to_owned();
            return Err(Error::Invalid { field: "ocr_command", problem });
        };
        let mut arguments: Vec<String> = words.collect();
        if !arguments.iter().any(|argument| argument.contains(INPUT)) {
            arguments.push(INPUT.to_owned());
        }
        let turns = std::thread::available_parallelism().map_or(1, usize::from);
        let (temporary, turns) = (std::env::temp_dir(), Arc::new(Semaphore::new(turns)));
        Ok(Self { program, arguments, limits: LIMITS, temporary, turns })
    }

    /// What a file may take, from now on.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget { end: Instant::now() + self.limits.file, bytes: self.limits.file_bytes }
    }

    /// The text of one image, whose name ends as its format does. Dropping the
    /// future kills the program.
    ///
    /// # Errors
    /// [`Problem`].
    pub async fn recognise(&self, image: &Member, budget: &mut Budget) -> Result<String, Problem> {
        let came = Instant::now();
        let turn = self.turns.acquire().await;
        let _turn = turn.map_err(|_| Problem::Page("text recognition has ended".to_owned()))?;
        // Only its own time counts.
        budget.end += came.elapsed();
        let left = budget.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Problem::over());
        }
        let run = tokio::time::timeout(left.min(self.limits.page), self.run(image));
        let text = run.await.map_err(|_| Problem::Page(format!("`{}` takes too long", self.program)))??;
        budget.bytes = budget
            .bytes
            .checked_sub(text.len())
            .ok_or_else(|| Problem::Page("the text of the file is too long".to_owned()))?;
        Ok(text)
    }

    async fn run(&self, image: &Member) -> Result<String, Problem> {
        let machine =
            |error: io::Error| Problem::Machine(error.kind().to_string(), self.temporary.display().to_string());
        let folder = tempfile::tempdir_in(&self.temporary).map_err(machine)?;
        let extension: String =
            image.name.rsplit('.').next().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
        let path = folder.path().join(format!("page.{extension}"));
        tokio::fs::write(&path, &image.bytes).await.map_err(|error| {
            if may_ever_hold(&self.temporary, image.bytes.len() as u64) {
                return machine(error);
            }
            let size = image.bytes.len() >> 20;
            Problem::Page(format!("its picture of {size} MiB is more than {} holds", self.temporary.display()))
        })?;

        let input = path.to_string_lossy();
        let mut command = Command::new(&self.program);
        command.args(self.arguments.iter().map(|argument| argument.replace(INPUT, &input)));
        command.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|error| match error.kind() {
            // No process or no memory is to be had.
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => machine(error),
            kind => Problem::Program { program: self.program.clone(), reason: kind.to_string() },
        })?;
        let (status, text) = Running(child).output(self.limits.page_bytes).await.map_err(machine)?;
        if status.success() { Ok(text) } else { Err(Problem::Page(format!("`{}` ended with {status}", self.program))) }
    }
}

/// Whether a folder's disk would hold so many bytes if it were empty. One that does
/// not tell would.
fn may_ever_hold(folder: &Path, bytes: u64) -> bool {
    rustix::fs::statvfs(folder).map_or(true, |disk| disk.f_blocks.saturating_mul(disk.f_frsize) >= bytes)
}

/// A program at work; killed with what it started when dropped before its end.
struct Running(Child);

impl Running {
    /// How it ended, and what it printed until then, up to `most` bytes.
    async fn output(mut self, most: u64) -> io::Result<(ExitStatus, String)> {
        let stdout = self.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let bytes = first_of(stdout, most).await?;
        let status = self.0.wait().await?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // As long as its end was not taken note of, the number is its own.
        let group = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads to the end, so that the program can end, and keeps the first bytes.
async fn first_of(mut from: impl AsyncRead + Unpin, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut from).take(most).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
