//! Queries on the embedded store: one for the fused list, and one for each
//! vector to tell the score that its stage gave. Imports the types above.

use std::collections::HashMap;
use std::sync::Arc;

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    JsonPath, NamedQuery, PointId, Prefetch, QueryEnum, QueryRequest, ScoredPoint, ScoringQuery, VectorInternal,
    WithPayloadInterface, WithVector,
};
use uuid::Uuid;

use super::super::filter::Conditions;
use super::super::point::PLACE;
use super::super::{BM25, DENSE, Fusion, Hit, Mode, Search, SparseVector};
use super::{Shard, contained, index_error, to_edge_sparse};
use crate::error::{Error, Result};
use crate::scope::Scope;

/// A search by its parts.
struct Queries {
    dense: Option<ScoringQuery>,
    sparse: Option<ScoringQuery>,
    /// The search itself; none where nothing is looked for.
    request: Option<QueryRequest>,
}

impl Queries {
    /// # Errors
    /// [`Error::Index`] for a sparse vector that is none.
    fn new(conditions: &Conditions, search: Search) -> Result<Self> {
        let filter = conditions.to_edge()?;
        let dense = search.dense.filter(|_| search.mode != Mode::Sparse).map(dense_query);
        let sparse = search.sparse.filter(|sparse| {
            // An index search for no words at all is an error in Edge.
            search.mode != Mode::Dense && !sparse.indices.is_empty()
        });
        let sparse = sparse.map(sparse_query).transpose()?;
        let place = WithPayloadInterface::Fields(place()?);
        let request = match (&dense, &sparse) {
            (None, None) => None,
            (Some(query), None) | (None, Some(query)) => {
                Some(request(vec![], query.clone(), Some(filter), search.limit, place))
            }
            (Some(dense), Some(sparse)) => {
                let prefetches = [dense, sparse].map(|query| Prefetch {
                    prefetches: vec![],
                    query: Some(query.clone()),
                    limit: search.prefetch,
                    params: None,
                    filter: Some(filter.clone()),
                    score_threshold: None,
                });
                Some(request(prefetches.into(), fusion_query(search.fusion), None, search.limit, place))
            }
        };
        Ok(Self { dense, sparse, request })
    }
}

/// The best points, best first, with the scores of both stages.
pub(super) async fn search(shard: &Arc<Shard>, scope: Scope, search: &Search) -> Result<Vec<Hit>> {
    let Queries { dense, sparse, request } = Queries::new(&Conditions::of_search(scope, search), search.clone())?;
    let Some(request) = request else { return Ok(Vec::new()) };
    let found = query(shard, request).await?;
    let ids: Vec<Uuid> = found.iter().filter_map(point_uuid).collect();
    let shown = Conditions::readable(scope, &search.shared).with_ids(ids).to_edge()?;
    let (by_dense, by_sparse) = tokio::try_join!(
        stage_scores(shard, dense, &shown, found.len()),
        stage_scores(shard, sparse, &shown, found.len())
    )?;
    found
        .into_iter()
        .map(|point| {
            let (id, score) = (point_uuid(&point), point.score);
            Hit::new(&point.payload.unwrap_or_default(), score, id, &by_dense, &by_sparse)
        })
        .collect()
}

/// The scores of one vector for the points that were found already.
async fn stage_scores(
    shard: &Arc<Shard>,
    scoring: Option<ScoringQuery>,
    shown: &qdrant_edge::Filter,
    count: usize,
) -> Result<HashMap<Uuid, f32>> {
    let Some(scoring) = scoring.filter(|_| count > 0) else {
        return Ok(HashMap::default());
    };
    let nothing = WithPayloadInterface::Bool(false);
    let scored = query(shard, request(vec![], scoring, Some(shown.clone()), count, nothing)).await?;
    Ok(scored.iter().filter_map(|point| Some((point_uuid(point)?, point.score))).collect())
}

async fn query(shard: &Arc<Shard>, request: QueryRequest) -> Result<Vec<ScoredPoint>> {
    let shard = Arc::clone(shard);
    contained(move || shard.query(request)).await?.map_err(index_error)
}

/// What is asked for of a point that is found.
fn place() -> Result<Vec<JsonPath>> {
    let path = |field: &str| field.parse().map_err(|()| Error::Index(format!("`{field}` is no field")));
    PLACE.into_iter().map(path).collect()
}

fn point_uuid(point: &ScoredPoint) -> Option<Uuid> {
    match point.id {
        PointId::Uuid(id) => Some(id),
        PointId::NumId(_) => None,
    }
}

fn request(
    prefetches: Vec<Prefetch>,
    query: ScoringQuery,
    filter: Option<qdrant_edge::Filter>,
    limit: usize,
    with_payload: WithPayloadInterface,
) -> QueryRequest {
    QueryRequest {
        prefetches,
        query: Some(query),
        filter,
        score_threshold: None,
        limit,
        offset: 0,
        params: None,
        with_vector: WithVector::Bool(false),
        with_payload,
    }
}

fn dense_query(vector: Vec<f32>) -> ScoringQuery {
    nearest(DENSE, VectorInternal::Dense(vector))
}

fn sparse_query(vector: SparseVector) -> Result<ScoringQuery> {
    Ok(nearest(BM25, VectorInternal::Sparse(to_edge_sparse(vector)?)))
}

fn nearest(name: &str, query: VectorInternal) -> ScoringQuery {
    ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery { query, using: Some(name.into()) }))
}

fn fusion_query(fusion: Fusion) -> ScoringQuery {
    ScoringQuery::Fusion(qdrant_edge::Fusion::Rrf {
        k: fusion.k as usize,
        weights: Some(vec![OrderedFloat(fusion.dense_weight), OrderedFloat(fusion.sparse_weight)]),
    })
}
