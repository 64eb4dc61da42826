//! Tools that read documents. They see what the one who asks sees, within the
//! question's documents or collections.

use std::sync::Arc;

use footnote_ingest::document::Span;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents::{self, Document};
use footnote_ingest::store::members::Access;
use footnote_ingest::store::revisions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::Generation;
use crate::app::App;
use crate::ids::{CollectionId, DocumentId};
use crate::retrieve::{self, Passage, Query, Scores};
use crate::sharing;
use crate::tools::{Effect, Tool, ToolError, function};

/// Looks for passages.
const SEARCH: &str = "search_documents";
/// Reads a document.
const READ: &str = "get_document";
/// Passages of a search, at most.
const PASSAGES: usize = 8;
/// Code points that are read at once.
const READ_CHARS: usize = 6_000;

/// Whether what a tool returns is passages.
pub(super) fn finds(tool: &str) -> bool {
    matches!(tool, SEARCH | READ)
}

/// The tools.
pub(super) fn all(generation: &Generation) -> [Arc<dyn Tool>; 2] {
    [Arc::new(search(generation)), Arc::new(read(generation))]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// What to look for: a question or words that the documents may use.
    query: String,
}

/// Passages, as the answer takes them.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
struct Passages(#[schemars(with = "Vec<Value>")] Vec<Passage>);

fn search(generation: &Generation) -> impl Tool + use<> {
    let (app, scope) = (generation.app.clone(), generation.scope);
    let query = Query { reranker: app.reranker.clone(), ..generation.query(String::new(), PASSAGES) };
    let description = "Searches the documents for passages by meaning and by words. Use it when the sources that you \
                       have do not hold the answer, with other words than the question's.";
    function(SEARCH, description, Effect::ReadOnly, move |wanted: Wanted| {
        let (app, query) = (app.clone(), Query { text: wanted.query, ..query.clone() });
        async move {
            let found = retrieve::retrieve(&app.corpus, scope, &query).await.map_err(failed)?;
            Ok(Passages(found.passages))
        }
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Place {
    /// The number of a source that you have, or a document's id.
    document: String,
    /// From this character on; the source's own place if left out.
    start: Option<usize>,
}

fn read(generation: &Generation) -> impl Tool + use<> {
    let (app, scope) = (generation.app.clone(), generation.scope);
    let within = Within {
        collections: generation.query(String::new(), PASSAGES).collections,
        documents: generation.files.iter().map(|file| file.id).collect(),
    };
    let places = generation.evidence.places();
    let description = "Reads on in a document around a source, or from a given character. Use it when a source breaks \
                       off where the answer would follow.";
    function(READ, description, Effect::ReadOnly, move |place: Place| {
        let (app, within, places) = (app.clone(), within.clone(), places.clone());
        async move {
            let number = place.document.trim().trim_matches(['[', ']']).parse::<usize>().ok();
            let of_source = number.and_then(|n| places.get(n));
            let (document, near) = match (of_source, place.document.trim().parse::<DocumentId>()) {
                (Some((document, start)), _) => (document, start.saturating_sub(READ_CHARS / 4)),
                (None, Ok(document)) => (document, 0),
                (None, Err(_)) => {
                    return Err(ToolError::invalid(
                        "`document` is a source's number such as \"2\", or a document's id",
                    ));
                }
            };
            let start = place.start.unwrap_or(near);
            let passage = part(&app, scope, &within, document, start).await?;
            Ok(Passages(passage.into_iter().collect()))
        }
    })
}

/// What a question is answered from.
#[derive(Debug, Clone)]
struct Within {
    /// Only these collections; `None` means all.
    collections: Option<Vec<CollectionId>>,
    /// Only these documents; empty means all.
    documents: Vec<DocumentId>,
}

impl Within {
    fn holds(&self, document: &Document) -> bool {
        self.collections.as_ref().is_none_or(|ids| ids.contains(&document.collection_id))
            && (self.documents.is_empty() || self.documents.contains(&document.id))
    }
}

/// A part of what queries see of a document.
async fn part(
    app: &App,
    scope: Scope,
    within: &Within,
    document: DocumentId,
    start: usize,
) -> Result<Option<Passage>, ToolError> {
    let found = match sharing::access_to_document(app, scope, document, Access::Reader).await {
        Ok(owner) => documents::find(&app.db, owner, document).await.map_err(|error| failed(error.into()))?,
        Err(crate::error::Error::NotFound(_)) => None,
        Err(error) => return Err(failed(error)),
    };
    let found = found.filter(|found| within.holds(found));
    let Some((found, revision)) = found.and_then(|found| found.revision_id.map(|revision| (found, revision))) else {
        return Err(ToolError::Failed { problem: "there is no such document among those of the question".into() });
    };
    let span = Span { start, end: start.saturating_add(READ_CHARS) };
    let part = revisions::text_part(&app.db, scope, revision, span).await.map_err(|error| failed(error.into()))?;
    let pages = revisions::pages(&app.db, scope, &[revision]).await.map_err(|error| failed(error.into()))?;
    let at = |value: i32| usize::try_from(value).unwrap_or_default();
    let page = |start: usize| {
        let starts = pages.iter().flat_map(|(_, pages)| pages).take_while(|page| page.span.start <= start);
        starts.last().map(|page| page.page.cast_signed())
    };
    Ok(part.filter(|part| !part.text.is_empty()).map(|part| Passage {
        document_id: document,
        revision_id: revision,
        collection_id: found.collection_id,
        key: part.key,
        title: part.title,
        uri: found.uri,
        page: page(at(part.start)),
        headings: vec![],
        start: at(part.start),
        end: at(part.end),
        text: part.text,
        score: 0.0,
        scores: Scores::default(),
    }))
}

/// A failure of ours, without our insides.
fn failed(error: crate::error::Error) -> ToolError {
    match error {
        crate::error::Error::Invalid { .. } => ToolError::invalid(error.to_string()),
        error => {
            tracing::warn!(error = error.silent(), "a tool failed");
            ToolError::Failed { problem: "the documents cannot be searched now".into() }
        }
    }
}
