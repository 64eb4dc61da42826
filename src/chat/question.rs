//! A question, and its embedding in the making.

use std::time::{Duration, Instant};

use footnote_ingest::index::MetaFilter;
use footnote_ingest::scope::Scope;
use footnote_ingest::space::Embedded;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use utoipa::ToSchema;

use super::files::File;
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, DocumentId, MessageId};
use crate::llm::{Image, ToolChoice};
use crate::storage::answers::Place;
use crate::storage::messages::Part;

/// A question.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its words.
    pub content: String,
    /// What is sent along to be looked at.
    pub images: Vec<Image>,
    /// Documents from which alone it is answered, if any are named: the
    /// collections and the filter do not count then.
    pub documents: Vec<DocumentId>,
    /// Where it hangs in the conversation.
    pub place: Place,
    /// Collections that ground it; `None` means the conversation's. Here and
    /// below, of a question that is asked again `None` means that it is as before.
    pub collections: Option<Vec<CollectionId>>,
    /// Only documents whose metadata fit; `None` means all.
    pub filter: Option<MetaFilter>,
    /// The model; `None` means the conversation's, else the service's.
    pub model: Option<String>,
    /// For models that take it.
    pub temperature: Option<f32>,
    /// Tokens of the answer, at most.
    pub max_tokens: Option<u32>,
    /// Tools that may be called; `None` means the conversation's, else all.
    pub tools: Option<Vec<String>>,
    /// Whether one must be called; `None` means as the model likes.
    pub tool_choice: Option<ToolChoice>,
    /// Where the reader is.
    pub hints: Hints,
    /// The caller's own key for it, so that asking again is safe.
    pub key: Option<IdempotencyKey>,
    /// Answer anew, even where the same was answered before.
    pub afresh: bool,
    /// What becomes of it when it cannot be answered.
    pub unanswered: Unanswered,
}

/// What becomes of a question whose answer cannot be made, or not to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unanswered {
    /// It stays, with what there is of the answer.
    #[default]
    Kept,
    /// Both are removed.
    Withdrawn,
    /// The conversation is removed too, which was begun for it.
    WithdrawnWhole,
}

/// A question that was taken, and the answer that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The question's message.
    pub question: MessageId,
    /// The answer's message.
    pub answer: MessageId,
}

/// Where the reader is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hints {
    /// The reader's language, such as `de-CH`.
    pub locale: Option<String>,
    /// The reader's time zone, such as `Europe/Zurich`.
    pub time_zone: Option<String>,
}

/// A caller's own key for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key.
    pub key: String,
    /// SHA-256 of the request.
    pub request_sha256: Vec<u8>,
}

impl IdempotencyKey {
    /// The key of a request to `path` with this body.
    #[must_use]
    pub fn new(key: impl Into<String>, path: &str, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(path);
        hash.update([0]);
        hash.update(body);
        Self { key: key.into(), request_sha256: hash.finalize().to_vec() }
    }
}

impl Ask {
    /// A question of words alone, after the last message.
    #[must_use]
    pub fn new(content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
            images: vec![],
            documents: vec![],
            place: Place::Last,
            collections: None,
            filter: None,
            model: None,
            temperature: None,
            max_tokens: None,
            tools: None,
            tool_choice: None,
            hints: Hints::default(),
            key: None,
            afresh: false,
            unanswered: Unanswered::Kept,
        }
    }

    /// As it is stored, with the documents that it names.
    pub(super) fn parts(&self, files: &[File]) -> Vec<Part> {
        let pictures = self
            .images
            .iter()
            .map(|image| Part::Image { media_type: image.media_type.clone(), base64: image.base64.to_string() });
        let files = files.iter().map(File::part);
        pictures.chain(files).chain([Part::Text { text: self.content.clone() }]).collect()
    }
}

/// A question's embedding in the making. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct Embedding {
    // A set, because it ends its task when it is dropped.
    task: JoinSet<footnote_ingest::Result<Embedded>>,
    started: Instant,
}

impl Embedding {
    pub(super) fn start(app: &App, scope: Scope, question: &str) -> Self {
        let (space, question) = (app.corpus.live(), question.to_owned());
        let mut task = JoinSet::new();
        task.spawn(async move { space.query(scope, &question).await });
        Self { task, started: Instant::now() }
    }

    /// The vector, and how long it took in all.
    pub(super) async fn finish(mut self) -> Result<(Embedded, Duration)> {
        let made = self.task.join_next().await.ok_or(Error::Busy("the embedder"))?;
        let vector = made.map_err(footnote_ingest::Error::from)??;
        Ok((vector, self.started.elapsed()))
    }
}
