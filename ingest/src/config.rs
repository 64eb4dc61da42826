//! How the corpus half is set up. Floor 2.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::embed::{DEFAULT_PATIENCE, LocalConfig, ProviderConfig};
use crate::index::ServerConfig;
use crate::quota::Allowances;

/// Which embedder to use.
#[derive(Debug, Clone)]
pub enum EmbedderConfig {
    /// A model in this process.
    Local(LocalConfig),
    /// A provider's `/embeddings`.
    Provider(ProviderConfig),
    /// Words hashed into a vector, for tests.
    Hash,
}

/// How an embedder is set up, as it is recorded with the index that it built:
/// without keys, and without what belongs to the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EmbedderSetup {
    /// A model in this process.
    Local {
        /// See [`LocalConfig::model_dir`].
        model_dir: Option<PathBuf>,
        /// See [`LocalConfig::model_name`].
        model_name: Option<String>,
    },
    /// A provider's `/embeddings`.
    Provider {
        /// See [`ProviderConfig::base_url`].
        base_url: String,
        /// See [`ProviderConfig::model`].
        model: String,
    },
    /// Words hashed into a vector.
    Hash,
}

impl EmbedderConfig {
    /// What is recorded of it.
    #[must_use]
    pub fn setup(&self) -> EmbedderSetup {
        match self {
            Self::Local(local) => {
                EmbedderSetup::Local { model_dir: local.model_dir.clone(), model_name: local.model_name.clone() }
            }
            Self::Provider(provider) => {
                EmbedderSetup::Provider { base_url: provider.base_url.clone(), model: provider.model.clone() }
            }
            Self::Hash => EmbedderSetup::Hash,
        }
    }
}

/// Which index to use.
#[derive(Debug, Clone)]
pub enum IndexConfig {
    /// Qdrant Edge under this folder.
    Edge(PathBuf),
    /// A Qdrant server.
    Server(ServerConfig),
}

impl IndexConfig {
    /// The index beside this one whose name ends with `suffix`.
    #[must_use]
    pub fn named(&self, suffix: &str) -> Self {
        match self {
            _ if suffix.is_empty() => self.clone(),
            Self::Edge(folder) => {
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                Self::Edge(folder.with_file_name(format!("{name}-{suffix}")))
            }
            Self::Server(server) => {
                Self::Server(ServerConfig { collection: format!("{}-{suffix}", server.collection), ..server.clone() })
            }
        }
    }
}

/// Settings of the corpus half.
#[derive(Debug, Clone)]
pub struct Config {
    /// The embedder.
    pub embedder: EmbedderConfig,
    /// Where the files of a local model are that is not the configured one.
    pub local: LocalConfig,
    /// The index.
    pub index: IndexConfig,
    /// Bytes that stay free on the data folder's disk.
    pub disk_reserve: u64,
    /// The largest file that is taken, in bytes.
    pub max_file_bytes: u64,
    /// Tokens of a chunk's own text, at most.
    pub max_chunk_tokens: usize,
    /// Program that reads files when it is started with
    /// [`crate::reader::CHILD_ARG`]; `None` reads them in this process.
    pub parser_program: Option<PathBuf>,
    /// Command that prints the text of an image, such as
    /// `tesseract {input} stdout`; `None` refuses scans.
    pub ocr_command: Option<String>,
    /// What such a process may take for a file.
    pub parser_limits: ParserLimits,
    /// The most that each owner may have.
    pub quotas: Allowances,
    /// Documents that one upload may come to by what lies within its file.
    pub max_within: usize,
}

/// What reading one file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParserLimits {
    /// Private memory, in bytes.
    pub memory_bytes: u64,
    /// Processor time, in seconds.
    pub cpu_seconds: u64,
    /// Time on the clock, in seconds.
    pub wall_seconds: u64,
}

impl Default for ParserLimits {
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, cpu_seconds: 30, wall_seconds: 60 }
    }
}

/// The largest file that is taken unless configured otherwise: 64 MiB.
pub const DEFAULT_MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Documents that one upload may come to: of two archives as large as any is
/// read.
pub const DEFAULT_MAX_WITHIN: usize = 20_000;
/// Tokens of a chunk unless configured otherwise. The default model reads 256;
/// the rest is for the title and the headings that are embedded with it.
pub const DEFAULT_CHUNK_TOKENS: usize = 200;

impl Config {
    /// The defaults around an embedder and an index.
    #[must_use]
    pub fn new(embedder: EmbedderConfig, index: IndexConfig) -> Self {
        Self {
            local: match &embedder {
                EmbedderConfig::Local(local) => local.clone(),
                _ => LocalConfig::default(),
            },
            embedder,
            index,
            disk_reserve: disk::DEFAULT_RESERVE,
            max_file_bytes: DEFAULT_MAX_FILE_BYTES,
            max_chunk_tokens: DEFAULT_CHUNK_TOKENS,
            parser_program: None,
            parser_limits: ParserLimits::default(),
            quotas: Allowances::default(),
            max_within: DEFAULT_MAX_WITHIN,
            ocr_command: None,
        }
    }

    /// The embedder that was set up so. The configured key goes to the configured
    /// provider only.
    #[must_use]
    pub fn embedder_of(&self, setup: &EmbedderSetup) -> EmbedderConfig {
        match setup {
            EmbedderSetup::Local { model_dir, model_name } => EmbedderConfig::Local(LocalConfig {
                model_dir: model_dir.clone(),
                model_name: model_name.clone(),
                ..self.local.clone()
            }),
            EmbedderSetup::Provider { base_url, model } => {
                let configured = match &self.embedder {
                    EmbedderConfig::Provider(configured) => Some(configured),
                    _ => None,
                };
                EmbedderConfig::Provider(ProviderConfig {
                    base_url: base_url.clone(),
                    api_key: configured
                        .filter(|configured| configured.base_url == *base_url)
                        .and_then(|configured| configured.api_key.clone()),
                    model: model.clone(),
                    patience: configured.map_or(DEFAULT_PATIENCE, |configured| configured.patience),
                })
            }
            EmbedderSetup::Hash => EmbedderConfig::Hash,
        }
    }
}
