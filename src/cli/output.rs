//! What commands print.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::failure::Failure;

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
    pub(super) quiet: bool,
}

impl Output {
    /// Prints data as JSON, on one line.
    pub(super) fn json(self, data: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(data).map_err(anyhow::Error::from)?;
        self.line(&line)
    }

    /// Prints a line of data.
    pub(super) fn line(self, line: &str) -> Result<(), Failure> {
        self.raw(format!("{line}\n").as_bytes())
    }

    /// Prints data as it is, at once. A reader that went away ends the command
    /// quietly, as it ends other programs.
    pub(super) fn raw(self, data: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(data).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            done => Ok(done.map_err(anyhow::Error::from)?),
        }
    }

    /// Says something to the person at the terminal.
    pub(super) fn note(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Says what is said only once, even to those who want to hear nothing.
    pub(super) fn say(self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Whether someone watches.
    pub(super) fn is_watched(self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Whether what goes on is told in lines: nobody watches, but nobody asked
    /// for silence.
    pub(super) fn is_logged(self) -> bool {
        !self.quiet && !std::io::stderr().is_terminal()
    }

    /// Says why a command failed, and returns its exit code.
    pub(super) fn failed(self, failure: &Failure) -> ExitCode {
        let _ = writeln!(std::io::stderr(), "error: {failure}");
        tracing::debug!(?failure, "failed");
        ExitCode::from(failure.exit_code())
    }
}
