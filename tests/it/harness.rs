//! A service under test: its own data folder, its own Postgres, its own index,
//! the real model. Everything is asked through the router.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use footnote::accounts;
use footnote::app::App;
use footnote::client::Transport;
use footnote::config::{LimitSettings, Settings};
use footnote::credentials::Passwords;
use footnote::credentials::password::Load;
use footnote::http::{self, Hosts};
use footnote::startup::{Role, Service};
use footnote::storage::database;
use footnote::storage::embedded::{Config, EmbeddedPostgres, PORT, USER};
use footnote_ingest::config::{Config as CorpusConfig, EmbedderConfig, IndexConfig};
use footnote_ingest::corpus::Corpus;
use footnote_ingest::scope::Scope;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::template;

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// A service and what it stands on.
pub struct TestApp {
    /// The router, for the operator: it shows the credential that a request does
    /// not show itself.
    pub router: Router,
    /// The database, with all rights.
    pub db: PgPool,
    pub service: Service,
    pub settings: Settings,
    postgres: EmbeddedPostgres,
    folder: TempDir,
}

/// A corpus without a service, workers or a model: words hashed into vectors.
pub struct Rig {
    pub corpus: Corpus,
    postgres: EmbeddedPostgres,
    folder: TempDir,
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A corpus whose settings were changed before its start.
    pub async fn with(change: impl FnOnce(&mut CorpusConfig)) -> Self {
        let folder = folder();
        let (postgres, url) = start_postgres(&folder).await;
        let db = database::open(url.parse().unwrap()).await.unwrap();
        let index = IndexConfig::Edge(folder.path().join("index"));
        let mut config = CorpusConfig::new(EmbedderConfig::Hash, index);
        change(&mut config);
        let corpus = Corpus::open(db, config).await.unwrap();
        Self { corpus, postgres, folder }
    }

    /// How many deadlocks the database had to break. The corpus is of no use
    /// afterwards: what a connection counted is known when it has ended.
    pub async fn deadlocks(&self) -> i64 {
        self.corpus.db.close().await;
        let mut db = PgConnection::connect_with(&self.corpus.db.connect_options()).await.unwrap();
        let alone = r"
            select count(*) = 1 from pg_stat_activity
            where datname = current_database() and backend_type = 'client backend'
        ";
        while !sqlx::query_scalar::<_, bool>(alone).fetch_one(&mut db).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        sqlx::query_scalar(deadlocks).fetch_one(&mut db).await.unwrap()
    }

    pub async fn stop(self) {
        self.corpus.db.close().await;
        drop(self.corpus);
        self.postgres.stop().await.unwrap();
        drop(self.folder);
    }
}

/// A reply of the router.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().expect("an error's code").to_owned()
    }
}

/// An event of a stream as it came over the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: u32,
    pub name: String,
    pub data: Value,
}

/// A folder that the database's user may pass through.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Where `make fetch` places things.
fn fetched(variable: &str, default: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache"));
    std::env::var_os(variable).map_or_else(|| cache.join("footnote").join(default), PathBuf::from)
}

pub fn model_dir() -> PathBuf {
    fetched("FOOTNOTE_MODEL_DIR", "models/all-MiniLM-L6-v2-int8")
}

