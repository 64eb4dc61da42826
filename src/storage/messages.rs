//! Messages: questions and answers, as lists of parts.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgExecutor;
use sqlx::types::Json;
use utoipa::ToSchema;

pub use super::branches::{last, path_in_words};
use super::feedback::Feedback;
pub use super::message_pages::{page, picture};
use crate::citations::Citation;
use crate::ids::{ArtifactId, ConversationId, DocumentId, MessageId};

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
    /// A tool that the model called.
    ToolCall {
        /// The call's name within the answer.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments, as the model wrote them.
        arguments: String,
    },
    /// What came of a call.
    ToolResult {
        /// The call's name within the answer.
        id: String,
        /// The tool.
        name: String,
        /// What the model was told.
        text: String,
        /// Whether it failed.
        failed: bool,
    },
    /// A picture that was sent along.
    Image {
        /// Its kind, such as `image/png`.
        media_type: String,
        /// Its bytes in base64; left out where there is a `url`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        base64: String,
        /// Where its bytes are, if they were not asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// A document from which the question was to be answered.
    File {
        /// Its id.
        document_id: DocumentId,
        /// Its title when the question was asked.
        title: String,
    },
    /// Something that the model made for the reader.
    Artifact {
        /// Its id.
        id: ArtifactId,
        /// The version that was made here.
        version: i32,
        /// `text`, `code`, `sheet` or `image`.
        kind: String,
        /// Its title.
        title: String,
    },
    /// A checked citation.
    Citation {
        /// What is cited.
        citation: Citation,
    },
    /// A claim that no source backs: a half-open range of the message's words,
    /// in code points.
    Unsupported {
        /// First code point.
        start: usize,
        /// One past the last code point.
        end: usize,
    },
    /// Something that the reader should know about how the answer was made.
    Notice {
        /// Stable code.
        code: String,
        /// The words.
        text: String,
    },
}

impl Part {
    /// Bytes that count against its owner's quota: those of a picture.
    #[must_use]
    pub fn bytes(&self) -> i64 {
        let Self::Image { base64, .. } = self else { return 0 };
        let padding = base64.len() - base64.trim_end_matches('=').len();
        i64::try_from((base64.len() / 4 * 3).saturating_sub(padding)).unwrap_or(i64::MAX)
    }
}

/// Which of those that follow the same message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Siblings {
    /// From 1, in the order in which they were made.
    pub index: u32,
    /// How many there are.
    pub count: u32,
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
    /// What its owner thinks of an answer.
    #[schema(value_type = Option<Feedback>)]
    pub feedback: Option<Json<Feedback>>,
    /// Which of those that follow the same message.
    #[schema(value_type = Siblings)]
    pub siblings: Json<Siblings>,
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

/// One message.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, message: MessageId) -> sqlx::Result<Option<Message>> {
    sqlx::query_as!(
        Message,
        r#"
        select
            m.id as "id: MessageId", m.conversation_id as "conversation_id: ConversationId",
            m.parent_id as "parent_id: MessageId", m.role as "role: Role", m.status as "status: Status",
            m.parts as "parts: Json<Vec<Part>>", m.model, m.grounded, m.receipt,
            marks.feedback as "feedback: Json<Feedback>", marks.siblings as "siblings!: Json<Siblings>",
            m.created_at, m.updated_at
        from messages m
        join message_marks marks on marks.message_id = m.id
        where m.id = $1 and m.owner_id = $2
        "#,
        message as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
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
            join conversations c on c.id = m.conversation_id and c.origin = 'native'
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
