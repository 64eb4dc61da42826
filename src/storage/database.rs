//! The database: an outside one by its URL, or the private one.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::error::{Error, Result};

/// The schema's migrations, in the binary.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Connections at most.
const POOL: u32 = 16;

/// Connects and brings the schema up to date.
///
/// # Errors
/// What the database says.
pub async fn open(options: PgConnectOptions) -> Result<PgPool> {
    let pool = PgPoolOptions::new()
        .max_connections(POOL)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options)
        .await?;
    MIGRATIONS.run(&pool).await.map_err(|error| {
        Error::Internal(anyhow::Error::new(error).context("the database's schema cannot be brought up to date"))
    })?;
    Ok(pool)
}

/// Connects to the private server, making the database when it is missing.
///
/// # Errors
/// What the database says.
pub async fn open_private(server: PgConnectOptions, name: &str) -> Result<PgPool> {
    use sqlx::{ConnectOptions, Connection};
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
