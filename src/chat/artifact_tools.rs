//! Tools that make something for the reader: a text, code, a sheet, a picture
//! by reference. They stay in the conversation, and every version is kept, so
//! nobody has to be asked.

use std::path::Path;
use std::sync::Arc;

use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::Generation;
use crate::app::App;
use crate::ids::{ArtifactId, ConversationId, DocumentId, MessageId};
use crate::storage::artifacts::{self, Kind, Version};
use crate::storage::messages::Part;
use crate::tools::{Effect, Tool, ToolError, function};

/// Makes one.
const CREATE: &str = "create_artifact";
/// Changes one.
const UPDATE: &str = "update_artifact";
/// Endings of files that are pictures.
const PICTURES: [&str; 7] = ["png", "jpg", "jpeg", "gif", "webp", "tif", "tiff"];
/// Characters of a title, at most.
const TITLE: usize = 200;
/// Bytes of an artifact, at most.
const CONTENT: usize = 512 << 10;

/// The tools.
pub(super) fn all(generation: &Generation) -> [Arc<dyn Tool>; 2] {
    let maker = Maker {
        app: generation.app.clone(),
        scope: generation.scope,
        conversation: generation.conversation.id,
        message: generation.asked.answer,
    };
    [Arc::new(create(maker.clone())), Arc::new(update(maker))]
}

#[derive(Clone)]
struct Maker {
    app: App,
    scope: Scope,
    conversation: ConversationId,
    message: MessageId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct New {
    /// What it is.
    kind: Kind,
    /// A short title.
    title: String,
    /// All of it: Markdown for a text, the source for code, CSV for a sheet, a
    /// document's id for an image.
    content: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Its id, as it was given when it was made.
    artifact_id: String,
    /// All of its new content.
    content: String,
}

/// What was made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Made {
    /// The id to change it by.
    artifact_id: String,
    /// Counts from 1.
    version: i32,
    /// What it is.
    kind: Kind,
    /// Its title.
    title: String,
}

impl Made {
    fn of(version: Version) -> Self {
        let Version { artifact_id, version, kind, title } = version;
        Self { artifact_id: artifact_id.to_string(), version, kind, title }
    }
}

/// The part of the message that tells of what was made.
pub(super) fn part(tool: &str, data: &Value) -> Option<Part> {
    if !matches!(tool, CREATE | UPDATE) {
        return None;
    }
    let made: Made = serde_json::from_value(data.clone()).ok()?;
    let kind = serde_json::to_value(made.kind).ok()?.as_str()?.to_owned();
    Some(Part::Artifact { id: made.artifact_id.parse().ok()?, version: made.version, kind, title: made.title })
}

fn create(maker: Maker) -> impl Tool {
    let description = "Makes something for the reader to keep: a text, code, a sheet or an image. Use it when the \
                       reader asks for a document, not for an answer.";
    function(CREATE, description, Effect::Trusted, move |new: New| {
        let maker = maker.clone();
        async move {
            let title = new.title.trim();
            if title.is_empty() || title.chars().count() > TITLE {
                return Err(ToolError::invalid(format!("`title` has 1 to {TITLE} characters")));
            }
            maker.check(new.kind, &new.content).await?;
            let Maker { app, scope, conversation, message } = maker;
            let mut tx = app.db.begin().await.map_err(failed)?;
            let made = artifacts::create(&mut tx, scope, conversation, message, new.kind, title, &new.content).await;
            let made = made.map_err(failed)?;
            tx.commit().await.map_err(failed)?;
            Ok(Made::of(made))
        }
    })
}

fn update(maker: Maker) -> impl Tool {
    let description = "Changes an artifact of this conversation: its new content becomes a new version.";
    function(UPDATE, description, Effect::Trusted, move |change: Change| {
        let maker = maker.clone();
        async move {
            let missing = || ToolError::invalid("`artifact_id` is none that was made in this conversation");
            let id: ArtifactId = change.artifact_id.trim().parse().map_err(|_| missing())?;
            let known = artifacts::find(&maker.app.db, maker.scope, id).await.map_err(failed)?;
            let known = known.filter(|known| known.conversation_id == maker.conversation).ok_or_else(missing)?;
            maker.check(known.kind, &change.content).await?;
            let Maker { app, scope, message, .. } = maker;
            let mut tx = app.db.begin().await.map_err(failed)?;
            let made = artifacts::add_version(&mut tx, scope, id, message, &change.content).await.map_err(failed)?;
            tx.commit().await.map_err(failed)?;
            made.map(Made::of).ok_or_else(missing)
        }
    })
}

impl Maker {
    async fn check(&self, kind: Kind, content: &str) -> Result<(), ToolError> {
        if content.is_empty() || content.len() > CONTENT || content.contains('\0') {
            return Err(ToolError::invalid(format!("`content` has 1 to {CONTENT} bytes")));
        }
        if kind != Kind::Image {
            return Ok(());
        }
        let wrong = || ToolError::invalid("the `content` of an image is the id of a document that is one");
        let id: DocumentId = content.trim().parse().map_err(|_| wrong())?;
        let found = documents::find(&self.app.db, self.scope, id).await.map_err(failed)?.ok_or_else(wrong)?;
        let declared = found.media_type.as_deref().is_some_and(|kind| kind.starts_with("image/"));
        let ending = Path::new(&found.key).extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let named = ending.is_some_and(|ending| PICTURES.contains(&ending.as_str()));
        if declared || named { Ok(()) } else { Err(wrong()) }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: sqlx::Error) -> ToolError {
    tracing::warn!(%error, "an artifact could not be kept");
    ToolError::Failed { problem: "it could not be kept".into() }
}
