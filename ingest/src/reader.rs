//! Where files are read: in this process, or in child processes with limits;
//! and text recognition around it. Floor 3: imports the parsers, the sandbox and
//! text recognition.
//!
//! Recognition is done in three steps, for a reader's process may start no
//! program: it says which pages are pictures and gives them out, the operator's
//! program reads them, and a reader's process writes the document with the
//! texts in their pages' places.

use std::sync::Arc;
use std::time::Duration;

use crate::config::ParserLimits;
use crate::document::{Member, Parsed};
use crate::error::Result;
use crate::ocr::{Ocr, Problem};
use crate::parse::{self, ParseError, Purpose, Source};
use crate::quota::Exceeded;
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
    crate::sandbox::serve(parse::answer)
}

/// Pages whose pictures are asked for at once.
const SCANS_AT_ONCE: usize = 4;

/// Reads files. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Reader {
    backend: Backend,
    ocr: Option<Arc<Ocr>>,
}

#[derive(Debug, Clone)]
enum Backend {
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
    /// Its owner may have no more.
    Quota(Exceeded),
    /// Our own fault.
    Failed(String),
    /// This machine lacks what it takes for the moment, which says nothing about the
    /// file, nor about others.
    Later(String),
    /// No reader can be had; says nothing about the file.
    Unavailable(String),
}

impl From<ParseError> for Unread {
    fn from(error: ParseError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Exceeded> for Unread {
    fn from(exceeded: Exceeded) -> Self {
        Self::Quota(exceeded)
    }
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Parse(error) => Self::Unreadable(error),
            Refusal::Limit { which, .. } => Self::Limit { code: which.code(), message: refusal.to_string() },
            Refusal::Unavailable { .. } => Self::Unavailable(refusal.to_string()),
        }
    }
}

impl Reader {
    /// A reader in this process, without limits: for tests and measurements.
    #[must_use]
    pub fn here() -> Self {
        Self { backend: Backend::Here, ocr: None }
    }

    /// A reader in child processes of `program`, with `limits` for each file.
    #[must_use]
    pub fn sandboxed(program: std::path::PathBuf, limits: ParserLimits, max_file_bytes: u64) -> Self {
        let usual = SandboxConfig::new(program, vec![CHILD_ARG.into()]);
        let sandbox = Sandbox::new(SandboxConfig {
            memory_bytes: limits.memory_bytes.max(max_file_bytes.saturating_mul(MEMORY_FOR_A_BYTE)),
            cpu_seconds: limits.cpu_seconds,
            wall: Duration::from_secs(limits.wall_seconds),
            output_bytes: usual.output_bytes.max(max_file_bytes.saturating_mul(2)),
            ..usual
        });
        Self { backend: Backend::Sandboxed(sandbox), ocr: None }
    }

    /// The same, with a command that prints the text of an image: see
    /// [`Ocr::new`].
    ///
    /// # Errors
    /// As [`Ocr::new`].
    pub fn with_ocr(self, command: Option<&str>) -> Result<Self> {
        Ok(Self { ocr: command.map(Ocr::new).transpose()?.map(Arc::new), ..self })
    }

