//! The vector index: where points are written and searched.
//!
//! Owns the closed set of backends ([`Index`]), the shape of a point and the
//! tenant filter, which is added here, where no caller can forget it. Imports
//! ids, scope, errors and the disk guard. Postgres is the truth; what lies
//! here can be thrown away and rebuilt.
//!
//! Every write returns only after its data is on disk: callers may then, and
//! only then, record it as done.

pub mod bm25;
mod edge;
mod filter;
mod point;
mod server;

use uuid::Uuid;

pub use edge::EdgeIndex;
pub use filter::{FilterValue, MetaFilter};
pub use point::{Hit, Point, SparseVector, point_id};
pub use server::{ServerConfig, ServerIndex};

use crate::error::{Error, Result};
use crate::ids::{CollectionId, RevisionId};
use crate::scope::Scope;
use crate::upstream;

/// Name of the dense vector.
pub(crate) const DENSE: &str = "dense";
/// Name of the sparse vector.
pub(crate) const BM25: &str = "bm25";

/// Where vectors live: in this process, or on a Qdrant server.
#[derive(Debug, Clone)]
pub enum Index {
    /// Qdrant Edge, in the process.
    Edge(EdgeIndex),
    /// A Qdrant server or cluster, by gRPC.
    Server(ServerIndex),
}

/// Which vectors a search uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Both, fused.
    #[default]
    Hybrid,
    /// By meaning.
    Dense,
    /// By words.
    Sparse,
}

/// One search over the points of a scope.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Which vectors count.
    pub mode: Mode,
    /// The question's embedding; needed unless the mode is sparse.
    pub dense: Option<Vec<f32>>,
    /// The question's words; needed unless the mode is dense.
    pub sparse: Option<SparseVector>,
    /// Collections of others that the scope may read.
    pub shared: Vec<CollectionId>,
    /// Only these collections; `None` means all that the scope may read.
    pub collections: Option<Vec<CollectionId>>,
    /// Only these revisions; `None` means all.
    pub revisions: Option<Vec<RevisionId>>,
    /// Only documents whose metadata fit.
    pub filter: MetaFilter,
    /// How many points each vector proposes.
    pub prefetch: usize,
    /// How many points to return.
    pub limit: usize,
    /// How the two lists are fused.
    pub fusion: Fusion,
}

/// Reciprocal rank fusion: a point scores the sum over the lists that hold it
/// of `weight / (k + rank)` (Cormack, Clarke and Büttcher, SIGIR 2009; weights
/// as Qdrant's weighted RRF has them).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    /// Damps the lead of the first ranks.
    pub k: u32,
    /// Weight of the list by meaning.
    pub dense_weight: f32,
    /// Weight of the list by words.
    pub sparse_weight: f32,
}

impl Default for Fusion {
    fn default() -> Self {
        Self { k: 60, dense_weight: 1.0, sparse_weight: 1.0 }
    }
}

/// What the index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct IndexInfo {
    /// Points in all.
    pub points: usize,
}

/// Refuses vectors that the index does not hold.
fn check_dimensions<'a>(dimensions: usize, mut vectors: impl Iterator<Item = &'a [f32]>) -> Result<()> {
    match vectors.find(|vector| vector.len() != dimensions) {
        None => Ok(()),
        Some(vector) => Err(Error::IndexMismatch(format!(
            "the index holds vectors of {dimensions} dimensions and the embedder made one of {}; use the model it was \
             built with",
            vector.len()
        ))),
    }
}

macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Index::Edge(index) => index.$method($($argument),*).await,
            Index::Server(index) => upstream::watched("index", "qdrant", index.$method($($argument),*)).await,
        }
    };
}

impl Index {
    /// Writes points with the vectors that they carry, replacing points of the
    /// same id. On disk when it returns.
    ///
    /// # Errors
    /// [`crate::Error::DiskFull`] before anything is written, or what the
    /// backend says.
    pub async fn upsert(&self, points: Vec<Point>) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        delegate!(self.upsert(points))
    }

    /// Adds the dense vector of points that exist. On disk when it returns;
    /// ids without a point are ignored.
    ///
    /// # Errors
    /// As [`Index::upsert`].
    pub async fn set_dense(&self, vectors: Vec<(Uuid, Vec<f32>)>) -> Result<()> {
        if vectors.is_empty() {
            return Ok(());
        }
        delegate!(self.set_dense(vectors))
    }

    /// The best points of the scope's owner, best first.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn search(&self, scope: Scope, search: &Search) -> Result<Vec<Hit>> {
        if search.limit == 0 {
            return Ok(Vec::new());
        }
        // What a search holds is large, and whoever asks for one would hold it too.
        match self {
            Self::Edge(index) => Box::pin(index.search(scope, search)).await,
            Self::Server(index) => upstream::watched("index", "qdrant", Box::pin(index.search(scope, search))).await,
        }
    }

    /// Removes every point of a revision. On disk when it returns.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn purge(&self, scope: Scope, revisions: &[RevisionId]) -> Result<()> {
        if revisions.is_empty() {
            return Ok(());
        }
        delegate!(self.purge(scope, revisions))
    }

    /// Ids of the owner's points in ascending order, up to `limit`, after
    /// `after`; with each, whether it has a dense vector.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn list(&self, scope: Scope, after: Option<Uuid>, limit: usize) -> Result<Vec<(Uuid, bool)>> {
        delegate!(self.list(scope, after, limit))
    }

    /// Removes single points. On disk when it returns.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn delete_points(&self, scope: Scope, points: &[Uuid]) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        delegate!(self.delete_points(scope, points))
    }

    /// Whether something else in this process holds it too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Edge(edge) => edge.is_shared(),
            Self::Server(_) => false,
        }
    }

    /// How much the index holds, over all owners.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn info(&self) -> Result<IndexInfo> {
        delegate!(self.info())
    }

    /// Builds the graph index over what came since the last time. Searches go
    /// on meanwhile; writes wait. A server does this by itself.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn optimize(&self) -> Result<()> {
        delegate!(self.optimize())
    }
}
