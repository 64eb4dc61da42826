//! Looking for a question's evidence ahead: while the question is stored.

use footnote_ingest::rights::as_owner;
use footnote_ingest::scope::Scope;
use tokio::task::JoinSet;

use super::files::File;
use super::question::Ask;
use crate::app::App;
use crate::error::{Error, Result};
use crate::retrieve::{self, Query, Retrieved};
use crate::storage::conversations::Conversation;

/// Passages that may be sent as evidence.
pub(super) const EVIDENCE: usize = 8;

/// The search for a question as it was asked. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct Ahead {
    // A set, because it ends its task when it is dropped.
    task: JoinSet<Result<Retrieved>>,
}

impl Ahead {
    pub(super) fn start(app: &App, scope: Scope, query: Query) -> Self {
        let query = Query { reranker: app.reranker.clone(), ..query };
        let corpus = app.corpus.clone();
        let mut task = JoinSet::new();
        task.spawn(as_owner(scope, async move { retrieve::retrieve(&corpus, scope, &query).await }));
        Self { task }
    }

    /// What was found.
    pub(super) async fn finish(mut self) -> Result<Retrieved> {
        let found = self.task.join_next().await.ok_or(Error::Busy("the search"))?;
        found.map_err(anyhow::Error::from)?
    }
}

/// A search for `text` within what a question may see.
pub(super) fn query(conversation: &Conversation, ask: &Ask, files: &[File], text: String, limit: usize) -> Query {
    if !files.is_empty() {
        let revisions = files.iter().map(|file| file.revision).collect();
        return Query { text, revisions: Some(revisions), limit, ..Query::default() };
    }
    let own = Some(conversation.collections.clone()).filter(|ids| !ids.is_empty());
    let collections = ask.options.collections.clone().filter(|ids| !ids.is_empty()).or(own);
    Query { text, collections, filter: ask.options.filter.clone().unwrap_or_default(), limit, ..Query::default() }
}
