//! Limits towards callers: requests a minute, tokens a day, streams at once; by
//! account, API key and address; guests apart from regular accounts. And how
//! often somebody may fail to sign in.
//!
//! They are kept in this process, or in Redis where several processes share
//! them. When Redis is away, each process holds callers to the limits by itself
//! until it is back: neither open nor closed. Imports settings and errors.

mod clock;
mod guesses;
mod held;
mod memory;
mod requests;
mod shared;
mod shelf;
mod who;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use footnote_ingest::rights;
use secrecy::SecretString;
use tokio::time::Instant;
use uuid::Uuid;

pub use guesses::{Attempt, Guesses, RetryAfter};
pub use held::{Lease, Reservation};
pub use who::Who;
pub(crate) use who::network;

use crate::config::LimitSettings;
use crate::error::{Error, Result};
use clock::Clock;
use guesses::Marks;
use memory::Memory;
use shared::Shared;
use who::{Bucket, Key};

/// How long a stream is counted after the last sign of life of its process.
const LEASE: Duration = Duration::from_mins(1);
/// How often a process gives a sign of life.
const SIGN: Duration = Duration::from_secs(20);
/// Streams whose leases are renewed by one call.
const RENEWED_AT_ONCE: usize = 500;
/// When to come back where tokens are set aside for answers under way.
const SETTLING: Duration = Duration::from_secs(5);
/// When to come back where as many streams are open as may be.
const STREAMS_WAIT: Duration = Duration::from_secs(5);
/// How long Redis is left alone after it failed.
const REST: Duration = Duration::from_secs(1);
/// How often the log says that Redis is away.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// How a caller stands with one of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// Until all of it is back.
    pub reset: Duration,
}

impl Standing {
    /// Keeps the one that leaves less.
    fn tighten(kept: &mut Option<Self>, other: Self) {
        if kept.is_none_or(|kept| other.remaining < kept.remaining) {
            *kept = Some(other);
        }
    }
}

/// How a caller stands that was let in. None where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Requests by the minute.
    pub requests: Option<Standing>,
    /// Tokens by the day.
    pub tokens: Option<Standing>,
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Requests by the minute.
    Requests,
    /// Streams at once.
    Streams,
    /// Tokens by the day: what is left is set aside for answers under way.
    Tokens,
    /// Tokens by the day: nothing is left.
    TokensUsedUp,
}

/// Somebody met a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Which.
    pub what: What,
    /// When it may be different.
    pub retry_after: Duration,
    /// How the caller stands with requests, where that is known.
    pub requests: Option<Standing>,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let Refused { what, retry_after, .. } = refused;
        match what {
            What::Requests => Self::Limited { what: "requests", retry_after },
            What::Streams => Self::Limited { what: "streams", retry_after },
            What::Tokens => Self::Limited { what: "tokens", retry_after },
            What::TokensUsedUp => Self::UsedUp { what: "tokens", retry_after },
        }
    }
}

/// Limits towards callers. Cloning shares them.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    settings: LimitSettings,
    clock: Clock,
    store: Store,
    /// Streams that are open here, and where they are counted.
    open: Mutex<HashMap<Uuid, Vec<Key>>>,
}

/// Where it is counted.
enum Store {
    Memory(Box<Memory>),
    /// Redis, and this process's own count for when it is away.
    Redis(Box<Redis>),
}

struct Redis {
    shared: Shared,
    own: Memory,
    trouble: Mutex<Trouble>,
}

/// What is known of Redis's absence.
#[derive(Debug, Default)]
struct Trouble {
    rest_until: Option<Instant>,
    said: Option<Instant>,
}

impl Limits {
    /// Limits as set, shared with other processes where there is a Redis.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that is none.
    pub fn new(settings: LimitSettings, redis: Option<&SecretString>) -> Result<Self> {
        let store = match redis {
            None => Store::Memory(Box::default()),
            Some(url) => {
                let redis = Redis { shared: Shared::new(url)?, own: Memory::default(), trouble: Mutex::default() };
                Store::Redis(Box::new(redis))
            }
        };
        Ok(Self(Arc::new(Inner { settings, clock: Clock::start(), store, open: Mutex::default() })))
    }

    /// Gives signs of life for the streams that are open here, for as long as
    /// the limits are used. For the process that serves callers.
    pub fn keep(&self) {
        let inner = Arc::downgrade(&self.0);
        rights::spawn(async move {
            loop {
                tokio::time::sleep(SIGN).await;
                let Some(inner) = Weak::upgrade(&inner) else { return };
                inner.renew().await;
            }
        });
    }

    /// The limits as they are set.
    #[must_use]
    pub fn settings(&self) -> &LimitSettings {
        &self.0.settings
    }

