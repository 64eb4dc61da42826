//! How a command can fail, and the exit code of each way.

use crate::client::ClientError;
use crate::error::Error;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Service(#[from] Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("{failed} of the documents could not be read; the report names them")]
    Partly { failed: usize },
    #[error("the index and the database differ; run `footnote doctor --fix`")]
    Drift,
    #[error("interrupted")]
    Interrupted,
    #[error("{0:#}")]
    Unexpected(#[from] anyhow::Error),
}

impl Failure {
    /// Whether the same may go well later: not where the caller must do something.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, Self::Interrupted | Self::Client(ClientError::Refused { status: 401 | 403, .. }))
    }

    /// 1 unexpected, 2 usage, 3 not allowed, 4 unreachable, 5 partly failed,
    /// 130 interrupted.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Service(Error::Invalid { .. } | Error::Conflict { .. }) => 2,
            Self::Client(ClientError::Refused { status, .. }) => match status {
                401 | 403 => 3,
                502 => 4,
                400..=499 => 2,
                _ => 1,
            },
            Self::Client(ClientError::Unreachable { .. })
            | Self::Unreachable(_)
            | Self::Service(Error::Unreachable { .. }) => 4,
            Self::Partly { .. } => 5,
            Self::Interrupted => 130,
            _ => 1,
        }
    }
}
