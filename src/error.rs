//! One error for all services, by what the caller can do about it. Names no
//! HTTP: each front door translates it once.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use footnote_ingest::Error as CorpusError;
use sqlx::error::DatabaseError;

use crate::llm::LlmError;
use crate::storage::embedded::EmbeddedError;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
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
    /// A setting that the operator can mend.
    #[error("`{setting}` {problem}")]
    Setting {
        /// The setting.
        setting: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// It collides with what is there.
    #[error("{what} {problem}")]
    Conflict {
        /// What kind of thing.
        what: &'static str,
        /// How it collides.
        problem: String,
    },
    /// No credential, or one that is not good.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The caller may not.
    #[error("{what} {problem}")]
    Forbidden {
        /// What may not be done.
        what: &'static str,
        /// Why, and who may.
        problem: String,
    },
    /// The caller came too often.
    #[error("{what} was tried too often; try again in {seconds} s")]
    TooOften {
        /// What was tried.
        what: &'static str,
        /// Seconds to wait.
        seconds: u64,
    },
    /// The service cannot take it now.
    #[error("{0} is busy; try again shortly")]
    Busy(&'static str),
    /// The caller met a limit that passes by itself.
    #[error("too many {what}; try again in {} seconds", .retry_after.as_secs().max(1))]
    Limited {
        /// What there were too many of.
        what: &'static str,
        /// When there is room again, as far as that is known.
        retry_after: Duration,
    },
    /// The caller has used up what it may take in a day.
    #[error("the day's {what} are used up; go on after midnight UTC, or have the limit raised")]
    UsedUp {
        /// What is used up.
        what: &'static str,
        /// Until then.
        retry_after: Duration,
    },
    /// Something configured does not answer.
    #[error("{what} {problem}")]
    Unreachable {
        /// The setting that names it.
        what: &'static str,
        /// What happened and what to do.
        problem: String,
    },
    /// The data folder belongs to another process that is no server.
    #[error(
        "another footnote command is working on `{0}`; wait for it, or start `footnote serve` and both go through it"
    )]
    InUse(PathBuf),
    /// The private database could not be started.
    #[error(transparent)]
    Postgres(#[from] EmbeddedError),
    /// The answer model failed.
    #[error(transparent)]
    Llm(LlmError),
    /// The corpus half failed.
    #[error(transparent)]
    Corpus(CorpusError),
    /// Postgres failed.
    #[error("the database failed")]
    Storage(#[from] sqlx::Error),
    /// Anything that nobody can do something about.
    #[error("internal error")]
    Internal(#[from] anyhow::Error),
}

impl Error {
    /// As the log may tell it: without a provider's own words, and without the
    /// rows and values that Postgres repeats in its errors.
    #[must_use]
    pub fn silent(&self) -> String {
        match self {
            Self::Llm(error) => error.silent(),
            Self::Storage(error) => match error.as_database_error() {
                Some(error) => of_postgres(error),
                None => format!("{error:?}"),
            },
            other => format!("{other:?}"),
        }
    }

    /// What of the database was waited for in vain, if it is that: what was asked
    /// for is to be asked for again shortly.
    #[must_use]
    pub fn waited_for(&self) -> Option<&'static str> {
        let Self::Storage(error) = self else { return None };
        match error {
            sqlx::Error::PoolTimedOut => Some("all database connections are in use"),
            sqlx::Error::Io(_) => Some(AWAY),
            error => match error.as_database_error()?.code()?.as_ref() {
                LOCK_NOT_AVAILABLE => Some("what this needs is in use elsewhere"),
                DISK_FULL => Some("the database's disk is full"),
                code if GOING_OR_COMING.contains(&code) => Some(AWAY),
                _ => None,
            },
        }
    }

    /// Whether there is no room on the disk: nothing was stored, and that passes
    /// when somebody frees some.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Corpus(CorpusError::DiskFull { .. }) => true,
            Self::Corpus(CorpusError::Io { source, .. }) => {
                matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            Self::Storage(error) => {
                error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == DISK_FULL)
            }
            _ => false,
        }
    }
}

/// Said of a database that is started again, or not reached.
const AWAY: &str = "the database does not answer";
/// The code of a lock that was not to be had in time. This and the others are
/// after Postgres's manual, appendix A.
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// The code of a write that found no room.
const DISK_FULL: &str = "53100";
/// The codes with which a server that stops, breaks down or starts ends
/// connections.
const GOING_OR_COMING: [&str; 3] = ["57P01", "57P02", "57P03"];
/// The code of the class "data exception", whose messages repeat what is wrong.
const DATA_EXCEPTION: &str = "22";

fn of_postgres(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let message = if code.starts_with(DATA_EXCEPTION) { "a value does not fit" } else { error.message() };
    let mut told = format!("Postgres: {message} (code {code}");
    for (name, of) in [("table", error.table()), ("constraint", error.constraint())] {
        if let Some(of) = of {
            let _ = write!(told, ", {name} {of}");
        }
    }
    told.push(')');
    told
}

impl From<LlmError> for Error {
    fn from(error: LlmError) -> Self {
        match error {
            LlmError::Misconfigured { setting, problem } => Self::Setting { setting, problem },
            other => Self::Llm(other),
        }
    }
}

impl From<CorpusError> for Error {
    fn from(error: CorpusError) -> Self {
        match error {
            CorpusError::NotFound(what) => Self::NotFound(what),
            CorpusError::Invalid { field, problem } => Self::Invalid { field, problem },
            CorpusError::Storage(error) => Self::Storage(error),
            other => Self::Corpus(other),
        }
    }
}
