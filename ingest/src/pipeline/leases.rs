//! Leases: the claims that a line of work holds, and the heartbeat that keeps
//! them. A claim that was lost is found out when its work is committed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::contained;
use crate::corpus::Corpus;
use crate::error::Result;
use crate::fault::{self, Place};
use crate::ids::JobId;
use crate::store::jobs::{self, Claim, LEASE};

/// Until what could not be renewed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The claims of one line. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(super) struct Leases(Arc<Mutex<HashMap<JobId, Claim>>>);

impl Leases {
    /// Adds claims that were just made.
    pub(super) fn add(&self, claims: &[Claim]) {
        self.with(|held| held.extend(claims.iter().map(|claim| (claim.id, *claim))));
    }

    /// Takes claims away: done, given up, or somebody else's now. A later claim of the
    /// same job stays.
    pub(super) fn remove(&self, claims: impl IntoIterator<Item = Claim>) {
        self.with(|held| {
            for claim in claims {
                if held.get(&claim.id).is_some_and(|held| held.fence == claim.fence) {
                    held.remove(&claim.id);
                }
            }
        });
    }

    /// Whether a claim is held, as far as is known here.
    pub(super) fn hold(&self, claim: &Claim) -> bool {
        self.with(|held| held.get(&claim.id).is_some_and(|held| held.fence == claim.fence))
    }

    fn all(&self) -> Vec<Claim> {
        self.with(|held| held.values().copied().collect())
    }

    /// Gives back whatever is still held.
    pub(super) async fn release(&self, corpus: &Corpus) {
        self.release_but(corpus, &[]).await;
    }

    /// Gives back whatever is still held, but for these.
    pub(super) async fn release_but(&self, corpus: &Corpus, kept: &[Claim]) {
        let kept: HashSet<(JobId, i64)> = kept.iter().map(|claim| (claim.id, claim.fence)).collect();
        let claims = self.all().into_iter().filter(|claim| !kept.contains(&(claim.id, claim.fence))).collect();
        self.give_back(corpus, claims).await;
    }

    /// Gives these back.
    pub(super) async fn give_back(&self, corpus: &Corpus, claims: Vec<Claim>) {
        self.remove(claims.iter().copied());
        if claims.is_empty() {
            return;
        }
        if let Err(error) = give_back(corpus, &claims).await {
            // They come back by themselves when the leases run out.
            tracing::warn!(%error, claims = claims.len(), "claims could not be given back");
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<JobId, Claim>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn give_back(corpus: &Corpus, claims: &[Claim]) -> Result<()> {
    fault::may_happen(Place::Releasing).await?;
    Ok(jobs::release(&corpus.db, claims).await?)
}

/// Keeps the leases of all lines, and puts back what other workers left behind,
/// until it is dropped.
pub(super) async fn heartbeat(corpus: Corpus, lines: Vec<Leases>, work: Arc<Notify>) {
    let mut tick = tokio::time::interval(LEASE / 3);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        tick.tick().await;
        // Who was frozen, and not cut off from the database, has lost what ran out.
        let awake = last.elapsed() < LEASE;
        last = Instant::now();
        let mut renewed = true;
        for leases in &lines {
            if let Err(error) = contained(renew(&corpus, leases, awake)).await {
                tracing::warn!(%error, "leases could not be renewed");
                renewed = false;
            }
        }
        if !renewed {
            // What ran out may be this process's own, and not a vanished worker's.
            tick.reset_after(AGAIN);
            continue;
        }
        match contained(async { Ok(jobs::recover(&corpus.db, false).await?) }).await {
            Ok(0) => {}
            Ok(jobs) => {
                tracing::warn!(jobs, "work of vanished workers was put back");
                work.notify_waiters();
            }
            Err(error) => tracing::warn!(%error, "work of vanished workers could not be put back"),
        }
    }
}

async fn renew(corpus: &Corpus, leases: &Leases, late: bool) -> Result<()> {
    fault::may_happen(Place::Renewing).await?;
    let held = leases.all();
    if held.is_empty() {
        return Ok(());
    }
    let renewed: HashSet<JobId> = jobs::renew(&corpus.db, &held, late).await?.into_iter().collect();
    let lost: Vec<Claim> = held.into_iter().filter(|claim| !renewed.contains(&claim.id)).collect();
    if !lost.is_empty() {
        tracing::debug!(lost = lost.len(), "claims were finished or lost meanwhile");
        leases.remove(lost);
    }
    Ok(())
}
