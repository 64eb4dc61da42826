//! A conversation as a file.

use footnote_ingest::scope::Scope;
use futures::stream::{self, BoxStream, StreamExt};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::ToSchema;

use super::document;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId};
use crate::storage::conversations::{self, Conversation};
use crate::storage::messages::{self, Message};

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The branch that is shown, with footnotes.
    #[default]
    Markdown,
    /// Everything: all messages of all branches.
    Json,
}

/// A conversation with all its messages, as it is described.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whole {
    #[serde(flatten)]
    conversation: Conversation,
    /// Of all branches, in the order in which they were made.
    messages: Vec<Message>,
}

/// A file.
pub struct Exported {
    /// The conversation's title.
    pub title: String,
    /// What is in it, in pieces; one that is missing cannot be had.
    pub text: BoxStream<'static, Result<String>>,
}

/// Messages that are written at once, at most.
const AT_ONCE: i64 = 200;

/// Writes a conversation down. Pictures are in JSON alone, which is written while it
/// is read: a page of messages at a time.
///
/// # Errors
/// [`Error::NotFound`] for a conversation that the scope does not have.
pub async fn export(db: &PgPool, scope: Scope, id: ConversationId, format: Format) -> Result<Exported> {
    let conversation = conversations::find(db, scope, id).await?.ok_or(Error::NotFound("conversation"))?;
    let title = conversation.title.clone();
    let (first, rest) = match format {
        Format::Markdown => {
            let messages = shown(db, scope, &conversation).await?;
            (written(move || Ok(document::markdown(&conversation, &messages))).await?, stream::empty().boxed())
        }
        Format::Json => {
            let mut writing = Writing { db: db.clone(), scope, id, after: None, ended: false };
            let begun = serde_json::to_string_pretty(&conversation).map_err(anyhow::Error::from)?;
            // What fails at once is told as an error.
            let begun = begun.strip_suffix("\n}").unwrap_or(&begun);
            let first = format!("{begun},\n  \"messages\": [{}", writing.next().await?);
            (first, stream::try_unfold(writing, Writing::following).boxed())
        }
    };
    Ok(Exported { title, text: stream::once(std::future::ready(Ok(first))).chain(rest).boxed() })
}

/// Messages that are written down as JSON.
struct Writing {
    db: PgPool,
    scope: Scope,
    id: ConversationId,
    /// The last one that is written.
    after: Option<MessageId>,
    ended: bool,
}

impl Writing {
    async fn following(mut self) -> Result<Option<(String, Self)>> {
        if self.ended {
            return Ok(None);
        }
        Ok(Some((self.next().await?, self)))
    }

    async fn next(&mut self) -> Result<String> {
        let (messages, more) = messages::page(&self.db, self.scope, self.id, self.after, AT_ONCE, true).await?;
        let is_first = self.after.is_none();
        self.ended = !more || messages.is_empty();
        self.after = messages.last().map(|last| last.id).or(self.after);
        let end = match (self.ended, self.after) {
            (false, _) => "",
            (true, None) => "]\n}",
            (true, Some(_)) => "\n  ]\n}",
        };
        written(move || {
            let mut text = String::new();
            for (place, message) in messages.iter().enumerate() {
                text.push_str(if is_first && place == 0 { "\n    " } else { ",\n    " });
                // Texts hold no line breaks in JSON.
                text.push_str(&serde_json::to_string_pretty(message)?.replace('\n', "\n    "));
            }
            Ok(text + end)
        })
        .await
    }
}

/// Long ones take their time; others are answered meanwhile.
async fn written(write: impl FnOnce() -> serde_json::Result<String> + Send + 'static) -> Result<String> {
    let text = tokio::task::spawn_blocking(write).await.map_err(anyhow::Error::from)?;
    Ok(text.map_err(anyhow::Error::from)?)
}

/// The messages of the branch that is shown.
async fn shown(db: &PgPool, scope: Scope, conversation: &Conversation) -> Result<Vec<Message>> {
    let leaf = match conversation.leaf_id {
        Some(leaf) => Some(leaf),
        None => messages::last(db, scope, conversation.id).await?,
    };
    match leaf {
        Some(leaf) => Ok(messages::path_in_words(db, scope, leaf).await?),
        None => Ok(vec![]),
    }
}
