//! `footnote ingest`: compares what is named with what is stored, sends what
//! changed, and waits until it is searchable.

mod inputs;
mod run;
mod wait;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use footnote_ingest::cli::{IngestArgs, Report};
use footnote_ingest::store::collections::Collection;
use footnote_ingest::store::documents::Document;
use serde_json::json;

use crate::client::Client;

use super::collections::find;
use super::failure::Failure;
use super::output::Output;
use inputs::Inputs;
use run::Run;

/// How often a watched input is looked at.
const WATCH: Duration = Duration::from_secs(2);

pub(super) async fn run(client: &Client, args: IngestArgs, max_bytes: u64, output: Output) -> Result<(), Failure> {
    if args.watch {
        return watch(client, &args, max_bytes, output).await;
    }
    let report = once(client, &args, max_bytes, output).await?;
    print(&report, args.dry_run, output)?;
    match report.failed.len() {
        0 => Ok(()),
        failed => Err(Failure::Partly { failed }),
    }
}

/// Looks again and again, and works when something changed.
async fn watch(client: &Client, args: &IngestArgs, max_bytes: u64, output: Output) -> Result<(), Failure> {
    let mut last = None;
    loop {
        let state = Inputs::fingerprint(&args.inputs);
        if last.as_ref() != Some(&state) {
            let report = once(client, args, max_bytes, output).await?;
            print(&report, false, output)?;
            last = Some(state);
        }
        tokio::time::sleep(WATCH).await;
    }
}

async fn once(client: &Client, args: &IngestArgs, max_bytes: u64, output: Output) -> Result<Report, Failure> {
    let started = Instant::now();
    let inputs = Inputs::find(&args.inputs, &args.stdin_name)?;
    let collection = collection(client, args).await?;
    let known = match &collection {
        Some(collection) => known(client, collection).await?,
        None => HashMap::new(),
    };
    let id = collection.as_ref().map(|collection| collection.id);
    let mut run = Run::new(client, id, args, known, max_bytes, output);
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
    output.line(&format!(
        "{} added, {} changed, {} {verb}deleted, {} unchanged, {} skipped, {} failed; {} chunks, {} tokens, {:.1} s",
        report.added,
        report.changed,
        report.deleted,
        report.unchanged,
        report.skipped,
        report.failed.len(),
        report.chunks,
        report.tokens,
        report.seconds,
    ))
}
