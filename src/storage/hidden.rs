//! Hidden conversations: those that stand behind the answers of other faces.
//! They are conversations like the others, but no list shows them.

use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;

use super::messages::Role;
use crate::ids::{CollectionId, ConversationId, MessageId};

/// Whose conversation it is, and how long it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Origin {
    /// The OpenAI face's; it stays until it is deleted.
    Openai,
    /// The OpenAI face's; it goes with its answer, or with the key that it was asked
    /// under.
    OpenaiOnce,
}

/// A hidden conversation to begin.
#[derive(Debug)]
pub struct New<'a> {
    /// Whose it is.
    pub origin: Origin,
    /// Shown to those who look into the database.
    pub title: &'a str,
    /// Collections that ground it; empty means all of the owner's.
    pub collections: &'a [CollectionId],
    /// The model that answers; the service's if there is none.
    pub model: Option<&'a str>,
    /// What the model is told about how to answer.
    pub system_prompt: Option<&'a str>,
    /// Tools that the model may call.
    pub tools: &'a [String],
}

/// Begins a hidden conversation.
///
/// # Errors
/// What the database says.
pub async fn create(db: impl PgExecutor<'_>, scope: Scope, new: &New<'_>) -> sqlx::Result<ConversationId> {
    let id = ConversationId::new();
    sqlx::query!(
        r#"
        insert into conversations (
            id, owner_id, origin, title, titled_by, collections, model, system_prompt, tools, created_at, updated_at
        )
        values ($1, $2, $3, $4, 'user', $5, $6, $7, $8, now(), now())
        "#,
        id as _,
        scope.owner() as _,
        new.origin as _,
        new.title,
        new.collections as _,
        new.model,
        new.system_prompt,
        new.tools,
    )
    .execute(db)
    .await?;
    Ok(id)
}

/// Stores what was said before, after the message `parent`, as finished
/// messages that follow each other. Returns the last of them, or `parent`.
///
/// # Errors
/// What the database says.
pub async fn seed(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    parent: Option<MessageId>,
    turns: &[(Role, String)],
) -> sqlx::Result<Option<MessageId>> {
    let Some(count) = turns.len().checked_sub(1) else { return Ok(parent) };
    let ids: Vec<MessageId> = turns.iter().map(|_| MessageId::new()).collect();
    let parents: Vec<Option<MessageId>> =
        std::iter::once(parent).chain(ids[..count].iter().copied().map(Some)).collect();
    let role = |role: Role| match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let roles: Vec<&str> = turns.iter().map(|(speaker, _)| role(*speaker)).collect();
    let texts: Vec<&str> = turns.iter().map(|(_, text)| text.as_str()).collect();
    sqlx::query!(
        r#"
        insert into messages (
            id, owner_id, conversation_id, parent_id, role, status, parts, created_at, updated_at
        )
        select new.id, c.owner_id, c.id, new.parent_id, new.role, 'completed',
               jsonb_build_array(jsonb_build_object('type', 'text', 'text', new.text)),
               clock_timestamp(), clock_timestamp()
        from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[])
            with ordinality as new (id, parent_id, role, text, place)
        join conversations c on c.id = $1 and c.owner_id = $2
        order by new.place
        "#,
        conversation as _,
        scope.owner() as _,
        &ids as _,
        &parents as _,
        &roles as _,
        &texts as _,
    )
    .execute(db)
    .await?;
    Ok(ids.last().copied())
}

/// Deletes conversations that should have gone with their answers, whose makers
/// were gone before, or with the keys under which they were asked.
///
/// # Errors
/// What the database says.
pub async fn forget_old(db: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        r#"
        delete from conversations c
        where c.origin = 'openai_once' and c.updated_at < now() - interval '1 hour'
          and not exists (select from messages m where m.conversation_id = c.id and m.status = 'running')
          and not exists (
              select from messages m
              join idempotency_keys k on k.answer_id = m.id
              where m.conversation_id = c.id
          )
        "#
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
