//! Evaluation: how well retrieval ranks and how well answers cite, on sets of
//! questions whose answers are known.
//!
//! Owns the reading of sets, the figures and their comparison. It goes through
//! the same retrieval and the same chat as every face.

mod answers;
mod figures;
mod set;

use std::collections::BTreeMap;

use footnote_ingest::corpus::Incoming;
use footnote_ingest::index::Mode;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use footnote_ingest::store::documents::{self, Filter};

pub use answers::AnswerFigures;
pub use figures::{Comparison, Figures};
pub use set::{Judged, Set};

use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::CollectionId;
use crate::retrieve::{self, Query};

/// Documents that are ranked for each query.
const DEPTH: usize = 100;

/// Brings a set's documents into a collection of their own; what is there
/// already stays. Returns when all are searchable by meaning.
///
/// # Errors
/// What the corpus says, or the first document that cannot be read.
pub async fn ingest(app: &App, scope: Scope, set: &Set, fresh: bool) -> Result<CollectionId> {
    let collection = collections::ensure(&app.db, scope, &set.name).await?;
    if fresh {
        app.corpus.delete(scope, Some(collection), None).await?;
    }
    for document in &set.documents {
        let incoming = Incoming {
            collection,
            key: &document.id,
            title: document.title.as_deref(),
            uri: None,
            media_type: document.media_type,
            meta: None,
            bytes: &document.bytes,
            version: None,
            force: false,
            priority: 0,
        };
        app.corpus.submit(scope, &incoming).await?;
    }
    app.corpus.settled(scope, collection).await?;
    let filter = Filter { collection: Some(collection), stage: Some(documents::Stage::Failed), ..Filter::default() };
    if let Some(failed) = documents::list(&app.db, scope, &filter, 1).await?.pop() {
        let reason = failed.failure_message.unwrap_or_default();
        return Err(Error::Invalid {
            field: "DIR",
            problem: format!("holds `{}`, which failed: {reason}", failed.key),
        });
    }
    Ok(collection)
}

/// Ranks documents for every judged query, and measures the ranking.
///
/// # Errors
/// As retrieval.
pub async fn rank(app: &App, scope: Scope, set: &Set, collection: CollectionId, mode: Mode) -> Result<Figures> {
    let mut per_query = BTreeMap::new();
    for (id, text) in &set.queries {
        let Some(judged) = set.judged.get(id) else { continue };
        let query =
            Query { text: text.clone(), collections: Some(vec![collection]), mode, limit: DEPTH, ..Query::default() };
        let ranked = retrieve::rank_documents(&app.corpus, scope, &query).await?;
        per_query.insert(id.clone(), figures::measure(&ranked, judged));
    }
    Ok(Figures::mean(set, mode, per_query))
}

/// Asks up to `limit` questions whose answers are known, evenly picked, and
/// measures what was cited and what was refused.
///
/// # Errors
/// As chat.
pub async fn answer(
    app: &App,
    scope: Scope,
    set: &Set,
    collection: CollectionId,
    limit: usize,
) -> Result<Option<AnswerFigures>> {
    if set.answers.is_empty() {
        return Ok(None);
    }
    answers::measure(app, scope, set, collection, limit).await.map(Some)
}
