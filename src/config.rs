//! Settings: defaults, then a TOML file, then the environment, read once at
//! start. Flags of the command line stand above all of them.

mod access;
mod answers;
mod doors;
mod environment;
mod limits;
mod quotas;

use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Environment, File, FileFormat};
use footnote_ingest::config::{
    Config as CorpusConfig, DEFAULT_CHUNK_TOKENS, DEFAULT_MAX_FILE_BYTES, EmbedderConfig, IndexConfig, ParserLimits,
};
use footnote_ingest::disk::DEFAULT_RESERVE;
use footnote_ingest::embed::{DEFAULT_PATIENCE, LocalConfig, ProviderConfig};
use footnote_ingest::index::ServerConfig;
use footnote_ingest::source::address::Allow;
use footnote_ingest::source::fetch::{FetchConfig, Fetcher};
use secrecy::SecretString;
use serde::Deserialize;

pub use self::answers::{Kind, Price, Prices, ProviderSettings};
pub use self::limits::LimitSettings;
pub use self::quotas::QuotaSettings;
use crate::credentials::jwks::Issuer;
use crate::error::{Error, Result};
use crate::mcp_client::ServerConfig as McpServer;

/// Every setting. The names are those of the file; the environment has them in
/// capitals with the prefix `FOOTNOTE_`, but for the shared ones.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting that stands alone")]
pub struct Settings {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Address that `serve` listens on.
    pub listen: String,
    /// Where browsers and programs reach the service, when it is not where it
    /// listens: `https://answers.example.org`.
    pub public_url: Option<String>,
    /// Further names under which the service may be called.
    pub allowed_hosts: Vec<String>,
    /// Whether anybody may make an account.
    pub registration: bool,
    /// Whether the service may be tried out without an account.
    pub guests: bool,
    /// The first administrator's password; none makes one and prints it once.
    pub admin_password: Option<SecretString>,
    /// The key that commands show to the server of `--server`.
    pub api_key: Option<SecretString>,
    /// Minutes for which an access token is good.
    pub access_minutes: u64,
    /// The keys that sign access tokens; processes that share a database share
    /// them. None keeps them in the data folder.
    pub keyring_file: Option<PathBuf>,
    /// Identity providers whose access tokens count; in the file only.
    pub identity_providers: Vec<Issuer>,
    /// An outside Postgres; none starts the private one.
    pub database_url: Option<SecretString>,
    /// Folder of Postgres's programs, when they are in no usual place.
    pub postgres_bin: Option<PathBuf>,
    /// A Qdrant server's gRPC address; none uses the embedded index.
    pub qdrant_url: Option<String>,
    /// Its key.
    pub qdrant_api_key: Option<SecretString>,
    /// Its collection.
    pub qdrant_collection: String,
    /// Shards, when the collection is made.
    pub qdrant_shards: Option<u32>,
    /// Copies of each shard, when the collection is made.
    pub qdrant_replicas: Option<u32>,
    /// Folder of the local embedding model.
    pub model_dir: Option<PathBuf>,
    /// Name of an embedding model: of the hub, or of the provider below.
    pub embedding_model: Option<String>,
    /// A provider's base URL for embeddings.
    pub embedding_base_url: Option<String>,
    /// Its key.
    pub embedding_api_key: Option<SecretString>,
    /// Seconds that a question may wait for its vector.
    pub embedding_timeout: u64,
    /// A provider's base URL for reranking; none leaves passages in the order in
    /// which they were found.
    pub reranker_base_url: Option<String>,
    /// Its key.
    pub reranker_api_key: Option<SecretString>,
    /// Its model.
    pub reranker_model: Option<String>,
    /// ONNX Runtime's library or its folder.
    pub onnxruntime: Option<PathBuf>,
    /// The model that answers: `extractive`, or a name that the provider knows.
    pub model: String,
    /// Key of the OpenAI-compatible provider.
    pub openai_api_key: Option<SecretString>,
    /// Its base URL.
    pub openai_base_url: Option<String>,
    /// Key of Anthropic.
    pub anthropic_api_key: Option<SecretString>,
    /// Its base URL.
    pub anthropic_base_url: Option<String>,
    /// Key of Gemini.
    pub gemini_api_key: Option<SecretString>,
    /// Its base URL.
    pub gemini_base_url: Option<String>,
    /// More providers; in the file only.
    pub providers: Vec<ProviderSettings>,
    /// Models that answer, in this order, when the one that was asked cannot;
    /// after them the extractive answerer.
    pub fallback_models: Vec<String>,
    /// Models that take no pictures: `name/model`, or `model` of any provider.
    pub text_models: Vec<String>,
    /// What models cost; in the file only.
    pub prices: Prices,
    /// Whether follow-ups are made to stand alone, several questions in one are
    /// taken apart, and a weak search is tried once more in other words.
    pub rewrite_questions: bool,
    /// Whether models may call tools.
    pub tools: bool,
    /// MCP servers whose tools models may call; in the file only.
    pub mcp_servers: Vec<McpServer>,
    /// Times that a model is asked for one answer, at most.
    pub max_steps: u32,
    /// Seconds that an answer may take in all.
    pub answer_timeout: u64,
    /// Dollars that an answer may cost before no more tools are called; none is
    /// no limit.
    pub max_answer_cost: Option<f64>,
    /// Seconds that a person has to allow a tool.
    pub approval_timeout: u64,
    /// Seconds that an answer goes on when nobody listens any more.
    pub abandoned_after: u64,
    /// Whether the same question over the same passages is answered as before.
    pub answer_cache: bool,
    /// Share of an answer's claims that must be supported for it to count as
    /// grounded, from 0 to 1; one at least always must.
    pub grounded_share: f32,
    /// Cosine similarity of the best passage below which a search is weak.
    pub weak_search: f32,
    /// Tokens that its model takes; none goes by the model's name.
    pub context_window: Option<usize>,
    /// Tokens of an answer, at most.
    pub max_answer_tokens: u32,
    /// Seconds that a provider may take to its first token.
    pub first_token_timeout: u64,
    /// Seconds that a provider may pause within an answer.
    pub idle_timeout: u64,
    /// The largest file that is taken, in bytes.
    pub max_file_bytes: u64,
    /// Networks, addresses and hosts beyond the public internet that web pages
    /// may be fetched from.
    pub fetch_allow: Vec<String>,
    /// Bytes that stay free on the data folder's disk.
    pub disk_reserve_bytes: u64,
    /// Tokens of a chunk, at most.
    pub max_chunk_tokens: usize,
    /// How sure the extractive answerer must be, from 0 to 1.
    pub answer_threshold: f32,
    /// The program whose child processes read files; none takes this one.
    pub parser_program: Option<PathBuf>,
    /// Memory that reading one file may take, in bytes.
    pub parser_memory_bytes: u64,
    /// Processor time that reading one file may take, in seconds.
    pub parser_cpu_seconds: u64,
    /// Time on the clock that reading one file may take, in seconds.
    pub parser_wall_seconds: u64,
    /// Command that prints the text of an image; none refuses scans.
    pub ocr_command: Option<String>,
    /// Folders of this machine that schedules may take files from; in the
    /// environment with colons between them.
    pub sync_roots: Vec<PathBuf>,
    /// What users may have.
    pub quota: QuotaSettings,
    /// What callers may take, and what is taken on at once.
    pub limits: LimitSettings,
    /// A Redis server by which several processes share the limits; none lets each
    /// process count by itself.
    pub redis_url: Option<SecretString>,
    /// Proxies whose word on a caller's address is believed: addresses and
    /// networks.
    pub trusted_proxies: Vec<String>,
    /// Origins of other sites whose pages may call the service, such as
    /// `https://chat.example.org`.
    pub allowed_origins: Vec<String>,
    /// Seconds that a request may take, once its body has come, before it is given
    /// up; what waits for an answer has that answer's time besides.
    pub request_timeout: u64,
    /// Milliseconds from which a request is slow, and the log warns of it; 0
    /// never warns.
    pub slow_ms: u64,
    /// Milliseconds from which a wait for a model, an embedder, a reranker, a
    /// Qdrant server, a tool or a page is slow, and the log warns of it; 0 never
    /// warns.
    pub slow_upstream_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let parser = ParserLimits::default();
        Self {
            data_dir: default_data_dir(),
            listen: "127.0.0.1:8080".into(),
            public_url: None,
            allowed_hosts: Vec::new(),
            registration: false,
            guests: false,
            admin_password: None,
            api_key: None,
            access_minutes: 15,
            keyring_file: None,
            identity_providers: Vec::new(),
            database_url: None,
            postgres_bin: None,
            qdrant_url: None,
            qdrant_api_key: None,
            qdrant_collection: "footnote".into(),
            qdrant_shards: None,
            qdrant_replicas: None,
            model_dir: None,
            embedding_model: None,
            embedding_base_url: None,
            embedding_api_key: None,
            embedding_timeout: DEFAULT_PATIENCE.as_secs(),
            reranker_base_url: None,
            reranker_api_key: None,
            reranker_model: None,
            onnxruntime: None,
            model: crate::llm::EXTRACTIVE.into(),
            openai_api_key: None,
            openai_base_url: None,
            anthropic_api_key: None,
            anthropic_base_url: None,
            gemini_api_key: None,
            gemini_base_url: None,
            providers: Vec::new(),
            fallback_models: Vec::new(),
            text_models: Vec::new(),
            prices: Prices::new(),
            rewrite_questions: true,
            tools: true,
            mcp_servers: Vec::new(),
            max_steps: 8,
            answer_timeout: 600,
            max_answer_cost: None,
            approval_timeout: 300,
            abandoned_after: 120,
            answer_cache: true,
            grounded_share: 0.0,
            weak_search: 0.3,
            context_window: None,
            max_answer_tokens: 1024,
            first_token_timeout: 60,
            idle_timeout: 30,
            max_file_bytes: DEFAULT_MAX_FILE_BYTES,
            fetch_allow: Vec::new(),
            disk_reserve_bytes: DEFAULT_RESERVE,
            max_chunk_tokens: DEFAULT_CHUNK_TOKENS,
            answer_threshold: crate::llm::extractive::DEFAULT_THRESHOLD,
            parser_program: None,
            parser_memory_bytes: parser.memory_bytes,
            parser_cpu_seconds: parser.cpu_seconds,
            parser_wall_seconds: parser.wall_seconds,
            ocr_command: None,
            sync_roots: Vec::new(),
            quota: QuotaSettings::default(),
            limits: LimitSettings::default(),
            redis_url: None,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            request_timeout: 60,
            slow_ms: 2_000,
            slow_upstream_ms: 10_000,
        }
    }
}

