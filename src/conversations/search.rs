//! Conversations by words.

use footnote_ingest::scope::Scope;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use super::snippet::snippet;
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::storage::conversation_words::{self, Cursor};
use crate::storage::conversations::Conversation;

/// Characters of a query, at most.
pub const MAX_QUERY: usize = 500;

/// A conversation that was found, and the place in it that fits best.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = FoundConversation)]
pub struct Found {
    /// The conversation.
    pub conversation: Conversation,
    /// The question or answer that fits best; null if that is the title.
    pub message_id: Option<MessageId>,
    /// Words around what was found, each word that was looked for between `**`
    /// and `**`. Plain text besides.
    pub snippet: String,
    /// How well it fits: more is better. Says nothing beyond one query.
    pub rank: f32,
}

/// Conversations of the scope in which a title, a question or an answer fits
/// the query, best first, from after `after`.
///
/// # Errors
/// [`Error::Invalid`] for an empty or overlong query; what the database says.
pub async fn search(db: &PgPool, scope: Scope, query: &str, after: Option<Cursor>, limit: i64) -> Result<Vec<Found>> {
    check(query)?;
    let places = conversation_words::search(db, scope, query, after, limit).await?;
    let terms = conversation_words::terms(db, query).await?;
    let found = places.into_iter().map(|place| Found {
        snippet: snippet(&place.text, &terms),
        conversation: place.conversation,
        message_id: place.message_id,
        rank: place.rank,
    });
    Ok(found.collect())
}

fn check(query: &str) -> Result<()> {
    let problem = if query.trim().is_empty() {
        "is empty; name some words".to_owned()
    } else if query.chars().nth(MAX_QUERY).is_some() {
        format!("is longer than {MAX_QUERY} characters; name fewer words")
    } else if query.contains('\0') {
        "holds a character that no text has".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Invalid { field: "q", problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_words_and_not_too_many() {
        assert!(check("pump \"4 bar\" -oil").is_ok());
        for wrong in ["", " \n", "a\0b", &"x".repeat(MAX_QUERY + 1)] {
            assert!(matches!(check(wrong), Err(Error::Invalid { field: "q", .. })), "{wrong:?}");
        }
    }
}
