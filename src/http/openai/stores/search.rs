//! Search in a vector store, by the same retrieval as everywhere.

use std::collections::{HashMap, HashSet};

use axum::extract::State;
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::super::caller::Caller;
use super::super::super::error::ApiError;
use super::super::super::extract::Path;
use super::super::error::OpenAiError;
use super::super::extract::Body;
use super::super::heard::share;
use super::super::ids;
use super::files::attributes;
use super::filter::Filter;
use crate::app::App;
use crate::ids::{CollectionId, DocumentId};
use crate::retrieve::{self, MAX_LIMIT, Passage, Query};
use crate::storage::openai_stores;

/// Results, at most.
const MOST: usize = 50;
/// Results, unless asked otherwise.
const USUAL: usize = 10;
/// Queries of a search, at most.
const MAX_QUERIES: usize = 10;
/// Passages that are found for each that is wanted, where a part of the filter
/// is looked at afterwards; never more than [`MAX_LIMIT`].
const MORE: usize = 10;

/// What to look for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiSearch)]
pub(in super::super) struct Search {
    /// A question or any words, or up to 10 of them.
    #[schema(value_type = Object)]
    query: Queries,
    /// Only files whose attributes fit. `eq`, bounds, `in` over texts and `and`
    /// of them are told by the index; `ne`, `nin`, `or` and the rest are looked
    /// at among the best 200 passages at most.
    #[schema(value_type = Option<Object>)]
    filters: Option<Value>,
    /// Results, at most: 1 to 50.
    max_num_results: Option<usize>,
    /// `score_threshold`: only results of at least this score.
    ranking_options: Option<Ranking>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Queries {
    One(String),
    Many(Vec<String>),
}

/// How results are ranked.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiRankingOptions)]
struct Ranking {
    /// From 0 to 1. A score is the share of the best that there can be: first by
    /// words and first by meaning.
    score_threshold: Option<f64>,
}

/// What was found, best first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiSearchResults)]
pub(in super::super) struct Found {
    /// `vector_store.search_results.page`.
    object: &'static str,
    search_query: Vec<String>,
    data: Vec<FoundPassage>,
    has_more: bool,
    next_page: Option<String>,
}

/// A passage of a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiSearchResult)]
struct FoundPassage {
    file_id: String,
    filename: String,
    /// From 0 to 1.
    score: f64,
    #[schema(value_type = Object)]
    attributes: Value,
    #[schema(value_type = Vec<Object>)]
    content: Vec<Value>,
}

/// Passages of a vector store's files that fit a query.
#[utoipa::path(
    post, path = "/v1/vector_stores/{id}/search", tag = "openai", params(("id" = String, Path)), request_body = Search,
    responses(
        (status = 200, body = Found), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError), (status = 429, body = OpenAiError), (status = 502, body = OpenAiError),
    )
)]
pub(in super::super) async fn search(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
    Body(search): Body<Search>,
) -> Result<axum::Json<Found>, ApiError> {
    let store = super::known(&app, scope, &id).await?.id;
    let most = search.max_num_results.unwrap_or(USUAL);
    if !(1..=MOST).contains(&most) {
        return Err(ApiError::bad_request("max_num_results", format!("`max_num_results` is from 1 to {MOST}")));
    }
    let queries = match search.query {
        Queries::One(query) => vec![query],
        Queries::Many(queries) => queries,
    };
    if queries.is_empty() || queries.len() > MAX_QUERIES {
        return Err(ApiError::bad_request("query", format!("`query` is a text, or 1 to {MAX_QUERIES} of them")));
    }
    let filter = search.filters.filter(|filter| !filter.is_null());
    let filter = filter.map(|filter| Filter::read(&filter, "filters")).transpose()?;
    let found = passages(&app, scope, store, &queries, (filter, most)).await?;
    let threshold = search.ranking_options.and_then(|ranking| ranking.score_threshold).unwrap_or_default();
    let shown = found.into_iter().map(|(passage, meta)| {
        let (file_id, filename) = ids::file_of(passage.document_id, &passage.key);
        let content = vec![json!({ "type": "text", "text": passage.text })];
        FoundPassage { file_id, filename, score: share(passage.score.into()), attributes: attributes(&meta), content }
    });
    Ok(axum::Json(Found {
        object: "vector_store.search_results.page",
        search_query: queries,
        data: shown.filter(|passage| passage.score >= threshold).take(most).collect(),
        has_more: false,
        next_page: None,
    }))
}

/// Passages of all queries with the metadata of their documents, best first.
async fn passages(
    app: &App,
    scope: Scope,
    store: CollectionId,
    queries: &[String],
    (filter, most): (Option<Filter>, usize),
) -> Result<Vec<(Passage, Value)>, ApiError> {
    let (filter, rest) = filter.map(Filter::split).unwrap_or_default();
    let limit = if rest.is_some() { (most * MORE).min(MAX_LIMIT) } else { most };
    let (mut all, mut seen): (Vec<Passage>, HashSet<_>) = (Vec::new(), HashSet::new());
    for text in queries {
        let collections = Some(vec![store]);
        let (text, filter, reranker) = (text.clone(), filter.clone(), app.reranker.clone());
        let query = Query { text, collections, filter, limit, reranker, ..Query::default() };
        let found = retrieve::retrieve(&app.corpus, scope, &query).await?.passages;
        all.extend(found.into_iter().filter(|found| seen.insert((found.revision_id, found.start, found.end))));
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let documents: Vec<DocumentId> = all.iter().map(|passage| passage.document_id).collect();
    let metas: HashMap<DocumentId, Value> =
        openai_stores::attributes(&app.db, scope, &documents).await?.into_iter().collect();
    let with = |passage: Passage| metas.get(&passage.document_id).cloned().map(|meta| (passage, meta));
    let fits = |(_, meta): &(Passage, Value)| rest.as_ref().is_none_or(|rest| rest.fits(meta));
    Ok(all.into_iter().filter_map(with).filter(fits).collect())
}
