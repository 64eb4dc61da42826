//! Calling tools: which a model may call, and what comes of its calls.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use futures::future::join_all;
use serde_json::{Value, json};

use super::approve;
use super::evidence::{self, Part};
use super::record::{New, printable};
use super::state::Generation;
use super::toolset::Toolset;
use super::{artifact_tools, document_tools};
use crate::error::{Error, Result};
use crate::llm::{ToolCall, ToolChoice};
use crate::prompt;
use crate::retrieve::Passage;
use crate::tools::{Effect, Output, Tool, ToolError, Toolbox, calculate, current_time};

/// Calls that are made at once, at most; more are refused.
const AT_ONCE: usize = 16;
/// Characters of a result that the message keeps.
const KEPT: usize = 4_000;
/// Bytes of a result's data that a reader is shown; more is left out.
const DATA: usize = 64 << 10;

/// What came of a call.
pub(super) struct Made {
    /// What the model is told.
    pub(super) text: String,
    pub(super) failed: bool,
    /// The evidence that it found.
    pub(super) found: Vec<Part>,
}

impl Generation {
    /// Those that question, conversation and settings allow.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a tool must be called that is not among them.
    pub(super) async fn offered_tools(&self) -> Result<Toolset> {
        let (ask, app) = (&self.ask, &self.app);
        let offered = app.settings.tools
            && ask.options.tool_choice != Some(ToolChoice::None)
            && self.provider.capabilities().tools;
        let mut toolbox = Toolbox::default();
        if !offered {
            return Ok(Toolset { toolbox });
        }
        let allowed = ask.options.tools.as_ref().or(self.conversation.tools.as_ref());
        let zone = ask.options.time_zone.as_deref().and_then(current_time::zone).unwrap_or(Tz::UTC);
        let mut all: Vec<Arc<dyn Tool>> = vec![
            Arc::new(calculate::calculate()),
            Arc::new(current_time::current_time(current_time::system_clock(), zone)),
        ];
        all.extend(document_tools::all(self));
        all.extend(artifact_tools::all(self));
        all.extend(app.outside.tools(&app.db).await);
        for tool in all {
            let name = &tool.spec().name;
            if allowed.is_none_or(|allowed| allowed.contains(name))
                && let Err(error) = toolbox.add(Arc::clone(&tool))
            {
                tracing::warn!(%error, "a tool is left out");
            }
        }
        if let Some(ToolChoice::Named { name }) = &ask.options.tool_choice
            && toolbox.get(name).is_none()
        {
            let problem = format!("names `{name}`, which is no tool that may be called here");
            return Err(Error::Invalid { field: "tool_choice", problem });
        }
        Ok(Toolset { toolbox })
    }

    /// Makes calls, all at once but for those that somebody must allow first.
    pub(super) async fn call_tools(&mut self, calls: &[ToolCall]) -> Result<Vec<Made>> {
        // An answer that is made with tools is not the same the next time.
        self.key = None;
        self.record.push(calls.iter().map(called).collect()).await?;
        let mut allowed = Vec::new();
        for (place, call) in calls.iter().enumerate() {
            allowed.push(if place < AT_ONCE { self.allowed(call).await? } else { Err(too_many()) });
        }
        let runs = calls.iter().zip(allowed).map(|(call, allowed)| {
            let toolbox = self.tools.toolbox.clone();
            async move {
                allowed?;
                let limit = toolbox.get(&call.name).map_or(Duration::MAX, |tool| tool.limit());
                toolbox.run(&call.name, &call.arguments, limit).await
            }
        });
        let outcomes = join_all(runs).await;
        let (mut made, mut events) = (Vec::new(), Vec::new());
        for (call, outcome) in calls.iter().zip(outcomes) {
            made.push(self.made(call, outcome, &mut events));
        }
        self.record.push(events).await?;
        Ok(made)
    }

    /// Whether a call may be made: one that changes something needs a yes.
    async fn allowed(&mut self, call: &ToolCall) -> Result<Result<(), ToolError>> {
        match self.tools.toolbox.get(&call.name) {
            Some(tool) if tool.effect() == Effect::Writes => approve::ask(self, call).await,
            _ => Ok(Ok(())),
        }
    }

    fn made(&mut self, call: &ToolCall, outcome: Result<Output, ToolError>, events: &mut Vec<New>) -> Made {
        let (text, data, failed, found) = match outcome {
            Ok(Output { data: Some(data), .. }) if document_tools::finds(&call.name) => {
                let passages: Vec<Passage> = serde_json::from_value(data).unwrap_or_default();
                let (text, brief, found) = self.take_found(passages);
                (text, Some(brief), false, found)
            }
            // It may be of anybody's making.
            Ok(Output { text, data }) => (prompt::returned(&self.fence, &printable(text)), data, false, vec![]),
            Err(error) => (prompt::returned(&self.fence, &error.to_string()), None, true, vec![]),
        };
        let data = data.filter(|data| data.to_string().len() <= DATA);
        let shown: String = text.chars().take(KEPT).collect();
        if let Some(part) = data.as_ref().and_then(|data| artifact_tools::part(&call.name, data)) {
            events.push(("artifact.updated", json!({ "artifact": part })));
        }
        events.push((
            "tool.completed",
            json!({
                "id": call.id, "name": call.name, "failed": failed, "text": shown, "data": data,
            }),
        ));
        Made { text, failed, found }
    }

    /// Passages that a tool found, as evidence with numbers.
    fn take_found(&mut self, passages: Vec<Passage>) -> (String, Value, Vec<Part>) {
        if passages.is_empty() {
            return ("Nothing was found.".into(), json!({ "passages": [] }), vec![]);
        }
        let numbers = self.evidence.take(passages);
        let with = |n: &usize| self.evidence.get(*n).map(|passage| (*n, passage));
        let found: Vec<_> = numbers.iter().filter_map(with).collect();
        let text: Vec<String> =
            found.iter().map(|(n, passage)| prompt::evidence(&self.fence, *n, passage, &passage.text)).collect();
        let brief: Vec<Value> = found.iter().map(|(n, passage)| evidence::brief(*n, passage)).collect();
        let parts = found.iter().map(|(n, passage)| Part::whole(*n, passage)).collect();
        (text.join("\n\n"), json!({ "passages": brief }), parts)
    }
}

fn called(call: &ToolCall) -> New {
    ("tool.called", json!({ "id": call.id, "name": call.name, "arguments": call.arguments }))
}

fn too_many() -> ToolError {
    ToolError::NotAllowed { problem: format!("at most {AT_ONCE} tools are called at once; call it again later") }
}
