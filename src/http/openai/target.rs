//! Who answers: the documents of a collection, a provider's model, or a
//! provider's model over documents.

use std::sync::Arc;

use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections;
use serde_json::{Map, Value};

use super::super::error::ApiError;
use super::super::extract::{self, MAX_COLLECTIONS};
use crate::app::App;
use crate::ids::CollectionId;
use crate::llm::Provider;

/// What the names of collections begin with when they are models.
pub(super) const KB: &str = "kb/";

/// Who answers.
pub(super) enum Target {
    /// A provider's model, and nothing of ours.
    Provider(Arc<dyn Provider>),
    /// The documents.
    Documents(Grounding),
}

/// Documents, and who reads them.
#[derive(Debug, Default)]
pub(super) struct Grounding {
    /// Empty means all of the owner's.
    pub(super) collections: Vec<CollectionId>,
    /// None means the service's.
    pub(super) model: Option<String>,
}

/// Who answers to a model's name, over the collections `also`.
///
/// # Errors
/// A model or a collection that the scope does not have.
pub(super) async fn find(app: &App, scope: Scope, model: &str, also: Vec<CollectionId>) -> Result<Target, ApiError> {
    if let Some(name) = model.strip_prefix(KB) {
        let own = collection(app, scope, name).await?.ok_or_else(|| ApiError::no_model(model))?;
        let mut collections = vec![own];
        collections.extend(also.into_iter().filter(|id| *id != own));
        return Ok(Target::Documents(Grounding { collections, model: None }));
    }
    let provider = app.models.choose(Some(model)).map_err(|_| ApiError::no_model(model))?;
    // One that follows no instructions knows nothing but documents.
    if also.is_empty() && provider.capabilities().instructed {
        return Ok(Target::Provider(provider));
    }
    Ok(Target::Documents(Grounding { collections: also, model: Some(model.to_owned()) }))
}

/// The id of the collection of this name.
pub(super) async fn collection(app: &App, scope: Scope, name: &str) -> Result<Option<CollectionId>, ApiError> {
    // What no text holds, no name holds.
    if name.contains('\0') {
        return Ok(None);
    }
    Ok(collections::find_by_name(&app.db, scope, name).await?)
}

/// The collections that a request's metadata name: names or ids with commas
/// between them.
///
/// # Errors
/// A collection that the scope does not have.
pub(super) async fn of_metadata(
    app: &App,
    scope: Scope,
    metadata: Option<&Map<String, Value>>,
) -> Result<Vec<CollectionId>, ApiError> {
    let Some(named) = metadata.and_then(|metadata| metadata.get("collections")) else { return Ok(vec![]) };
    let wrong =
        |problem: &str| ApiError::bad_request("metadata.collections", format!("`metadata.collections` {problem}"));
    let named = named.as_str().ok_or_else(|| wrong("is a text: names or ids with commas between them"))?;
    let named: Vec<String> =
        named.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if named.len() > MAX_COLLECTIONS {
        return Err(wrong(&format!("names {MAX_COLLECTIONS} at most")));
    }
    Ok(extract::collections(app, scope, Some(&named)).await?.unwrap_or_default())
}
