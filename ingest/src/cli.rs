//! The `ingest` command's arguments and its report. Floor 5.

use serde::{Deserialize, Serialize};

/// Reads documents into a collection.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct IngestArgs {
    /// Files, folders, globs, URLs, sitemaps (`https://site/sitemap.xml`, or
    /// `sitemap+https://` before any URL), buckets (`s3://bucket/prefix`), commits
    /// (`git+file:///folder@branch`), or `-` for standard input.
    #[arg(required = true, value_name = "PATH|GLOB|URL|-")]
    pub inputs: Vec<String>,
    /// The collection; made if it is not there.
    #[arg(long, env = "FOOTNOTE_COLLECTION", default_value = "default")]
    pub collection: String,
    /// Take only these of what folders, buckets, commits and sitemaps list: a name
    /// (`*.md`) or a path (`docs/**/*.md`). May be given several times.
    #[arg(long, env = "FOOTNOTE_INCLUDE", value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave these out, as `.gitignore` and `.footnoteignore` do for folders. May be
    /// given several times.
    #[arg(long, env = "FOOTNOTE_EXCLUDE", value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// `-` and `*.jsonl` hold one document a line: `{"key", "text", "title", "uri",
    /// "meta"}`.
    #[arg(long, env = "FOOTNOTE_RECORDS")]
    pub records: bool,
    /// Fetch web pages from this machine and from private networks too.
    #[arg(long, env = "FOOTNOTE_ALLOW_PRIVATE")]
    pub allow_private: bool,
    /// Show what would be done and about how many tokens that would embed, and do
    /// nothing.
    #[arg(long, env = "FOOTNOTE_DRY_RUN")]
    pub dry_run: bool,
    /// What a million tokens cost at the embedding provider, for a dry run's
    /// cost.
    #[arg(long, env = "FOOTNOTE_EMBEDDING_PRICE", value_name = "PRICE")]
    pub price: Option<f64>,
    /// Delete documents of the collection that are not among the inputs.
    #[arg(long, env = "FOOTNOTE_PRUNE")]
    pub prune: bool,
    /// Keep running, and ingest what changes.
    #[arg(long, env = "FOOTNOTE_WATCH", conflicts_with = "dry_run")]
    pub watch: bool,
    /// Do the work again even for documents that did not change.
    #[arg(long, env = "FOOTNOTE_FORCE")]
    pub force: bool,
    /// Read before other documents of the collection that wait, the higher the sooner: -100
    /// to 100.
    #[arg(long, env = "FOOTNOTE_PRIORITY", default_value_t = 0, allow_negative_numbers = true,
          value_parser = clap::value_parser!(i16).range(-100..=100))]
    pub priority: i16,
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
    /// Documents whose file has another name or place than before.
    pub moved: u64,
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
    /// What a dry run would have sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

impl Report {
    /// Whether anything was done, or went wrong.
    #[must_use]
    pub fn is_eventful(&self) -> bool {
        self.added + self.changed + self.moved + self.deleted + self.skipped > 0 || !self.failed.is_empty()
    }
}

/// What documents would cost that are to be added or changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Their bytes, as they are.
    pub bytes: u64,
    /// Tokens to embed, about: a quarter of the bytes.
    pub tokens: u64,
    /// What those cost, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// An input that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its key or path.
    pub key: String,
    /// What went wrong and what to do.
    pub reason: String,
}
