//! Conditions on points, said once and translated for each backend.

use std::collections::BTreeMap;

use qdrant_client::qdrant;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Search;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, RevisionId};
use crate::scope::Scope;

/// Conditions on a document's metadata; all must hold.
///
/// `{"department": "support", "year": {"gte": 2024}, "language": ["de", "en"]}`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct MetaFilter(pub BTreeMap<String, FilterValue>);

/// Conditions of a filter, at most.
const MAX_CONDITIONS: usize = 64;
/// Values of one condition, at most.
const MAX_VALUES: usize = 256;

impl MetaFilter {
    /// Refuses what would take the index longer than a question is worth.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than 64 conditions, or 256 values of one.
    pub fn check(&self) -> Result<()> {
        let most = self.0.values().map(FilterValue::len).max().unwrap_or_default();
        let problem = if self.0.len() > MAX_CONDITIONS {
            format!("has {} conditions; at most {MAX_CONDITIONS} are taken", self.0.len())
        } else if most > MAX_VALUES {
            format!("has a condition of {most} values; at most {MAX_VALUES} are taken")
        } else {
            return Ok(());
        };
        Err(Error::Invalid { field: "filter", problem })
    }
}

/// What a metadata value must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum FilterValue {
    /// Equal to this.
    Is(Scalar),
    /// Equal to one of these.
    AnyOf(Vec<Scalar>),
    /// A number within these bounds.
    Range(Bounds),
}

impl FilterValue {
    /// How many values it names.
    fn len(&self) -> usize {
        match self {
            Self::Is(_) | Self::Range(_) => 1,
            Self::AnyOf(values) => values.len(),
        }
    }
}

/// A value that can be compared for equality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// Truth value.
    Bool(bool),
    /// Whole number.
    Integer(i64),
    /// Text, compared exactly.
    Text(String),
}

/// Bounds of a number; at least one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Greater than.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<f64>,
    /// At least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<f64>,
    /// Less than.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<f64>,
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lte: Option<f64>,
}

/// One condition on a point.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Field(String, FilterValue),
    HasId(Vec<Uuid>),
    /// One of these holds.
    Either(Vec<Condition>),
}

/// All conditions of a request. Made only with a scope, so the owner's
/// condition is always among them.
#[derive(Debug, Clone)]
pub(super) struct Conditions(Vec<Condition>);

impl Conditions {
    /// The points of the scope's owner.
    pub(super) fn of(scope: Scope) -> Self {
        let owner = FilterValue::Is(Scalar::Text(scope.owner().0.to_string()));
        Self(vec![Condition::Field("owner".into(), owner)])
    }

    /// The points of the scope's owner, and of collections that others share
    /// with it.
    pub(super) fn readable(scope: Scope, shared: &[CollectionId]) -> Self {
        let own = Self::of(scope);
        if shared.is_empty() {
            return own;
        }
        let shared = Self(Vec::new()).in_collections(shared);
        Self(vec![Condition::Either(own.0.into_iter().chain(shared.0).collect())])
    }

    /// The points that a search may find.
    pub(super) fn of_search(scope: Scope, search: &Search) -> Self {
        let mut conditions = Self::readable(scope, &search.shared);
        if let Some(collections) = &search.collections {
            conditions = conditions.in_collections(collections);
        }
        if let Some(revisions) = &search.revisions {
            conditions = conditions.of_revisions(revisions);
        }
        for (key, value) in &search.filter.0 {
            conditions.0.push(Condition::Field(format!("meta.{key}"), value.clone()));
        }
        conditions
    }

    fn in_collections(self, collections: &[CollectionId]) -> Self {
        self.any_of("collection", collections.iter().map(|id| id.0))
    }

    /// Only points of these revisions.
    pub(super) fn of_revisions(self, revisions: &[RevisionId]) -> Self {
        self.any_of("revision", revisions.iter().map(|id| id.0))
    }

    fn any_of(mut self, field: &str, ids: impl Iterator<Item = Uuid>) -> Self {
        let ids = ids.map(|id| Scalar::Text(id.to_string())).collect();
        self.0.push(Condition::Field(field.into(), FilterValue::AnyOf(ids)));
        self
    }

    /// Only these points.
    pub(super) fn with_ids(mut self, ids: Vec<Uuid>) -> Self {
        self.0.push(Condition::HasId(ids));
        self
    }

    /// As Qdrant Edge reads it.
    pub(super) fn to_edge(&self) -> Result<qdrant_edge::Filter> {
        let must: Vec<Value> = self.0.iter().map(Condition::to_json).collect();
        serde_json::from_value(json!({ "must": must })).map_err(|error| Error::Invalid {
            field: "filter",
            problem: format!("is not understood ({error}); keys are metadata names"),
        })
    }

    /// As a Qdrant server reads it by gRPC.
    pub(super) fn to_server(&self) -> qdrant::Filter {
        qdrant::Filter::must(self.0.iter().map(Condition::to_message))
    }
}

