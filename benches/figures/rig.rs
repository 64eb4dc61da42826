//! What measurements stand on: a data folder, a private Postgres, settings.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::http::{HeaderValue, header};

use footnote::accounts;
use footnote::config::Settings;
use footnote::credentials::Passwords;
use footnote::credentials::password::Load;
use footnote::storage::database;
use footnote::storage::embedded::{Config, EmbeddedPostgres, PORT, USER};
use footnote_ingest::corpus::{Corpus, Incoming};
use footnote_ingest::ids::CollectionId;
use footnote_ingest::scope::Scope;
use footnote_ingest::source::walk;
use footnote_ingest::store::collections;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

pub struct Rig {
    pub settings: Settings,
    pub db: PgPool,
    pub scope: Scope,
    pub postgres: EmbeddedPostgres,
    folder: TempDir,
}

/// Where `make fetch` places things.
fn fetched(variable: &str, default: &str) -> PathBuf {
    let home = PathBuf::from(std::env::var_os("HOME").expect("HOME"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
    std::env::var_os(variable).map_or_else(|| cache.join("footnote").join(default), PathBuf::from)
}

/// A folder that the database's user may pass through.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// The binary on a data folder.
pub fn footnote(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footnote"));
    command
        .args(arguments)
        .env("FOOTNOTE_DATA_DIR", data_dir)
        .env("FOOTNOTE_MODEL_DIR", fetched("FOOTNOTE_MODEL_DIR", "models/all-MiniLM-L6-v2-int8"))
        .env("FOOTNOTE_ONNXRUNTIME", fetched("FOOTNOTE_ONNXRUNTIME", "runtime/libonnxruntime.so"))
        .env_remove("DATABASE_URL")
        .env_remove("QDRANT_URL")
        .stdin(Stdio::null());
    command
}

/// The sample documents that are text.
pub fn texts() -> Vec<(String, Vec<u8>)> {
    let is_text =
        |key: &str| Path::new(key).extension().is_some_and(|extension| extension == "md" || extension == "txt");
    samples().into_iter().filter(|(key, _)| is_text(key)).collect()
}

/// The sample documents.
pub fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kb");
    let found = walk::discover(&[folder.display().to_string()], &walk::Selection::default()).unwrap();
    found.files.into_iter().map(|file| (file.key, std::fs::read(file.path).unwrap())).collect()
}

impl Rig {
    pub async fn new() -> Self {
        let folder = folder();
        let config = Config {
            data_dir: folder.path().join("database"),
            bin_dir: None,
            guard_exe: Some(env!("CARGO_BIN_EXE_footnote").into()),
        };
        let postgres = EmbeddedPostgres::start(&config).await.expect("postgres starts");
        let socket = postgres.socket_dir().to_owned();
        let options = PgConnectOptions::new_without_pgpass().socket(&socket).port(PORT).username(USER);
        let db = database::open_private(options, "footnote").await.expect("the schema");
        let passwords = Passwords::new(Load::default());
        let (user, _) = accounts::first_start(&db, &passwords, false, None).await.expect("an operator");
        let scope = Scope::stored(user.id);
        let url = format!("postgres://{USER}@localhost:{PORT}/footnote?host={}", socket.display());
        let settings = Settings {
            data_dir: folder.path().join("data"),
            database_url: Some(url.into()),
            model_dir: Some(fetched("FOOTNOTE_MODEL_DIR", "models/all-MiniLM-L6-v2-int8")),
            parser_program: Some(env!("CARGO_BIN_EXE_footnote").into()),
            onnxruntime: Some(fetched("FOOTNOTE_ONNXRUNTIME", "runtime/libonnxruntime.so")),
            ..Settings::default()
        };
        Self { settings, db, scope, postgres, folder }
    }

    pub async fn corpus(&self) -> Corpus {
        Corpus::open(self.db.clone(), self.settings.corpus()).await.expect("the corpus")
    }

    pub async fn collection(&self, name: &str) -> CollectionId {
        collections::ensure(&self.db, self.scope, name).await.expect("a collection")
    }

    pub async fn submit(
        &self,
        corpus: &Corpus,
        collection: CollectionId,
        key: &str,
        title: Option<&str>,
        bytes: &[u8],
    ) {
        let incoming = Incoming {
            collection,
            key,
            title,
            uri: None,
            media_type: None,
            meta: None,
            bytes,
            version: None,
            force: false,
            priority: 0,
        };
        corpus.submit(self.scope, &incoming).await.expect("submitted");
    }

    pub async fn stop(self) {
        self.db.close().await;
        self.postgres.stop().await.expect("postgres stops");
        drop(self.folder);
    }
}

/// A client that shows this credential.
pub fn client(credential: &SecretString) -> reqwest::Client {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", credential.expose_secret())).unwrap();
    bearer.set_sensitive(true);
    reqwest::Client::builder().default_headers([(header::AUTHORIZATION, bearer)].into_iter().collect()).build().unwrap()
}
