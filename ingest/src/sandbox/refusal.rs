//! Why the sandbox hands no document back. Plain types.

use crate::parse::ParseError;

/// Why a file was not read.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The parser says no.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The file took more than it may; final as long as the limits stay.
    #[error("the file was given up: {detail}; {}", .which.advice())]
    Limit {
        /// What was exceeded.
        which: Limit,
        /// What happened, with the bound.
        detail: String,
    },
    /// No process to read it with; says nothing about the file.
    #[error(
        "no parser process can be started: {problem}; check the server's process and memory limits, then try again"
    )]
    Unavailable {
        /// What failed.
        problem: String,
    },
}

impl Refusal {
    /// Stable name of the reason, for programs, where it is not the parser's own.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Parse(error) => error.code(),
            Self::Limit { which, .. } => which.code(),
            Self::Unavailable { .. } => "parser_unavailable",
        }
    }

    /// Whether the same file will be refused again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Unavailable { .. })
    }
}

/// What a file can exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Private memory of the process.
    Memory,
    /// Processor time.
    Cpu,
    /// Time on the clock.
    Wall,
    /// Text, structure and members together.
    Output,
    /// None: the parser's process ended.
    Crash,
}

impl Limit {
    /// Stable name, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Memory => "parse_memory",
            Self::Cpu => "parse_cpu",
            Self::Wall => "parse_time",
            Self::Output => "parse_output",
            Self::Crash => "parse_crash",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Memory | Self::Cpu | Self::Wall | Self::Output => {
                "split it into smaller files and upload those, or ask the operator to raise this limit"
            }
            Self::Crash => "open it in its own program, save it again or export it to another format, and upload that",
        }
    }
}
