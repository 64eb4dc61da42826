//! The OpenAI face under `/v1`: models, chat completions, responses,
//! embeddings, files and vector stores, for clients that know nothing of this
//! service but its base URL.
//!
//! Owns the shapes of that API and their translation. A collection is the model
//! `kb/<name>` and the vector store `vs_<id>`; what is grounded in documents is
//! asked in a hidden conversation, through the same `chat` as everything else;
//! what is not goes straight to the provider. Imports services and storage.
//!
//! * [`talk`]: what was said, whichever way it was written
//! * [`target`]: who answers; [`direct`]: a provider, [`grounded`]: the documents
//! * [`heard`], [`cited`]: the events of an answer, and where its citations stand
//! * [`error`], [`extract`], [`ids`], [`list`], [`sse`]: what all resources share

#![expect(dead_code, reason = "the other resources follow")]

mod chat;
mod cited;
mod direct;
mod error;
mod extract;
mod grounded;
mod heard;
mod ids;
mod list;
mod models;
mod sse;
mod talk;
mod target;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub(super) use error::shape;

use super::parts::MAX_BODY;
use crate::app::App;

/// Descriptions of routes whose paths are written in another way there.
#[derive(OpenApi)]
#[openapi(paths(models::find))]
struct Described;

/// The routes, with their descriptions.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(models::list))
        // Names of models hold slashes.
        .route("/v1/models/{*id}", get(models::find))
        .routes(routes!(chat::complete).layer(DefaultBodyLimit::max(MAX_BODY)))
}
