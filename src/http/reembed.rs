//! Changing the embedding model.

use axum::extract::State;
use footnote_ingest::reembed::{self, Builds};
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::ApiError;
use super::extract::Json;
use crate::app::App;
use crate::reembed::{Comparison, Question, compare as compare_models};

/// What to do.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReembedAction)]
pub(super) enum Action {
    /// Build an index for the configured model beside the one in use.
    Begin,
    /// Change queries over to it.
    Switch,
    /// Let the index that was in use before catch up.
    Back,
    /// Remove the index beside the one in use.
    Discard,
}

/// A step.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReembedStep)]
pub(super) struct Step {
    action: Action,
}

/// What to compare on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    /// Up to 1,000; without any, those that were asked here last.
    #[serde(default)]
    questions: Vec<Question>,
}

/// The index in use and the one beside it.
#[utoipa::path(get, path = "/api/v1/admin/reembed", tag = "service", responses((status = 200, body = Builds)))]
pub(super) async fn status(State(app): State<App>, _: Caller) -> Result<axum::Json<Builds>, ApiError> {
    Ok(axum::Json(reembed::status(&app.corpus).await?))
}

/// One step of changing the embedding model.
#[utoipa::path(
    post, path = "/api/v1/admin/reembed", tag = "service", request_body = Step,
    responses((status = 200, body = Builds))
)]
pub(super) async fn step(
    State(app): State<App>,
    _: Caller,
    Json(step): Json<Step>,
) -> Result<axum::Json<Builds>, ApiError> {
    Ok(axum::Json(match step.action {
        Action::Begin => reembed::begin(&app.corpus).await?,
        Action::Switch => reembed::switch(&app.corpus).await?,
        Action::Back => reembed::back(&app.corpus).await?,
        Action::Discard => reembed::discard(&app.corpus).await?,
    }))
}

/// What the model in use and the new one find for the same questions.
#[utoipa::path(
    post, path = "/api/v1/admin/reembed/compare", tag = "service", request_body = Sample,
    responses((status = 200, body = Comparison))
)]
pub(super) async fn compare(
    State(app): State<App>,
    Caller(scope): Caller,
    Json(sample): Json<Sample>,
) -> Result<axum::Json<Comparison>, ApiError> {
    Ok(axum::Json(compare_models(&app, scope, sample.questions).await?))
}
