//! A question, and its embedding in the making.

use std::time::{Duration, Instant};

use footnote_ingest::index::MetaFilter;
use footnote_ingest::space::Embedded;
use tokio::task::JoinSet;

use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::CollectionId;

/// A question.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Its words.
    pub content: String,
    /// Collections that ground it; `None` means the conversation's.
    pub collections: Option<Vec<CollectionId>>,
    /// Only documents whose metadata fit.
    pub filter: MetaFilter,
    /// The model; `None` means the conversation's, else the service's.
    pub model: Option<String>,
    /// For models that take it.
    pub temperature: Option<f32>,
    /// Tokens of the answer, at most.
    pub max_tokens: Option<u32>,
}

/// A question's embedding in the making. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct Embedding {
    // A set, because it ends its task when it is dropped.
    task: JoinSet<footnote_ingest::Result<Embedded>>,
    started: Instant,
}

impl Embedding {
    pub(super) fn start(app: &App, question: &str) -> Self {
        let (space, question) = (app.corpus.live(), question.to_owned());
        let mut task = JoinSet::new();
        task.spawn(async move { space.query(&question).await });
        Self { task, started: Instant::now() }
    }

    /// The vector, and how long it took in all.
    pub(super) async fn finish(mut self) -> Result<(Embedded, Duration)> {
        let made = self.task.join_next().await.ok_or(Error::Busy("the embedder"))?;
        let vector = made.map_err(footnote_ingest::Error::from)??;
        Ok((vector, self.started.elapsed()))
    }
}
