//! Qdrant Edge: the index in this process.
//!
//! Measured habits of Edge 0.7.2 that shape this file: updates that were not
//! flushed are gone after `kill -9`; `flush()` panics when another thread holds
//! its lock or on an I/O error; a full disk is a SIGBUS; a second process
//! cannot open the store. Hence one writer at a time, a flush at the end of
//! every write, panics contained, and the disk checked first. A point that is
//! added to a segment walks the whole posting list of each of its words, so that
//! a load of many grows with its square: segments are closed in between.

mod query;

use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use qdrant_edge::{
    CountRequest, CreateIndex, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeSparseVectorParams,
    EdgeVectorParams, FieldIndexOperations, Modifier, PointId, PointInsertOperations, PointOperations,
    PointStructPersisted, PointVectorsPersisted, ScrollRequest, UpdateOperation, UpdateVectorsOp, VectorOperations,
    VectorPersisted, VectorStructPersisted, WithPayloadInterface, WithVector,
};
use serde_json::json;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::filter::Conditions;
use super::{BM25, DENSE, Hit, IndexInfo, Point, Search, SparseVector, check_dimensions};
use crate::disk::DiskGuard;
use crate::error::{Error, Result};
use crate::fault::{self, Place};
use crate::ids::RevisionId;
use crate::scope::Scope;

/// How long to wait for another process, or for the ghost of a killed one, to
/// let go of the store.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// Points between two flushes within one write.
const FLUSH_EVERY: usize = 2048;
/// Points that are added to a segment before it is closed, about.
const CLOSE_AFTER: usize = 16_384;
/// Closed segments that wait for the next optimisation to be merged, at most.
const CLOSED: usize = 24;

/// Qdrant Edge, shared by all tasks.
#[derive(Clone)]
pub struct EdgeIndex {
    shard: Arc<Shard>,
    writer: Arc<Mutex<()>>,
    disk: DiskGuard,
    dimensions: usize,
    /// Points that were added since a segment was closed last.
    added: Arc<AtomicUsize>,
}

/// The store, which flushes itself when it is dropped and panics when it cannot:
/// a folder that is gone or a full disk must not end the process.
struct Shard(Option<EdgeShard>);

impl Deref for Shard {
    type Target = EdgeShard;

    fn deref(&self) -> &EdgeShard {
        match &self.0 {
            Some(shard) => shard,
            None => unreachable!("it is taken out by `drop` only"),
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        let shard = self.0.take();
        if std::panic::catch_unwind(AssertUnwindSafe(|| drop(shard))).is_err() {
            tracing::error!("the index could not be flushed at its end; all that is recorded as done is on disk");
        }
    }
}

impl std::fmt::Debug for EdgeIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeIndex").field("path", &self.shard.path()).finish_non_exhaustive()
    }
}

