//! `App`: the one state that everything shares, built in one place.

use std::sync::Arc;

use footnote_ingest::corpus::Corpus;
use footnote_ingest::source::fetch::Fetcher;
use sqlx::PgPool;

use crate::chat::Hub;
use crate::config::Settings;
use crate::models::Models;

/// The service's state. Cloning shares it.
#[derive(Clone)]
pub struct App {
    /// Postgres.
    pub db: PgPool,
    /// Postgres for what an answer says while it is made: commits do not wait
    /// for the disk.
    pub stream: PgPool,
    /// Documents and their index.
    pub corpus: Corpus,
    /// Who can answer.
    pub models: Arc<Models>,
    /// Answers that are being made.
    pub hub: Arc<Hub>,
    /// The web, as far as it is open to callers.
    pub fetcher: Fetcher,
    /// Settings.
    pub settings: Arc<Settings>,
}
