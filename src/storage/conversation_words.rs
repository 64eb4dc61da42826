//! Conversations by the words of their titles, questions and answers.

use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;

use super::conversations::{Conversation, TitledBy};
use crate::ids::{CollectionId, ConversationId, MessageId};

/// A conversation, and the place in it that fits best.
#[derive(Debug, Clone)]
pub struct Place {
    /// The conversation.
    pub conversation: Conversation,
    /// The message; `None` means the title.
    pub message_id: Option<MessageId>,
    /// The words there.
    pub text: String,
    /// How well they fit: more is better.
    pub rank: f32,
}

/// Where a page ended: the last conversation and its rank.
pub type Cursor = (f32, ConversationId);

/// The words of a query as they are looked for.
///
/// # Errors
/// What the database says.
pub async fn terms(db: impl PgExecutor<'_>, query: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(r#"select tsvector_to_array(to_tsvector('simple', folded($1))) as "terms!""#, query)
        .fetch_one(db)
        .await
}

/// Conversations, archived ones too, in which a title, a question or an answer
/// fits the query, best first: each once, with the place that fits best. The
/// query is in the language of search engines: all words, `"a phrase"`, `or`,
/// `-without`.
///
/// # Errors
/// What the database says.
pub async fn search(
    db: impl PgExecutor<'_>,
    scope: Scope,
    query: &str,
    after: Option<Cursor>,
    limit: i64,
) -> sqlx::Result<Vec<Place>> {
    let (rank, id) = after.unzip();
    // Ranks are divided by one plus the logarithm of the text's length (1).
    let rows = sqlx::query!(
        r#"
        with query as materialized (
            select websearch_to_tsquery('simple', folded($2)) as words
        ), places as (
            select c.id as conversation_id, null::uuid as message_id, ts_rank(c.words, query.words, 1) as rank
            from conversations c, query
            where c.owner_id = $1 and c.origin = 'native' and c.titled_by <> 'default' and c.words @@ query.words
            union all
            select m.conversation_id, m.id, ts_rank(m.words, query.words, 1)
            from query, messages m
            join conversations c on c.id = m.conversation_id and c.origin = 'native'
            where m.owner_id = $1 and m.words @@ query.words
        ), best as (
            select distinct on (conversation_id) conversation_id, message_id, rank
            from places
            order by conversation_id, rank desc, message_id desc nulls first
        ), page as (
            select conversation_id, message_id, rank
            from best
            where $3::real is null or (rank, conversation_id) < ($3, $4)
            order by rank desc, conversation_id desc
            limit $5
        )
        select
            c.id as "id: ConversationId", c.title, c.titled_by as "titled_by: TitledBy",
            c.collections as "collections: Vec<CollectionId>", c.model, c.system_prompt, c.tools,
            c.leaf_id as "leaf_id: MessageId", c.archived_at, c.created_at, c.updated_at,
            page.message_id as "message_id: MessageId",
            coalesce(left(parts_text(m.parts), 100000), c.title) as "text!", page.rank as "rank!"
        from page
        join conversations c on c.id = page.conversation_id
        left join messages m on m.id = page.message_id
        order by page.rank desc, c.id desc
        "#,
        scope.owner() as _,
        query,
        rank,
        id as _,
        limit,
    )
    .fetch_all(db)
    .await?;
    let places = rows.into_iter().map(|row| Place {
        conversation: Conversation {
            id: row.id,
            title: row.title,
            titled_by: row.titled_by,
            collections: row.collections,
            model: row.model,
            system_prompt: row.system_prompt,
            tools: row.tools,
            leaf_id: row.leaf_id,
            archived_at: row.archived_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        },
        message_id: row.message_id,
        text: row.text,
        rank: row.rank,
    });
    Ok(places.collect())
}
