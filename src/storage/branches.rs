//! Branches of a conversation: each message follows one, and several may follow
//! the same.

use footnote_ingest::scope::Scope;
use sqlx::PgExecutor;
use sqlx::types::Json;

use super::feedback::Feedback;
use super::messages::{Message, Part, Role, Siblings, Status};
use crate::ids::{ConversationId, MessageId};

/// Messages of a branch, at most.
const MAX_PATH: i32 = 10_000;

/// The branch that ends with `leaf`: from its first message, or from the last
/// ten thousand, to `leaf`. Without the pictures, which may be a thousand times as
/// large as all the words. Empty when the scope has no such message.
///
/// # Errors
/// What the database says.
pub async fn path_in_words(db: impl PgExecutor<'_>, scope: Scope, leaf: MessageId) -> sqlx::Result<Vec<Message>> {
    sqlx::query_as!(
        Message,
        r#"
        with recursive path as (
            select id, parent_id, 1 as length
            from messages
            where id = $1 and owner_id = $2
            union all
            select before.id, before.parent_id, path.length + 1
            from path
            join messages before on before.id = path.parent_id and before.owner_id = $2
            where path.length < $3
        )
        select
            m.id as "id: MessageId", m.conversation_id as "conversation_id: ConversationId",
            m.parent_id as "parent_id: MessageId", m.role as "role: Role", m.status as "status: Status",
            jsonb_path_query_array(m.parts, '$[*] ? (@.type != "image")') as "parts!: Json<Vec<Part>>",
            m.model, m.grounded, m.receipt,
            marks.feedback as "feedback: Json<Feedback>", marks.siblings as "siblings!: Json<Siblings>",
            m.created_at, m.updated_at
        from path
        join messages m on m.id = path.id
        join message_marks marks on marks.message_id = m.id
        order by path.length desc
        "#,
        leaf as _,
        scope.owner() as _,
        MAX_PATH,
    )
    .fetch_all(db)
    .await
}

/// The message of a conversation that was made last.
///
/// # Errors
/// What the database says.
pub async fn last(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
) -> sqlx::Result<Option<MessageId>> {
    sqlx::query_scalar!(
        r#"
        select id as "id: MessageId"
        from messages
        where conversation_id = $1 and owner_id = $2
        order by branch_order desc
        limit 1
        "#,
        conversation as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}
