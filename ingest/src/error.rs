//! What can go wrong between a document and its vectors, by what the caller
//! can do about it. Floor 1: names no HTTP and no SQL statement.

use std::path::PathBuf;

use crate::quota::Exceeded;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that every face of the service can translate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such thing, or not the caller's: the two are not told apart.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A value that the caller can mend.
    #[error("`{field}` {problem}")]
    Invalid {
        /// The field as the caller named it.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A limit on size.
    #[error("{what} is {actual} bytes, over the limit of {limit}; {hint}")]
    TooLarge {
        /// What was measured.
        what: String,
        /// Its size in bytes.
        actual: u64,
        /// The most that is taken.
        limit: u64,
        /// What to do.
        hint: &'static str,
    },
    /// The owner would have more than a quota gives; nothing was written.
    #[error(transparent)]
    Quota(#[from] Exceeded),
    /// The disk has no room; nothing was written.
    #[error(
        "only {available} bytes are free under `{path}` and {reserve} are kept in reserve; free some space or choose another data folder, then try again"
    )]
    DiskFull {
        /// The folder that was about to grow.
        path: PathBuf,
        /// Bytes that are free.
        available: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
    /// The embedding model or its runtime is missing or does not fit.
    #[error("{0}")]
    EmbedderSetup(String),
    /// The embedder failed on a text, or its provider did.
    #[error("embedding failed: {0}")]
    Embedder(String),
    /// The embedder's provider does not take a text: the same again ends the same.
    #[error("the embedding provider refuses a text: {0}")]
    EmbedderRefused(String),
    /// Files cannot be read at all: the process for it does not start.
    #[error("{0}")]
    Reader(String),
    /// Nothing has moved for a while.
    #[error("ingestion stands still: {0}; what was taken in is kept, and goes on when the cause is gone")]
    Stalled(String),
    /// The vector index is held by another process.
    #[error("the index under `{0}` is open in another process; stop it, or run the command against its server")]
    IndexLocked(PathBuf),
    /// The vector index failed.
    #[error("the vector index failed: {0}")]
    Index(String),
    /// The vector index holds vectors of another shape or model.
    #[error("{0}")]
    IndexMismatch(String),
    /// Queries went over to another build of the index meanwhile.
    #[error("the index was changed over to another embedding model; what was under way is done again for that one")]
    ChangedOver,
    /// Postgres failed.
    #[error("the database failed")]
    Storage(#[from] sqlx::Error),
    /// A worker thread ended early.
    #[error("a worker thread ended early")]
    Worker(#[from] tokio::task::JoinError),
    /// A line of work panicked, by a fault of this program. Standard error says
    /// where; the words of a panic may quote a document.
    #[error("a line of work broke off; standard error says where")]
    Panicked,
    /// Reading or writing files failed.
    #[error("`{path}`: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the database refused what was given to it, such as a text with the
    /// character NUL: not the moment is to blame, but the data (classes 22, 23 and 54
    /// of "PostgreSQL Error Codes").
    #[must_use]
    pub fn is_of_data(&self) -> bool {
        let Self::Storage(sqlx::Error::Database(refusal)) = self else { return false };
        refusal.code().is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
    }

    /// An error about a file or folder.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
