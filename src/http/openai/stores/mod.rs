//! Vector stores, after OpenAI's API reference, "Vector stores": collections,
//! and their documents as files. A store that is made here is the model
//! `kb/<name>` too, and a collection that was made elsewhere is a store.

pub(super) mod batches;
pub(super) mod files;
pub(super) mod filter;
pub(super) mod search;

use axum::extract::State;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::caller::Caller;
use super::super::error::ApiError;
use super::super::extract::{Path, Query};
use super::error::OpenAiError;
use super::extract::Body;
use super::ids;
use super::list::{Listing, MOST, Paging, USUAL};
use super::responses::Deletion;
use crate::app::App;
use crate::ids::CollectionId;
use crate::storage::openai_stores::{self, Store};
use files::Attach;

/// Characters of a name, at most.
const MAX_NAME: usize = 200;
/// Notes of a store or attributes of a file, at most.
const MAX_KEYS: usize = 16;
/// Characters of the key of one, at most.
const MAX_KEY: usize = 64;
/// Characters of a text in one, at most.
const MAX_TEXT: usize = 512;
/// What a store is called that is given no name.
const UNNAMED: &str = "Vector store";

/// A vector store to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiCreateVectorStore)]
pub(super) struct Create {
    /// Its name: the collection's. One that is taken is made another.
    name: Option<String>,
    /// Files to put into it.
    #[serde(default)]
    file_ids: Option<Vec<String>>,
    /// Notes: at most 16 texts by their keys.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// What to change of a vector store.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OpenAiModifyVectorStore)]
pub(super) struct Modify {
    /// Its name: the collection's.
    name: Option<String>,
    /// Notes; they replace what was noted.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// A vector store.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiVectorStore)]
pub(super) struct StoreObject {
    id: String,
    /// `vector_store`.
    object: &'static str,
    /// In seconds since 1970.
    created_at: i64,
    name: String,
    /// `in_progress` or `completed`.
    status: &'static str,
    usage_bytes: i64,
    file_counts: Counts,
    last_active_at: i64,
    /// It does not expire.
    expires_after: Option<i64>,
    expires_at: Option<i64>,
    #[schema(value_type = Object)]
    metadata: Value,
}

/// How many files are how far.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiFileCounts)]
pub(super) struct Counts {
    pub(super) in_progress: i64,
    pub(super) completed: i64,
    pub(super) failed: i64,
    pub(super) cancelled: i64,
    pub(super) total: i64,
}

impl Counts {
    pub(super) fn new(in_progress: i64, completed: i64, failed: i64, cancelled: i64) -> Self {
        Self { in_progress, completed, failed, cancelled, total: in_progress + completed + failed + cancelled }
    }
}

impl From<Store> for StoreObject {
    fn from(store: Store) -> Self {
        Self {
            id: ids::show(ids::STORE, store.id.0),
            object: "vector_store",
            created_at: store.created_at.timestamp(),
            name: store.name,
            status: if store.in_progress > 0 { "in_progress" } else { "completed" },
            usage_bytes: store.bytes,
            file_counts: Counts::new(store.in_progress, store.completed, store.failed, 0),
            last_active_at: store.active_at.timestamp(),
            expires_after: None,
            expires_at: None,
            metadata: store.metadata,
        }
    }
}

/// The store of an id.
///
/// # Errors
/// One that the scope does not have.
pub(super) async fn known(app: &App, scope: Scope, id: &str) -> Result<Store, ApiError> {
    let found = match ids::read(ids::STORE, id) {
        Some(id) => openai_stores::find(&app.db, scope, CollectionId(id)).await?,
        None => None,
    };
    found.ok_or_else(|| ApiError::not_found("vector store"))
}

/// Refuses notes or attributes that cannot be kept. Notes are texts alone.
fn check_map(map: &Map<String, Value>, param: &str, only_texts: bool) -> Result<(), ApiError> {
    let wrong = |problem: String| Err(ApiError::bad_request(param, format!("`{param}` {problem}")));
    if map.len() > MAX_KEYS {
        return wrong(format!("has {MAX_KEYS} keys at most"));
    }
    for (key, value) in map {
        if key.is_empty() || key.chars().count() > MAX_KEY || key.contains('\0') {
            return wrong(format!("has a key that is empty or longer than {MAX_KEY} characters"));
        }
        let fits = match value {
            Value::String(text) => text.chars().count() <= MAX_TEXT && !text.contains('\0'),
            Value::Number(_) | Value::Bool(_) => !only_texts,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if !fits {
            let kinds = if only_texts { "" } else { ", a number or a truth value" };
            return wrong(format!("has a value that is no text of at most {MAX_TEXT} characters{kinds}: `{key}`"));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<&str, ApiError> {
    let name = name.trim();
    if name.chars().count() > MAX_NAME || name.contains('\0') {
        return Err(ApiError::bad_request("name", format!("`name` has {MAX_NAME} characters at most")));
    }
    Ok(name)
}

/// Makes a collection of this name, or of one like it: names need not be unique
/// there, but are here.
async fn make(app: &App, scope: Scope, name: &str) -> Result<CollectionId, ApiError> {
    let name = if name.is_empty() { UNNAMED } else { name };
    if let Some(made) = collections::create(&app.db, scope, name).await? {
        return Ok(made);
    }
    let short: String = name.chars().take(MAX_NAME - 11).collect();
    let mark = Uuid::new_v4().simple().to_string();
    let made = collections::create(&app.db, scope, &format!("{short} ({})", &mark[..8])).await?;
    made.ok_or_else(|| ApiError::unavailable("service", "the vector store could not be given a name; try again", 1))
}

/// Makes a vector store.
#[utoipa::path(
    post, path = "/v1/vector_stores", tag = "openai", request_body = Create,
    responses(
        (status = 200, body = StoreObject), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError), (status = 429, body = OpenAiError),
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    Caller(scope): Caller,
    Body(create): Body<Create>,
) -> Result<axum::Json<StoreObject>, ApiError> {
    let name = check_name(create.name.as_deref().unwrap_or_default())?;
    let metadata = create.metadata.unwrap_or_default();
    check_map(&metadata, "metadata", true)?;
    let wanted: Vec<Attach> = create.file_ids.unwrap_or_default().into_iter().map(Attach::plain).collect();
    let wanted = files::known(&app, scope, wanted).await?;
    let store = make(&app, scope, name).await?;
    openai_stores::note(&app.db, scope, store, &Value::Object(metadata)).await?;
    if let Err(refused) = files::put_all(&app, scope, store, wanted).await {
        app.corpus.delete_collection(scope, store).await?;
        return Err(refused);
    }
    Ok(axum::Json(known(&app, scope, &ids::show(ids::STORE, store.0)).await?.into()))
}

/// Vector stores: all collections.
#[utoipa::path(
    get, path = "/v1/vector_stores", tag = "openai", params(Paging),
    responses(
        (status = 200, body = Listing<StoreObject>), (status = 400, body = OpenAiError),
        (status = 401, body = OpenAiError),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Listing<StoreObject>>, ApiError> {
    let cut = paging.cut(ids::STORE, USUAL, MOST)?;
    let stores = openai_stores::list(&app.db, scope, None, cut.window).await?;
    Ok(cut.page(stores, |store| (ids::show(ids::STORE, store.id.0), store.into())))
}

/// One vector store.
#[utoipa::path(
    get, path = "/v1/vector_stores/{id}", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = StoreObject), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(super) async fn find(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<StoreObject>, ApiError> {
    Ok(axum::Json(known(&app, scope, &id).await?.into()))
}

/// Renames a vector store, or changes what is noted of it.
#[utoipa::path(
    post, path = "/v1/vector_stores/{id}", tag = "openai", params(("id" = String, Path)), request_body = Modify,
    responses(
        (status = 200, body = StoreObject), (status = 400, body = OpenAiError), (status = 401, body = OpenAiError),
        (status = 404, body = OpenAiError), (status = 409, body = OpenAiError),
    )
)]
pub(super) async fn modify(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
    Body(modify): Body<Modify>,
) -> Result<axum::Json<StoreObject>, ApiError> {
    let store = known(&app, scope, &id).await?;
    if let Some(metadata) = modify.metadata {
        check_map(&metadata, "metadata", true)?;
        openai_stores::note(&app.db, scope, store.id, &Value::Object(metadata)).await?;
    }
    let name = check_name(modify.name.as_deref().unwrap_or_default())?;
    if !name.is_empty() && name != store.name {
        match collections::rename(&app.db, scope, store.id, name).await {
            Err(sqlx::Error::Database(error)) if error.constraint() == Some("collections_owner_name") => {
                let problem = format!("`{name}` is there already; choose another name");
                return Err(crate::error::Error::Conflict { what: "vector store", problem }.into());
            }
            renamed => drop(renamed?),
        }
    }
    Ok(axum::Json(known(&app, scope, &id).await?.into()))
}

/// Deletes a vector store: the collection with its documents. Files stay.
#[utoipa::path(
    delete, path = "/v1/vector_stores/{id}", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = Deletion), (status = 401, body = OpenAiError), (status = 404, body = OpenAiError))
)]
pub(super) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<Deletion>, ApiError> {
    let store = known(&app, scope, &id).await?.id;
    let deleted = app.corpus.delete_collection(scope, store).await?;
    Ok(axum::Json(Deletion { id, object: "vector_store.deleted", deleted }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(map: &Value, only_texts: bool) -> bool {
        check_map(map.as_object().expect("an object"), "attributes", only_texts).is_ok()
    }

    #[test]
    fn attributes_are_few_and_short() {
        assert!(fits(&json!({ "a": "x".repeat(512), "b": 1.5, "c": true }), false));
        assert!(fits(&json!({ "a": "x" }), true) && !fits(&json!({ "a": 1 }), true));
        for wrong in [
            json!({ "a": "x".repeat(513) }),
            json!({ "x".repeat(65): 1 }),
            json!({ "": 1 }),
            json!({ "a": [1] }),
            json!({ "a": null }),
            json!({ "a": "\0" }),
        ] {
            assert!(!fits(&wrong, false), "{wrong}");
        }
        let many: Map<String, Value> = (0..17).map(|n| (n.to_string(), json!(n))).collect();
        assert!(check_map(&many, "attributes", false).is_err());
    }
}
