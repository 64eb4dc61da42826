//! The server in the process of the service, under the scope of a caller.
//! Imports services and storage.

use footnote_ingest::document::Span;
use footnote_ingest::rights::as_owner;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::collections::{self, Collection};
use footnote_ingest::store::documents::{self, Document, Filter};
use footnote_ingest::store::members::Access;
use footnote_ingest::store::revisions::{self, TextPart};
use futures::StreamExt;
use tokio::runtime::Handle;

use super::asking::{self, READING_TOOLS, title};
use super::backend::{Backend, Failure, Page};
use crate::app::App;
use crate::chat::{self, Ask, Options};
use crate::ids::{CollectionId, DocumentId, MessageId, RevisionId};
use crate::limits::Who;
use crate::retrieve::{self, Passage, Query};
use crate::sharing;
use crate::storage::conversations::{self, New};
use crate::storage::messages::{self, Message};
use crate::storage::withdrawals;

/// The service itself, as one caller may use it: each call works with the
/// caller's rights, whichever task makes it.
pub struct Local {
    app: App,
    scope: Scope,
    caller: Who,
}

impl Local {
    /// For the caller who has this scope, and is held to the limits of `caller`.
    #[must_use]
    pub fn new(app: App, scope: Scope, caller: Who) -> Self {
        Self { app, scope, caller }
    }

    /// The id of the collection that is named by id or by name.
    async fn within(&self, collection: Option<&str>) -> Result<Option<CollectionId>, Failure> {
        let Some(named) = collection else { return Ok(None) };
        if let Ok(id) = named.parse()
            && let Some(found) = collections::find(&self.app.db, self.scope, id).await?
        {
            return Ok(Some(found.id));
        }
        // What no text holds, no name holds.
        let found = match named.contains('\0') {
            true => None,
            false => collections::find_by_name(&self.app.db, self.scope, named).await?,
        };
        found.map(Some).ok_or(Failure::NotFound("collection"))
    }
}

impl Local {
    async fn found(&self, query: &str, collection: Option<&str>, limit: usize) -> Result<Vec<Passage>, Failure> {
        let query = Query {
            text: query.to_owned(),
            collections: self.within(collection).await?.map(|id| vec![id]),
            limit,
            reranker: self.app.reranker.clone(),
            ..Query::default()
        };
        Ok(retrieve::retrieve(&self.app.corpus, self.scope, &query).await?.passages)
    }

    async fn answer(&self, question: &str, collection: Option<&str>) -> Result<Message, Failure> {
        let (app, scope) = (&self.app, self.scope);
        let collections: Vec<CollectionId> = self.within(collection).await?.into_iter().collect();
        let title = title(question);
        let new = New { title: Some(&title), collections: &collections, ..New::default() };
        let begun = conversations::create(&app.db, scope, &new).await?;
        let options = Options { tools: Some(READING_TOOLS.map(str::to_owned).to_vec()), ..Options::default() };
        let ask = Ask { options, ..Ask::new(question) };
        let asked = chat::ask(app, scope, begun.id, ask).await;
        if asked.is_err() {
            // What was refused leaves nothing behind.
            withdrawals::forget(&app.db, scope, begun.id).await?;
        }
        let asked = asked?;
        let mut awaited = Awaited { app: app.clone(), scope, answer: asked.answer, ended: false };
        let mut events = chat::follow(app, scope, asked.answer, 0).await?;
        let mut problem = None;
        while let Some(event) = events.next().await {
            if event.name == "error" {
                problem = event.data["error"]["message"].as_str().map(str::to_owned);
            }
        }
        awaited.ended = true;
        let answer = messages::find(&app.db, scope, asked.answer).await?.ok_or(Failure::NotFound("message"))?;
        asking::whole(answer, problem)
    }

    async fn page(
        &self,
        collection: Option<&str>,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Page<Document>, Failure> {
        let collection = self.within(collection).await?;
        let owner = match collection {
            Some(collection) => sharing::access(&self.app, self.scope, collection, Access::Reader).await?,
            None => self.scope,
        };
        let filter = Filter { collection, after, ..Filter::default() };
        let items = documents::list(&self.app.db, owner, &filter, to_load(limit)).await?;
        Ok(cut(items, limit, |last| last.id.to_string()))
    }

    async fn one(&self, id: DocumentId) -> Result<Document, Failure> {
        let owner = sharing::access_to_document(&self.app, self.scope, id, Access::Reader).await?;
        documents::find(&self.app.db, owner, id).await?.ok_or(Failure::NotFound("document"))
    }
}

impl Backend for Local {
    async fn search(&self, query: &str, collection: Option<&str>, limit: usize) -> Result<Vec<Passage>, Failure> {
        as_owner(self.scope, self.found(query, collection, limit)).await
    }

    async fn ask(&self, question: &str, collection: Option<&str>) -> Result<Message, Failure> {
        self.caller.during(as_owner(self.scope, self.answer(question, collection))).await
    }

    async fn collections(&self, limit: usize) -> Result<Page<Collection>, Failure> {
        let listed = collections::list(&self.app.db, self.scope, None, None, to_load(limit));
        Ok(cut(as_owner(self.scope, listed).await?, limit, |last| last.id.to_string()))
    }

    async fn documents(
        &self,
        collection: Option<&str>,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Page<Document>, Failure> {
        as_owner(self.scope, self.page(collection, after, limit)).await
    }

    async fn document(&self, id: DocumentId) -> Result<Document, Failure> {
        as_owner(self.scope, self.one(id)).await
    }

    async fn text(&self, revision: RevisionId, span: Span) -> Result<TextPart, Failure> {
        let part = as_owner(self.scope, revisions::text_part(&self.app.db, self.scope, revision, span)).await?;
        part.ok_or(Failure::NotFound("revision"))
    }
}

/// One more than a page has tells whether there is another page.
fn to_load(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

fn cut<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(cursor);
    Page { items, next_cursor }
}

/// An answer that somebody waits for: once nobody does, it is stopped.
struct Awaited {
    app: App,
    scope: Scope,
    answer: MessageId,
    ended: bool,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (app, scope, answer) = (self.app.clone(), self.scope, self.answer);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = as_owner(scope, chat::cancel(&app, scope, answer)).await {
                    tracing::debug!(message.id = %answer, %error, "an answer could not be stopped");
                }
            });
        }
    }
}
