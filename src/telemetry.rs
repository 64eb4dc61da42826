//! Logs: readable lines on standard error, never secrets, never on standard
//! output, which belongs to data.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` wins; else `-q` leaves errors, each `-v` adds. A
/// server says what it does; a command speaks for itself and logs warnings.
pub fn start(quiet: bool, verbose: u8, serving: bool) {
    let ours = match (quiet, verbose) {
        (true, _) => "error",
        // The embedded index warns of settings that only its server has, the PDF
        // reader of each oddity of a file, the MCP library of whatever servers say.
        (false, 0) if serving => "warn,qdrant_edge=error,pdf_oxide=error,rmcp=off,footnote=info,footnote_ingest=info",
        (false, 0) => "warn,qdrant_edge=error,pdf_oxide=error,rmcp=off",
        (false, 1) => "info,qdrant_edge=error,pdf_oxide=error,rmcp=off,footnote=debug,footnote_ingest=debug",
        (false, _) => "debug,rmcp=off",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(ours));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    if started.is_err() {
        // A second start within one process, as in tests: the first one stays.
        tracing::debug!("logging was started before");
    }
}
