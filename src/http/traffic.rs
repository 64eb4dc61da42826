//! What happens on a connection, as the server that holds it sees it: whether
//! anything is under way, and whether its reader takes what it asked for. Imports
//! nothing of this crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// A connection's traffic.
#[derive(Debug)]
pub struct Traffic {
    opened: Instant,
    /// Requests whose replies have not ended.
    under_way: AtomicUsize,
    /// Whether any request ever came.
    used: AtomicBool,
    /// Replies that gave something out and were not asked for more yet.
    offering: AtomicUsize,
    /// When something happened last, in milliseconds since it was opened.
    moved: AtomicU64,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was ever asked for so long.
    Unused(Duration),
    /// Nothing is under way, for so long.
    Idle(Duration),
    /// Something is under way.
    Busy,
    /// Its reader has taken nothing for so long of what it was given.
    Stalled(Duration),
}

impl Traffic {
    /// A connection was opened.
    #[must_use]
    pub fn opened() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            under_way: 0.into(),
            used: false.into(),
            offering: 0.into(),
            moved: 0.into(),
        })
    }

    /// A request has come. It is under way until what is returned is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Visit {
        self.under_way.fetch_add(1, Relaxed);
        self.used.store(true, Relaxed);
        self.note();
        Visit(Arc::new(Open { traffic: Arc::clone(self), offers: false.into() }))
    }

    /// Bytes went out.
    pub fn wrote(&self) {
        self.note();
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let still = self.opened.elapsed().saturating_sub(Duration::from_millis(self.moved.load(Relaxed)));
        if self.under_way.load(Relaxed) == 0 {
            return if self.used.load(Relaxed) { Standing::Idle(still) } else { Standing::Unused(still) };
        }
        if self.offering.load(Relaxed) > 0 { Standing::Stalled(still) } else { Standing::Busy }
    }

    fn note(&self) {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(since, Relaxed);
    }
}

/// A request and its reply.
#[derive(Debug, Clone)]
pub struct Visit(Arc<Open>);

#[derive(Debug)]
struct Open {
    traffic: Arc<Traffic>,
    offers: AtomicBool,
}

impl Visit {
    /// The reply gave something out.
    pub(super) fn gave(&self) {
        if !self.0.offers.swap(true, Relaxed) {
            self.0.traffic.offering.fetch_add(1, Relaxed);
        }
        self.0.traffic.note();
    }

    /// The reader wants more.
    pub(super) fn asked(&self) {
        self.0.take_back();
    }
}

impl Open {
    fn take_back(&self) {
        if self.offers.swap(false, Relaxed) {
            self.traffic.offering.fetch_sub(1, Relaxed);
            self.traffic.note();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.take_back();
        self.traffic.note();
        self.traffic.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_unused_then_busy_then_idle() {
        let traffic = Traffic::opened();
        tokio::time::advance(SECOND).await;
        assert_eq!(traffic.standing(), Standing::Unused(SECOND));
        let (one, two) = (traffic.begin(), traffic.begin());
        assert_eq!(traffic.standing(), Standing::Busy);
        drop(one);
        tokio::time::advance(SECOND).await;
        assert_eq!(traffic.standing(), Standing::Busy);
        drop(two);
        tokio::time::advance(2 * SECOND).await;
        assert_eq!(traffic.standing(), Standing::Idle(2 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_stalls_that_takes_nothing_of_what_it_was_given() {
        let traffic = Traffic::opened();
        let visit = traffic.begin();
        visit.asked();
        tokio::time::advance(100 * SECOND).await;
        assert_eq!(traffic.standing(), Standing::Busy, "nothing was given to it");
        visit.gave();
        tokio::time::advance(SECOND).await;
        assert_eq!(traffic.standing(), Standing::Stalled(SECOND));
        visit.asked();
        assert_eq!(traffic.standing(), Standing::Busy);
        visit.gave();
        drop(visit);
        assert_eq!(traffic.standing(), Standing::Idle(Duration::ZERO));
    }
}
