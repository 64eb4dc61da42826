//! Startup: the one place where the parts are put together, and taken apart
//! again in the opposite order.

mod connection;
pub mod memory;
mod opening;
mod patient;
mod server;
mod tenancy;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::corpus::Corpus;
use footnote_ingest::disk::DiskGuard;
use footnote_ingest::pipeline::Workers;
use footnote_ingest::reader;
use footnote_ingest::rights::as_system;
use footnote_ingest::upstream;
use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;

pub use server::{Doors, listen, serve};
pub use tenancy::{Running, Tenancy, Tenant};

use crate::accounts::{self, FirstSignIn};
use crate::app::App;
use crate::chat::{self, Hub, Journal, Keeper};
use crate::config::Settings;
use crate::credentials::password::Load;
use crate::credentials::{Credentials, Passwords};
use crate::error::{Error, Result};
use crate::figures::Figures;
use crate::jobs::Jobs;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::llm::extractive;
use crate::models::Models;
use crate::outside::Outside;
use crate::storage::database;
use crate::storage::embedded::{Config as PostgresConfig, EmbeddedPostgres, PORT, USER};
use crate::unattended::Unattended;

/// Bytes of a segment of Postgres's log of writes.
const LOG_OF_WRITES: u64 = 16 * 1024 * 1024;
/// Name of the database on the private server.
const DATABASE: &str = "footnote";

/// Reads files for the process that started this one, if it was started for
/// that; `None` if it was not.
pub fn reader_main(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let first = arguments.into_iter().nth(1)?;
    (first == reader::CHILD_ARG).then(|| match reader::serve_child() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The parent reads this and puts it into its log.
            let _ = writeln!(std::io::stderr(), "a reader of files ended: {error}");
            ExitCode::FAILURE
        }
    })
}

/// A running service without its doors.
pub struct Service {
    /// The state that doors share.
    pub app: App,
    /// How to sign in, when nobody could before: it is known nowhere else.
    pub first_sign_in: Option<FirstSignIn>,
    workers: Workers,
    jobs: Option<Jobs>,
    keeper: Option<Keeper>,
    postgres: Option<EmbeddedPostgres>,
}

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers and works, for as long as it is wanted.
    Server,
    /// Works on the queue beside servers.
    Worker,
    /// Runs one command.
    Command,
}

impl Service {
    /// Starts everything: the database, the embedder, the index, the workers,
    /// and the clock unless it is for one command only.
    ///
    /// # Errors
    /// What is missing, and what to do about it.
    pub async fn start(settings: Settings, role: Role) -> Result<Self> {
        as_system(Self::put_together(settings, role)).await
    }

