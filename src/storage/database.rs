//! The database: an outside one by its URL, or the private one.

use std::time::Duration;

use footnote_ingest::rights;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

use crate::error::{Error, Result};

/// The schema's migrations, in the binary.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Connections at most.
const POOL: u32 = 16;
/// How long a request may wait for one of them; then it is told to come back.
const POOL_WAIT: Duration = Duration::from_secs(2);
/// How long a statement may wait for rows that others hold, who hold them for
/// moments: longer, and something is wrong with them.
const LOCK_WAIT: (&str, &str) = ("lock_timeout", "10s");
/// How long a connection that is given back may take to end what was under way on
/// it; a lock is waited for no longer.
const SILENCE: Duration = Duration::from_secs(15);
/// How long the answers' own writing may wait: nobody can be told to come back.
const STREAM_WAIT: Duration = Duration::from_secs(5);
/// How often the first connection is tried: a machine that starts is slow.
const ATTEMPTS: u32 = 3;

/// Connects and brings the schema up to date. The pool has all rights: it is for
/// the start, and for looking on from outside; [`guarded`] makes the service's.
///
/// # Errors
/// What the database says.
pub async fn open(options: PgConnectOptions) -> Result<PgPool> {
    let pool = PgPoolOptions::new().max_connections(POOL).acquire_timeout(POOL_WAIT).connect_lazy_with(options);
    let mut attempts = 1;
    while let Err(error) = pool.acquire().await {
        if attempts == ATTEMPTS || !matches!(error, sqlx::Error::PoolTimedOut) {
            return Err(error.into());
        }
        attempts += 1;
    }
    MIGRATIONS.run(&pool).await.map_err(|error| {
        Error::Internal(anyhow::Error::new(error).context("the database's schema cannot be brought up to date"))
    })?;
    Ok(pool)
}

/// The pool that the service works with: each connection has the rights of the
/// task that takes it ([`rights`]).
///
/// # Errors
/// What the database says.
pub async fn guarded(db: &PgPool) -> Result<PgPool> {
    let pool = alive(PgPoolOptions::new().max_connections(POOL).acquire_timeout(POOL_WAIT));
    Ok(rights::guarded(pool).connect_with((*db.connect_options()).clone().options([LOCK_WAIT])).await?)
}

/// Another one to the same database, whose commits do not wait for the disk.
///
/// The events of an answer are written through it: they are in the database
/// before they are shown, and survive this process. Only a crash of the database or
/// of the machine can lose the last of them; a process that goes on notices, and
/// stores them again. The commit that ends an answer waits for the disk, for all
/// before it too.
///
/// # Errors
/// What the database says.
pub async fn open_relaxed(db: &PgPool) -> Result<PgPool> {
    let options = (*db.connect_options()).clone().options([LOCK_WAIT, ("synchronous_commit", "off")]);
    let pool = alive(PgPoolOptions::new().max_connections(POOL).min_connections(1).acquire_timeout(STREAM_WAIT));
    Ok(rights::guarded(pool).connect_with(options).await?)
}

/// Keeps no connection that has fallen silent: whoever waited for it has been told
/// that it took too long, and its place is for another.
fn alive(options: PgPoolOptions) -> PgPoolOptions {
    options.after_release(|connection, _| {
        Box::pin(async move {
            let answered = tokio::time::timeout(SILENCE, connection.ping()).await;
            answered.map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
            Ok(true)
        })
    })
}

/// Connects to the private server, making the database when it is missing.
///
/// # Errors
/// What the database says.
pub async fn open_private(server: PgConnectOptions, name: &str) -> Result<PgPool> {
    use sqlx::ConnectOptions;
    let mut admin = server.clone().database("postgres").connect().await?;
    let exists = sqlx::query_scalar::<_, bool>("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut admin)
        .await?;
    if !exists {
        // A fixed name of ours: nothing of a caller's reaches this statement.
        sqlx::query("create database footnote").execute(&mut admin).await?;
    }
    admin.close().await?;
    open(server.database(name)).await
}
