//! An answer in the making: all that its steps share.

use std::sync::Arc;
use std::time::Instant;

use footnote_ingest::scope::Scope;

use super::ahead::Ahead;
use super::evidence::Evidence;
use super::files::File;
use super::history::History;
use super::question::{Ask, Asked};
use super::receipt::Receipt;
use super::record::{New, Record};
use super::toolset::Toolset;
use crate::app::App;
use crate::limits::Reservation;
use crate::llm::Provider;
use crate::prompt;
use crate::storage::conversations::Conversation;

/// An answer in the making.
pub(super) struct Generation {
    pub(super) app: App,
    pub(super) scope: Scope,
    pub(super) asked: Asked,
    /// Something was said before.
    pub(super) follows: bool,
    pub(super) conversation: Conversation,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) record: Record,
    pub(super) ask: Ask,
    /// Documents that the question names.
    pub(super) files: Vec<File>,
    /// Taken when it is used.
    pub(super) ahead: Option<Ahead>,
    /// Events that are stored while the provider is asked.
    pub(super) pending: Vec<New>,
    pub(super) history: History,
    pub(super) evidence: Evidence,
    /// What the question was looked for by.
    pub(super) queries: Vec<String>,
    /// The name of the fence around what is quoted to the model.
    pub(super) fence: String,
    pub(super) tools: Toolset,
    pub(super) receipt: Receipt,
    /// Tokens of the caller's day; what was used counts when it is dropped.
    pub(super) reservation: Option<Reservation>,
    /// What the answer is made from, once that is known.
    pub(super) key: Option<Vec<u8>>,
    pub(super) started: Instant,
}

/// A question that was taken, and what it is to be answered with.
pub(super) struct Taken {
    pub(super) asked: Asked,
    /// Something was said before.
    pub(super) follows: bool,
    pub(super) conversation: Conversation,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) record: Record,
    pub(super) ask: Ask,
    /// Documents that the question names.
    pub(super) files: Vec<File>,
    pub(super) ahead: Ahead,
    pub(super) reservation: Option<Reservation>,
}

impl Generation {
    pub(super) fn new(app: App, scope: Scope, taken: Taken) -> Self {
        let Taken { asked, follows, conversation, provider, record, ask, files, ahead, reservation } = taken;
        Self {
            app,
            scope,
            asked,
            follows,
            conversation,
            provider,
            record,
            ask,
            files,
            ahead: Some(ahead),
            pending: vec![],
            history: History::default(),
            evidence: Evidence::default(),
            queries: vec![],
            fence: prompt::fence(),
            tools: Toolset::default(),
            receipt: Receipt::default(),
            reservation,
            key: None,
            started: Instant::now(),
        }
    }
}