    /// Starts what reading needs ahead of the first file, and logs how far it is
    /// confined.
    ///
    /// # Errors
    /// [`crate::Error::Reader`] when no file could be read at all.
    pub async fn warm(&self) -> crate::Result<()> {
        if let Backend::Sandboxed(sandbox) = &self.backend {
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
        let file = File { bytes: Arc::new(bytes), name, media_type };
        let read = self.ask(&file, Purpose::Text).await;
        let scans = match &read {
            Ok(parsed) => parsed.map.scans.clone(),
            Err(Unread::Unreadable(ParseError::NeedsOcr { pages })) => {
                (1..=u32::try_from(*pages).unwrap_or(u32::MAX)).collect()
            }
            Err(_) => return read,
        };
        let Some(ocr) = self.ocr.as_deref().filter(|_| !scans.is_empty()) else {
            if read.is_ok() && !scans.is_empty() {
                tracing::info!(name, pages = ?scans, "pages are pictures; set FOOTNOTE_OCR_COMMAND to read them");
            }
            return read;
        };
        let (texts, problem) = self.recognise(&file, &scans, ocr).await?;
        match (texts.is_empty(), problem) {
            (false, _) => self.ask(&file, Purpose::Recognised(texts)).await,
            // What could be read by itself is worth having.
            (true, Some(problem)) if read.is_err() => Err(problem),
            (true, _) => read,
        }
    }

    /// The texts of these pages, and the first problem, if there was any.
    ///
    /// # Errors
    /// When no page can be recognised at all now.
    async fn recognise(&self, file: &File<'_>, pages: &[u32], ocr: &Ocr) -> Result<Recognised, Unread> {
        let mut budget = ocr.budget();
        let (mut texts, mut first) = (Vec::new(), None);
        for pages in pages.chunks(SCANS_AT_ONCE) {
            if budget.is_over() {
                tracing::warn!(name = file.name, from = pages.first(), "the time for the file is over");
                first.get_or_insert(Problem::over().into());
                break;
            }
            let images = match self.ask(file, Purpose::Scans(pages.to_vec())).await {
                Ok(answer) => answer.members,
                // It says nothing about the pages.
                Err(problem @ Unread::Unavailable(_)) => return Err(problem),
                Err(problem) => {
                    tracing::warn!(name = file.name, ?pages, ?problem, "scanned pages stay without text");
                    first.get_or_insert(problem);
                    continue;
                }
            };
            for (page, image) in images.iter().filter_map(|image| Some((page_of(image, pages)?, image))) {
                match ocr.recognise(image, &mut budget).await {
                    Ok(text) if text.trim().is_empty() => {}
                    Ok(text) => texts.push((page, text)),
                    Err(problem) if problem.is_of_all() => return Err(problem.into()),
                    Err(problem) => {
                        tracing::warn!(name = file.name, page, %problem, "a scanned page stays without text");
                        first.get_or_insert(problem.into());
                    }
                }
            }
        }
        Ok((texts, first))
    }

    async fn ask(&self, file: &File<'_>, purpose: Purpose) -> Result<Parsed, Unread> {
        let File { bytes, name, media_type } = file;
        match &self.backend {
            Backend::Here => {
                let (bytes, name) = (Arc::clone(bytes), (*name).to_owned());
                let media_type = media_type.map(str::to_owned);
                let read = move || {
                    let source = Source { bytes: &bytes, name: Some(&name), media_type: media_type.as_deref() };
                    parse::answer(&source, &purpose)
                };
                let read = tokio::task::spawn_blocking(read).await;
                Ok(read.map_err(|_| Unread::Failed("the parser ended early".to_owned()))??)
            }
            Backend::Sandboxed(sandbox) => {
                let source = Source { bytes, name: Some(name), media_type: *media_type };
                Ok(sandbox.ask(&source, &purpose).await?)
            }
        }
    }
}

/// A file, shared by the requests about it.
struct File<'a> {
    bytes: Arc<Vec<u8>>,
    name: &'a str,
    media_type: Option<&'a str>,
}

/// Texts by the numbers of their pages, and the first problem.
type Recognised = (Vec<(u32, String)>, Option<Unread>);

/// The number of the page that an image is of, if it is one of these.
fn page_of(image: &Member, pages: &[u32]) -> Option<u32> {
    let number = image.name.split('.').next()?.parse().ok()?;
    pages.contains(&number).then_some(number)
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        let message = format!("text recognition (OCR) of the scanned pages failed: {problem}");
        match problem {
            Problem::Machine(..) => Self::Later(message),
            Problem::Program { .. } | Problem::Page(_) => Self::Limit { code: "ocr_failed", message },
        }
    }
}

#[cfg(test)]
mod tests;
