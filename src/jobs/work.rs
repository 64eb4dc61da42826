//! The worker: claims runs, does them, records what they came to.

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::doctor;
use footnote_ingest::ids::WorkerId;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::originals;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::sync;
use crate::app::App;
use crate::error::{Error, Result};
use crate::storage::schedule_runs::{self, Claim, LEASE};
use crate::storage::schedules::Action;

/// How often the queue is looked at when nobody calls.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Days for which the records of runs are kept at least.
const KEEP_DAYS: i32 = 30;

/// Does what is queued, until it is stopped.
pub(super) async fn work(app: App, queued: Arc<Notify>, stop: CancellationToken) {
    let worker = WorkerId::new();
    while !stop.is_cancelled() {
        match next(&app, worker).await {
            Ok(Some(claim)) => {
                if let Err(error) = run(&app, worker, &claim, &stop).await {
                    tracing::warn!(%error, run.id = %claim.id, "the end of a run was not recorded");
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the queue of schedules cannot be read"),
        }
        tokio::select! {
            () = queued.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn next(app: &App, worker: WorkerId) -> sqlx::Result<Option<Claim>> {
    let back = schedule_runs::recover(&app.db).await?;
    if back > 0 {
        tracing::warn!(runs = back, "runs of vanished workers were put back");
    }
    schedule_runs::claim(&app.db, worker).await
}

/// Does a run while its claim holds. A run that is stopped is given back.
async fn run(app: &App, worker: WorkerId, claim: &Claim, stop: &CancellationToken) -> sqlx::Result<()> {
    tracing::info!(run.id = %claim.id, schedule = claim.name, "a schedule's run begins");
    let done = tokio::select! {
        done = act(app, claim) => done,
        () = lost(app, worker, claim) => {
            tracing::warn!(run.id = %claim.id, "a run was taken away from this worker");
            return Ok(());
        }
        () = stop.cancelled() => return schedule_runs::release(&app.db, worker, claim.id).await,
    };
    let ended = match &done {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            tracing::error!(error = error.silent(), run.id = %claim.id, schedule = claim.name, "a schedule's run failed");
            Err(reason(error))
        }
    };
    let ended = ended.as_ref().map(|outcome| *outcome).map_err(String::as_str);
    schedule_runs::end(&app.db, worker, claim.id, ended).await?;
    Ok(())
}

/// Renews the claim, and returns when it is lost.
async fn lost(app: &App, worker: WorkerId, claim: &Claim) {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        match schedule_runs::renew(&app.db, worker, claim.id).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, run.id = %claim.id, "a lease could not be renewed"),
        }
    }
}

async fn act(app: &App, claim: &Claim) -> Result<Value> {
    let scope = Scope::stored(claim.owner);
    match &claim.action.0 {
        Action::Sync(what) => Ok(json!(sync::run(app, scope, &claim.name, what).await?)),
        Action::Purge => {
            let mut tx = app.db.begin().await?;
            let originals = originals::drop_unreferenced(&mut tx, scope).await?;
            tx.commit().await?;
            let runs = schedule_runs::drop_ended(&app.db, scope, KEEP_DAYS).await?;
            Ok(json!({ "originals": originals, "runs": runs }))
        }
        Action::Check => Ok(json!(doctor::examine(&app.corpus, false).await?)),
    }
}

/// What the schedule's owner is told; the log has the rest.
fn reason(error: &Error) -> String {
    match error {
        Error::NotFound(_) | Error::Invalid { .. } | Error::Forbidden { .. } => error.to_string(),
        Error::Storage(_) => "the database failed; see the log of the service".to_owned(),
        other => format!("{other}; see the log of the service"),
    }
}
