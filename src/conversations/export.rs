//! A conversation as a file.

use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::ToSchema;

use super::document;
use crate::error::{Error, Result};
use crate::ids::ConversationId;
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

/// A conversation with all its messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whole {
    #[serde(flatten)]
    conversation: Conversation,
    /// Of all branches, in the order in which they were made.
    messages: Vec<Message>,
}

/// A file.
#[derive(Debug)]
pub struct Exported {
    /// The conversation's title.
    pub title: String,
    /// What is in it.
    pub text: String,
}

/// Writes a conversation down.
///
/// # Errors
/// [`Error::NotFound`] for a conversation that the scope does not have.
pub async fn export(db: &PgPool, scope: Scope, id: ConversationId, format: Format) -> Result<Exported> {
    let conversation = conversations::find(db, scope, id).await?.ok_or(Error::NotFound("conversation"))?;
    let title = conversation.title.clone();
    let messages = match format {
        Format::Markdown => shown(db, scope, &conversation).await?,
        Format::Json => messages::list(db, scope, id, None, i64::MAX).await?,
    };
    // Long ones take their time; others are answered meanwhile.
    let write = move || match format {
        Format::Markdown => Ok(document::markdown(&conversation, &messages)),
        Format::Json => serde_json::to_string_pretty(&Whole { conversation, messages }),
    };
    let text = tokio::task::spawn_blocking(write).await.map_err(anyhow::Error::from)?.map_err(anyhow::Error::from)?;
    Ok(Exported { title, text })
}

/// The messages of the branch that is shown.
async fn shown(db: &PgPool, scope: Scope, conversation: &Conversation) -> Result<Vec<Message>> {
    let leaf = match conversation.leaf_id {
        Some(leaf) => Some(leaf),
        None => messages::last(db, scope, conversation.id).await?,
    };
    match leaf {
        Some(leaf) => Ok(messages::path(db, scope, leaf).await?),
        None => Ok(vec![]),
    }
}
