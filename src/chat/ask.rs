//! Asking: what a front door calls.

use std::sync::Arc;

use footnote_ingest::scope::Scope;
use futures::stream::{self, BoxStream, StreamExt};

use super::generate::Generation;
use super::question::{Ask, Embedding};
use super::receipt::Receipt;
use super::record::{self, Record};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId};
use crate::retrieve;
use crate::storage::events::Event;
use crate::storage::messages::{self, Message};
use crate::storage::{conversations, events};

/// A question that was taken, and the answer that is being made.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The question's message.
    pub question: MessageId,
    /// The answer's message.
    pub answer: MessageId,
}

/// Stores the question and starts the answer, which goes on by itself.
///
/// # Errors
/// [`Error::Invalid`] for a question that cannot be asked, [`Error::NotFound`]
/// for a conversation that the scope does not have.
pub async fn ask(app: &App, scope: Scope, conversation: ConversationId, ask: Ask) -> Result<Asked> {
    retrieve::check(&ask.content).map_err(|error| match error {
        Error::Invalid { problem, .. } => Error::Invalid { field: "content", problem },
        other => other,
    })?;
    // In a task of its own: a caller that goes away in the middle must not leave
    // half a question behind.
    let taken = tokio::spawn(take(app.clone(), scope, conversation, ask)).await;
    taken.map_err(anyhow::Error::from)?
}

/// Stores the question and starts its answer, to the end.
async fn take(app: App, scope: Scope, conversation: ConversationId, ask: Ask) -> Result<Asked> {
    // The embedding is made while the question is stored.
    let embedding = Embedding::start(&app, &ask.content);
    let known = conversations::find(&app.db, scope, conversation).await?.ok_or(Error::NotFound("conversation"))?;
    let provider = app.models.choose(ask.model.as_deref().or(known.model.as_deref()))?;
    let history = messages::list(&app.db, scope, conversation, None, i64::MAX).await?;
    let mut tx = app.db.begin().await?;
    let (question, answer) = messages::begin(&mut tx, scope, conversation, &ask.content, provider.name())
        .await?
        .ok_or(Error::NotFound("conversation"))?;
    // Open before the message can be seen, so that no reader finds it running
    // and yet without a stream.
    let live = app.hub.open(answer);
    if let Err(error) = tx.commit().await {
        app.hub.close(answer);
        return Err(error.into());
    }
    let record = Record::new(&app, scope, answer, Arc::clone(&live));
    let collections = ask.collections.clone().or(Some(known.collections)).filter(|ids| !ids.is_empty());
    let generation = Generation {
        app: app.clone(),
        scope,
        message: answer,
        provider,
        record,
        history,
        collections,
        ask,
        embedding: Some(embedding),
        pending: vec![],
        receipt: Receipt::default(),
    };
    tokio::spawn(async move {
        let cancel = live.cancel.clone();
        // In a task of its own: a panic in it must not leave its readers waiting.
        if let Err(error) = tokio::spawn(generation.run(cancel)).await {
            tracing::error!(message.id = %answer, %error, "the making of an answer ended early");
            record::abandon(&app.db, scope, answer, &live).await;
        }
        app.hub.close(answer);
    });
    Ok(Asked { question, answer })
}

/// The events of an answer after number `after`: the stored ones, then the
/// live ones until it ends.
///
/// # Errors
/// [`Error::NotFound`] for a message that the scope does not have.
pub async fn follow(app: &App, scope: Scope, message: MessageId, after: i32) -> Result<BoxStream<'static, Arc<Event>>> {
    messages::find(&app.db, scope, message).await?.ok_or(Error::NotFound("message"))?;
    let Some(live) = app.hub.get(message) else {
        // Not being made here: all its events are stored.
        let stored = events::after(&app.db, scope, message, after).await?;
        return Ok(stream::iter(stored.into_iter().map(Arc::new)).boxed());
    };
    let follower = (live.subscribe(), after);
    let live = stream::unfold(follower, |(mut log, after)| async move {
        let now = log.wait_for(|log| !log.after(after).is_empty() || log.ended()).await.ok()?.clone();
        let new = now.after(after).to_vec();
        let last = new.last()?.seq;
        Some((stream::iter(new), (log, last)))
    });
    Ok(live.flatten().boxed())
}

/// Waits until an answer has ended, and returns it.
///
/// # Errors
/// As [`follow`].
pub async fn wait(app: &App, scope: Scope, message: MessageId) -> Result<Message> {
    follow(app, scope, message, 0).await?.for_each(|_| std::future::ready(())).await;
    messages::find(&app.db, scope, message).await?.ok_or(Error::NotFound("message"))
}

/// Stops an answer; what there is of it is kept. Nothing happens to one that
/// has ended.
///
/// # Errors
/// As [`follow`].
pub async fn cancel(app: &App, scope: Scope, message: MessageId) -> Result<Message> {
    messages::find(&app.db, scope, message).await?.ok_or(Error::NotFound("message"))?;
    if let Some(live) = app.hub.get(message) {
        live.cancel.cancel();
    }
    wait(app, scope, message).await
}
