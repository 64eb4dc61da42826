//! `footnote ingest`: compares what is named with what is stored, sends what
//! changed, and waits until it is searchable.

mod inputs;
mod moves;
mod namesakes;
mod progress;
mod run;
mod wait;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use footnote_ingest::cli::{IngestArgs, Report};
use footnote_ingest::source::watch::Watch;
use footnote_ingest::store::collections::Collection;
use footnote_ingest::store::documents::Document;
use serde_json::json;

use crate::client::Client;
use crate::config::Settings;

use super::collections::find;
use super::failure::Failure;
use super::output::Output;
use inputs::Finder;
use run::Run;

pub(super) async fn run(client: &Client, args: IngestArgs, settings: Settings, output: Output) -> Result<(), Failure> {
    let finder = Finder::new(&args, &settings)?;
    let once = async || once(client, &args, &finder, settings.max_file_bytes, output).await;
    if args.watch {
        return watch(&finder, once, output).await;
    }
    let report = once().await?;
    print(&report, args.dry_run, output)?;
    match report.failed.len() {
        0 => Ok(()),
        failed => Err(Failure::Partly { failed }),
    }
}

/// How long a run that failed is left while something is watched.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Works whenever something changed.
async fn watch(
    finder: &Finder<'_>,
    once: impl AsyncFn() -> Result<Report, Failure>,
    output: Output,
) -> Result<(), Failure> {
    let places = finder.places()?;
    let mut is_first = true;
    loop {
        // Before the run, so that no change falls between the two; and each time
        // anew, for a file that was replaced is another one.
        let watched = Watch::new(&places).map_err(|error| Failure::Usage(error.to_string()));
        let done = match watched {
            Ok(watch) => once().await.map(|report| (watch, report)),
            Err(failure) => Err(failure),
        };
        let (mut watch, report) = match done {
            Ok(done) => done,
            // The server may be down for a moment, or the folder away or empty.
            Err(failure) if !is_first && failure.may_pass() => {
                output.note(&format!("{failure}; trying again in {} s", TRY_AGAIN.as_secs()));
                tokio::time::sleep(TRY_AGAIN).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if is_first || report.is_eventful() {
            print(&report, false, output)?;
        }
        is_first = false;
        watch.next().await;
    }
}

async fn once(
    client: &Client,
    args: &IngestArgs,
    finder: &Finder<'_>,
    max_bytes: u64,
    output: Output,
) -> Result<Report, Failure> {
    let started = Instant::now();
    let inputs = finder.find().await?;
    let collection = collection(client, args).await?;
    let known = match &collection {
        Some(collection) => known(client, collection).await?,
        None => HashMap::new(),
    };
    let id = collection.as_ref().map(|collection| collection.id);
    let mut run = Run::new(client, id, args, finder, known, max_bytes, output);
    run.send(inputs).await?;
    if args.prune {
        run.prune().await?;
    }
    if let (Some(id), false) = (id, args.dry_run) {
        wait::until_searchable(client, id, !args.no_wait, output).await?;
        run.settle().await?;
    }
    let mut report = run.report;
    report.failed.sort_by(|a, b| a.key.cmp(&b.key));
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// The collection; a dry run does not make one.
async fn collection(client: &Client, args: &IngestArgs) -> Result<Option<Collection>, Failure> {
    let found = find(client, &args.collection).await?;
    if found.is_some() || args.dry_run {
        return Ok(found);
    }
    let made = client.post("/api/v1/collections", &json!({ "name": args.collection })).await;
    match made {
        Ok(made) => Ok(Some(made)),
        // Somebody else made it meanwhile.
        Err(error) => Ok(Some(find(client, &args.collection).await?.ok_or(error)?)),
    }
}

async fn known(client: &Client, collection: &Collection) -> Result<HashMap<String, Document>, Failure> {
    let documents: Vec<Document> = client.all(&format!("/api/v1/documents?collection={}", collection.id)).await?;
    Ok(documents.into_iter().map(|document| (document.key.clone(), document)).collect())
}

fn print(report: &Report, dry_run: bool, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.json(report);
    }
    for failure in &report.failed {
        output.note(&format!("failed: {}: {}", failure.key, failure.reason));
    }
    let verb = if dry_run { "would be " } else { "" };
    if let Some(plan) = report.plan {
        let cost = plan.cost.map(|cost| format!(", which cost {cost:.4}")).unwrap_or_default();
        output.line(&format!("would send {} bytes, about {} tokens to embed{cost}", plan.bytes, plan.tokens))?;
    }
    output.line(&format!(
        "{} added, {} changed, {} moved, {} {verb}deleted, {} unchanged, {} skipped, {} failed; {} chunks, {} tokens, {:.1} s",
        report.added,
        report.changed,
        report.moved,
        report.deleted,
        report.unchanged,
        report.skipped,
        report.failed.len(),
        report.chunks,
        report.tokens,
        report.seconds,
    ))
}
