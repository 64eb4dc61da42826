//! Search.

use axum::extract::State;
use footnote_ingest::index::{MetaFilter, Mode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{self, Json};
use crate::app::App;
use crate::retrieve::{self, MAX_LIMIT, Passage, Query};

/// What to look for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "query": "How long is the warranty of the P4?", "limit": 5 }))]
pub(super) struct Search {
    /// A question, or any words.
    query: String,
    /// Collections by id or name; all if left out.
    collections: Option<Vec<String>>,
    /// Passages, at most: 1 to 200.
    #[serde(default = "default_limit")]
    limit: usize,
    /// Only documents whose metadata fit.
    #[serde(default)]
    filter: MetaFilter,
    /// Which vectors count.
    #[serde(default)]
    mode: Mode,
    /// Whether the reranker looks at what was found once more; it does, if one is
    /// set up, where this is left out.
    rerank: Option<bool>,
}

fn default_limit() -> usize {
    10
}

/// What was found, best first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundPassages)]
pub(super) struct Found {
    passages: Vec<Passage>,
    timings: Timings,
}

/// Where the time went, in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
struct Timings {
    /// Embedding the query.
    embed_ms: f64,
    /// Searching and loading.
    search_ms: f64,
}

/// Passages that fit a query, with the score of each stage.
#[utoipa::path(
    post, path = "/api/v1/search", tag = "search", request_body = Search,
    responses((status = 200, body = Found), (status = 404, body = Envelope), (status = 422, body = Envelope), (status = 502, body = Envelope))
)]
pub(super) async fn search(
    State(app): State<App>,
    Caller(scope): Caller,
    Json(search): Json<Search>,
) -> Result<axum::Json<Found>, ApiError> {
    if !(1..=MAX_LIMIT).contains(&search.limit) {
        return Err(ApiError::unprocessable("limit", format!("`limit` is from 1 to {MAX_LIMIT}")));
    }
    let reranker = match search.rerank {
        Some(true) if app.reranker.is_none() => {
            let message = "there is no reranker here; leave `rerank` out, or have FOOTNOTE_RERANKER_BASE_URL set";
            return Err(ApiError::unprocessable("rerank", message));
        }
        Some(false) => None,
        _ => app.reranker.clone(),
    };
    let query = Query {
        reranker,
        text: search.query,
        collections: extract::collections(&app, scope, search.collections.as_deref()).await?,
        filter: search.filter,
        mode: search.mode,
        limit: search.limit,
        ..Query::default()
    };
    let found = retrieve::retrieve(&app.corpus, scope, &query).await?;
    app.figures.searched("embed", found.embed);
    app.figures.searched("search", found.search);
    let timings =
        Timings { embed_ms: found.embed.as_secs_f64() * 1000.0, search_ms: found.search.as_secs_f64() * 1000.0 };
    Ok(axum::Json(Found { passages: found.passages, timings }))
}
