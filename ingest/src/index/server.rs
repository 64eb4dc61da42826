//! A Qdrant server or cluster, by gRPC.
//!
//! The collection's shape, the payload and the queries are those of the
//! embedded store, so that both answer alike. Writes wait until the server has
//! applied them; its own log makes them durable.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use qdrant_client::qdrant::{
    CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, DeletePointsBuilder, Distance,
    FieldType, Filter, GetPointsBuilder, KeywordIndexParamsBuilder, Modifier, NamedVectors, PayloadIncludeSelector,
    PointId, PointStruct, PointVectors, PrefetchQueryBuilder, Query, QueryPointsBuilder, RrfBuilder, ScoredPoint,
    ScrollPointsBuilder, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, UpdatePointVectorsBuilder,
    UpsertPointsBuilder, Vector, VectorInput, VectorParamsBuilder, VectorsConfigBuilder, VectorsSelector,
    point_id::PointIdOptions, with_vectors_selector::SelectorOptions,
};
use qdrant_client::{Payload as QdrantPayload, Qdrant, QdrantError};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::filter::Conditions;
use super::point::PLACE;
use super::{BM25, DENSE, Fusion, Hit, IndexInfo, Mode, Point, Search, SparseVector, check_dimensions};
use crate::error::{Error, Result};
use crate::ids::RevisionId;
use crate::scope::Scope;

/// Points in one request; a request must stay under the server's 32 MiB.
const BATCH: usize = 1024;

/// How to reach a Qdrant server and how to lay out the collection there.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address of its gRPC port, such as `http://localhost:6334`.
    pub url: String,
    /// Its API key, if it wants one.
    pub api_key: Option<SecretString>,
    /// Name of the collection.
    pub collection: String,
    /// Shards, when the collection is made here. `None` leaves it to the server.
    pub shards: Option<u32>,
    /// Copies of each shard, when the collection is made here.
    pub replicas: Option<u32>,
    /// Time limit of one request.
    pub timeout: Duration,
}

impl ServerConfig {
    /// A server at `url` with this service's defaults.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            api_key: None,
            collection: "footnote".into(),
            shards: None,
            replicas: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// A client of one Qdrant collection.
#[derive(Clone)]
pub struct ServerIndex {
    client: Qdrant,
    collection: String,
    /// Numbers in a vector of meaning.
    dimensions: usize,
}

impl std::fmt::Debug for ServerIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIndex").field("collection", &self.collection).finish_non_exhaustive()
    }
}

impl ServerIndex {
    /// Connects, and makes the collection if it is missing.
    ///
    /// # Errors
    /// [`Error::Index`] when the server does not answer,
    /// [`Error::IndexMismatch`] when the collection has vectors of another size.
    pub async fn open(config: &ServerConfig, dimensions: usize) -> Result<Self> {
        let index = Self { client: connect(config)?, collection: config.collection.clone(), dimensions };
        match exists(&index.client, config).await? {
            true => index.check_collection().await?,
            false => index.create(config).await?,
        }
        Ok(index)
    }

    /// Removes the collection. Whether it was there.
    ///
    /// # Errors
    /// [`Error::Index`] when the server does not answer, or refuses.
    pub async fn remove(config: &ServerConfig) -> Result<bool> {
        let client = connect(config)?;
        if !exists(&client, config).await? {
            return Ok(false);
        }
        client.delete_collection(&config.collection).await.map_err(server_error)?;
        Ok(true)
    }

