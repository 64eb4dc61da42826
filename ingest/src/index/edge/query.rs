//! Queries on the embedded store: one for the fused list, and one for each
//! vector to tell the score that its stage gave. Imports the types above.

use std::collections::HashMap;

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    EdgeShard, NamedQuery, PointId, Prefetch, QueryEnum, QueryRequest, ScoredPoint, ScoringQuery, VectorInternal,
    WithPayloadInterface, WithVector,
};
use uuid::Uuid;

use super::super::filter::Conditions;
use super::super::{BM25, DENSE, Fusion, Hit, Mode, Search, SparseVector};
use super::{index_error, to_edge_sparse};
use crate::error::Result;
use crate::scope::Scope;

/// The best points, best first, with the scores of both stages.
pub(super) fn search_shard(
    shard: &EdgeShard,
    scope: Scope,
    conditions: &Conditions,
    search: &Search,
) -> Result<Vec<Hit>> {
    let filter = conditions.to_edge()?;
    let dense = search.dense.clone().filter(|_| search.mode != Mode::Sparse).map(dense_query);
    let sparse = search.sparse.clone().filter(|sparse| {
        // An index search for no words at all is an error in Edge.
        search.mode != Mode::Dense && !sparse.indices.is_empty()
    });
    let sparse = sparse.map(sparse_query).transpose()?;
    let request = match (&dense, &sparse) {
        (None, None) => return Ok(Vec::new()),
        (Some(query), None) | (None, Some(query)) => request(vec![], query.clone(), Some(filter), search.limit, true),
        (Some(dense), Some(sparse)) => {
            let prefetches = [dense, sparse].map(|query| Prefetch {
                prefetches: vec![],
                query: Some(query.clone()),
                limit: search.prefetch,
                params: None,
                filter: Some(filter.clone()),
                score_threshold: None,
            });
            request(prefetches.into(), fusion_query(search.fusion), None, search.limit, true)
        }
    };
    let found = shard.query(request).map_err(index_error)?;
    let ids: Vec<Uuid> = found.iter().filter_map(point_uuid).collect();
    let shown = Conditions::readable(scope, &search.shared).with_ids(ids).to_edge()?;
    let by_dense = stage_scores(shard, dense, &shown, found.len())?;
    let by_sparse = stage_scores(shard, sparse, &shown, found.len())?;
    found
        .into_iter()
        .map(|point| {
            let (id, score) = (point_uuid(&point), point.score);
            Hit::new(&point.payload.unwrap_or_default(), score, id, &by_dense, &by_sparse)
        })
        .collect()
}

/// The scores of one vector for the points that were found already.
fn stage_scores(
    shard: &EdgeShard,
    query: Option<ScoringQuery>,
    shown: &qdrant_edge::Filter,
    count: usize,
) -> Result<HashMap<Uuid, f32>> {
    let Some(query) = query.filter(|_| count > 0) else {
        return Ok(HashMap::default());
    };
    let scored = shard.query(request(vec![], query, Some(shown.clone()), count, false)).map_err(index_error)?;
    Ok(scored.iter().filter_map(|point| Some((point_uuid(point)?, point.score))).collect())
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
    with_payload: bool,
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
        with_payload: WithPayloadInterface::Bool(with_payload),
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
