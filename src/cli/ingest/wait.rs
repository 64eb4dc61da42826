//! Waiting until documents are searchable, with a bar to watch, or lines where
//! nobody does.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::client::Client;
use crate::ids::CollectionId;

use super::super::failure::Failure;
use super::super::output::Output;
use super::progress::Lines;
use super::run::Detail;

/// How often progress is asked for.
const ASK: Duration = Duration::from_millis(100);
/// How often a line says how far it is, at most.
const SAY: Duration = Duration::from_secs(10);
/// How long ingestion may stand still before a command gives up.
const STALLED: Duration = Duration::from_mins(1);

/// Returns when the collection's documents are searchable by words, and by
/// meaning too if that is wanted.
pub(super) async fn until_searchable(
    client: &Client,
    collection: CollectionId,
    by_meaning: bool,
    output: Output,
) -> Result<(), Failure> {
    let bar = bar(output);
    let mut lines = output.is_logged().then(|| Lines::new(SAY, by_meaning, Instant::now()));
    let path = format!("/api/v1/collections/{collection}");
    let mut stalled_since: Option<Instant> = None;
    loop {
        let Detail { progress, stalled } = client.get(&path).await?;
        let waiting = progress.queued + if by_meaning { progress.words } else { 0 };
        bar.set_length(u64::try_from(progress.chunks).unwrap_or_default());
        bar.set_position(u64::try_from(progress.embedded).unwrap_or_default());
        bar.set_message(format!("{} documents to be read", progress.queued));
        if waiting == 0 {
            bar.finish_and_clear();
            return Ok(());
        }
        if let Some(line) = lines.as_mut().and_then(|lines| lines.due(&progress, Instant::now())) {
            output.note(&line);
        }
        match stalled {
            None => stalled_since = None,
            Some(reason) => {
                let since = *stalled_since.get_or_insert_with(Instant::now);
                if since.elapsed() > STALLED {
                    bar.finish_and_clear();
                    let kept = "what was sent is kept, and goes on when the cause is gone";
                    return Err(Failure::Unexpected(anyhow::anyhow!("ingestion stands still: {reason}; {kept}")));
                }
            }
        }
        tokio::time::sleep(ASK).await;
    }
}

fn bar(output: Output) -> ProgressBar {
    let target = if output.is_watched() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} chunks by meaning, {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
