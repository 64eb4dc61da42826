//! Chats whose ids callers choose: which conversations and questions they stand
//! for.

use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;

use crate::ids::{ConversationId, MessageId};

/// The conversation of a chat.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, chat: &str) -> sqlx::Result<Option<ConversationId>> {
    sqlx::query_scalar!(
        r#"select conversation_id as "id: ConversationId" from chats where owner_id = $1 and client_id = $2"#,
        scope.owner() as _,
        chat,
    )
    .fetch_optional(db)
    .await
}

/// Lets a chat stand for a conversation. False when it stands for one already:
/// waits for a transaction that is about to say so.
///
/// # Errors
/// What the database says.
pub async fn link(
    db: impl PgExecutor<'_>,
    scope: Scope,
    chat: &str,
    conversation: ConversationId,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into chats (owner_id, client_id, conversation_id, created_at)
        select $1, $2, id, now() from conversations where id = $3 and owner_id = $1
        on conflict do nothing
        "#,
        scope.owner() as _,
        chat,
        conversation as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The question that the caller's id stands for.
///
/// # Errors
/// What the database says.
pub async fn question(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    client_id: &str,
) -> sqlx::Result<Option<MessageId>> {
    sqlx::query_scalar!(
        r#"
        select question_id as "id: MessageId"
        from chat_questions
        where conversation_id = $1 and owner_id = $2 and client_id = $3
        "#,
        conversation as _,
        scope.owner() as _,
        client_id,
    )
    .fetch_optional(db)
    .await
}

/// Lets the caller's id stand for a question from now on.
///
/// # Errors
/// What the database says.
pub async fn keep_question(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    client_id: &str,
    question: MessageId,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into chat_questions (owner_id, conversation_id, client_id, question_id)
        select owner_id, conversation_id, $3, id
        from messages
        where id = $4 and conversation_id = $1 and owner_id = $2
        on conflict (conversation_id, client_id) do update set question_id = excluded.question_id
        "#,
        conversation as _,
        scope.owner() as _,
        client_id,
        question as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The answer of a conversation that is being made; the latest of several.
///
/// # Errors
/// What the database says.
pub async fn running(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
) -> sqlx::Result<Option<MessageId>> {
    sqlx::query_scalar!(
        r#"
        select id as "id: MessageId"
        from messages
        where conversation_id = $1 and owner_id = $2 and status = 'running'
        order by branch_order desc
        limit 1
        "#,
        conversation as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// The latest answer to a question.
///
/// # Errors
/// What the database says.
pub async fn answer(db: impl PgExecutor<'_>, scope: Scope, question: MessageId) -> sqlx::Result<Option<MessageId>> {
    sqlx::query_scalar!(
        r#"
        select id as "id: MessageId"
        from messages
        where parent_id = $1 and owner_id = $2 and role = 'assistant'
        order by branch_order desc
        limit 1
        "#,
        question as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// The last answer of the branch that is shown.
///
/// # Errors
/// What the database says.
pub async fn last_answer(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
) -> sqlx::Result<Option<MessageId>> {
    sqlx::query_scalar!(
        r#"
        select m.id as "id: MessageId"
        from messages m
        join conversations c on c.id = m.conversation_id
        where m.conversation_id = $1 and m.owner_id = $2 and m.role = 'assistant'
        order by m.id = c.leaf_id desc nulls last, m.parent_id = c.leaf_id desc nulls last, m.branch_order desc
        limit 1
        "#,
        conversation as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}
