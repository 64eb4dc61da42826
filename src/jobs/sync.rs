//! A sync: takes in what changed in folders on the server.

use std::collections::HashSet;
use std::path::Path;

use footnote_ingest::Error as CorpusError;
use footnote_ingest::corpus::Incoming;
use footnote_ingest::scope::Scope;
use footnote_ingest::source::walk::{self, Found, Selection};
use footnote_ingest::store::documents::Outcome;
use footnote_ingest::store::members::Access;
use footnote_ingest::store::synced;
use serde::Serialize;

use crate::app::App;
use crate::error::{Error, Result};
use crate::schedules::is_below;
use crate::sharing;
use crate::storage::schedules::Sync;

/// Failures that are recorded, at most; all are counted.
const MAX_NAMED: usize = 100;

/// What a sync came to.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    added: u64,
    changed: u64,
    unchanged: u64,
    deleted: u64,
    failed: u64,
    /// The first of those that failed, and why.
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
struct Failure {
    key: String,
    reason: String,
}

impl Report {
    fn fail(&mut self, key: String, reason: impl Into<String>) {
        self.failed += 1;
        if self.failures.len() < MAX_NAMED {
            self.failures.push(Failure { key, reason: reason.into() });
        }
    }
}

/// Takes in the files under keys that start with the schedule's name. What is
/// gone is deleted on request, unless something could not be looked into or a
/// folder holds nothing at all: one that is not mounted deletes nothing.
pub(super) async fn run(app: &App, scope: Scope, name: &str, sync: &Sync) -> Result<Report> {
    // Who set it up may have been let in since, or shown out.
    let scope = sharing::access(app, scope, sync.collection, Access::Writer).await?;
    let (inputs, roots) = (sync.inputs.clone(), app.settings.sync_roots.clone());
    let discovered = tokio::task::spawn_blocking(move || {
        let outside = inputs.iter().find(|input| !is_below(fixed_part(input), &roots));
        if let Some(outside) = outside {
            let problem = format!("`{outside}` is not there, or not under a folder of FOOTNOTE_SYNC_ROOTS");
            return Err(Error::Invalid { field: "inputs", problem });
        }
        let mut discovered = walk::discover(&inputs, &Selection::default())?;
        discovered.files.retain(|file| is_below(&file.path, &roots));
        Ok(discovered)
    })
    .await
    .map_err(|error| Error::Internal(error.into()))??;

    let mut report = Report::default();
    let prefix = format!("{name}/");
    let is_whole = discovered.unreadable.is_empty() && discovered.empty.is_empty() && !discovered.files.is_empty();
    for (key, reason) in discovered.unreadable {
        report.fail(key, reason);
    }
    let mut keys = HashSet::new();
    for Found { key, path, .. } in discovered.files {
        let key = format!("{prefix}{key}");
        // Two folders may hold files of one name: the first one has it.
        if keys.insert(key.clone()) {
            take(app, scope, sync, &key, &path, &mut report).await?;
        }
    }
    if sync.prune && is_whole {
        let keys: Vec<String> = keys.into_iter().collect();
        let places: Vec<String> = sync.inputs.iter().filter_map(|input| place(input)).collect();
        let stale = synced::stale(&app.db, scope, sync.collection, &prefix, &places, &keys).await?;
        if !stale.is_empty() {
            app.corpus.delete(scope, Some(sync.collection), Some(&stale)).await?;
            report.deleted = stale.len() as u64;
        }
    }
    Ok(report)
}

/// The part of an input before its first wildcard, which must be there.
fn fixed_part(input: &str) -> &Path {
    let path = Path::new(input);
    if path.exists() {
        return path;
    }
    let wild = input.find(['*', '?', '[', '{']).unwrap_or(input.len());
    Path::new(input[..wild].rfind('/').map_or("", |slash| &input[..=slash]))
}

/// How the URIs of all files that an input may give begin; none for a file.
fn place(input: &str) -> Option<String> {
    let path = Path::new(input);
    let folder = if path.is_dir() { path } else { walk::root(input) };
    if path.is_file() {
        return None;
    }
    let uri = uri(folder);
    Some(if uri.ends_with('/') { uri } else { format!("{uri}/") })
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

async fn take(app: &App, scope: Scope, sync: &Sync, key: &str, path: &Path, report: &mut Report) -> Result<()> {
    let size = tokio::fs::metadata(path).await.map(|about| about.len());
    let read = match size.map(|size| app.corpus.check_size(key, size)) {
        Ok(Ok(())) => tokio::fs::read(path).await.map_err(|error| format!("cannot be read ({error})")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(format!("cannot be read ({error})")),
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(reason) => {
            report.fail(key.to_owned(), reason);
            return Ok(());
        }
    };
    let uri = uri(path);
    let incoming = Incoming {
        collection: sync.collection,
        key,
        title: None,
        uri: Some(&uri),
        media_type: None,
        meta: None,
        bytes: &bytes,
        force: false,
        priority: 0,
        version: None,
    };
    // A full disk or a lost database ends the run; the next one goes on.
    match app.corpus.submit(scope, &incoming).await {
        Ok((_, Outcome::Added)) => report.added += 1,
        Ok((_, Outcome::Changed)) => report.changed += 1,
        Ok((_, Outcome::Unchanged)) => report.unchanged += 1,
        Err(error @ (CorpusError::Quota(_) | CorpusError::Invalid { .. })) => {
            report.fail(key.to_owned(), error.to_string());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
