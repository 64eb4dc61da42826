//! How the corpus half is set up. Floor 2.

use std::path::PathBuf;

use crate::disk;
use crate::embed::{LocalConfig, ProviderConfig};
use crate::index::ServerConfig;

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

/// Which index to use.
#[derive(Debug, Clone)]
pub enum IndexConfig {
    /// Qdrant Edge under this folder.
    Edge(PathBuf),
    /// A Qdrant server.
    Server(ServerConfig),
}

/// Settings of the corpus half.
#[derive(Debug, Clone)]
pub struct Config {
    /// The embedder.
    pub embedder: EmbedderConfig,
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
/// Tokens of a chunk unless configured otherwise. The default model reads 256;
/// the rest is for the title and the headings that are embedded with it.
pub const DEFAULT_CHUNK_TOKENS: usize = 200;

impl Config {
    /// The defaults around an embedder and an index.
    #[must_use]
    pub fn new(embedder: EmbedderConfig, index: IndexConfig) -> Self {
        Self {
            embedder,
            index,
            disk_reserve: disk::DEFAULT_RESERVE,
            max_file_bytes: DEFAULT_MAX_FILE_BYTES,
            max_chunk_tokens: DEFAULT_CHUNK_TOKENS,
            parser_program: None,
            parser_limits: ParserLimits::default(),
            ocr_command: None,
        }
    }
}
