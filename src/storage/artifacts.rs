//! Artifacts: what models made for readers, with all versions.

use chrono::{DateTime, Utc};
use footnote_ingest::scope::Scope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;

use crate::ids::{ArtifactId, ConversationId, MessageId};

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// Markdown.
    Text,
    /// Source code.
    Code,
    /// CSV.
    Sheet,
    /// A document that is a picture, by its id.
    Image,
}

/// An artifact with its latest content.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// The conversation that it was made in.
    pub conversation_id: ConversationId,
    /// What it is.
    pub kind: Kind,
    /// Its title.
    pub title: String,
    /// The latest version; they count from 1.
    pub version: i32,
    /// The content of that version.
    pub content: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A version of an artifact.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArtifactVersion {
    /// Counts from 1.
    pub version: i32,
    /// The answer that made it, while it is there.
    pub message_id: Option<MessageId>,
    /// Its content.
    pub content: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A version that was just made.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its artifact.
    pub artifact_id: ArtifactId,
    /// Counts from 1.
    pub version: i32,
    /// What the artifact is.
    pub kind: Kind,
    /// Its title.
    pub title: String,
}

/// Makes an artifact with its first version.
///
/// # Errors
/// What the database says.
pub async fn create(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    conversation: ConversationId,
    message: MessageId,
    kind: Kind,
    title: &str,
    content: &str,
) -> sqlx::Result<Version> {
    let artifact_id = ArtifactId::new();
    sqlx::query!(
        r#"
        insert into artifacts (id, owner_id, conversation_id, kind, title, created_at, updated_at)
        values ($1, $2, $3, $4, $5, now(), now())
        "#,
        artifact_id as _,
        scope.owner() as _,
        conversation as _,
        kind as _,
        title,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        insert into artifact_versions (artifact_id, version, owner_id, message_id, content, created_at)
        values ($1, 1, $2, $3, $4, now())
        "#,
        artifact_id as _,
        scope.owner() as _,
        message as _,
        content,
    )
    .execute(&mut **tx)
    .await?;
    Ok(Version { artifact_id, version: 1, kind, title: title.to_owned() })
}

/// Adds a version. `None` when the scope has no such artifact.
///
/// # Errors
/// What the database says.
pub async fn add_version(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    artifact: ArtifactId,
    message: MessageId,
    content: &str,
) -> sqlx::Result<Option<Version>> {
    // In a statement of its own: the next one sees what was added by whoever
    // held the row before.
    let locked = sqlx::query!(
        "update artifacts set updated_at = now() where id = $1 and owner_id = $2",
        artifact as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    if locked.rows_affected() == 0 {
        return Ok(None);
    }
    sqlx::query_as!(
        Version,
        r#"
        with added as (
            insert into artifact_versions (artifact_id, version, owner_id, message_id, content, created_at)
            select $1, max(version) + 1, $2, $3, $4, now() from artifact_versions where artifact_id = $1
            returning artifact_id, version
        )
        select added.artifact_id as "artifact_id: ArtifactId", added.version, a.kind as "kind: Kind", a.title
        from added
        join artifacts a on a.id = added.artifact_id
        "#,
        artifact as _,
        scope.owner() as _,
        message as _,
        content,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// One artifact.
///
/// # Errors
/// What the database says.
pub async fn find(db: impl PgExecutor<'_>, scope: Scope, artifact: ArtifactId) -> sqlx::Result<Option<Artifact>> {
    sqlx::query_as!(
        Artifact,
        r#"
        select
            a.id as "id: ArtifactId", a.conversation_id as "conversation_id: ConversationId", a.kind as "kind: Kind",
            a.title, v.version, v.content, a.created_at, a.updated_at
        from artifacts a
        join lateral (
            select version, content from artifact_versions where artifact_id = a.id order by version desc limit 1
        ) v on true
        where a.id = $1 and a.owner_id = $2
        "#,
        artifact as _,
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await
}

/// The versions of an artifact from after `after`, the first one first.
///
/// # Errors
/// What the database says.
pub async fn versions(
    db: impl PgExecutor<'_>,
    scope: Scope,
    artifact: ArtifactId,
    after: i32,
    limit: i64,
) -> sqlx::Result<Vec<ArtifactVersion>> {
    sqlx::query_as!(
        ArtifactVersion,
        r#"
        select version, message_id as "message_id: MessageId", content, created_at
        from artifact_versions
        where artifact_id = $1 and owner_id = $2 and version > $3
        order by version
        limit $4
        "#,
        artifact as _,
        scope.owner() as _,
        after,
        limit,
    )
    .fetch_all(db)
    .await
}
