//! Opening and removing what a space is made of: an index on disk or at a server,
//! and a model. Imports the index, the embedders and settings.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::Held;
use crate::config::{Config, EmbedderConfig, IndexConfig};
use crate::disk::DiskGuard;
use crate::embed::{Embedder, HashEmbedder, LocalEmbedder, ProviderEmbedder};
use crate::error::{Error, Result};
use crate::index::{EdgeIndex, Index, ServerIndex};
use crate::store::generations::Generation;

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

/// Removes an index that no generation names any more.
/// What could not be removed but may be tried again is given back.
pub(super) async fn remove(held: Held, config: &Config) -> std::result::Result<(), (Option<Held>, Error)> {
    if let Index::Server(server) = &held.index {
        return match server.remove().await {
            Ok(()) => Ok(()),
            Err(error) => Err((Some(held), error)),
        };
    }
    match config.index.named(&held.generation.suffix) {
        IndexConfig::Edge(folder) => {
            // Closed first: it writes once more when it ends.
            drop(held);
            // What is left is swept up at the next start.
            remove_folder(&folder).map_err(|error| (None, error))
        }
        IndexConfig::Server(_) => Ok(()),
    }
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
