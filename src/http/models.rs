//! Models that may answer.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use crate::app::App;

/// Models.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Models {
    items: Vec<Model>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
struct Model {
    /// Its name.
    name: String,
    /// Whether it answers when no model is named.
    default: bool,
}

/// Models that may be named in a question.
#[utoipa::path(get, path = "/api/v1/models", tag = "conversations", responses((status = 200, body = Models)))]
pub(super) async fn list(State(app): State<App>, _: Caller) -> axum::Json<Models> {
    let default = app.models.default_name();
    let names = app.models.names().into_iter();
    axum::Json(Models { items: names.map(|name| Model { default: name == default, name }).collect() })
}
