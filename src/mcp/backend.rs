//! What the server stands on: the few calls that it makes, in this process or
//! through the command line's client. Imports storage's types.

use std::future::Future;
use std::time::Duration;

use footnote_ingest::Error as CorpusError;
use footnote_ingest::document::Span;
use footnote_ingest::store::collections::Collection;
use footnote_ingest::store::documents::Document;
use footnote_ingest::store::revisions::TextPart;
use serde::Deserialize;

use crate::error::Error;
use crate::ids::{DocumentId, RevisionId};
use crate::retrieve::Passage;
use crate::storage::messages::Message;

/// Why a call gave nothing. A model reads it, and so may anybody: it holds
/// nothing of the service's insides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No such thing, or not the caller's: the two are not told apart.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// It cannot be done, or not so; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// It did not end in time.
    #[error("it did not end within {} s; ask for less, or try again later", .0.as_secs())]
    TimedOut(Duration),
    /// Nobody waits for it any more.
    #[error("cancelled")]
    Cancelled,
    /// Nobody who calls can do something about it.
    #[error("something went wrong in the service; its log says more")]
    Internal,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(what) => Self::NotFound(what),
            Error::Invalid { .. }
            | Error::Conflict { .. }
            | Error::Limited { .. }
            | Error::UsedUp { .. }
            | Error::Busy(_)
            | Error::Llm(_) => Self::Refused(error.to_string()),
            Error::Corpus(
                CorpusError::Embedder(_) | CorpusError::EmbedderRefused(_) | CorpusError::EmbedderSetup(_),
            ) => {
                tracing::error!(error = ?error, "the embedder failed");
                Self::Refused("the embedding model failed; try again later".into())
            }
            Error::Corpus(CorpusError::Index(_)) => {
                tracing::error!(error = ?error, "the index failed");
                Self::Refused("the vector index does not answer; try again shortly".into())
            }
            other => match other.waited_for() {
                Some(what) => Self::Refused(format!("{what}; try again shortly")),
                None => {
                    tracing::error!(error = other.silent(), "a call failed");
                    Self::Internal
                }
            },
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// Its items, at most as many as were asked for.
    pub items: Vec<T>,
    /// For the next page; none on the last one.
    pub next_cursor: Option<String>,
}

/// What the server stands on. All of it is the caller's: nothing of another
/// account is ever shown. Collections are named by id or name.
pub trait Backend: Send + Sync + 'static {
    /// The passages that best fit a query, best first.
    fn search(
        &self,
        query: &str,
        collection: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Passage>, Failure>> + Send;

    /// Asks, and waits for the whole answer. Dropping the future stops it.
    fn ask(&self, question: &str, collection: Option<&str>) -> impl Future<Output = Result<Message, Failure>> + Send;

    /// The first collections.
    fn collections(&self, limit: usize) -> impl Future<Output = Result<Page<Collection>, Failure>> + Send;

    /// Documents in the order of their ids, from after `after`.
    fn documents(
        &self,
        collection: Option<&str>,
        after: Option<DocumentId>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<Document>, Failure>> + Send;

    /// One document.
    fn document(&self, id: DocumentId) -> impl Future<Output = Result<Document, Failure>> + Send;

    /// The characters of a range of a revision, cut to its length.
    fn text(&self, revision: RevisionId, span: Span) -> impl Future<Output = Result<TextPart, Failure>> + Send;
}
