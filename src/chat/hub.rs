//! The hub: answers that are being made, and who listens to them.
//!
//! An event is stored first and shown then, so whatever a reader saw is in the
//! database. A reader that comes late gets the stored events, then the live
//! ones, without a gap: both are the same numbered list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::ids::MessageId;
use crate::storage::events::Event;

/// Answers under way in this process.
#[derive(Debug, Default)]
pub struct Hub {
    live: Mutex<HashMap<MessageId, Arc<Live>>>,
}

/// One answer under way.
#[derive(Debug)]
pub(super) struct Live {
    /// All events so far; the sender wakes readers.
    events: watch::Sender<Arc<Log>>,
    /// Stops the answer.
    pub(super) cancel: CancellationToken,
}

/// The events so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Log {
    events: Vec<Arc<Event>>,
    ended: bool,
}

impl Log {
    /// Events after number `seq`. They are numbered from 1 without gaps.
    pub(super) fn after(&self, seq: i32) -> &[Arc<Event>] {
        let from = usize::try_from(seq).unwrap_or_default().min(self.events.len());
        &self.events[from..]
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }
}

impl Hub {
    /// Opens the stream of an answer that is about to be made.
    pub(super) fn open(&self, message: MessageId) -> Arc<Live> {
        let live = Arc::new(Live { events: watch::Sender::default(), cancel: CancellationToken::new() });
        self.lock().insert(message, Arc::clone(&live));
        live
    }

    /// The stream of an answer that is being made here.
    pub(super) fn get(&self, message: MessageId) -> Option<Arc<Live>> {
        self.lock().get(&message).cloned()
    }

    /// Closes a stream whose events are all stored.
    pub(super) fn close(&self, message: MessageId) {
        if let Some(live) = self.lock().remove(&message) {
            live.events.send_modify(|log| Arc::make_mut(log).ended = true);
        }
    }

    /// Answers under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stops every answer under way: their partial texts are kept.
    pub fn cancel_all(&self) {
        for live in self.lock().values() {
            live.cancel.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MessageId, Arc<Live>>> {
        // The map is whole between any two statements that touch it.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Shows events that are stored.
    pub(super) fn show(&self, events: &[Event]) {
        self.events.send_modify(|log| {
            Arc::make_mut(log).events.extend(events.iter().cloned().map(Arc::new));
        });
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Log>> {
        self.events.subscribe()
    }
}
