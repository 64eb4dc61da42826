//! What is held while something goes on: a stream's place, and tokens that are
//! set aside. Dropping it gives it back.

use std::sync::Arc;

use uuid::Uuid;

use super::who::Bucket;
use super::{Inner, lock};

/// An open stream; dropping it ends it.
#[must_use = "a stream counts as ended when its lease is dropped"]
pub struct Lease {
    pub(super) inner: Arc<Inner>,
    pub(super) id: Uuid,
    pub(super) buckets: Vec<Bucket>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (inner, id) = (Arc::clone(&self.inner), self.id);
        let keys = lock(&inner.open).remove(&id).unwrap_or_default();
        if keys.is_empty() {
            return;
        }
        inner.own().release(&keys, id);
        later(async move {
            inner.ask(async |shared| shared.release(&keys, id).await).await;
        });
    }
}

/// Tokens that are set aside. Dropping it counts what was used.
#[must_use = "what is set aside is given back when the reservation is dropped"]
pub struct Reservation {
    pub(super) inner: Arc<Inner>,
    pub(super) id: Uuid,
    pub(super) buckets: Vec<Bucket>,
    pub(super) tokens: u64,
    pub(super) used: u64,
}

impl Reservation {
    /// So many were used, beside what was told before.
    pub fn used(&mut self, tokens: u64) {
        self.used = self.used.saturating_add(tokens);
    }

    /// Counts what was used so far and gives the rest back. What is used later
    /// counts when the reservation is dropped.
    pub fn settle(&mut self) {
        let (inner, id, tokens, now) = (Arc::clone(&self.inner), self.id, self.tokens, self.inner.clock.now());
        let (used, buckets) = (std::mem::take(&mut self.used), self.buckets.clone());
        if buckets.is_empty() {
            return;
        }
        // Counted here in any case: when Redis goes away, this process knows what
        // went through it.
        inner.own().settle(&buckets, id, used, now);
        later(async move {
            inner.ask(async |shared| shared.settle(&buckets, id, tokens, used, now).await).await;
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Does what cannot wait for its end. Without a runtime nothing is done: the
/// process ends, and what it held expires.
fn later(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}