impl Condition {
    fn to_json(&self) -> Value {
        match self {
            Self::HasId(ids) => json!({ "has_id": ids }),
            Self::Either(conditions) => {
                let should: Vec<Value> = conditions.iter().map(Self::to_json).collect();
                json!({ "should": should })
            }
            Self::Field(key, FilterValue::Is(value)) => json!({ "key": key, "match": { "value": value } }),
            Self::Field(key, FilterValue::AnyOf(values)) => {
                // `any` takes one type only, so each value is its own condition.
                let should: Vec<Value> =
                    values.iter().map(|value| json!({ "key": key, "match": { "value": value } })).collect();
                match should.is_empty() {
                    true => json!({ "has_id": [] }),
                    false => json!({ "should": should }),
                }
            }
            Self::Field(key, FilterValue::Range(bounds)) => json!({ "key": key, "range": bounds }),
        }
    }

    fn to_message(&self) -> qdrant::Condition {
        match self {
            Self::HasId(ids) => has_id(ids),
            Self::Either(conditions) => qdrant::Filter::should(conditions.iter().map(Self::to_message)).into(),
            Self::Field(key, FilterValue::Is(value)) => matches(key, value),
            Self::Field(key, FilterValue::AnyOf(values)) => match values.is_empty() {
                true => has_id(&[]),
                false => qdrant::Filter::should(values.iter().map(|value| matches(key, value))).into(),
            },
            Self::Field(key, FilterValue::Range(bounds)) => qdrant::Condition::range(
                key.as_str(),
                qdrant::Range { gt: bounds.gt, gte: bounds.gte, lt: bounds.lt, lte: bounds.lte },
            ),
        }
    }
}

fn has_id(ids: &[Uuid]) -> qdrant::Condition {
    qdrant::Condition::has_id(ids.iter().map(|id| qdrant::PointId::from(id.to_string())))
}

fn matches(key: &str, value: &Scalar) -> qdrant::Condition {
    match value {
        Scalar::Bool(value) => qdrant::Condition::matches(key, *value),
        Scalar::Integer(value) => qdrant::Condition::matches(key, *value),
        Scalar::Text(value) => qdrant::Condition::matches(key, value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    #[test]
    fn the_owner_is_part_of_every_filter() {
        let scope = Scope::stored(UserId::new());
        let edge = Conditions::of(scope).to_edge().expect("a filter");
        let text = serde_json::to_string(&edge).expect("JSON");
        assert!(text.contains(&scope.owner().to_string()));
        assert_eq!(Conditions::of(scope).to_server().must.len(), 1);
    }

    #[test]
    fn what_is_shared_is_found_beside_what_is_owned_and_nothing_else() {
        let (scope, collection) = (Scope::stored(UserId::new()), CollectionId::new());
        let search = |shared: &[CollectionId]| {
            let search = Search { shared: shared.into(), ..Search::default() };
            let edge = Conditions::of_search(scope, &search).to_edge().expect("a filter");
            serde_json::to_value(&edge).expect("JSON")
        };
        let own = json!({ "key": "owner", "match": { "value": scope.owner() } });
        assert_eq!(search(&[])["must"], json!([own]));
        let shared = json!({ "should": [{ "key": "collection", "match": { "value": collection } }] });
        assert_eq!(search(&[collection])["must"], json!([{ "should": [own, shared] }]));
    }

    #[test]
    fn revisions_that_are_named_are_searched_within_what_may_be_read() {
        let (scope, revision) = (Scope::stored(UserId::new()), RevisionId::new());
        let search = |revisions: Vec<RevisionId>| {
            let search = Search { revisions: Some(revisions), ..Search::default() };
            serde_json::to_value(Conditions::of_search(scope, &search).to_edge().expect("a filter")).expect("JSON")
        };
        let own = json!({ "key": "owner", "match": { "value": scope.owner() } });
        let named = json!({ "should": [{ "key": "revision", "match": { "value": revision } }] });
        assert_eq!(search(vec![revision])["must"], json!([own, named]));
        assert_eq!(search(vec![])["must"], json!([own, { "has_id": [] }]), "none at all");
    }

    #[test]
    fn a_filter_reads_values_lists_and_ranges() {
        let filter: MetaFilter = serde_json::from_value(json!({
            "department": "support", "year": { "gte": 2024 }, "language": ["de", "en"], "public": true
        }))
        .expect("a filter");
        assert_eq!(filter.0["department"], FilterValue::Is(Scalar::Text("support".into())));
        assert!(matches!(filter.0["year"], FilterValue::Range(Bounds { gte: Some(_), .. })));
        assert!(matches!(&filter.0["language"], FilterValue::AnyOf(values) if values.len() == 2));
        assert!(serde_json::from_value::<MetaFilter>(json!({ "year": { "above": 1 } })).is_err());
    }
}
