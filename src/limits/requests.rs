//! Requests by the minute, kept in memory. Imports who asks.
//!
//! A bucket for each caller that refills evenly (GCRA): a minute's worth may be
//! taken at once, and then as many as have come in since. One limiter for each
//! limit, and a key for each caller.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::Standing;
use super::who::{Bucket, Key};

/// Callers that each limiter tells apart.
const CALLERS: usize = 50_000;
/// Decisions between two looks at how many they are.
const LOOK: u32 = 512;
const MINUTE: Duration = Duration::from_mins(1);

type Limiter<C> = RateLimiter<Key, DashMapStateStore<Key>, C, StateInformationMiddleware>;

/// Counts requests.
pub(super) struct Requests<C: Clock = DefaultClock> {
    clock: C,
    limiters: RwLock<HashMap<NonZeroU32, Arc<Limiter<C>>>>,
    decisions: AtomicU32,
    is_full: AtomicBool,
    most: usize,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self::with(DefaultClock::default(), CALLERS)
    }
}

impl<C: Clock + Clone> Requests<C> {
    fn with(clock: C, most: usize) -> Self {
        Self { clock, limiters: RwLock::default(), decisions: 0.into(), is_full: false.into(), most }
    }

    /// Counts one request, and tells how the caller stands; or how long to wait.
    pub(super) fn take(&self, bucket: &Bucket) -> Option<Result<Standing, Duration>> {
        let limit = NonZeroU32::new(bucket.allowance.requests)?;
        let limiter = self.limiter(limit);
        if self.decisions.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOK) {
            self.sweep();
        }
        let is_full = self.is_full.load(Ordering::Relaxed);
        let key = if is_full { bucket.key.in_crowd() } else { bucket.key };
        Some(match limiter.check_key(&key) {
            Ok(snapshot) => {
                let remaining = snapshot.remaining_burst_capacity();
                let reset = MINUTE / limit.get() * limit.get().saturating_sub(remaining);
                Ok(Standing { limit: limit.get().into(), remaining: remaining.into(), reset })
            }
            Err(until) => Err(until.wait_time_from(self.clock.now())),
        })
    }

    /// Limits come from settings: there are as many limiters as settings.
    fn limiter(&self, limit: NonZeroU32) -> Arc<Limiter<C>> {
        let known = self.limiters.read().unwrap_or_else(PoisonError::into_inner).get(&limit).cloned();
        known.unwrap_or_else(|| {
            let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
            let made = || {
                let limiter = RateLimiter::dashmap_with_clock(Quota::per_minute(limit), self.clock.clone());
                Arc::new(limiter.with_middleware())
            };
            Arc::clone(limiters.entry(limit).or_insert_with(made))
        })
    }

    /// Forgets callers whose buckets are full again.
    fn sweep(&self) {
        let limiters = self.limiters.read().unwrap_or_else(PoisonError::into_inner);
        let mut is_full = false;
        for limiter in limiters.values().filter(|limiter| limiter.len() * 2 > self.most) {
            limiter.retain_recent();
            limiter.shrink_to_fit();
            is_full |= limiter.len() > self.most;
        }
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    #[cfg(test)]
    fn callers(&self) -> usize {
        self.limiters.read().expect("limiters").values().map(|limiter| limiter.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::super::who::Allowance;
    use super::*;

    fn bucket(name: &str, requests: u32) -> Bucket {
        Bucket { key: Key::name(name), allowance: Allowance { requests, ..Allowance::default() } }
    }

    #[test]
    fn a_minutes_worth_may_be_taken_at_once_and_comes_back_evenly() {
        let clock = FakeRelativeClock::default();
        let requests = Requests::with(clock.clone(), 100);
        let (mine, other) = (bucket("me", 6), bucket("other", 6));
        for left in (0..6).rev() {
            let standing = requests.take(&mine).expect("a limit").expect("room");
            assert_eq!((standing.limit, standing.remaining), (6, left));
            assert_eq!(standing.reset, Duration::from_secs(10 * (6 - left)));
        }
        assert_eq!(requests.take(&mine), Some(Err(Duration::from_secs(10))));
        assert!(requests.take(&other).expect("a limit").is_ok(), "others are not concerned");
        clock.advance(Duration::from_secs(10));
        assert!(requests.take(&mine).expect("a limit").is_ok());
        assert!(requests.take(&mine).expect("a limit").is_err());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let requests = Requests::new();
        assert_eq!(requests.take(&bucket("me", 0)), None);
        assert_eq!(requests.callers(), 0);
    }

    #[test]
    fn a_flood_of_strangers_takes_neither_memory_nor_limits_away() {
        let clock = FakeRelativeClock::default();
        let requests = Requests::with(clock.clone(), 1_000);
        let mut refused = 0;
        for n in 0..50_000 {
            let taken = requests.take(&bucket(&n.to_string(), 2)).expect("a limit");
            refused += u32::from(taken.is_err());
        }
        let bound = 1_000 + LOOK as usize + 1024;
        assert!(requests.callers() <= bound, "{}", requests.callers());
        assert!(refused > 40_000, "they share what is left: {refused}");
        clock.advance(2 * MINUTE);
        for _ in 0..=LOOK {
            let _ = requests.take(&bucket("me", 2));
        }
        assert!(requests.callers() < 10, "{}", requests.callers());
    }
}
