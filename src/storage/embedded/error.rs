//! What can go wrong, said so that the reader knows what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded Postgres did not start or stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// No usable Postgres binaries on this machine.
    #[error(
        "no Postgres 14 or newer was found{rejected}; install it (Debian and Ubuntu: `apt-get \
         install postgresql`, Fedora: `dnf install postgresql-server`, macOS: `brew install \
         postgresql@17`), or set `DATABASE_URL` to a running Postgres, or start everything with \
         `docker compose up`"
    )]
    NoBinaries {
        /// What was found and why it would not do; empty or starting with a space.
        rejected: String,
    },

    /// The cluster was made by a major version that is not installed.
    #[error(
        "the database in `{cluster}` was made by Postgres {wanted}, but only {found} was found; \
         install Postgres {wanted} beside it, or move the data with `pg_upgrade`"
    )]
    WrongVersion {
        /// The cluster's folder.
        cluster: PathBuf,
        /// The major version that made it.
        wanted: u32,
        /// What is installed.
        found: String,
    },

    /// Another process runs on this data folder.
    #[error(
        "`{data_dir}` is in use by another process; stop that process, or choose another folder \
         with `--data-dir`"
    )]
    InUse {
        /// The data folder.
        data_dir: PathBuf,
    },

    /// The user that Postgres must run as cannot reach the data folder.
    #[error(
        "Postgres refuses to run as root and user `{user}` cannot enter `{folder}`; choose a \
         folder elsewhere with `--data-dir`, such as `/var/lib/footnote`"
    )]
    CannotEnter {
        /// The first folder on the way that is closed.
        folder: PathBuf,
        /// The user that Postgres would run as.
        user: String,
    },

    /// Root, and no other user to run Postgres as.
    #[error(
        "Postgres refuses to run as root and `/etc/passwd` has neither `postgres` nor `nobody`; \
         run as another user, or add one with `useradd --system postgres`"
    )]
    NoServiceUser,

    /// The cluster belongs to somebody else.
    #[error(
        "`{path}` belongs to user id {owner}, not to {ours}; run as that user or as root, or \
         choose another folder with `--data-dir`"
    )]
    NotOwner {
        /// The cluster's folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        ours: u32,
    },

    /// The cluster's folder holds something else.
    #[error(
        "`{path}` is not empty and holds no Postgres database; move it away, or choose another \
         folder with `--data-dir`"
    )]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },

    /// Somebody else made the short folder that would hold the socket.
    #[error(
        "`{path}` cannot hold the database socket because {problem}; remove it, or choose a \
         shorter folder with `--data-dir`"
    )]
    SocketFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// No space left.
    #[error("the disk that holds `{path}` is full; free some space and start again")]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },

    /// The operating system refused.
    #[error(
        "no permission to {action} `{path}`; correct its owner or mode, or choose another folder with `--data-dir`"
    )]
    Permission {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },

    /// `initdb` failed.
    #[error("`initdb` could not make the database ({status}); its last words were:\n{log}")]
    InitDb {
        /// How it ended.
        status: String,
        /// The end of its output.
        log: String,
    },

    /// Postgres ended while it was starting.
    #[error("Postgres ended while starting ({status}); its last words were:\n{log}")]
    Ended {
        /// How it ended.
        status: String,
        /// The end of its log.
        log: String,
    },

    /// Postgres did not become ready in time.
    #[error("Postgres was not ready after {seconds} s; its last words were:\n{log}")]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// The end of its log.
        log: String,
    },

    /// A Postgres process outlived every signal.
    #[error("Postgres process {pid} does not end; end it with `kill -9 {pid}` and start again")]
    StillRunning {
        /// Its process id.
        pid: i32,
    },

    /// Any other failure of the operating system.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

impl EmbeddedError {
    /// Sorts an I/O error by what the reader can do about it.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::PermissionDenied => Self::Permission { action, path, source },
            _ => Self::Io { action, path, source },
        }
    }
}

/// Adds what was tried, and on what, to an I/O result.
pub(super) trait Tried<T> {
    /// Turns the error into an [`EmbeddedError`].
    fn tried(self, action: &'static str, path: &Path) -> Result<T, EmbeddedError>;
}

impl<T> Tried<T> for io::Result<T> {
    fn tried(self, action: &'static str, path: &Path) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::io(action, path, source))
    }
}
