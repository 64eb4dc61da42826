//! The `ingest` command's arguments and its report. Floor 5.

use serde::{Deserialize, Serialize};

/// Reads documents into a collection.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct IngestArgs {
    /// Files, folders, globs, URLs, or `-` for standard input.
    #[arg(required = true, value_name = "PATH|GLOB|URL|-")]
    pub inputs: Vec<String>,
    /// The collection; made if it is not there.
    #[arg(long, env = "FOOTNOTE_COLLECTION", default_value = "default")]
    pub collection: String,
    /// Show what would be done, and do nothing.
    #[arg(long, env = "FOOTNOTE_DRY_RUN")]
    pub dry_run: bool,
    /// Delete documents of the collection that are not among the inputs.
    #[arg(long, env = "FOOTNOTE_PRUNE")]
    pub prune: bool,
    /// Keep running, and ingest what changes.
    #[arg(long, env = "FOOTNOTE_WATCH", conflicts_with = "dry_run")]
    pub watch: bool,
    /// Do the work again even for documents that did not change.
    #[arg(long, env = "FOOTNOTE_FORCE")]
    pub force: bool,
    /// Name of the document on standard input.
    #[arg(long, env = "FOOTNOTE_STDIN_NAME", default_value = "stdin.txt")]
    pub stdin_name: String,
    /// Return once documents are searchable by words; vectors follow when a
    /// server runs.
    #[arg(long, env = "FOOTNOTE_NO_WAIT")]
    pub no_wait: bool,
}

/// What a run of `ingest` came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Documents that were not there before.
    pub added: u64,
    /// Documents with other content than before.
    pub changed: u64,
    /// Documents that are as they were.
    pub unchanged: u64,
    /// Documents that `--prune` deleted.
    pub deleted: u64,
    /// Inputs that hold no document.
    pub skipped: u64,
    /// Inputs that could not be read.
    pub failed: Vec<Failure>,
    /// Chunks of the collection's documents after the run.
    pub chunks: u64,
    /// Tokens of those chunks.
    pub tokens: u64,
    /// Seconds it took.
    pub seconds: f64,
}

/// An input that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its key or path.
    pub key: String,
    /// What went wrong and what to do.
    pub reason: String,
}
