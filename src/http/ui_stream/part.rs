//! The parts of the AI SDK's UI message stream, version 1, as its readers take
//! them (<https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol>). Imports ids only.
//!
//! Only what all readers of that version know: an unknown type ends a stream.
//! What is ours alone goes in `data-` parts, which any reader takes.

use serde::Serialize;
use serde_json::Value;

use crate::ids::MessageId;

/// A part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Part {
    Start {
        message_id: MessageId,
        #[serde(skip_serializing_if = "Value::is_null")]
        message_metadata: Value,
    },
    /// A call of the model begins.
    StartStep,
    FinishStep,
    TextStart {
        id: String,
    },
    TextDelta {
        id: String,
        delta: String,
    },
    TextEnd {
        id: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Backing>,
    },
    ReasoningStart {
        id: String,
    },
    ReasoningDelta {
        id: String,
        delta: String,
    },
    ReasoningEnd {
        id: String,
    },
    ToolInputAvailable {
        tool_call_id: String,
        tool_name: String,
        input: Value,
        /// The reader does not call it.
        provider_executed: bool,
        /// The reader need not know its shape.
        dynamic: bool,
    },
    ToolOutputAvailable {
        tool_call_id: String,
        output: Value,
        provider_executed: bool,
        dynamic: bool,
    },
    ToolOutputError {
        tool_call_id: String,
        error_text: String,
        provider_executed: bool,
        dynamic: bool,
    },
    ToolApprovalRequest {
        approval_id: String,
        tool_call_id: String,
    },
    SourceUrl {
        source_id: String,
        url: String,
        title: String,
    },
    SourceDocument {
        source_id: String,
        media_type: String,
        title: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
    },
    /// The citation object of the native API; positions in code points.
    DataCitation {
        id: String,
        data: Value,
    },
    /// A claim that no source backs: a range of all the answer's words, in code
    /// points.
    DataClaim {
        id: String,
        data: Value,
    },
    /// What was found; readers do not keep it.
    DataRetrieval {
        data: Value,
        transient: bool,
    },
    /// Whether the documents hold the answer.
    DataGrounded {
        id: String,
        data: Value,
    },
    /// Something that the reader should know about how the answer was made.
    DataNotice {
        id: String,
        data: Value,
    },
    /// Something that the model made for the reader.
    DataArtifact {
        id: String,
        data: Value,
    },
    MessageMetadata {
        message_metadata: Value,
    },
    Error {
        error_text: String,
    },
    /// Somebody stopped the answer.
    Abort {
        reason: String,
    },
    Finish {
        finish_reason: Finish,
        #[serde(skip_serializing_if = "Value::is_null")]
        message_metadata: Value,
    },
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Finish {
    Stop,
    Length,
    ContentFilter,
    /// It waits until somebody allows a call.
    ToolCalls,
    Error,
}

/// What backs a range of a block of text. Readers before version 7 ignore it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Backing {
    pub(super) source: Backer,
    /// Where the citation's number stands in the block. In UTF-16 code units,
    /// unlike our own positions: readers are JavaScript, whose `slice` counts so.
    pub(super) start_index: usize,
    pub(super) end_index: usize,
    /// The exact characters of the source.
    pub(super) cited_text: String,
}

/// A source within a [`Backing`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "sourceType", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Backer {
    Url {
        #[serde(rename = "type")]
        kind: &'static str,
        id: String,
        url: String,
        title: String,
    },
    Document {
        #[serde(rename = "type")]
        kind: &'static str,
        id: String,
        media_type: String,
        title: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
    },
}
