//! Conversations.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::ids::{CollectionId, ConversationId, MessageId};

/// The title of a conversation that nobody has named yet.
pub const UNTITLED: &str = "New conversation";

/// Who gave a conversation its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum TitledBy {
    /// Nobody: every conversation begins with it.
    Default,
    /// The person.
    User,
    /// A model.
    Model,
}

/// A stored conversation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Shown in lists.
    pub title: String,
    /// Who gave the title.
    pub titled_by: TitledBy,
    /// Collections that ground it; empty means all of the owner's.
    pub collections: Vec<CollectionId>,
    /// The model that answers, unless a question names another.
    pub model: Option<String>,
    /// What the model is told about how to answer.
    pub system_prompt: Option<String>,
    /// Tools that the model may call; null means all.
    pub tools: Option<Vec<String>>,
    /// The last message of the branch that is shown; null means the latest one.
    pub leaf_id: Option<MessageId>,
    /// When it was taken out of the usual list; null if it is in it.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub updated_at: DateTime<Utc>,
}

impl Conversation {
    /// Whether nobody has given it a title.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.titled_by == TitledBy::Default
    }
}

/// What becomes of a value that may be none. Read from JSON it is to be kept
/// when it is left out, and cleared when it is null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// It stays.
    #[default]
    Keep,
    /// There is none from now on.
    Clear,
    /// There is this one from now on.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether it changes.
    #[must_use]
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// The value from now on, if it changes and there is one.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, field: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(field)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(field: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(field)?.map_or(Self::Clear, Self::Set))
    }
}

/// What changes of a conversation; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The title, given by the person.
    pub title: Option<String>,
    /// Whether it is taken out of the usual list.
    pub archived: Option<bool>,
    /// Collections that ground it; empty means all of the owner's.
    pub collections: Option<Vec<CollectionId>>,
    /// The model; none means the service's.
    pub model: Patch<String>,
    /// What the model is told; none means nothing.
    pub system_prompt: Patch<String>,
    /// Tools that the model may call; none means all.
    pub tools: Patch<Vec<String>>,
    /// A message of this conversation; none means the latest one.
    pub leaf: Patch<MessageId>,
}

/// A conversation to begin. What is left out is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct New<'a> {
    /// The title, given by the person.
    pub title: Option<&'a str>,
    /// Collections that ground it; empty means all of the owner's.
    pub collections: &'a [CollectionId],
    /// The model; none means the service's.
    pub model: Option<&'a str>,
    /// What the model is told; none means nothing.
    pub system_prompt: Option<&'a str>,
    /// Tools that the model may call; none means all.
    pub tools: Option<&'a [String]>,
}

/// Begins a conversation. One without a title of its own may be given one by a
/// model.
///
/// # Errors
/// What the database says.
pub async fn create(db: impl PgExecutor<'_>, scope: Scope, new: &New<'_>) -> sqlx::Result<Conversation> {
    let titled_by = if new.title.is_some() { TitledBy::User } else { TitledBy::Default };
    sqlx::query_as!(
        Conversation,
        r#"
        insert into conversations (
            id, owner_id, title, titled_by, collections, model, system_prompt, tools, created_at, updated_at
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, now(), now())
        returning
            id as "id: ConversationId", title, titled_by as "titled_by: TitledBy",
            collections as "collections: Vec<CollectionId>", model, system_prompt, tools,
            leaf_id as "leaf_id: MessageId", archived_at, created_at, updated_at
        "#,
        ConversationId::new() as _,
        scope.owner() as _,
        new.title.unwrap_or(UNTITLED),
        titled_by as _,
        new.collections as _,
        new.model,
        new.system_prompt,
        new.tools,
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
            id as "id: ConversationId", title, titled_by as "titled_by: TitledBy",
            collections as "collections: Vec<CollectionId>", model, system_prompt, tools,
            leaf_id as "leaf_id: MessageId", archived_at, created_at, updated_at
        from conversations
        where id = $1 and owner_id = $2
        "#,
        conversation as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// Conversations that are archived or not, last used first, from after the one
/// used at `after`.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    archived: bool,
    after: Option<(DateTime<Utc>, ConversationId)>,
    limit: i64,
) -> sqlx::Result<Vec<Conversation>> {
    let (used, id) = after.unzip();
    sqlx::query_as!(
        Conversation,
        r#"
        select
            id as "id: ConversationId", title, titled_by as "titled_by: TitledBy",
            collections as "collections: Vec<CollectionId>", model, system_prompt, tools,
            leaf_id as "leaf_id: MessageId", archived_at, created_at, updated_at
        from conversations
        where owner_id = $1 and origin = 'native'
          and (archived_at is not null) = $2
          and ($3::timestamptz is null or (updated_at, id) < ($3, $4))
        order by updated_at desc, id desc
        limit $5
        "#,
        scope.owner() as _,
        archived,
        used,
        id as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Changes a conversation. `None` when the scope has no such one. That the leaf
/// is one of its messages is for the caller to see to.
///
/// # Errors
/// What the database says.
pub async fn change(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    change: &Change,
) -> sqlx::Result<Option<Conversation>> {
    sqlx::query_as!(
        Conversation,
        r#"
        update conversations
        set title = coalesce($3, title),
            titled_by = case when $3::text is null then titled_by else 'user' end,
            -- Archived once more, it stays so since the first time.
            archived_at = case
                when $4::boolean is null then archived_at
                when $4 then coalesce(archived_at, now())
            end,
            collections = coalesce($5::uuid[], collections),
            model = case when $6 then $7 else model end,
            system_prompt = case when $8 then $9 else system_prompt end,
            tools = case when $10 then $11 else tools end,
            leaf_id = case when $12 then $13 else leaf_id end
        where id = $1 and owner_id = $2
        returning
            id as "id: ConversationId", title, titled_by as "titled_by: TitledBy",
            collections as "collections: Vec<CollectionId>", model, system_prompt, tools,
            leaf_id as "leaf_id: MessageId", archived_at, created_at, updated_at
        "#,
        conversation as _,
        scope.owner() as _,
        change.title.as_deref(),
        change.archived,
        change.collections.as_deref() as _,
        change.model.changes(),
        change.model.value().map(String::as_str),
        change.system_prompt.changes(),
        change.system_prompt.value().map(String::as_str),
        change.tools.changes(),
        change.tools.value().map(Vec::as_slice),
        change.leaf.changes(),
        change.leaf.value().copied() as _,
    )
    .fetch_optional(db)
    .await
}

/// Gives a conversation that nobody has named a title of a model's making.
///
/// # Errors
/// What the database says.
pub async fn name(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    title: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update conversations set title = $3, titled_by = 'model'
        where id = $1 and owner_id = $2 and titled_by = 'default'
        "#,
        conversation as _,
        scope.owner() as _,
        title,
    )
    .execute(db)
    .await?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Wish {
        #[serde(default)]
        model: Patch<String>,
    }

    #[test]
    fn what_is_left_out_stays_and_null_clears() {
        let read = |wish| serde_json::from_value::<Wish>(wish).expect("a wish").model;
        assert_eq!(read(json!({})), Patch::Keep);
        assert_eq!(read(json!({ "model": null })), Patch::Clear);
        assert_eq!(read(json!({ "model": "m" })), Patch::Set("m".into()));
        assert!(serde_json::from_value::<Wish>(json!({ "model": 1 })).is_err());
    }
}
