//! The last step of the first line: documents become visible, unless that
//! takes their owner beyond a quota, or their upload beyond what one may be.

use sqlx::Acquire;

use super::members;
use std::sync::Arc;

use super::prepare::{Batch, Prepared};
use super::refuse::{self, Refused};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::fault::{self, Place};
use crate::ids::{JobId, RevisionId, UserId};
use crate::parse::ParseError;
use crate::quota::Usage;
use crate::reader::Unread;
use crate::space::Space;
use crate::store::jobs::Claim;
use crate::store::usage::{self, Gate};
use crate::store::{family, generations, jobs, purges, stages};

/// Turns away what its owner's quotas have no room for, before anything of it
/// is written. What others take meanwhile is seen when it is published.
pub(super) async fn screen(corpus: &Corpus, batch: &mut Batch) -> Result<()> {
    let quotas = corpus.config.quotas;
    if !quotas.limit_documents() {
        return Ok(());
    }
    let owners: Vec<UserId> = batch.prepared.iter().map(|document| document.queued.owner).collect();
    let owners = usage::limited(&corpus.db, quotas, &owners).await?;
    let mut using = usage::of(&corpus.db, &owners).await?;
    for document in std::mem::take(&mut batch.prepared) {
        let Some(before) = using.get_mut(&document.queued.owner) else {
            batch.prepared.push(document);
            continue;
        };
        let after = before.usage + growth(&document);
        match quotas.check(before, &after) {
            Ok(()) => {
                before.usage = after;
                batch.prepared.push(document);
            }
            Err(exceeded) => batch.refused.push(document.refused(exceeded.into())),
        }
    }
    Ok(())
}

/// What a document takes by its text, beside what it replaces.
fn growth(document: &Prepared) -> Usage {
    let count = |items: usize| i64::try_from(items).unwrap_or(i64::MAX);
    Usage {
        pages: count(document.parsed.map.pages.len()) - i64::from(document.queued.pages),
        chunks: count(document.chunks.len()) - i64::from(document.queued.chunks),
        ..Usage::default()
    }
}

/// Visible from this commit on; what it replaces is queued for purging, what
/// its file holds is queued to be read. Returns whether that is so of all of them:
/// the others were changed or deleted meanwhile.
pub(super) async fn publish(corpus: &Corpus, space: &Space, documents: &[Arc<Prepared>]) -> Result<bool> {
    let claims: Vec<Claim> = documents.iter().map(|document| document.claim).collect();
    let mut tx = corpus.db.begin().await?;
    let owners = documents.iter().map(|document| document.queued.owner);
    let mut gate = Gate::open(&mut tx, corpus.config.quotas, owners).await?;
    if !generations::hold_live(&mut tx, space.generation).await? {
        return Err(Error::ChangedOver);
    }
    members::lock(&mut tx, documents).await?;
    let held = jobs::hold(&mut tx, &claims).await?;
    let documents: Vec<&Prepared> =
        documents.iter().map(Arc::as_ref).filter(|document| held.contains(&document.claim.id)).collect();
    let Admitted { jobs, published, refused } = admit(corpus, &mut tx, &mut gate, &documents).await?;
    let admitted = documents.iter().copied().filter(|document| jobs.contains(&document.claim.id));
    members::keep(&mut tx, admitted).await?;
    jobs::finish(&mut tx, &jobs).await?;
    let advanced: Vec<Claim> =
        documents.iter().map(|document| document.claim).filter(|claim| jobs.contains(&claim.id)).collect();
    jobs::advance(&mut tx, &advanced).await?;
    for refused in &refused {
        refuse::give_up(&mut tx, refused).await?;
    }
    fault::may_happen(Place::Publishing).await?;
    tx.commit().await?;
    fault::may_happen(Place::Published).await?;
    refused.iter().for_each(refuse::tell);
    Ok(published + refused.len() == claims.len())
}

