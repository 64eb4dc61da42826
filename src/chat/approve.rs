//! Asking for leave to call a tool that changes something.
//!
//! The leave is bound to its owner, the tool and its very arguments, holds once
//! and for a while. No words of a model or a document can give it.

use std::time::Duration;

use footnote_ingest::scope::Scope;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::state::Generation;
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{ApprovalId, MessageId};
use crate::llm::ToolCall;
use crate::storage::approvals::{self, Approval, State, Wanted};
use crate::storage::messages;
use crate::tools::ToolError;

/// How often it is looked whether somebody has decided, in any process.
const LOOK: Duration = Duration::from_millis(250);

/// Tells the reader, and waits for the decision.
pub(super) async fn ask(generation: &mut Generation, call: &ToolCall) -> Result<Result<(), ToolError>> {
    let sha256 = fingerprint(call);
    let within = Duration::from_secs(generation.app.settings.approval_timeout);
    let wanted = Wanted {
        message: generation.asked.answer,
        call: &call.id,
        tool: &call.name,
        arguments: &call.arguments,
        sha256: &sha256,
        within,
    };
    let approval = approvals::ask(&generation.app.db, generation.scope, wanted).await?;
    generation.record.push(vec![("approval.requested", json!({ "approval": approval, "call": call.id }))]).await?;
    let refused = |problem: &str| Ok(Err(ToolError::NotAllowed { problem: problem.into() }));
    loop {
        match approvals::state(&generation.app.db, generation.scope, approval.id).await? {
            Some((State::Approved, false)) => break,
            Some((State::Waiting, false)) => tokio::time::sleep(LOOK).await,
            Some((State::Denied, _)) => return refused("the one who asks does not want it"),
            Some((_, true)) => return refused("nobody allowed it in time"),
            Some((State::Used, false)) | None => return refused("the leave for it is gone"),
        }
    }
    if approvals::spend(&generation.app.db, generation.scope, approval.id, &sha256).await? {
        return Ok(Ok(()));
    }
    refused("the leave for it is gone")
}

/// What the leave is bound to.
fn fingerprint(call: &ToolCall) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(&call.name);
    hash.update([0]);
    hash.update(&call.arguments);
    hash.finalize().to_vec()
}

/// Decides whether a call may be made.
///
/// # Errors
/// [`Error::NotFound`] for a message or an approval that the scope does not
/// have, or that is decided or too late already.
pub async fn decide(
    app: &App,
    scope: Scope,
    message: MessageId,
    approval: ApprovalId,
    approve: bool,
) -> Result<Approval> {
    messages::find(&app.db, scope, message).await?.ok_or(Error::NotFound("message"))?;
    let decided = approvals::decide(&app.db, scope, message, approval, approve).await?;
    decided.ok_or(Error::NotFound("approval"))
}
