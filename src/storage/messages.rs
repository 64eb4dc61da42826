//! Messages: questions and answers, as lists of parts.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgExecutor;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::citations::Citation;
use crate::ids::{ConversationId, MessageId};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The service.
    Assistant,
}

/// How an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Status {
    /// Being made.
    Running,
    /// Whole.
    Completed,
    /// Stopped on request; what there was is kept.
    Cancelled,
    /// Broken off by a crash or by the provider; what there was is kept.
    Interrupted,
    /// Could not be made.
    Failed,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Words, with markers `[n]` where a citation `n` backs them.
    Text {
        /// The words.
        text: String,
    },
    /// What a model thought before it spoke.
    Reasoning {
        /// The words.
        text: String,
    },
    /// A checked citation.
    Citation {
        /// What is cited.
        citation: Citation,
    },
    /// Something that the reader should know about how the answer was made.
    Notice {
        /// Stable code.
        code: String,
        /// The words.
        text: String,
    },
}

/// A stored message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// The message that it follows.
    pub parent_id: Option<MessageId>,
    /// Who speaks.
    pub role: Role,
    /// How it stands.
    pub status: Status,
    /// What it says.
    #[schema(value_type = Vec<Part>)]
    pub parts: Json<Vec<Part>>,
    /// The model that answered.
    pub model: Option<String>,
    /// Whether the documents hold the answer; null until that is known.
    pub grounded: Option<bool>,
    /// What was sent and dropped, tokens, and the time of each stage.
    #[schema(value_type = Option<Object>)]
    pub receipt: Option<Value>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Message {
    /// All its words.
    #[must_use]
    pub fn text(&self) -> String {
        let words = self.parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            _ => None,
        });
        words.collect()
    }
}

/// Stores a question and the place of its answer, and touches the
/// conversation. `None` when the scope has no such conversation.
///
/// # Errors
/// What the database says.
pub async fn begin(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    conversation: ConversationId,
    question: &str,
    model: &str,
) -> sqlx::Result<Option<(MessageId, MessageId)>> {
    let known = sqlx::query!(
        "update conversations set updated_at = now() where id = $1 and owner_id = $2",
        conversation as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    if known.rows_affected() == 0 {
        return Ok(None);
    }
    let (asked, answer) = (MessageId::new(), MessageId::new());
    sqlx::query!(
        r#"
        insert into messages (
            id, owner_id, conversation_id, parent_id, role, status, parts, model, created_at, updated_at
        )
        values
            ($1, $2, $3,
             (select id from messages where conversation_id = $3 order by created_at desc, id desc limit 1),
             'user', 'completed', $4, null, clock_timestamp(), clock_timestamp()),
            ($5, $2, $3, $1, 'assistant', 'running', '[]', $6, clock_timestamp(), clock_timestamp())
        "#,
        asked as _,
        scope.owner() as _,
        conversation as _,
        Json(vec![Part::Text { text: question.to_owned() }]) as _,
        answer as _,
        model,
    )
    .execute(&mut **tx)
    .await?;
    Ok(Some((asked, answer)))
}

/// How an answer ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// How it stands now.
    pub status: Status,
    /// What it says.
    pub parts: &'a [Part],
    /// Whether the documents hold the answer.
    pub grounded: Option<bool>,
    /// The receipt.
    pub receipt: &'a Value,
}

/// Records how an answer ended, unless it has ended before.
///
/// # Errors
/// What the database says.
pub async fn end(
    db: impl PgExecutor<'_>,
    scope: Scope,
    message: MessageId,
    ended: &Ended<'_>,
) -> sqlx::Result<Option<Message>> {
    sqlx::query_as!(
        Message,
        r#"
        update messages
        set status = $3, parts = $4, grounded = $5, receipt = $6, updated_at = now()
        where id = $1 and owner_id = $2 and status = 'running'
        returning
            id as "id: MessageId", conversation_id as "conversation_id: ConversationId",
            parent_id as "parent_id: MessageId", role as "role: Role", status as "status: Status",
            parts as "parts: Json<Vec<Part>>", model, grounded, receipt, created_at, updated_at
        "#,
        message as _,
        scope.owner() as _,
        ended.status as _,
        Json(ended.parts) as _,
        ended.grounded,
        ended.receipt,
    )
    .fetch_optional(db)
    .await
}

/// One message.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, message: MessageId) -> sqlx::Result<Option<Message>> {
    sqlx::query_as!(
        Message,
        r#"
        select
            id as "id: MessageId", conversation_id as "conversation_id: ConversationId",
            parent_id as "parent_id: MessageId", role as "role: Role", status as "status: Status",
            parts as "parts: Json<Vec<Part>>", model, grounded, receipt, created_at, updated_at
        from messages
        where id = $1 and owner_id = $2
        "#,
        message as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// Messages of a conversation in the order they were made, from after `after`.
///
/// # Errors
/// What the database says.
pub async fn list(
    db: impl PgExecutor<'_>,
    scope: Scope,
    conversation: ConversationId,
    after: Option<MessageId>,
    limit: i64,
) -> sqlx::Result<Vec<Message>> {
    // Ids are UUIDv7 of one process: their order is the order of making.
    sqlx::query_as!(
        Message,
        r#"
        select
            id as "id: MessageId", conversation_id as "conversation_id: ConversationId",
            parent_id as "parent_id: MessageId", role as "role: Role", status as "status: Status",
            parts as "parts: Json<Vec<Part>>", model, grounded, receipt, created_at, updated_at
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

/// The latest questions of the scope, each once.
///
/// # Errors
/// What the database says.
pub async fn latest_questions(db: impl PgExecutor<'_>, scope: Scope, limit: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"
        select question as "question!"
        from (
            select part.value ->> 'text' as question, max(m.created_at) as asked_at
            from messages m
            cross join lateral jsonb_array_elements(m.parts) part
            where m.owner_id = $1 and m.role = 'user' and part.value ->> 'type' = 'text'
            group by 1
        ) asked
        where btrim(question) <> ''
        order by asked_at desc
        limit $2
        "#,
        scope.owner() as _,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Answers that a process left behind when it died: whoever owns them, with
/// the number of their last event.
///
/// # Errors
/// What the database says.
pub async fn interrupt_running(db: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    // What was shown is in the events; the message keeps the words of them.
    let done = sqlx::query!(
        r#"
        with broken as (
            select id from messages where status = 'running'
        ), words as (
            select e.message_id,
                   coalesce(string_agg(e.data ->> 'text', '' order by e.seq) filter (where e.name = 'text.delta'), '') as said,
                   max(e.seq) as last
            from message_events e
            join broken on broken.id = e.message_id
            group by e.message_id
        ), told as (
            insert into message_events (message_id, seq, name, data)
            select broken.id, coalesce(words.last, 0) + 1, 'message.interrupted',
                   json_build_object('message_id', broken.id, 'reason', 'the service was restarted')
            from broken
            left join words on words.message_id = broken.id
        )
        update messages m
        set status = 'interrupted', updated_at = now(),
            parts = case
                when words.said is null or words.said = '' then m.parts
                else jsonb_build_array(jsonb_build_object('type', 'text', 'text', words.said))
            end
        from broken
        left join words on words.message_id = broken.id
        where m.id = broken.id
        "#,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