/// Queues what was changed or deleted meanwhile for purging, once its points are
/// there: it will never be current.
pub(super) async fn clear(corpus: &Corpus, documents: &[Arc<Prepared>]) -> Result<()> {
    let (revisions, owners): (Vec<RevisionId>, Vec<UserId>) =
        documents.iter().map(|document| (document.revision, document.queued.owner)).unzip();
    Ok(purges::enqueue_late(&corpus.db, &revisions, &owners).await?)
}

/// What became of documents that were to be published.
#[derive(Default)]
struct Admitted {
    /// The jobs of those that were.
    jobs: Vec<JobId>,
    /// How many of them are visible: the others were changed meanwhile.
    published: usize,
    refused: Vec<Refused>,
}

/// All at once; if that is too much, each by itself, so that those are refused
/// for which there is no room, and no others.
async fn admit(
    corpus: &Corpus,
    tx: &mut sqlx::PgTransaction<'_>,
    gate: &mut Gate,
    documents: &[&Prepared],
) -> Result<Admitted> {
    let mut admitted = Admitted::default();
    match (try_to_show(corpus, tx, gate, documents).await?, documents) {
        (Ok(published), _) => {
            admitted.published = published;
            admitted.jobs = documents.iter().map(|document| document.claim.id).collect();
            return Ok(admitted);
        }
        (Err(reason), [only]) => {
            admitted.refused.push(only.refused(reason));
            return Ok(admitted);
        }
        (Err(_), _) => {}
    }
    for document in documents {
        match try_to_show(corpus, tx, gate, &[*document]).await? {
            Ok(published) => {
                admitted.published += published;
                admitted.jobs.push(document.claim.id);
            }
            Err(reason) => admitted.refused.push(document.refused(reason)),
        }
    }
    Ok(admitted)
}

/// Shows documents, or undoes it and says why. Returns how many are visible.
async fn try_to_show(
    corpus: &Corpus,
    tx: &mut sqlx::PgTransaction<'_>,
    gate: &mut Gate,
    documents: &[&Prepared],
) -> Result<std::result::Result<usize, Unread>> {
    let mut attempt = tx.begin().await?;
    let published = match show(corpus, &mut attempt, documents).await? {
        Ok(published) => published,
        Err(reason) => {
            attempt.rollback().await?;
            return Ok(Err(reason));
        }
    };
    match gate.check(&mut attempt).await {
        Ok(()) => {
            attempt.commit().await?;
            Ok(Ok(published))
        }
        Err(Error::Quota(exceeded)) => {
            attempt.rollback().await?;
            Ok(Err(exceeded.into()))
        }
        Err(error) => Err(error),
    }
}

async fn show(
    corpus: &Corpus,
    tx: &mut sqlx::PgTransaction<'_>,
    documents: &[&Prepared],
) -> Result<std::result::Result<usize, Unread>> {
    let ids: Vec<RevisionId> = documents.iter().map(|document| document.revision).collect();
    let published = stages::publish(tx, &ids).await?;
    purges::enqueue_replaced(&mut **tx, &published).await?;
    for document in documents.iter().filter(|document| !document.parsed.members.is_empty()) {
        if members::is_nested(document) && !has_room(corpus, tx, document).await? {
            return Ok(Err(ParseError::TooMany { limit: corpus.config.max_within }.into()));
        }
        members::submit(tx, document).await?;
    }
    let empty = documents.iter().filter(|document| document.parsed.members.is_empty());
    members::drop_all(tx, empty.map(|document| (document.scope, document.queued.id))).await?;
    Ok(Ok(published.len()))
}

/// Whether what a document holds may be added to what came with it.
async fn has_room(corpus: &Corpus, tx: &mut sqlx::PgTransaction<'_>, document: &Prepared) -> Result<bool> {
    let beside = family::count_beside(&mut **tx, document.queued.id).await?;
    let within = usize::try_from(beside).unwrap_or(usize::MAX).saturating_add(document.parsed.members.len());
    Ok(within <= corpus.config.max_within)
}
