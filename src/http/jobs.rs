//! The queue: what waits, runs and was given up, and what to do about it.

use axum::extract::State;
use footnote_ingest::quota::Quota;
use footnote_ingest::store::jobs::{self, Filter, Job, Queue};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::error::ApiError;
use super::extract::{Json, Query};
use super::page::{Page, Size};
use crate::app::App;
use crate::ids::{DocumentId, JobId};

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only in this state.
    state: Option<jobs::State>,
    /// Only of this document.
    document: Option<DocumentId>,
    /// Items, at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<JobId>,
}

/// Jobs of all users: one for each document that is not done.
#[utoipa::path(
    get, path = "/api/v1/admin/jobs", tag = "service", params(Which),
    responses((status = 200, body = Page<Job>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page<Job>>, ApiError> {
    let size = Size::new(which.limit)?;
    let filter = Filter { state: which.state, document: which.document, after: which.cursor };
    let items = jobs::list(&app.db, None, filter, size.to_load()).await?;
    Ok(size.cut(items, |last| last.id.to_string()))
}

/// Which jobs are meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    /// These; all that it can be done to, if left out.
    ids: Option<Vec<JobId>>,
}

/// How many jobs it was done to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Count {
    jobs: i64,
}

/// Tries again what was given up.
#[utoipa::path(
    post, path = "/api/v1/admin/jobs/retry", tag = "service", request_body = Chosen,
    responses((status = 200, body = Count))
)]
pub(super) async fn retry(State(app): State<App>, Json(chosen): Json<Chosen>) -> Result<axum::Json<Count>, ApiError> {
    Ok(axum::Json(Count { jobs: app.corpus.retry_jobs(None, chosen.ids.as_deref()).await? }))
}

/// Stops what waits or runs. What is done of it already stays.
#[utoipa::path(
    post, path = "/api/v1/admin/jobs/cancel", tag = "service", request_body = Chosen,
    responses((status = 200, body = Count))
)]
pub(super) async fn cancel(State(app): State<App>, Json(chosen): Json<Chosen>) -> Result<axum::Json<Count>, ApiError> {
    Ok(axum::Json(Count { jobs: jobs::cancel(&app.db, None, chosen.ids.as_deref()).await? }))
}

/// What the service has in hand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stats {
    /// Jobs by step and state, over all users.
    queue: Vec<Queue>,
    /// Points in the index, over all users.
    points: usize,
    /// Why ingestion stands still, if it does.
    stalled: Option<String>,
    /// What the caller has and may have.
    quotas: Vec<Standing>,
}

/// How a caller stands to a quota.
#[derive(Debug, Serialize, ToSchema)]
struct Standing {
    quota: Quota,
    /// What the caller has.
    used: i64,
    /// The most that the caller may have, if there is a limit.
    limit: Option<i64>,
}

/// The state of the queue and of the index.
#[utoipa::path(get, path = "/api/v1/admin/stats", tag = "service", responses((status = 200, body = Stats)))]
pub(super) async fn stats(State(app): State<App>, Caller(scope): Caller) -> Result<axum::Json<Stats>, ApiError> {
    let queue = jobs::queue(&app.db).await?;
    let points = app.corpus.live().index.info().await?.points;
    let (usage, limits) = app.corpus.usage(scope).await?;
    let standing = |quota: Quota| Standing { quota, used: usage.of(quota), limit: limits.limit(quota) };
    let quotas = Quota::ALL.map(standing).into();
    Ok(axum::Json(Stats { queue, points, stalled: app.corpus.stalled(), quotas }))
}
