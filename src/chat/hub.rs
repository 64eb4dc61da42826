//! The hub: answers that are being made here, and who listens to them.
//!
//! An event is stored first and shown then, so whatever a reader saw is in the
//! database. A reader that comes late, or falls behind the ring of late events,
//! is given the stored ones: both are the same numbered list.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::ids::MessageId;
use crate::storage::events::Event;

/// Events of an answer that are kept in memory for its readers.
const RING: usize = 64;

/// Readers who are given stored events at once. A statement takes more memory while
/// it waits for a connection than a reader does, and those who read should leave
/// connections to those who ask.
const GIVEN: usize = 4;

/// How long answers may take to end when the service does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers under way in this process.
#[derive(Debug)]
pub struct Hub {
    live: Mutex<HashMap<MessageId, Arc<Live>>>,
    /// Turns of those who are given stored events.
    turns: Semaphore,
    /// Events of answers for whose absent readers somebody listens.
    held: Mutex<HashSet<(MessageId, i32)>>,
}

/// The right to listen in the place of absent readers, until it is dropped.
#[derive(Debug)]
pub struct Hold {
    hub: Arc<Hub>,
    event: (MessageId, i32),
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.hub.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.event);
    }
}

/// Why an answer is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody asked for it.
    Wanted,
    /// Nobody listens any more.
    Abandoned,
    /// The service ends.
    Shutdown,
}

/// One answer under way.
#[derive(Debug)]
pub(super) struct Live {
    ring: Mutex<VecDeque<Arc<Event>>>,
    /// Wakes readers.
    progress: watch::Sender<Progress>,
    /// Tells of each reader that comes.
    came: Notify,
    stop: OnceLock<Stop>,
    stopped: CancellationToken,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Number of the last event.
    pub(super) last: i32,
    /// Whether no more come.
    pub(super) ended: bool,
}

/// What a reader gets who has read up to an event.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// These.
    Events(Vec<Arc<Event>>),
    /// They have left the ring; the database has them.
    Stored,
}

impl Default for Hub {
    fn default() -> Self {
        Self { live: Mutex::default(), turns: Semaphore::new(GIVEN), held: Mutex::default() }
    }
}

