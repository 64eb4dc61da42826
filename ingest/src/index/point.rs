//! The shape of a point: its id, its vectors, its payload.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::ids::{CollectionId, DocumentId, RevisionId};
use crate::scope::Scope;

/// A sparse vector: ascending token ids with their weights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseVector {
    /// Token ids.
    pub indices: Vec<u32>,
    /// One weight for each id.
    pub values: Vec<f32>,
}

/// A chunk as the index holds it. No text: that is Postgres's.
#[derive(Debug, Clone)]
pub struct Point {
    /// See [`point_id`].
    pub id: Uuid,
    /// Whose it is.
    pub scope: Scope,
    /// The document's collection.
    pub collection: CollectionId,
    /// The document.
    pub document: DocumentId,
    /// The revision that the chunk was cut from.
    pub revision: RevisionId,
    /// The chunk's position in the revision.
    pub ordinal: u32,
    /// The document's metadata, for filters.
    pub meta: serde_json::Map<String, serde_json::Value>,
    /// The chunk's words.
    pub sparse: SparseVector,
    /// The chunk's meaning, where it is known already.
    pub dense: Option<Vec<f32>>,
}

/// A point that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The revision that the chunk was cut from.
    pub revision: RevisionId,
    /// The chunk's position in the revision.
    pub ordinal: u32,
    /// Fused score, or the single vector's.
    pub score: f32,
    /// Cosine similarity, where the dense vector took part and the point has one.
    pub dense: Option<f32>,
    /// BM25, where the sparse vector took part.
    pub sparse: Option<f32>,
}

impl Hit {
    /// A hit from what a backend returned: the payload, the score, and the
    /// scores of both stages by point.
    ///
    /// # Errors
    /// [`Error::Index`] for a payload that is not ours.
    pub(super) fn new(
        payload: &impl Serialize,
        score: f32,
        id: Option<Uuid>,
        dense: &HashMap<Uuid, f32>,
        sparse: &HashMap<Uuid, f32>,
    ) -> Result<Self> {
        let Place { revision, ordinal } = serde_json::to_value(payload)
            .and_then(serde_json::from_value)
            .map_err(|error| Error::Index(error.to_string()))?;
        let of = |stage: &HashMap<Uuid, f32>| stage.get(&id?).copied();
        Ok(Self { revision, ordinal, score, dense: of(dense), sparse: of(sparse) })
    }
}

/// Point id: UUIDv5 of revision, chunk ordinal and embedding model, so that
/// writing a chunk again replaces it.
#[must_use]
pub fn point_id(revision: RevisionId, ordinal: u32, model: &str) -> Uuid {
    Uuid::new_v5(&revision.0, format!("{ordinal}/{model}").as_bytes())
}

/// Of what is stored beside the vectors, where a hit stands: all that is asked for,
/// for metadata may be large.
#[derive(Deserialize)]
struct Place {
    revision: RevisionId,
    ordinal: u32,
}

/// The names of these.
pub(super) const PLACE: [&str; 2] = ["revision", "ordinal"];

/// What is stored beside the vectors.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Payload {
    pub owner: Uuid,
    pub collection: CollectionId,
    pub document: DocumentId,
    pub revision: RevisionId,
    pub ordinal: u32,
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub meta: serde_json::Map<String, serde_json::Value>,
}

impl Point {
    pub(super) fn payload(&self) -> Payload {
        Payload {
            owner: self.scope.owner().0,
            collection: self.collection,
            document: self.document,
            revision: self.revision,
            ordinal: self.ordinal,
            meta: self.meta.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_id_is_the_same_each_time_and_differs_by_each_part() {
        let (revision, other) = (RevisionId::new(), RevisionId::new());
        assert_eq!(point_id(revision, 3, "m"), point_id(revision, 3, "m"));
        assert_ne!(point_id(revision, 3, "m"), point_id(revision, 4, "m"));
        assert_ne!(point_id(revision, 3, "m"), point_id(revision, 3, "n"));
        assert_ne!(point_id(revision, 3, "m"), point_id(other, 3, "m"));
    }
}