impl Settings {
    /// Reads the file, if there is one, and the environment over it.
    ///
    /// # Errors
    /// Names the file's key or the variable that is wrong.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
            // The file alone first: what is wrong in it is said to be in it.
            let alone = builder.build_cloned().and_then(config::Config::try_deserialize::<Self>);
            alone.map_err(|error| invalid("--config", format!("`{}`: {error}", file.display())))?;
        }
        let variables = Environment::default()
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("fetch_allow")
            .with_list_parse_key("allowed_hosts")
            .with_list_parse_key("sync_roots")
            .with_list_parse_key("fallback_models")
            .with_list_parse_key("text_models")
            .with_list_parse_key("trusted_proxies")
            .with_list_parse_key("allowed_origins")
            .source(Some(environment::known(environment)));
        let builder = builder.add_source(variables);
        builder
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| invalid("environment", format!("holds a wrong setting: {error}")))
    }

    /// Settings of the corpus half.
    #[must_use]
    pub fn corpus(&self) -> CorpusConfig {
        let index = match &self.qdrant_url {
            None => IndexConfig::Edge(self.data_dir.join("index")),
            Some(url) => IndexConfig::Server(ServerConfig {
                api_key: self.qdrant_api_key.clone(),
                collection: self.qdrant_collection.clone(),
                shards: self.qdrant_shards,
                replicas: self.qdrant_replicas,
                ..ServerConfig::new(url)
            }),
        };
        CorpusConfig {
            disk_reserve: self.disk_reserve_bytes,
            max_file_bytes: self.max_file_bytes,
            max_chunk_tokens: self.max_chunk_tokens,
            ocr_command: self.ocr_command.clone(),
            parser_program: self.parser_program.clone().or_else(|| std::env::current_exe().ok()),
            parser_limits: ParserLimits {
                memory_bytes: self.parser_memory_bytes,
                cpu_seconds: self.parser_cpu_seconds,
                wall_seconds: self.parser_wall_seconds,
            },
            local: self.local_model(),
            quotas: self.quota.allowances(),
            ..CorpusConfig::new(self.embedder(), index)
        }
    }

    /// A name counts for more than the folder, which is where `make fetch` placed
    /// the default model; with a base URL it is the provider's.
    fn local_model(&self) -> LocalConfig {
        let model_name = self.embedding_model.clone().filter(|_| self.embedding_base_url.is_none());
        LocalConfig {
            model_dir: self.model_dir.clone().filter(|_| model_name.is_none()),
            model_name,
            runtime: self.onnxruntime.clone(),
            data_dir: Some(self.data_dir.clone()),
            threads: None,
        }
    }

    fn embedder(&self) -> EmbedderConfig {
        match &self.embedding_base_url {
            Some(base_url) => EmbedderConfig::Provider(ProviderConfig {
                base_url: base_url.clone(),
                api_key: self.embedding_api_key.clone(),
                model: self.embedding_model.clone().unwrap_or_else(|| "text-embedding-3-small".into()),
                patience: Duration::from_secs(self.embedding_timeout),
            }),
            None => EmbedderConfig::Local(self.local_model()),
        }
    }

    /// Fetches web pages: from the public internet, from what `fetch_allow` and
    /// `also` open, and from nowhere else.
    ///
    /// # Errors
    /// Names what opens nothing.
    pub fn fetcher(&self, also: &[&str]) -> Result<Fetcher> {
        let opened = self.fetch_allow.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        let allow: Result<Vec<Allow>, _> = opened.chain(also.iter().copied()).map(str::parse).collect();
        let allow = allow.map_err(|error| invalid("fetch_allow", error.to_string()))?;
        let config = FetchConfig { max_bytes: self.max_file_bytes, allow, ..FetchConfig::default() };
        Fetcher::new(config).map_err(|error| Error::Internal(error.into()))
    }
}

fn invalid(field: &'static str, problem: String) -> Error {
    Error::Invalid { field, problem }
}

/// `/var/lib/footnote` for root, whose home the database's user cannot enter;
/// else the user's own data folder.
fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/var/lib/footnote".into();
    }
    let own = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    own.or_else(home).unwrap_or_else(std::env::temp_dir).join("footnote")
}

#[cfg(test)]
mod tests;