    /// Failed sign-ins.
    #[must_use]
    pub fn guesses(&self) -> Guesses {
        Guesses(self.clone())
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// Which limit was met.
    pub async fn admit(&self, who: &Who) -> Result<Admitted, Refused> {
        self.0.admit(&who::buckets(&self.0.settings, who), None).await
    }

    /// Lets a request in whose reply is a stream: it counts for as long as the
    /// lease is held.
    ///
    /// # Errors
    /// Which limit was met.
    pub async fn admit_stream(&self, who: &Who) -> Result<(Admitted, Lease), Refused> {
        let buckets = who::buckets(&self.0.settings, who);
        // Made before it is counted, so that a caller that goes away meanwhile
        // is not counted either.
        let lease = Lease { inner: Arc::clone(&self.0), id: Uuid::new_v4(), buckets };
        let keys = lease.buckets.iter().filter(|bucket| bucket.allowance.streams > 0).map(|bucket| bucket.key);
        lock(&self.0.open).insert(lease.id, keys.collect());
        let admitted = self.0.admit(&lease.buckets, Some(lease.id)).await?;
        Ok((admitted, lease))
    }

    /// Sets tokens of the day aside for what will take so many at most, and no
    /// longer than `time`.
    ///
    /// # Errors
    /// Which limit was met.
    pub async fn reserve(&self, who: &Who, tokens: u64, time: Duration) -> Result<Reservation, Refused> {
        let mut buckets = who::buckets(&self.0.settings, who);
        buckets.retain(|bucket| bucket.allowance.tokens > 0);
        let reservation = Reservation { inner: Arc::clone(&self.0), id: Uuid::new_v4(), buckets, tokens, used: 0 };
        if !reservation.buckets.is_empty() {
            self.0.reserve(&reservation, time).await?;
        }
        Ok(reservation)
    }

    /// Counts an attempt, if it may be made.
    async fn try_sign_in(&self, keys: [Key; 2]) -> Result<(Marks, Option<Marks>), RetryAfter> {
        let inner = &self.0;
        let now = inner.clock.now();
        match inner.ask(async |shared| shared.attempt(keys).await).await {
            // Counted here in any case, for when Redis goes away.
            Some(shared) => shared.map(|marks| (inner.own().failed(keys, now), Some(marks))),
            None => inner.own().attempt(keys, now).map(|marks| (marks, None)),
        }
    }

    async fn take_back(&self, keys: [Key; 2], own: Marks, shared: Option<Marks>, passed: bool) {
        self.0.own().take_back(keys, own, passed, self.0.clock.now());
        if let Some(marks) = shared {
            self.0.ask(async |shared| shared.take_back(keys, marks, passed).await).await;
        }
    }
}

impl Inner {
    fn own(&self) -> &Memory {
        match &self.store {
            Store::Memory(own) => own,
            Store::Redis(redis) => &redis.own,
        }
    }

    /// What Redis says; none where there is none, or it is away.
    async fn ask<T>(&self, question: impl AsyncFnOnce(&Shared) -> redis::RedisResult<T>) -> Option<T> {
        let Store::Redis(redis) = &self.store else { return None };
        let Redis { shared, trouble, .. } = redis.as_ref();
        if lock(trouble).rest_until.is_some_and(|until| until > Instant::now()) {
            return None;
        }
        match question(shared).await {
            Ok(answer) => {
                if lock(trouble).rest_until.take().is_some() {
                    tracing::info!("Redis answers again; limits are shared");
                }
                Some(answer)
            }
            Err(error) => {
                lock(trouble).note(&error);
                None
            }
        }
    }

    async fn admit(&self, buckets: &[Bucket], stream: Option<Uuid>) -> Result<Admitted, Refused> {
        if buckets.is_empty() {
            return Ok(Admitted::default());
        }
        let now = self.clock.now();
        let shared = self.ask(async |shared| shared.admit(buckets, stream, now).await).await;
        shared.unwrap_or_else(|| self.own().admit(buckets, stream, now))
    }

    async fn reserve(&self, reservation: &Reservation, time: Duration) -> Result<(), Refused> {
        let Reservation { buckets, id, tokens, .. } = reservation;
        let (id, tokens, now) = (*id, *tokens, self.clock.now());
        let shared = self.ask(async |shared| shared.reserve(buckets, id, tokens, time, now).await).await;
        shared.unwrap_or_else(|| self.own().reserve(buckets, id, tokens, time, now))
    }

    async fn renew(&self) {
        let open: Vec<(Uuid, Vec<Key>)> = lock(&self.open)
            .iter()
            .map(|(id, keys)| (*id, keys.clone()))
            .filter(|(_, keys)| !keys.is_empty())
            .collect();
        self.own().renew(&open, self.clock.now());
        for some in open.chunks(RENEWED_AT_ONCE) {
            self.ask(async |shared| shared.renew(some).await).await;
        }
    }
}

impl Trouble {
    fn note(&mut self, error: &redis::RedisError) {
        let now = Instant::now();
        self.rest_until = Some(now + REST);
        if self.said.is_none_or(|said| now - said >= SAY_AGAIN) {
            self.said = Some(now);
            // Its kind alone: its words may name the address.
            let kind = error.kind();
            tracing::warn!(?kind, "Redis does not answer; this process holds callers to their limits by itself");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is whole between any two statements that touch it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whole seconds, rounded up, one at least.
#[must_use]
pub fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests;