impl EdgeIndex {
    /// Opens the store under `path`, or makes it.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::IndexLocked`] when another process has it,
    /// [`Error::IndexMismatch`] when it holds vectors of another size.
    pub async fn open(path: &Path, dimensions: usize, disk: DiskGuard) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|error| Error::io(path, error))?;
        disk.check_mapped()?;
        let folder = path.to_path_buf();
        let shard = contained(move || open_patiently(&folder, dimensions)).await??;
        let shard = Arc::new(Shard(Some(shard)));
        Ok(Self { shard, writer: Arc::default(), disk, dimensions, added: Arc::default() })
    }

    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.shard) > 1
    }

    pub(super) async fn upsert(&self, points: Vec<Point>) -> Result<()> {
        check_dimensions(self.dimensions, points.iter().filter_map(|point| point.dense.as_deref()))?;
        self.close_segment(points.len()).await?;
        let operations = batches(points, |batch| {
            let points = batch.into_iter().map(to_edge_point).collect::<Result<Vec<_>>>()?;
            let insert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
            Ok(UpdateOperation::PointOperation(insert))
        })?;
        self.write(operations, Place::PointsUpdated).await
    }

    pub(super) async fn set_dense(&self, vectors: Vec<(Uuid, Vec<f32>)>) -> Result<()> {
        check_dimensions(self.dimensions, vectors.iter().map(|(_, vector)| vector.as_slice()))?;
        // An update of a point that is gone would be refused as a whole.
        let ids: Vec<PointId> = vectors.iter().map(|(id, _)| PointId::Uuid(*id)).collect();
        let shard = Arc::clone(&self.shard);
        let known = contained(move || {
            shard.retrieve(&ids, Some(WithPayloadInterface::Bool(false)), Some(WithVector::Bool(false)))
        })
        .await?
        .map_err(index_error)?;
        let known: std::collections::HashSet<PointId> = known.into_iter().map(|record| record.id).collect();
        let vectors: Vec<_> = vectors.into_iter().filter(|(id, _)| known.contains(&PointId::Uuid(*id))).collect();
        // A point of a closed segment is moved out of it.
        self.close_segment(vectors.len()).await?;
        let operations = batches(vectors, |batch: Vec<(Uuid, Vec<f32>)>| {
            let points = batch
                .into_iter()
                .map(|(id, vector)| PointVectorsPersisted {
                    id: PointId::Uuid(id),
                    vector: named([(DENSE, VectorPersisted::Dense(vector))]),
                })
                .collect();
            let update = UpdateVectorsOp { points, update_filter: None };
            Ok(UpdateOperation::VectorOperation(VectorOperations::UpdateVectors(update)))
        })?;
        self.write(operations, Place::VectorsUpdated).await
    }

    pub(super) async fn purge(&self, scope: Scope, revisions: &[RevisionId]) -> Result<()> {
        let filter = Conditions::of(scope).of_revisions(revisions).to_edge()?;
        let delete = PointOperations::DeletePointsByFilter(filter);
        self.write(vec![UpdateOperation::PointOperation(delete)], Place::PurgeUpdated).await
    }

    pub(super) async fn delete_points(&self, scope: Scope, points: &[Uuid]) -> Result<()> {
        let filter = Conditions::of(scope).with_ids(points.to_vec()).to_edge()?;
        let delete = PointOperations::DeletePointsByFilter(filter);
        self.write(vec![UpdateOperation::PointOperation(delete)], Place::PurgeUpdated).await
    }

    pub(super) async fn search(&self, scope: Scope, search: &Search) -> Result<Vec<Hit>> {
        query::search(&self.shard, scope, search).await
    }

    pub(super) async fn list(&self, scope: Scope, after: Option<Uuid>, limit: usize) -> Result<Vec<(Uuid, bool)>> {
        let filter = Conditions::of(scope).to_edge()?;
        let shard = Arc::clone(&self.shard);
        let request = ScrollRequest {
            offset: after.map(|id| PointId::Uuid(Uuid::from_u128(id.as_u128().saturating_add(1)))),
            limit: Some(limit),
            filter: Some(filter),
            with_payload: Some(WithPayloadInterface::Bool(false)),
            with_vector: WithVector::Selector(vec![DENSE.into()]),
            order_by: None,
        };
        let (records, _) = contained(move || shard.scroll(request)).await?.map_err(index_error)?;
        Ok(records
            .into_iter()
            .filter_map(|record| match record.id {
                PointId::Uuid(id) => {
                    let dense = record.vector.as_ref().is_some_and(|vector| vector.get(DENSE).is_some());
                    Some((id, dense))
                }
                PointId::NumId(_) => None,
            })
            .collect())
    }

    pub(super) async fn info(&self) -> Result<IndexInfo> {
        let shard = Arc::clone(&self.shard);
        let request = CountRequest { filter: None, exact: true };
        let points = contained(move || shard.count(request)).await?.map_err(index_error)?;
        Ok(IndexInfo { points })
    }

    pub(super) async fn optimize(&self) -> Result<()> {
        self.optimize_to(None).await
    }

    /// Makes room for so many points more: what was added is closed once it is much.
    async fn close_segment(&self, points: usize) -> Result<()> {
        if self.added.fetch_add(points, Ordering::Relaxed) + points < CLOSE_AFTER {
            return Ok(());
        }
        self.optimize_to(Some(CLOSED)).await?;
        self.added.store(points, Ordering::Relaxed);
        Ok(())
    }

    /// Leaves so many segments, or as few as there are processors.
    async fn optimize_to(&self, segments: Option<usize>) -> Result<()> {
        self.disk.check_mapped()?;
        let guard = Arc::clone(&self.writer).lock_owned().await;
        let shard = Arc::clone(&self.shard);
        contained(move || {
            let _guard = guard;
            let wanted = EdgeOptimizersConfig { default_segment_number: segments, ..EdgeOptimizersConfig::default() };
            shard.set_optimizers_config(wanted).map_err(index_error)?;
            shard.optimize().map_err(index_error)?;
            shard.flush();
            Ok(())
        })
        .await?
    }

    /// Applies operations, flushing after each: they are on disk on return.
    async fn write(&self, operations: Vec<UpdateOperation>, updated: Place) -> Result<()> {
        let guard = Arc::clone(&self.writer).lock_owned().await;
        let (shard, disk) = (Arc::clone(&self.shard), self.disk.clone());
        contained(move || {
            // Held inside the thread: a caller that is dropped must not let a
            // second writer in while this one still runs.
            let _guard = guard;
            for operation in operations {
                disk.check_mapped()?;
                shard.update(operation).map_err(index_error)?;
                fault::may_happen_in_thread(updated)?;
                shard.flush();
            }
            Ok(())
        })
        .await?
    }
}

