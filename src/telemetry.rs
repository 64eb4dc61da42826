//! Logs: one line an event on standard error, never secrets, never on standard
//! output, which belongs to data.

use std::io::{self, IsTerminal, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Crates whose logs are this service's own, which say nothing of what somebody
/// wrote. `log` is what records of the older kind are called once their own
/// names were looked at.
const OWN: &[&str] = &["footnote", "footnote_ingest", "log"];
/// Libraries whose logs up to `debug` tell of connections and statements, and of
/// nothing that goes through them.
const PLAIN: &[&str] = &["hyper", "hyper_util", "reqwest", "rustls", "sqlx", "tower", "tower_http"];
/// Libraries that write what they read into all that they log: messages of MCP,
/// and texts of pages and files.
const TELLING: &[&str] = &["html5ever", "markup5ever", "pdf_oxide", "rmcp", "selectors"];

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line: `timestamp`, `level`, `message`, the fields of the
    /// event, and `span` with those of the request.
    Json,
}

/// Starts logging. `RUST_LOG` wins; else `-q` leaves errors, each `-v` adds. A
/// server says what it does; a command speaks for itself and logs warnings. What
/// libraries would tell of documents and questions is left out, whatever is wanted.
pub fn start(quiet: bool, verbose: u8, serving: bool, format: LogFormat) {
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
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| OneLine(io::stderr()))
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let started = match format {
        LogFormat::Text => events.finish().with(filter_fn(is_allowed)).try_init(),
        LogFormat::Json => {
            let events = events.json().flatten_event(true).with_span_list(false);
            events.finish().with(filter_fn(is_allowed)).try_init()
        }
    };
    if started.is_err() {
        // A second start within one process, as in tests: the first one stays.
        tracing::debug!("logging was started before");
    }
}

/// Whether an event or span may be logged at all.
fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let name = metadata.target().split("::").next().unwrap_or_default();
    let most = match name {
        _ if OWN.contains(&name) => Level::TRACE,
        _ if PLAIN.contains(&name) => Level::DEBUG,
        _ if TELLING.contains(&name) => return name != "rmcp" && *metadata.level() == Level::ERROR,
        _ => Level::INFO,
    };
    *metadata.level() <= most
}

/// Keeps each event on one line, whatever stands in it: a line end in what
/// somebody wrote would begin a line that looks like the service's own. Events
/// come whole, in one piece.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (inner, end) = match event.strip_suffix(b"\n") {
            Some(inner) => (inner, &b"\n"[..]),
            None => (event, &b""[..]),
        };
        if !inner.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            self.0.write_all(event)?;
            return Ok(event.len());
        }
        let mut line = Vec::with_capacity(event.len() + 16);
        for byte in inner {
            match byte {
                b'\n' => line.extend_from_slice(br"\n"),
                b'\r' => line.extend_from_slice(br"\r"),
                other => line.push(*other),
            }
        }
        line.extend_from_slice(end);
        self.0.write_all(&line)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of what is logged meanwhile, as text or as JSON.
    fn lines(json: bool, work: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        let writer = kept.clone();
        let events = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(move || OneLine(writer.clone()));
        if json {
            let events = events.json().flatten_event(true).with_span_list(false);
            tracing::subscriber::with_default(events.finish().with(filter_fn(is_allowed)), work);
        } else {
            tracing::subscriber::with_default(events.finish().with(filter_fn(is_allowed)), work);
        }
        let bytes = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn no_line_end_in_what_is_logged_begins_another_line() {
        let forged = "ada\r\n2026-01-01T00:00:00Z  INFO forged\rforged\nforged";
        for json in [false, true] {
            let lines = lines(json, || {
                tracing::warn!(name = forged, shown = %forged, debugged = ?forged, "{forged}");
                let span = tracing::info_span!("request", id = forged, route = %forged);
                span.in_scope(|| tracing::info!("answered"));
            });
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines.iter().all(|line| !line.contains('\r')), "{lines:?}");
            if json {
                let read = |line: &String| serde_json::from_str::<serde_json::Value>(line);
                assert!(lines.iter().map(read).all(|read| read.is_ok()), "{lines:?}");
            }
        }
    }

    #[test]
    fn what_libraries_tell_of_texts_is_left_out_at_every_level() {
        let lines = lines(false, || {
            tracing::error!(target: "rmcp::service", "canary");
            tracing::debug!(target: "rmcp::service", "canary");
            tracing::warn!(target: "html5ever::tokenizer", "canary");
            tracing::trace!(target: "hyper::proto::h1", "canary");
            tracing::debug!(target: "a_new_library", "canary");
            tracing::trace!(target: "footnote::chat", "ours");
            tracing::debug!(target: "sqlx::query", "a statement");
            tracing::info!(target: "a_new_library", "a word");
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(!lines.concat().contains("canary"), "{lines:?}");
    }
}