pub fn runtime() -> PathBuf {
    fetched("FOOTNOTE_ONNXRUNTIME", "runtime/libonnxruntime.so")
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A service whose settings were changed before its start.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = folder();
        let (postgres, url) = start_postgres(&folder).await;
        let mut settings = Settings {
            data_dir: folder.path().join("data"),
            database_url: Some(url.into()),
            model_dir: Some(model_dir()),
            parser_program: Some(env!("CARGO_BIN_EXE_footnote").into()),
            onnxruntime: Some(runtime()),
            // A test asks as much as it likes, unless it is about limits.
            limits: LimitSettings::none(),
            ..Settings::default()
        };
        change(&mut settings);
        let service = Service::start(settings.clone(), Role::Server).await.expect("the service starts");
        let db = outright(&settings).await;
        Self { router: operators(&service.app), db, service, settings, postgres, folder }
    }

    /// Ends the service and starts it again on the same data.
    pub async fn restarted(self) -> Self {
        self.restarted_after(async |_| {}).await
    }

    /// The same, with something done while it is down.
    pub async fn restarted_after(self, meanwhile: impl AsyncFnOnce(&Settings)) -> Self {
        let Self { router, db, service, settings, postgres, folder } = self;
        // The index closes with its last holder.
        drop(router);
        service.stop().await;
        meanwhile(&settings).await;
        let service = Service::start(settings.clone(), Role::Server).await.expect("the service starts again");
        Self { router: operators(&service.app), db, service, settings, postgres, folder }
    }

    pub async fn stop(self) {
        drop(self.router);
        self.service.stop().await;
        self.db.close().await;
        self.postgres.stop().await.expect("the database stops");
        drop(self.folder);
    }

    /// The documents, with all rights.
    pub fn corpus(&self) -> Corpus {
        let mut corpus = self.service.app.corpus.clone();
        corpus.db = self.db.clone();
        corpus
    }

    /// The router as it is: without a credential it lets nobody in.
    pub fn doors(&self) -> Router {
        http::router(self.service.app.clone(), Hosts::loopback())
    }

    /// The router for a program with a key of the operator's: unlike this machine's
    /// commands, it is held to limits.
    pub async fn keyed(&self) -> Router {
        let made = self.post("/api/v1/api-keys", &json!({ "name": "a program", "scopes": ["read", "ask"] })).await;
        showing(&self.service.app, made.json()["key"].as_str().expect("a key"))
    }

    /// The way of the commands of this machine.
    pub fn transport(&self) -> Transport {
        Transport::Local(self.router.clone(), self.service.app.credentials.local())
    }

    pub async fn request(&self, request: Request<Body>) -> Reply {
        let reply = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = reply.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request(request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.request(request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, body).await
    }

    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let request = request(method, path).header("content-type", "application/json");
        self.request(request.body(body.to_string().into()).unwrap()).await
    }

    /// Makes a collection.
    pub async fn collection(&self, name: &str) -> String {
        let made = self.post("/api/v1/collections", &json!({ "name": name })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// Uploads a text and returns the document's id.
    pub async fn text(&self, collection: &str, key: &str, text: &str) -> String {
        let path = format!("/api/v1/collections/{collection}/documents");
        let taken = self.post(&path, &json!({ "key": key, "text": text })).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
        taken.json()["documents"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a collection's documents are searchable by meaning, or have
    /// failed.
    pub async fn settled(&self, collection: &str) {
        let path = format!("/api/v1/collections/{collection}");
        let settled = async {
            loop {
                let progress = self.get(&path).await.json()["progress"].clone();
                if progress["queued"] == 0 && progress["words"] == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, settled).await.is_err() {
            let jobs = self.get("/api/v1/admin/jobs?limit=20").await.text();
            let documents = self.get(&format!("/api/v1/documents?collection={collection}&limit=20")).await.text();
            panic!("the documents do not settle: {documents} with jobs {jobs}");
        }
    }

    /// Begins a conversation and returns the path of its messages.
    pub async fn conversation(&self) -> String {
        let begun = self.post("/api/v1/conversations", &json!({ "title": "A test" })).await;
        assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());
        format!("/api/v1/conversations/{}/messages", begun.json()["id"].as_str().unwrap())
    }

    /// Asks, and returns the events of the answer.
    pub async fn events(&self, messages: &str, question: &Value) -> Vec<Event> {
        let mut question = question.clone();
        question["stream"] = json!(true);
        let reply = self.post(messages, &question).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(reply.headers["content-type"], "text/event-stream");
        parse_events(&reply.text())
    }
}

/// The doors of `app` for the operator: a request that shows no credential gets
/// the operator's.
pub fn operators(app: &App) -> Router {
    showing(app, app.credentials.local().expose_secret())
}

/// The doors of `app`: a request that shows no credential gets this one.
fn showing(app: &App, credential: &str) -> Router {
    let bearer = HeaderValue::try_from(format!("Bearer {credential}")).unwrap();
    let show = move |mut request: axum::extract::Request| {
        request.headers_mut().entry(header::AUTHORIZATION).or_insert_with(|| bearer.clone());
        std::future::ready(request)
    };
    http::router(app.clone(), Hosts::loopback()).layer(axum::middleware::map_request(show))
}

/// A pool that is not guarded.
async fn outright(settings: &Settings) -> PgPool {
    let url = settings.database_url.as_ref().expect("a database").expose_secret();
    PgPool::connect(url).await.expect("the database")
}

/// The scope of the account that commands act as.
pub async fn operator(db: &PgPool) -> Scope {
    let passwords = Passwords::new(Load::default());
    let (user, _) = accounts::first_start(db, &passwords, false, None).await.expect("an operator");
    Scope::stored(user.id)
}

pub fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "localhost")
}

/// Reads a whole stream.
pub fn parse_events(text: &str) -> Vec<Event> {
    let blocks = text.split("\n\n").filter(|block| block.contains("data:"));
    blocks
        .map(|block| {
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                line.unwrap_or_else(|| panic!("no `{name}` in {block}")).to_owned()
            };
            Event {
                id: field("id").parse().unwrap(),
                name: field("event"),
                data: serde_json::from_str(&field("data")).unwrap(),
            }
        })
        .collect()
}

/// A private Postgres with the schema, and its URL.
pub async fn start_postgres(folder: &TempDir) -> (EmbeddedPostgres, String) {
    template::copy_to(folder.path()).await;
    let data_dir = folder.path().join("database");
    let config = Config { data_dir, bin_dir: None, guard_exe: Some(template::guard()) };
    let postgres = EmbeddedPostgres::start(&config).await.expect("postgres starts");
    let socket = postgres.socket_dir().to_owned();
    (postgres, format!("postgres://{USER}@localhost:{PORT}/footnote?host={}", socket.display()))
}
