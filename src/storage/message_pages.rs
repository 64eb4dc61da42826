//! The messages of a conversation by pages, with as many pictures as memory has
//! room for, and single pictures.

use footnote_ingest::scope::Scope;
use sqlx::types::Json;
use sqlx::{PgExecutor, PgPool};

use super::feedback::Feedback;
use super::messages::{Message, Part, Role, Siblings, Status};
use crate::ids::{ConversationId, MessageId};

/// Bytes of pictures that are loaded at once, unless one message alone has more.
const AT_ONCE: i64 = 16 << 20;

/// Messages of a conversation in the order they were made, from after `after`, at
/// most `limit`; whether there are more. Pictures are loaded whole, or left without
/// their bytes. A page ends early where its pictures would have more than 16 MiB,
/// unless those of one message have.
///
/// # Errors
/// What the database says.
pub async fn page(
    db: &PgPool,
    scope: Scope,
    conversation: ConversationId,
    after: Option<MessageId>,
    limit: i64,
    pictures: bool,
) -> sqlx::Result<(Vec<Message>, bool)> {
    let mut bytes = sizes(db, scope, conversation, after, limit.saturating_add(1)).await?;
    if !pictures {
        bytes.fill(0);
    }
    let fit = fitting(&bytes, limit);
    let messages = list(db, scope, conversation, after, fit, pictures).await?;
    Ok((messages, i64::try_from(bytes.len()).is_ok_and(|there| there > fit)))
}

/// How many of the first messages, whose pictures have so many bytes, are loaded at
/// once.
fn fitting(bytes: &[i64], limit: i64) -> i64 {
    let mut sum = 0_i64;
    let fit = bytes.iter().take_while(|bytes| {
        let is_first = sum == 0;
        sum = sum.saturating_add(**bytes);
        is_first || sum <= AT_ONCE
    });
    i64::try_from(fit.count()).map_or(limit, |fit| fit.min(limit))
}

/// Bytes of the pictures of messages, as [`list`] would list them.
async fn sizes(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    after: Option<MessageId>,
    limit: i64,
) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        r#"
        select bytes
        from messages
        where conversation_id = $1 and owner_id = $2 and ($3::uuid is null or id > $3)
        order by id
        limit $4
        "#,
        conversation as _,
        scope.owner() as _,
        after as _,
        limit,
    )
    .fetch_all(db)
    .await
}

async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    after: Option<MessageId>,
    limit: i64,
    pictures: bool,
) -> sqlx::Result<Vec<Message>> {
    // Ids are UUIDv7 of one process: their order is the order of making.
    sqlx::query_as!(
        Message,
        r#"
        select
            m.id as "id: MessageId", m.conversation_id as "conversation_id: ConversationId",
            m.parent_id as "parent_id: MessageId", m.role as "role: Role", m.status as "status: Status",
            case when $5 or not m.parts @> '[{"type": "image"}]' then m.parts else (
                select jsonb_agg(case
                    when part.value ->> 'type' = 'image' then part.value - 'base64' else part.value
                end order by part.place)
                from jsonb_array_elements(m.parts) with ordinality as part (value, place)
            ) end as "parts!: Json<Vec<Part>>",
            m.model, m.grounded, m.receipt,
            marks.feedback as "feedback: Json<Feedback>", marks.siblings as "siblings!: Json<Siblings>",
            m.created_at, m.updated_at
        from messages m
        join message_marks marks on marks.message_id = m.id
        where m.conversation_id = $1 and m.owner_id = $2 and ($3::uuid is null or m.id > $3)
        order by m.id
        limit $4
        "#,
        conversation as _,
        scope.owner() as _,
        after as _,
        limit,
        pictures,
    )
    .fetch_all(db)
    .await
}

/// The picture of a message at a place among its pictures, from 0.
///
/// # Errors
/// What the database says.
pub async fn picture(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    message: MessageId,
    place: u16,
) -> sqlx::Result<Option<Part>> {
    let found = sqlx::query_scalar!(
        r#"
        select jsonb_path_query_array(parts, '$[*] ? (@.type == "image")') -> $4::int as "picture: Json<Part>"
        from messages
        where id = $1 and conversation_id = $2 and owner_id = $3
        "#,
        message as _,
        conversation as _,
        scope.owner() as _,
        i32::from(place),
    )
    .fetch_optional(db)
    .await?;
    Ok(found.flatten().map(|Json(picture)| picture))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_messages_are_loaded_at_once_as_their_pictures_allow() {
        const MIB: i64 = 1 << 20;
        for (bytes, limit, fit) in [
            (vec![], 50, 0),
            (vec![0; 51], 50, 50),
            (vec![0, 8 * MIB, 0, 8 * MIB, 0], 50, 5),
            (vec![0, 8 * MIB, 0, 8 * MIB + 1, 0], 50, 3),
            // One that has more comes, and nothing after it.
            (vec![24 * MIB, 0], 50, 1),
            (vec![0, 24 * MIB, 0, MIB], 50, 2),
            (vec![MIB, 24 * MIB], 50, 1),
            (vec![MIB; 3], 2, 2),
        ] {
            assert_eq!(fitting(&bytes, limit), fit, "{bytes:?}");
        }
    }
}
