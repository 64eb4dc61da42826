//! Opening and removing what a space is made of: an index on disk or at a server,
//! and a model. Imports the index, the embedders and settings.

use std::path::Path;
use std::sync::Arc;

use sqlx::PgPool;
use uuid::Uuid;

use super::Held;
use crate::config::{Config, EmbedderConfig, IndexConfig};
use crate::disk::DiskGuard;
use crate::embed::{Embedder, HashEmbedder, LocalEmbedder, ProviderEmbedder};
use crate::error::{Error, Result};
use crate::index::{EdgeIndex, Index, ServerIndex};
use crate::store::generations::{self, Generation};

/// The index of these settings, for vectors of so many dimensions.
pub(super) async fn open_index(index: &IndexConfig, dimensions: usize, config: &Config) -> Result<Index> {
    Ok(match index {
        IndexConfig::Edge(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
            let disk = DiskGuard::new(folder, config.disk_reserve);
            Index::Edge(EdgeIndex::open(folder, dimensions, disk).await?)
        }
        IndexConfig::Server(server) => Index::Server(ServerIndex::open(server, dimensions).await?),
    })
}

/// Removes the folder of an index that nobody in this process uses any more. A
/// collection on a server is others' too: see [`remove_discarded`].
pub(super) fn remove(held: Held, config: &Config) -> Result<()> {
    let IndexConfig::Edge(folder) = config.index.named(&held.generation.suffix) else { return Ok(()) };
    // Closed first: it writes once more when it ends.
    drop(held);
    // What is left is swept up at the next start.
    remove_folder(&folder)
}

/// Removes from a server what was discarded a while ago, by whichever process:
/// one that ended then may have been the only one. What cannot be removed now is
/// left for later.
pub(super) async fn remove_discarded(db: &PgPool, config: &Config) -> Result<()> {
    for suffix in generations::take_discarded(db).await? {
        if let IndexConfig::Server(server) = config.index.named(&suffix)
            && let Err(error) = ServerIndex::remove(&server).await
        {
            tracing::warn!(%error, collection = server.collection, "an index that is not used any more could not be removed");
            continue;
        }
        generations::removed(db, &suffix).await?;
    }
    Ok(())
}

/// Removes the folders of indexes that were forgotten while they were in use,
/// by a process that ended then.
pub(super) fn sweep(index: &IndexConfig, listed: &[Generation]) {
    let IndexConfig::Edge(folder) = index else { return };
    let (Some(beside), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let is_left = |name_beside: &str| {
        let suffix = name_beside.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        suffix.is_some_and(|suffix| {
            Uuid::try_parse(suffix).is_ok() && !listed.iter().any(|generation| generation.suffix == suffix)
        })
    };
    for entry in std::fs::read_dir(beside).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left)
            && let Err(error) = remove_folder(&entry.path())
        {
            tracing::warn!(%error, "an index that is not used any more could not be removed");
        }
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, error)),
        _ => Ok(()),
    }
}

pub(super) async fn open_embedder(config: &EmbedderConfig) -> Result<Embedder> {
    match config {
        EmbedderConfig::Local(local) => {
            let local = local.clone();
            let embedder = tokio::task::spawn_blocking(move || LocalEmbedder::load(&local)).await??;
            Ok(Embedder::Local(Arc::new(embedder)))
        }
        EmbedderConfig::Provider(provider) => {
            Ok(Embedder::Provider(Arc::new(ProviderEmbedder::connect(provider.clone()).await?)))
        }
        EmbedderConfig::Hash => Ok(Embedder::Hash(HashEmbedder::default())),
    }
}
