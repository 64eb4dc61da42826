//! What a document's file holds: each file in it is taken in as a document of
//! its own, in the transaction that publishes that document; and what it held
//! before and does no more is taken out.
//!
//! These documents are others' too: they are deleted, edited and embedded by
//! themselves. They are locked together with those that are published, and so in
//! the order in which everybody locks them.

use std::collections::HashMap;
use std::sync::Arc;

use super::prepare::Prepared;
use crate::document::Member;
use crate::error::Result;
use crate::ids::DocumentId;
use crate::scope::Scope;
use crate::store::family::{self, Coming};
use crate::store::{documents, originals};

/// Locks documents that are to be published, what their files held and what
/// they hold, with the jobs of all. Before anything else of them is locked.
pub(super) async fn lock(tx: &mut sqlx::PgTransaction<'_>, documents: &[Arc<Prepared>]) -> Result<()> {
    let mut coming = Coming::default();
    for document in documents {
        coming.documents.push(document.queued.id);
        if is_nested(document) {
            coming.nested.push(document.queued.id);
        }
        for member in &document.parsed.members {
            coming.collections.push(document.queued.collection);
            coming.keys.push(key(document, member));
        }
    }
    family::lock(tx, &coming).await?;
    Ok(())
}

/// Whether a document holds others and lies within one: an archive in a mail.
pub(super) fn is_nested(document: &Prepared) -> bool {
    document.queued.depth > 0 && !document.parsed.members.is_empty()
}

fn key(document: &Prepared, member: &Member) -> String {
    documents::shortened(format!("{}/{}", document.queued.key, member.name))
}

/// Takes in what a document's file holds, but for the bytes ([`keep`]); and
/// takes out what it held before and does no more.
pub(super) async fn submit(tx: &mut sqlx::PgTransaction<'_>, document: &Prepared) -> Result<()> {
    let within = &document.queued;
    let meta = within.meta.as_object().cloned().unwrap_or_default();
    let mut keys = Vec::with_capacity(document.parsed.members.len());
    for (member, sha256) in document.parsed.members.iter().zip(&document.member_sha256) {
        let key = key(document, member);
        let uri = within.uri.as_ref().map(|uri| format!("{uri}#{}", member.name));
        let upload = documents::Upload {
            collection: within.collection,
            key: &key,
            title: None,
            uri: uri.as_deref(),
            media_type: member.media_type.as_deref(),
            meta: Some(&meta),
            sha256,
            bytes: i64::try_from(member.bytes.len()).unwrap_or(i64::MAX),
            version: None,
            force: false,
            priority: within.priority,
            parent: Some((within.id, within.depth + 1)),
        };
        documents::submit(tx, document.scope, &upload).await?;
        keys.push(key);
    }
    documents::delete_children(tx, document.scope, &[within.id], &keys).await?;
    Ok(())
}

/// Keeps the bytes of what the files of documents hold, once all of those
/// documents are in: two who keep the same ones, in mails with the same pictures,
/// take turns only if both begin with the same.
pub(super) async fn keep(tx: &mut sqlx::PgTransaction<'_>, documents: impl Iterator<Item = &Prepared>) -> Result<()> {
    let mut kept: Vec<(Scope, &[u8], &[u8])> = documents
        .flat_map(|document| {
            let members = document.parsed.members.iter().zip(&document.member_sha256);
            members.map(|(member, sha256)| (document.scope, sha256.as_slice(), member.bytes.as_slice()))
        })
        .collect();
    kept.sort_unstable_by_key(|(scope, sha256, _)| (scope.owner(), *sha256));
    kept.dedup_by_key(|(scope, sha256, _)| (scope.owner(), *sha256));
    for (scope, sha256, bytes) in kept {
        originals::keep(tx, scope, sha256, bytes).await?;
    }
    Ok(())
}

/// Takes out what the files of these documents held before and do no more:
/// they hold nothing now.
pub(super) async fn drop_all(
    tx: &mut sqlx::PgTransaction<'_>,
    within: impl Iterator<Item = (Scope, DocumentId)>,
) -> Result<()> {
    let mut by_scope: HashMap<Scope, Vec<DocumentId>> = HashMap::new();
    for (scope, document) in within {
        by_scope.entry(scope).or_default().push(document);
    }
    for (scope, parents) in by_scope {
        documents::delete_children(tx, scope, &parents, &[]).await?;
    }
    Ok(())
}
