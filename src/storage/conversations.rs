//! Conversations.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::ids::{CollectionId, ConversationId};

/// A stored conversation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Shown in lists.
    pub title: String,
    /// Collections that ground it; empty means all of the owner's.
    pub collections: Vec<CollectionId>,
    /// The model that answers, unless a question names another.
    pub model: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub updated_at: DateTime<Utc>,
}

/// Begins a conversation.
///
/// # Errors
/// What the database says.
pub async fn create(
    db: impl PgExecutor<'_>,
    scope: Scope,
    title: &str,
    collections: &[CollectionId],
    model: Option<&str>,
) -> sqlx::Result<Conversation> {
    sqlx::query_as!(
        Conversation,
        r#"
        insert into conversations (id, owner_id, title, collections, model, created_at, updated_at)
        values ($1, $2, $3, $4, $5, now(), now())
        returning
            id as "id: ConversationId", title, collections as "collections: Vec<CollectionId>", model,
            created_at, updated_at
        "#,
        ConversationId::new() as _,
        scope.owner() as _,
        title,
        collections as _,
        model,
    )
    .fetch_one(db)
    .await
}

/// One conversation.
///
/// # Errors
/// What the database says.
pub async fn find(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
) -> sqlx::Result<Option<Conversation>> {
    sqlx::query_as!(
        Conversation,
        r#"
        select
            id as "id: ConversationId", title, collections as "collections: Vec<CollectionId>", model,
            created_at, updated_at
        from conversations
        where id = $1 and owner_id = $2
        "#,
        conversation as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// Conversations, last used first, from after the one used at `after`.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    after: Option<(DateTime<Utc>, ConversationId)>,
    limit: i64,
) -> sqlx::Result<Vec<Conversation>> {
    let (used, id) = after.unzip();
    sqlx::query_as!(
        Conversation,
        r#"
        select
            id as "id: ConversationId", title, collections as "collections: Vec<CollectionId>", model,
            created_at, updated_at
        from conversations
        where owner_id = $1
          and ($2::timestamptz is null or (updated_at, id) < ($2, $3))
        order by updated_at desc, id desc
        limit $4
        "#,
        scope.owner() as _,
        used,
        id as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Renames a conversation. Whether it was there.
///
/// # Errors
/// What the database says.
pub async fn rename(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    title: &str,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update conversations set title = $3 where id = $1 and owner_id = $2",
        conversation as _,
        scope.owner() as _,
        title,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes a conversation with its messages. Whether it was there.
///
/// # Errors
/// What the database says.
pub async fn delete(db: impl PgExecutor<'_>, scope: Scope, conversation: ConversationId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "delete from conversations where id = $1 and owner_id = $2",
        conversation as _,
        scope.owner() as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