/// Runs `work` on a blocking thread and turns a panic of the library into an
/// error: one failed flush must not end the process.
async fn contained<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(|| std::panic::catch_unwind(AssertUnwindSafe(work))).await?.map_err(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("it panicked");
        Error::Index(reason.to_owned())
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn index_error(error: qdrant_edge::OperationError) -> Error {
    Error::Index(error.to_string())
}

fn config(dimensions: usize) -> EdgeConfig {
    EdgeConfig::builder()
        .vector(DENSE, EdgeVectorParams::builder(dimensions, Distance::Cosine).build())
        .sparse_vector(BM25, EdgeSparseVectorParams::builder().modifier(Modifier::Idf).build())
        .on_disk_payload(false)
        .build()
}

fn open_patiently(path: &Path, dimensions: usize) -> Result<EdgeShard> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        let error = match open_once(path, dimensions) {
            Ok(shard) => return Ok(shard),
            Err(error) => error.to_string(),
        };
        // `WouldBlock`, as the operating system words it.
        let locked = error.contains("WouldBlock") || error.contains("temporarily unavailable");
        if error.contains("incompatible") {
            return Err(Error::IndexMismatch(format!(
                "the index under `{}` does not fit the embedding model ({error}); use the model it was built with, or delete the folder and run `footnote doctor --fix`",
                path.display()
            )));
        }
        match (locked, Instant::now() < deadline) {
            (true, true) => std::thread::sleep(Duration::from_millis(50)),
            (true, false) => return Err(Error::IndexLocked(path.to_path_buf())),
            (false, _) => return Err(Error::Index(error)),
        }
    }
}

fn open_once(path: &Path, dimensions: usize) -> Result<EdgeShard> {
    let exists = path.join("edge_config.json").exists();
    if exists {
        return EdgeShard::load(path, Some(config(dimensions))).map_err(index_error);
    }
    let shard = EdgeShard::new(path, config(dimensions)).map_err(index_error)?;
    for (field, schema) in [
        ("owner", json!({ "type": "keyword", "is_tenant": true })),
        ("collection", json!("keyword")),
        ("revision", json!("keyword")),
    ] {
        let index = json!({ "field_name": field, "field_schema": schema });
        let index: CreateIndex = serde_json::from_value(index).map_err(|error| Error::Index(error.to_string()))?;
        let operation = UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index));
        shard.update(operation).map_err(index_error)?;
    }
    shard.flush();
    Ok(shard)
}

fn batches<T>(
    mut items: Vec<T>,
    operation: impl Fn(Vec<T>) -> Result<UpdateOperation>,
) -> Result<Vec<UpdateOperation>> {
    let mut operations = Vec::new();
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(FLUSH_EVERY));
        operations.push(operation(items)?);
        items = rest;
    }
    Ok(operations)
}

fn named<const N: usize>(vectors: [(&str, VectorPersisted); N]) -> VectorStructPersisted {
    VectorStructPersisted::Named(vectors.into_iter().map(|(name, vector)| (name.into(), vector)).collect())
}

fn to_edge_point(point: Point) -> Result<PointStructPersisted> {
    let payload = serde_json::to_value(point.payload())
        .and_then(serde_json::from_value)
        .map_err(|error| Error::Index(error.to_string()))?;
    let sparse = VectorPersisted::Sparse(to_edge_sparse(point.sparse)?);
    let vector = match point.dense {
        None => named([(BM25, sparse)]),
        Some(dense) => named([(BM25, sparse), (DENSE, VectorPersisted::Dense(dense))]),
    };
    Ok(PointStructPersisted { id: PointId::Uuid(point.id), vector, payload: Some(payload) })
}

fn to_edge_sparse(vector: SparseVector) -> Result<qdrant_edge::SparseVector> {
    qdrant_edge::SparseVector::new(vector.indices, vector.values).map_err(|error| Error::Index(error.to_string()))
}
