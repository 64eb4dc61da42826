//! `App`: the one state that everything shares, built in one place.

use std::sync::Arc;

use footnote_ingest::corpus::Corpus;
use footnote_ingest::source::fetch::Fetcher;
use sqlx::PgPool;

use crate::chat::{Hub, Journal};
use crate::config::Settings;
use crate::credentials::Credentials;
use crate::figures::Figures;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::models::Models;
use crate::outside::Outside;
use crate::reranker::Reranker;
use crate::unattended::Unattended;

/// The service's state. Cloning shares it.
#[derive(Clone)]
pub struct App {
    /// Postgres.
    pub db: PgPool,
    /// Postgres for what an answer says while it is made: commits do not wait
    /// for the disk.
    pub stream: PgPool,
    /// Writes down what answers say.
    pub journal: Journal,
    /// Who may come in.
    pub credentials: Arc<Credentials>,
    /// Writes down what calls took that are passed on to providers.
    pub ledger: Ledger,
    /// Documents and their index.
    pub corpus: Corpus,
    /// Who can answer.
    pub models: Arc<Models>,
    /// Looks at what was found once more, if one is set up.
    pub reranker: Option<Reranker>,
    /// Tools of other people's servers.
    pub outside: Outside,
    /// Answers that are being made.
    pub hub: Arc<Hub>,
    /// Calls of models that go on when their caller goes away.
    pub unattended: Unattended,
    /// The web, as far as it is open to callers.
    pub fetcher: Fetcher,
    /// What callers may take.
    pub limits: Limits,
    /// Figures of what this process does.
    pub figures: Figures,
    /// Settings.
    pub settings: Arc<Settings>,
}