    async fn put_together(settings: Settings, role: Role) -> Result<Self> {
        room(&settings)?;
        let (postgres, opened) = match &settings.database_url {
            Some(url) => {
                let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| Error::Invalid {
                    field: "DATABASE_URL",
                    problem: "is not of the form postgres://user:password@host:port/database".into(),
                })?;
                (None, database::open(options).await.map_err(|error| unreachable_database(&error))?)
            }
            None => {
                let postgres = private_postgres(&settings).await?;
                let options =
                    PgConnectOptions::new_without_pgpass().socket(postgres.socket_dir()).port(PORT).username(USER);
                let db = database::open_private(options, DATABASE).await?;
                (Some(postgres), db)
            }
        };
        let db = database::guarded(&opened).await?;
        opened.close().await;
        // Answers are made by servers: a worker has none to have broken off. With
        // a database of its own there is no other server either.
        let broken_off =
            if role == Role::Worker { 0 } else { chat::interrupt(&db, settings.database_url.is_none()).await? };
        if broken_off > 0 {
            tracing::warn!(answers = broken_off, "answers were broken off when the service last ended");
        }
        let passwords = Passwords::new(Load::default());
        let wants_sign_in = role == Role::Server && settings.identity_providers.is_empty();
        let (operator, first_sign_in) =
            accounts::first_start(&db, &passwords, wants_sign_in, settings.admin_password.as_ref()).await?;
        let credentials = Credentials::open(&settings, passwords, operator.id)?;
        // What the front door needs is read before anything is built on it.
        settings.origins()?;
        settings.proxies()?;
        upstream::warn_from(Duration::from_millis(settings.slow_upstream_ms));
        let limits = Limits::new(settings.limits.clone(), settings.redis_url.as_ref())?;
        let corpus = Corpus::open(db.clone(), settings.corpus()).await?;
        let stream = database::open_relaxed(&db).await?;
        let models = Arc::new(models(&settings, &corpus)?);
        let app = App {
            journal: Journal::start(stream.clone()),
            ledger: Ledger::start(stream.clone()),
            stream,
            db,
            credentials: Arc::new(credentials),
            limits,
            figures: Figures::new(models.known().into_iter().map(|model| model.name)),
            models,
            outside: Outside::new(settings.mcp_servers.clone())?,
            reranker: settings.reranker()?,
            hub: Arc::new(Hub::default()),
            unattended: Unattended::default(),
            fetcher: settings.fetcher(&[])?,
            settings: Arc::new(settings),
            corpus,
        };
        let workers = Workers::start(&app.corpus).await?;
        let jobs = (role != Role::Command).then(|| Jobs::start(&app));
        if role != Role::Command {
            memory::keep_tidy();
        }
        if role == Role::Server {
            app.limits.keep();
        }
        let keeper = (role != Role::Worker).then(|| Keeper::start(&app));
        Ok(Self { app, first_sign_in, workers, jobs, keeper, postgres })
    }

    /// Ends everything in the opposite order: nothing that was accepted is
    /// lost.
    pub async fn stop(self) {
        tokio::join!(self.app.hub.end(), self.app.unattended.end());
        drop(self.keeper);
        if let Some(jobs) = self.jobs {
            jobs.stop().await;
        }
        self.workers.stop().await;
        self.app.ledger.settled().await;
        self.app.stream.close().await;
        self.app.db.close().await;
        if let Some(postgres) = self.postgres
            && let Err(error) = postgres.stop().await
        {
            tracing::error!(%error, "the database did not stop");
        }
    }
}

/// Makes the data folder, and refuses to start where its disk is full: the database
/// would break off at one of its first writes, and say so in other words.
fn room(settings: &Settings) -> Result<()> {
    std::fs::create_dir_all(&settings.data_dir).map_err(|error| tenancy::unusable(&settings.data_dir, &error))?;
    let reserve = match settings.qdrant_url {
        None => settings.disk_reserve_bytes,
        Some(_) if settings.database_url.is_none() => LOG_OF_WRITES,
        Some(_) => return Ok(()),
    };
    Ok(DiskGuard::new(&settings.data_dir, reserve).check(0)?)
}

async fn private_postgres(settings: &Settings) -> Result<EmbeddedPostgres> {
    let config =
        PostgresConfig { data_dir: settings.data_dir.clone(), bin_dir: settings.postgres_bin.clone(), guard_exe: None };
    Ok(EmbeddedPostgres::start(&config).await?)
}

/// Says which address did not answer, without the password in it.
fn unreachable_database(error: &Error) -> Error {
    tracing::debug!(error = ?error, "the configured database");
    let problem = match error {
        Error::Storage(cause) => format!(
            "names a database that cannot be used: {cause}; start it, or unset the variable to use the private one"
        ),
        Error::Internal(cause) => format!("names a database that cannot be used: {cause:#}"),
        other => other.to_string(),
    };
    Error::Unreachable { what: "DATABASE_URL", problem }
}

fn models(settings: &Settings, corpus: &Corpus) -> Result<Models> {
    let live = corpus.clone();
    let embedder = move || live.live().embedder.clone();
    let extractive = extractive::Extractive::new(embedder, Arc::clone(&corpus.bm25), settings.answer_threshold);
    Models::new(Arc::new(extractive), settings)
}