impl Hub {
    /// Waits for a reader's turn to be given stored events, and takes it until what
    /// is returned is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Opens the stream of an answer that is about to be made.
    pub(super) fn open(&self, message: MessageId) -> Arc<Live> {
        let live = Arc::new(Live {
            ring: Mutex::default(),
            progress: watch::Sender::default(),
            came: Notify::new(),
            stop: OnceLock::new(),
            stopped: CancellationToken::new(),
        });
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
            live.progress.send_modify(|progress| progress.ended = true);
        }
    }

    /// The answers under way.
    pub(super) fn answers(&self) -> Vec<MessageId> {
        self.lock().keys().copied().collect()
    }

    /// The right to listen in the place of those who have read an answer up to the
    /// event of this number; none while somebody has it: one is enough for all.
    #[must_use]
    pub fn hold(self: &Arc<Self>, message: MessageId, seq: i32) -> Option<Hold> {
        let event = (message, seq);
        let is_first = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(event);
        is_first.then(|| Hold { hub: Arc::clone(self), event })
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

    /// Stops every answer under way, and waits until what there is of them is
    /// kept; a few seconds at most.
    pub async fn end(&self) {
        self.stop_all();
        let ended = async {
            while !self.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            tracing::warn!(answers = self.len(), "answers did not end in time");
        }
    }

    fn stop_all(&self) {
        for live in self.lock().values() {
            live.stop(Stop::Shutdown);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MessageId, Arc<Live>>> {
        // The map is whole between any two statements that touch it.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Shows events that are stored.
    pub(super) fn show(&self, events: Vec<Event>) {
        let Some(last) = events.last().map(|event| event.seq) else { return };
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.extend(events.into_iter().map(Arc::new));
        let excess = ring.len().saturating_sub(RING);
        ring.drain(..excess);
        drop(ring);
        self.progress.send_modify(|progress| progress.last = last);
    }

    /// Events after number `seq`, as far as they are in the ring.
    pub(super) fn after(&self, seq: i32) -> Next {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = ring.front() else { return Next::Events(vec![]) };
        // They are numbered without gaps.
        match usize::try_from(i64::from(seq) + 1 - i64::from(first.seq)) {
            Ok(read) => Next::Events(ring.iter().skip(read).cloned().collect()),
            Err(_) => Next::Stored,
        }
    }

    /// The last event.
    pub(super) fn last(&self) -> Option<Arc<Event>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).back().cloned()
    }

    /// Whether the last event is an answer's last one.
    pub(super) fn tells_end(&self) -> bool {
        self.last().is_some_and(|event| event.is_last())
    }

    /// Whether no more come.
    pub(super) fn has_ended(&self) -> bool {
        self.progress.borrow().ended
    }

    /// A reader, counted for as long as it is kept.
    pub(super) fn subscribe(&self) -> watch::Receiver<Progress> {
        let reader = self.progress.subscribe();
        self.came.notify_waiters();
        reader
    }

    /// Stops the answer; the first reason counts.
    pub(super) fn stop(&self, why: Stop) {
        let _ = self.stop.set(why);
        self.stopped.cancel();
    }

    /// Waits until the answer is to be stopped, and says why.
    pub(super) async fn stopped(&self) -> Stop {
        self.stopped.cancelled().await;
        self.stop.get().copied().unwrap_or(Stop::Shutdown)
    }

    /// Waits until nobody has listened for as long as `grace`.
    pub(super) async fn abandoned(&self, grace: Duration) {
        loop {
            self.progress.closed().await;
            let mut came = pin!(self.came.notified());
            // From here on nobody comes unseen, however soon they leave.
            came.as_mut().enable();
            if self.progress.receiver_count() == 0 && tokio::time::timeout(grace, came).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(seq: i32) -> Event {
        Event { seq, name: "text.delta".into(), data: json!({}) }
    }

    fn numbers(next: Next) -> Option<Vec<i32>> {
        match next {
            Next::Events(events) => Some(events.iter().map(|event| event.seq).collect()),
            Next::Stored => None,
        }
    }

    #[test]
    fn a_reader_that_falls_behind_the_ring_is_sent_to_the_database() {
        let hub = Hub::default();
        let live = hub.open(MessageId::new());
        assert_eq!(numbers(live.after(0)), Some(vec![]));
        let last = i32::try_from(RING).expect("small") + 10;
        for seq in 1..=last {
            live.show(vec![event(seq)]);
        }
        assert_eq!(numbers(live.after(last - 2)), Some(vec![last - 1, last]));
        assert_eq!(numbers(live.after(10)).map(|numbers| numbers.len()), Some(RING));
        assert_eq!(numbers(live.after(9)), None);
        assert_eq!(numbers(live.after(last)), Some(vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_abandoned_when_nobody_came_back_in_time() {
        let hub = Hub::default();
        let live = hub.open(MessageId::new());
        let grace = Duration::from_secs(5);
        let reader = live.subscribe();
        let mut abandoned = Box::pin(live.abandoned(grace));
        assert!(tokio::time::timeout(Duration::from_mins(1), &mut abandoned).await.is_err());
        drop(reader);
        assert!(tokio::time::timeout(Duration::from_secs(3), &mut abandoned).await.is_err());
        let reader = live.subscribe();
        assert!(tokio::time::timeout(Duration::from_mins(1), &mut abandoned).await.is_err());
        drop(reader);
        // One that comes and goes at once counts too.
        assert!(tokio::time::timeout(Duration::from_secs(3), &mut abandoned).await.is_err());
        drop(live.subscribe());
        assert!(tokio::time::timeout(Duration::from_secs(3), &mut abandoned).await.is_err());
        assert!(tokio::time::timeout(grace, &mut abandoned).await.is_ok());
    }

    #[test]
    fn however_many_readers_go_away_one_listens_in_their_place() {
        let (hub, message) = (Arc::new(Hub::default()), MessageId::new());
        let hold = hub.hold(message, 7);
        assert!(hold.is_some() && hub.hold(message, 7).is_none());
        assert!(hub.hold(message, 9).is_some() && hub.hold(MessageId::new(), 7).is_some());
        drop(hold);
        assert!(hub.hold(message, 7).is_some());
        assert!(hub.held.lock().expect("unpoisoned").is_empty());
    }

    #[tokio::test]
    async fn the_first_reason_to_stop_counts() {
        let hub = Hub::default();
        let live = hub.open(MessageId::new());
        live.stop(Stop::Wanted);
        hub.stop_all();
        assert_eq!(live.stopped().await, Stop::Wanted);
    }
}