    async fn create(&self, config: &ServerConfig) -> Result<()> {
        let mut vectors = VectorsConfigBuilder::default();
        vectors.add_named_vector_params(DENSE, VectorParamsBuilder::new(self.dimensions as u64, Distance::Cosine));
        let mut sparse = SparseVectorsConfigBuilder::default();
        sparse.add_named_vector_params(BM25, SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
        let mut request =
            CreateCollectionBuilder::new(&self.collection).vectors_config(vectors).sparse_vectors_config(sparse);
        if let Some(shards) = config.shards {
            request = request.shard_number(shards);
        }
        if let Some(replicas) = config.replicas {
            request = request.replication_factor(replicas);
        }
        self.client.create_collection(request).await.map_err(server_error)?;
        for (field, tenant) in [("owner", true), ("collection", false), ("revision", false)] {
            let index = CreateFieldIndexCollectionBuilder::new(&self.collection, field, FieldType::Keyword)
                .field_index_params(KeywordIndexParamsBuilder::default().is_tenant(tenant))
                .wait(true);
            self.client.create_field_index(index).await.map_err(server_error)?;
        }
        Ok(())
    }

    async fn check_collection(&self) -> Result<()> {
        use qdrant_client::qdrant::vectors_config::Config;
        let info = self.client.collection_info(&self.collection).await.map_err(server_error)?;
        let vectors =
            info.result.and_then(|info| info.config?.params?.vectors_config?.config).and_then(|config| match config {
                Config::ParamsMap(map) => map.map.get(DENSE).map(|params| params.size),
                Config::Params(_) => None,
            });
        if vectors == Some(self.dimensions as u64) {
            return Ok(());
        }
        Err(Error::IndexMismatch(format!(
            "the collection `{}` on the Qdrant server does not hold vectors of {} dimensions under the name `{DENSE}`; use the model it was built with, or another collection",
            self.collection, self.dimensions
        )))
    }

    pub(super) async fn upsert(&self, points: Vec<Point>) -> Result<()> {
        check_dimensions(self.dimensions, points.iter().filter_map(|point| point.dense.as_deref()))?;
        for batch in points.chunks(BATCH) {
            let points = batch.iter().map(to_server_point).collect::<Result<Vec<_>>>()?;
            let request = UpsertPointsBuilder::new(&self.collection, points).wait(true);
            self.client.upsert_points(request).await.map_err(server_error)?;
        }
        Ok(())
    }

    pub(super) async fn set_dense(&self, vectors: Vec<(Uuid, Vec<f32>)>) -> Result<()> {
        check_dimensions(self.dimensions, vectors.iter().map(|(_, vector)| vector.as_slice()))?;
        for batch in vectors.chunks(BATCH) {
            // An update of a point that is gone would be refused as a whole.
            let known = self.known(batch.iter().map(|(id, _)| *id)).await?;
            let points: Vec<PointVectors> = batch
                .iter()
                .filter(|(id, _)| known.contains(id))
                .map(|(id, vector)| PointVectors {
                    id: Some(id.to_string().into()),
                    vectors: Some(NamedVectors::default().add_vector(DENSE, Vector::new_dense(vector.clone())).into()),
                })
                .collect();
            if points.is_empty() {
                continue;
            }
            let request = UpdatePointVectorsBuilder::new(&self.collection, points).wait(true);
            self.client.update_vectors(request).await.map_err(server_error)?;
        }
        Ok(())
    }

    /// Those of the points that there are.
    async fn known(&self, ids: impl Iterator<Item = Uuid>) -> Result<HashSet<Uuid>> {
        let ids: Vec<PointId> = ids.map(|id| id.to_string().into()).collect();
        let request = GetPointsBuilder::new(&self.collection, ids).with_payload(false).with_vectors(false);
        let found = self.client.get_points(request).await.map_err(server_error)?.result;
        Ok(found.iter().filter_map(|point| point_uuid(point.id.as_ref())).collect())
    }

    pub(super) async fn purge(&self, scope: Scope, revisions: &[RevisionId]) -> Result<()> {
        self.delete(Conditions::of(scope).of_revisions(revisions)).await
    }

    pub(super) async fn delete_points(&self, scope: Scope, points: &[Uuid]) -> Result<()> {
        self.delete(Conditions::of(scope).with_ids(points.to_vec())).await
    }

    async fn delete(&self, conditions: Conditions) -> Result<()> {
        let request = DeletePointsBuilder::new(&self.collection).points(conditions.to_server()).wait(true);
        self.client.delete_points(request).await.map_err(server_error)?;
        Ok(())
    }

    pub(super) async fn search(&self, scope: Scope, search: &Search) -> Result<Vec<Hit>> {
        let filter = Conditions::of_search(scope, search).to_server();
        let dense = search.dense.clone().filter(|_| search.mode != Mode::Sparse);
        let sparse = search.sparse.clone().filter(|sparse| search.mode != Mode::Dense && !sparse.indices.is_empty());
        let dense = dense.map(|vector| (DENSE, Query::new_nearest(vector)));
        let sparse = sparse.map(|vector| (BM25, sparse_query(vector)));
        let limit = search.limit as u64;
        let request = match (&dense, &sparse) {
            (None, None) => return Ok(Vec::new()),
            (Some((using, query)), None) | (None, Some((using, query))) => {
                self.query(query.clone(), limit).using(*using).filter(filter).with_payload(place())
            }
            (Some(dense), Some(sparse)) => {
                let mut request = self.query(fusion_query(search.fusion), limit).with_payload(place());
                for (using, query) in [dense, sparse] {
                    request = request.add_prefetch(
                        PrefetchQueryBuilder::default()
                            .query(query.clone())
                            .using(*using)
                            .filter(filter.clone())
                            .limit(search.prefetch as u64),
                    );
                }
                request
            }
        };
        let found = self.client.query(request).await.map_err(server_error)?.result;
        let ids: Vec<Uuid> = found.iter().filter_map(|point| point_uuid(point.id.as_ref())).collect();
        let shown = Conditions::readable(scope, &search.shared).with_ids(ids).to_server();
        let (by_dense, by_sparse) = tokio::try_join!(
            self.stage_scores(dense, &shown, found.len()),
            self.stage_scores(sparse, &shown, found.len())
        )?;
        found.into_iter().map(|point| to_hit(point, &by_dense, &by_sparse)).collect()
    }

    fn query(&self, query: Query, limit: u64) -> QueryPointsBuilder {
        QueryPointsBuilder::new(&self.collection).query(query).limit(limit)
    }

    /// The scores of one vector for the points that were found already.
    async fn stage_scores(
        &self,
        query: Option<(&str, Query)>,
        shown: &Filter,
        count: usize,
    ) -> Result<HashMap<Uuid, f32>> {
        let Some((using, query)) = query.filter(|_| count > 0) else {
            return Ok(HashMap::new());
        };
        let request = self.query(query, count as u64).using(using).filter(shown.clone());
        let scored = self.client.query(request).await.map_err(server_error)?.result;
        Ok(scored.iter().filter_map(|point| Some((point_uuid(point.id.as_ref())?, point.score))).collect())
    }

    pub(super) async fn list(&self, scope: Scope, after: Option<Uuid>, limit: usize) -> Result<Vec<(Uuid, bool)>> {
        let mut request = ScrollPointsBuilder::new(&self.collection)
            .filter(Conditions::of(scope).to_server())
            .limit(u32::try_from(limit).unwrap_or(u32::MAX))
            .with_payload(false)
            .with_vectors(SelectorOptions::from(VectorsSelector { names: vec![DENSE.to_owned()] }));
        if let Some(after) = after {
            let next = Uuid::from_u128(after.as_u128().saturating_add(1));
            request = request.offset(next.to_string());
        }
        let page = self.client.scroll(request).await.map_err(server_error)?.result;
        Ok(page
            .iter()
            .filter_map(|point| {
                let dense = point.vectors.as_ref().is_some_and(|vectors| vectors.get_vector_by_name(DENSE).is_some());
                Some((point_uuid(point.id.as_ref())?, dense))
            })
            .collect())
    }

    pub(super) async fn info(&self) -> Result<IndexInfo> {
        let request = CountPointsBuilder::new(&self.collection).exact(true);
        let count = self.client.count(request).await.map_err(server_error)?.result;
        let points = count.map_or(0, |count| usize::try_from(count.count).unwrap_or(usize::MAX));
        Ok(IndexInfo { points })
    }

    pub(super) async fn optimize(&self) -> Result<()> {
        // A server optimises by itself.
        Ok(())
    }
}

fn connect(config: &ServerConfig) -> Result<Qdrant> {
    let mut builder = Qdrant::from_url(&config.url)
        .timeout(config.timeout)
        .connect_timeout(Duration::from_secs(5))
        .skip_compatibility_check();
    if let Some(key) = &config.api_key {
        builder.set_api_key(key.expose_secret());
    }
    builder.build().map_err(|error| unreachable(config, &error))
}

async fn exists(client: &Qdrant, config: &ServerConfig) -> Result<bool> {
    client.collection_exists(&config.collection).await.map_err(|error| unreachable(config, &error))
}

fn unreachable(config: &ServerConfig, error: &QdrantError) -> Error {
    Error::Index(format!(
        "the Qdrant server at `{}` does not answer ({error}); check QDRANT_URL (its gRPC port, usually 6334) and QDRANT_API_KEY",
        config.url
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn server_error(error: QdrantError) -> Error {
    Error::Index(error.to_string())
}

fn point_uuid(id: Option<&PointId>) -> Option<Uuid> {
    match id?.point_id_options.as_ref()? {
        PointIdOptions::Uuid(id) => id.parse().ok(),
        PointIdOptions::Num(_) => None,
    }
}

fn sparse_query(vector: SparseVector) -> Query {
    Query::new_nearest(VectorInput::new_sparse(vector.indices, vector.values))
}

fn fusion_query(fusion: Fusion) -> Query {
    Query::new_rrf(RrfBuilder::with_k(fusion.k).weights(vec![fusion.dense_weight, fusion.sparse_weight]))
}

fn to_server_point(point: &Point) -> Result<PointStruct> {
    let payload = serde_json::to_value(point.payload()).map_err(|error| Error::Index(error.to_string()))?;
    let payload = QdrantPayload::try_from(payload).map_err(server_error)?;
    let sparse = Vector::new_sparse(point.sparse.indices.clone(), point.sparse.values.clone());
    let mut vectors = NamedVectors::default().add_vector(BM25, sparse);
    if let Some(dense) = &point.dense {
        vectors = vectors.add_vector(DENSE, Vector::new_dense(dense.clone()));
    }
    Ok(PointStruct::new(point.id.to_string(), vectors, payload))
}

fn place() -> PayloadIncludeSelector {
    PayloadIncludeSelector { fields: PLACE.map(str::to_owned).into() }
}

fn to_hit(point: ScoredPoint, dense: &HashMap<Uuid, f32>, sparse: &HashMap<Uuid, f32>) -> Result<Hit> {
    let id = point_uuid(point.id.as_ref());
    Hit::new(&QdrantPayload::from(point.payload), point.score, id, dense, sparse)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("an address"));
        // Whoever connects is let in, and hears nothing.
        let config = ServerConfig { timeout: Duration::from_millis(200), ..ServerConfig::new(url) };
        let opened = tokio::time::timeout(Duration::from_mins(1), ServerIndex::open(&config, 4)).await;
        let error = opened.expect("an end").expect_err("no server");
        assert!(matches!(error, Error::Index(_)), "{error:?}");
    }
}
