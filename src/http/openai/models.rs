//! Models: collections as `kb/<name>`, the models that answer, and the one that
//! embeds.

use axum::extract::State;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::caller::Caller;
use super::super::error::ApiError;
use super::super::extract::Path;
use super::error::OpenAiError;
use super::list::Listing;
use super::target::{self, KB};
use crate::app::App;

/// Collections that are listed, at most; those beyond can be asked all the same.
const MOST: i64 = 1000;
/// Who owns what is ours.
const OWNER: &str = "footnote";

/// A model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiModel)]
pub(super) struct Model {
    /// Its name.
    id: String,
    /// `model`.
    object: &'static str,
    /// When it was made, in seconds since 1970; 0 where that is not known.
    created: i64,
    /// Who runs it.
    owned_by: String,
}

impl Model {
    fn new(id: String, created: i64, owned_by: &str) -> Self {
        Self { id, object: "model", created, owned_by: owned_by.to_owned() }
    }
}

/// Models that may be named. A provider may take more than these.
#[utoipa::path(
    get, path = "/v1/models", tag = "openai",
    responses((status = 200, body = Listing<Model>), (status = 401, body = OpenAiError))
)]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
) -> Result<axum::Json<Listing<Model>>, ApiError> {
    let collections = collections::list(&app.db, scope, None, None, MOST).await?;
    let bases = collections
        .into_iter()
        .map(|collection| Model::new(format!("{KB}{}", collection.name), collection.created_at.timestamp(), OWNER));
    Ok(Listing::whole(bases.chain(others(&app)).collect()))
}

/// One model, whose name may hold slashes.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "openai", params(("id" = String, Path)),
    responses(
        (status = 200, body = Model), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError),
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<Model>, ApiError> {
    let known = match id.strip_prefix(KB) {
        Some(name) => base(&app, scope, name).await?,
        None => others(&app).find(|model| model.id == id),
    };
    known.map(axum::Json).ok_or_else(|| ApiError::no_model(&id))
}

async fn base(app: &App, scope: Scope, name: &str) -> Result<Option<Model>, ApiError> {
    let Some(id) = target::collection(app, scope, name).await? else { return Ok(None) };
    let found = collections::find(&app.db, scope, id).await?;
    Ok(found.map(|found| Model::new(format!("{KB}{}", found.name), found.created_at.timestamp(), OWNER)))
}

/// Models that answer, and the one that embeds.
fn others(app: &App) -> impl Iterator<Item = Model> + use<> {
    let embedder = Model::new(app.corpus.live().embedder.model().to_owned(), 0, OWNER);
    let known = app.models.known().into_iter().map(|known| Model::new(known.name, 0, &known.provider));
    known.chain([embedder])
}
