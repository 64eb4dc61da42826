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
//! * [`keyed`]: requests that are sent again under a key of the caller's own, by which
//!   [`fingerprint`]s tell them apart; [`waiting`]: what their readers have not taken yet
//! * [`heard`], [`cited`]: the events of an answer, and where its citations stand
//! * [`error`], [`extract`], [`ids`], [`list`]: what all resources share

mod chat;
mod cited;
mod direct;
mod embeddings;
mod error;
mod extract;
mod files;
mod fingerprint;
mod grounded;
mod heard;
mod ids;
mod keyed;
mod list;
mod models;
mod responses;
mod stores;
mod talk;
mod target;
mod waiting;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub(super) use error::{OpenAiError, shape};

use super::with_pictures;
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
        .routes(with_pictures(routes!(chat::complete)))
        .routes(with_pictures(routes!(responses::create)))
        .routes(routes!(responses::find, responses::delete))
        .routes(routes!(responses::cancel))
        .routes(routes!(responses::input_items))
        .routes(routes!(embeddings::embed).layer(DefaultBodyLimit::max(embeddings::MAX_BODY)))
        // Files have a limit of their own.
        .routes(routes!(files::list, files::upload).layer(DefaultBodyLimit::disable()))
        .routes(routes!(files::find, files::delete))
        .routes(routes!(files::content))
        .routes(routes!(stores::list, stores::create))
        .routes(routes!(stores::find, stores::modify, stores::delete))
        .routes(routes!(stores::search::search))
        .routes(routes!(stores::files::list, stores::files::attach))
        .routes(routes!(stores::files::find, stores::files::modify, stores::files::detach))
        .routes(routes!(stores::files::content))
        .routes(routes!(stores::batches::create))
        .routes(routes!(stores::batches::find))
        .routes(routes!(stores::batches::cancel))
        .routes(routes!(stores::batches::files))
}
