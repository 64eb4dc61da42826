//! Schedules: work that comes round by the clock.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path, Query};
use super::page::{Page, Size};
use crate::app::App;
use crate::error::Error;
use crate::ids::ScheduleId;
use crate::schedules;
use crate::storage::schedule_runs::{self, Run};
use crate::storage::schedules::{self as stored, Action, Schedule};

/// Runs that are shown with a schedule.
const RUNS: i64 = 20;

/// Which schedules to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Items, at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the last page ended.
    cursor: Option<ScheduleId>,
}

/// A schedule to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "nightly-check", "cron": "0 3 * * *", "time_zone": "Europe/Zurich", "action": "check" }))]
#[schema(as = NewSchedule)]
pub(super) struct New {
    /// Unique among the owner's, without a slash.
    name: String,
    /// Five fields, such as `0 3 * * *`; a sixth before them is for seconds.
    cron: String,
    /// In which that is meant, such as `Europe/Zurich`; UTC if left out.
    time_zone: Option<String>,
    /// What it does.
    action: Action,
}

/// A schedule and its last runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduleDetail)]
pub(super) struct Detail {
    #[serde(flatten)]
    schedule: Schedule,
    /// The last ones first.
    runs: Vec<Run>,
}

/// Schedules, in the order in which they were made.
#[utoipa::path(
    get, path = "/api/v1/schedules", tag = "service", params(Which),
    responses((status = 200, body = Page<Schedule>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(which): Query<Which>,
) -> Result<axum::Json<Page<Schedule>>, ApiError> {
    let size = Size::new(which.limit)?;
    let items = stored::list(&app.db, scope, which.cursor, size.to_load()).await?;
    Ok(size.cut(items, |last| last.id.to_string()))
}

/// Sets up a schedule.
#[utoipa::path(
    post, path = "/api/v1/schedules", tag = "service", request_body = New,
    responses(
        (status = 201, body = Schedule), (status = 404, body = Envelope), (status = 409, body = Envelope),
        (status = 422, body = Envelope)
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    Caller(scope): Caller,
    Json(new): Json<New>,
) -> Result<(StatusCode, axum::Json<Schedule>), ApiError> {
    let New { name, cron, time_zone, action } = &new;
    let made = schedules::create(&app, scope, name, cron, time_zone.as_deref(), action).await?;
    Ok((StatusCode::CREATED, axum::Json(made)))
}

/// A schedule and its last runs.
#[utoipa::path(
    get, path = "/api/v1/schedules/{id}", tag = "service", params(("id" = ScheduleId, Path)),
    responses((status = 200, body = Detail), (status = 404, body = Envelope))
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ScheduleId>,
) -> Result<axum::Json<Detail>, ApiError> {
    let schedule = stored::find(&app.db, scope, id).await?.ok_or(Error::NotFound("schedule"))?;
    let runs = schedule_runs::list(&app.db, scope, id, RUNS).await?;
    Ok(axum::Json(Detail { schedule, runs }))
}

/// Deletes a schedule with its runs. What it took in stays.
#[utoipa::path(
    delete, path = "/api/v1/schedules/{id}", tag = "service", params(("id" = ScheduleId, Path)),
    responses((status = 204), (status = 404, body = Envelope))
)]
pub(super) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<ScheduleId>,
) -> Result<StatusCode, ApiError> {
    match stored::delete(&app.db, scope, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::NotFound("schedule").into()),
    }
}
