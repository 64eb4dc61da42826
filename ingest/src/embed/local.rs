//! A model on ONNX Runtime, in this process, by fastembed.
//!
//! The runtime is a shared library that is loaded when it is first needed, so
//! that one binary runs with whatever build of it the machine has. Questions
//! have a session of their own: they never wait behind a batch of chunks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fastembed::{
    EmbeddingModel, InitOptionsUserDefined, Pooling, TextEmbedding, TextInitOptions, TokenizerFiles,
    UserDefinedEmbeddingModel,
};
use tokio::sync::OnceCell;

use super::lanes::{Lanes, Session};
use super::normalise;
use crate::error::{Error, Result};
use crate::tokens::TokenCounter;

/// Tokens that the default model reads; the rest is cut off.
const MAX_TOKENS: usize = 256;
/// Name of ONNX Runtime's shared library.
const RUNTIME: &str = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };

/// Which model, and where its files are.
#[derive(Debug, Clone, Default)]
pub struct LocalConfig {
    /// A folder with `model.onnx` and the tokenizer's files; first choice.
    pub model_dir: Option<PathBuf>,
    /// A model's name, fetched from the hub when there is no folder.
    pub model_name: Option<String>,
    /// ONNX Runtime's shared library, or a folder that holds it.
    pub runtime: Option<PathBuf>,
    /// The data folder: looked through for both.
    pub data_dir: Option<PathBuf>,
    /// Cores to use; `None` means all.
    pub threads: Option<usize>,
}

/// A loaded model.
pub struct LocalEmbedder {
    model: String,
    dimensions: usize,
    tokens: TokenCounter,
    query: Arc<Mutex<TextEmbedding>>,
    /// A session for each core, made when bulk work first comes.
    bulk: OnceCell<Lanes>,
    source: ModelSource,
    lanes: usize,
}

/// Where a session is made from.
#[derive(Clone)]
enum ModelSource {
    Folder(Arc<UserDefinedEmbeddingModel>),
    Hub(EmbeddingModel, PathBuf),
}

impl std::fmt::Debug for LocalEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalEmbedder").field("model", &self.model).finish_non_exhaustive()
    }
}

impl LocalEmbedder {
    /// Loads the runtime and the model. Takes about half a second.
    ///
    /// # Errors
    /// [`Error::EmbedderSetup`] saying which of the two is missing, where it
    /// was looked for and how to get it.
    pub fn load(config: &LocalConfig) -> Result<Self> {
        load_runtime(config)?;
        let lanes =
            config.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1);
        let (model, source) = find_model(config)?;
        let mut query = source.session(query_threads(lanes))?;
        let tokens = TokenCounter::from_tokenizer(query.tokenizer.clone());
        let dimensions = embed_batch(&mut query, &["probe".to_owned()])?.first().map_or(0, Vec::len);
        Ok(Self { model, dimensions, tokens, query: Arc::new(Mutex::new(query)), bulk: OnceCell::new(), source, lanes })
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(super) fn tokens(&self) -> &TokenCounter {
        &self.tokens
    }

    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    pub(super) async fn embed(self: &Arc<Self>, texts: Vec<String>, interactive: bool) -> Result<Vec<Vec<f32>>> {
        if interactive {
            let session = Arc::clone(&self.query);
            return tokio::task::spawn_blocking(move || embed_locked(&session, &texts)).await?;
        }
        let lanes = self.bulk.get_or_try_init(|| {
            let (source, count) = (self.source.clone(), self.lanes);
            async move { tokio::task::spawn_blocking(move || Lanes::start(count, || source.session(1))).await? }
        });
        lanes.await?.embed(texts).await
    }
}

impl Session for TextEmbedding {
    fn embed(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        embed_batch(self, texts)
    }
}

/// Threads for one question. Between the steps of a model ONNX Runtime's threads
/// wait without resting, so a question that had all cores would keep the database
/// and everybody else from theirs for as long as it takes; and more than four are
/// of no use for so few words.
fn query_threads(lanes: usize) -> usize {
    (lanes / 2).clamp(1, 4)
}

