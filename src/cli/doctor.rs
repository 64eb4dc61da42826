//! `footnote doctor`.

use footnote_ingest::doctor::Drift;
use serde_json::json;

use crate::client::Client;

use super::failure::Failure;
use super::output::Output;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Mend what is found.
    #[arg(long, env = "FOOTNOTE_FIX")]
    fix: bool,
}

pub(super) async fn run(client: &Client, args: Args, output: Output) -> Result<(), Failure> {
    let drift: Drift = client.post("/api/v1/admin/doctor", &json!({ "fix": args.fix })).await?;
    if output.json {
        output.json(&drift)?;
    } else {
        output.line(&format!("{} chunks in the database, {} points in the index", drift.chunks, drift.points))?;
        let findings = [
            (drift.missing, "chunks are not in the index"),
            (drift.orphaned, "points belong to no chunk"),
            (drift.without_vector, "points lack the vector that the database says they have"),
        ];
        for (count, what) in findings.into_iter().filter(|(count, _)| *count > 0) {
            output.line(&format!("{count} {what}"))?;
        }
        match (drift.is_none(), args.fix) {
            (true, _) => output.line("They agree.")?,
            (false, true) => output.line("Mended; what has to be made again is queued.")?,
            (false, false) => {}
        }
    }
    if drift.is_none() || args.fix { Ok(()) } else { Err(Failure::Drift) }
}
