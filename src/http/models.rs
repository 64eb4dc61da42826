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
    /// Who runs it.
    provider: String,
    /// Whether it answers when no model is named.
    default: bool,
    /// Whether pictures can be sent along with questions to it.
    images: bool,
}

/// Models that may be named in a question.
#[utoipa::path(get, path = "/api/v1/models", tag = "conversations", responses((status = 200, body = Models)))]
pub(super) async fn list(State(app): State<App>, _: Caller) -> axum::Json<Models> {
    let default = app.models.default_name();
    let known = app.models.known().into_iter();
    let items = known.map(|model| Model {
        default: model.name == default,
        name: model.name,
        provider: model.provider,
        images: model.images,
    });
    axum::Json(Models { items: items.collect() })
}