impl ModelSource {
    fn session(&self, threads: usize) -> Result<TextEmbedding> {
        match self {
            Self::Folder(model) => TextEmbedding::try_new_from_user_defined(
                UserDefinedEmbeddingModel::clone(model),
                InitOptionsUserDefined::new()
                    .with_max_length(MAX_TOKENS)
                    .with_intra_threads(threads),
            )
            .map_err(|error| Error::EmbedderSetup(format!("the embedding model does not load: {error}; fetch it again with `make fetch`"))),
            Self::Hub(model, cache) => TextEmbedding::try_new(
                TextInitOptions::new(model.clone())
                    .with_cache_dir(cache.clone())
                    .with_show_download_progress(false)
                    .with_intra_threads(threads),
            )
            .map_err(|error| {
                Error::EmbedderSetup(format!(
                    "the embedding model `{model}` cannot be had from the hub ({error}); check the network, or give its files with FOOTNOTE_MODEL_DIR (`make fetch` prepares the default model)"
                ))
            }),
        }
    }
}

fn embed_locked(session: &Mutex<TextEmbedding>, texts: &[String]) -> Result<Vec<Vec<f32>>> {
    // A session holds no state between calls, so a poisoned lock is harmless.
    embed_batch(&mut session.lock().unwrap_or_else(PoisonError::into_inner), texts)
}

fn embed_batch(session: &mut TextEmbedding, texts: &[String]) -> Result<Vec<Vec<f32>>> {
    let vectors = session.embed(texts, None).map_err(|error| Error::Embedder(error.to_string()))?;
    Ok(vectors.into_iter().map(normalise).collect())
}

fn load_runtime(config: &LocalConfig) -> Result<()> {
    let candidates = runtime_candidates(config);
    let library = candidates.iter().find(|path| path.is_file());
    // Not found in a known place: the system's own loader has the last word.
    let library = library.cloned().unwrap_or_else(|| PathBuf::from(RUNTIME));
    ort::init_from(&library).map(drop).map_err(|problem| {
        let places: Vec<String> = candidates.iter().map(|path| format!("`{}`", path.display())).collect();
        Error::EmbedderSetup(format!(
            "ONNX Runtime is missing ({problem}); looked for {} and in the system's library folders; run `make fetch`, or name the library with FOOTNOTE_ONNXRUNTIME",
            places.join(", ")
        ))
    })
}

fn runtime_candidates(config: &LocalConfig) -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(runtime) = &config.runtime {
        candidates.push(runtime.clone());
        candidates.push(runtime.join(RUNTIME));
    }
    if let Some(beside) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        candidates.push(beside.join(RUNTIME));
    }
    if let Some(data) = &config.data_dir {
        candidates.push(data.join("runtime").join(RUNTIME));
    }
    candidates.extend(["/usr/local/lib", "/usr/lib"].map(|folder| Path::new(folder).join(RUNTIME)));
    candidates
}

fn find_model(config: &LocalConfig) -> Result<(String, ModelSource)> {
    if let Some(folder) = &config.model_dir {
        return from_folder(folder);
    }
    if let Some(name) = &config.model_name {
        let model = name.parse::<EmbeddingModel>().map_err(|_| {
            Error::EmbedderSetup(format!(
                "`{name}` is no embedding model that fastembed knows; use a name of its list, such as `Xenova/bge-small-en-v1.5`, or give a folder with FOOTNOTE_MODEL_DIR"
            ))
        })?;
        let cache = config.data_dir.clone().unwrap_or_else(std::env::temp_dir).join("models");
        return Ok((name.clone(), ModelSource::Hub(model, cache)));
    }
    let beside = config.data_dir.as_ref().map(|data| data.join("models").join("all-MiniLM-L6-v2-int8"));
    match beside.filter(|folder| folder.join("model.onnx").is_file()) {
        Some(folder) => from_folder(&folder),
        None => Err(Error::EmbedderSetup(
            "no embedding model; run `make fetch`, then set FOOTNOTE_MODEL_DIR to its folder, or name a model of the hub with FOOTNOTE_EMBEDDING_MODEL".into(),
        )),
    }
}

fn from_folder(folder: &Path) -> Result<(String, ModelSource)> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| {
            Error::EmbedderSetup(format!(
                "the embedding model's file `{}` cannot be read ({error}); run `make fetch`, or point FOOTNOTE_MODEL_DIR at a folder that holds it",
                path.display()
            ))
        })
    };
    let files = TokenizerFiles {
        tokenizer_file: read("tokenizer.json")?,
        config_file: read("config.json")?,
        special_tokens_map_file: read("special_tokens_map.json")?,
        tokenizer_config_file: read("tokenizer_config.json")?,
    };
    let model = UserDefinedEmbeddingModel::new(read("model.onnx")?, files).with_pooling(Pooling::Mean);
    let name = folder.file_name().map_or_else(|| "local".into(), |name| name.to_string_lossy().into_owned());
    Ok((name, ModelSource::Folder(Arc::new(model))))
}
