//! Limits kept in this process: one process's view. Imports the parts.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::clock::Now;
use super::guesses::{self, Mark, Marks, RetryAfter, Tally};
use super::requests::Requests;
use super::shelf::Shelf;
use super::who::{Bucket, Key};
use super::{Admitted, LEASE, Refused, Standing, What};

/// Callers whose tokens, streams and failures are told apart.
const CALLERS: usize = 50_000;

/// Everything that is counted here.
pub(super) struct Memory {
    requests: Requests,
    state: Mutex<State>,
}

struct State {
    tokens: Shelf<Day>,
    streams: Shelf<Vec<Lease>>,
    failures: Shelf<Tally>,
}

/// A caller's tokens of a day.
#[derive(Debug, Default)]
struct Day {
    number: u64,
    used: u64,
    reserved: Vec<Reserved>,
}

#[derive(Debug)]
struct Reserved {
    id: Uuid,
    tokens: u64,
    until: Duration,
}

#[derive(Debug)]
struct Lease {
    id: Uuid,
    until: Duration,
}

impl Day {
    /// The same on the day that it is.
    fn today(&mut self, now: Now) -> &mut Self {
        if self.number != now.day {
            (self.number, self.used) = (now.day, 0);
        }
        self.reserved.retain(|reserved| reserved.until > now.since);
        self
    }

    fn reserved(&self) -> u64 {
        self.reserved.iter().map(|reserved| reserved.tokens).sum()
    }

    fn is_stale(&self, now: Now) -> bool {
        self.number != now.day && self.reserved.iter().all(|reserved| reserved.until <= now.since)
    }

    /// Whether there is room. The last of a day may go beyond the limit if it
    /// goes alone, so that what is left can be used.
    fn check(&self, limit: u64, tokens: u64, now: Now) -> Result<(), Refused> {
        let reserved = self.reserved();
        let fits = self.used.saturating_add(reserved).saturating_add(tokens) <= limit;
        if fits || (self.used < limit && reserved == 0) {
            return Ok(());
        }
        let is_used_up = self.used >= limit;
        let (what, retry_after) =
            if is_used_up { (What::TokensUsedUp, now.rest_of_day) } else { (What::Tokens, super::SETTLING) };
        Err(Refused { what, retry_after, requests: None })
    }
}

impl Default for Memory {
    fn default() -> Self {
        let state = State { tokens: Shelf::new(CALLERS), streams: Shelf::new(CALLERS), failures: Shelf::new(CALLERS) };
        Self { requests: Requests::new(), state: Mutex::new(state) }
    }
}

impl Memory {
    /// Lets a request in, with a stream of this id if it has one.
    pub(super) fn admit(&self, buckets: &[Bucket], stream: Option<Uuid>, now: Now) -> Result<Admitted, Refused> {
        let mut state = self.lock();
        if stream.is_some() && buckets.iter().any(|bucket| state.is_at_limit(bucket, now)) {
            return Err(Refused { what: What::Streams, retry_after: super::STREAMS_WAIT, requests: None });
        }
        let mut requests = None;
        for bucket in buckets {
            match self.requests.take(bucket) {
                None => {}
                Some(Ok(standing)) => Standing::tighten(&mut requests, standing),
                Some(Err(retry_after)) => {
                    let limit = bucket.allowance.requests.into();
                    let requests = Some(Standing { limit, remaining: 0, reset: retry_after });
                    return Err(Refused { what: What::Requests, retry_after, requests });
                }
            }
        }
        if let Some(id) = stream {
            for bucket in buckets.iter().filter(|bucket| bucket.allowance.streams > 0) {
                let leases = state.streams.entry(bucket.key, Vec::is_empty);
                leases.push(Lease { id, until: now.since + LEASE });
            }
        }
        let mut tokens = None;
        for bucket in buckets.iter().filter(|bucket| bucket.allowance.tokens > 0) {
            Standing::tighten(&mut tokens, state.tokens(bucket, now));
        }
        Ok(Admitted { requests, tokens })
    }

    /// A stream has ended, or never was here.
    pub(super) fn release(&self, keys: &[Key], id: Uuid) {
        let mut state = self.lock();
        for key in keys.iter().flat_map(|key| [*key, key.in_crowd()]) {
            if state.streams.get(&key).is_some() {
                state.streams.entry(key, Vec::is_empty).retain(|lease| lease.id != id);
            }
        }
    }

    /// Streams go on.
    pub(super) fn renew(&self, streams: &[(Uuid, Vec<Key>)], now: Now) {
        let mut state = self.lock();
        for (id, keys) in streams {
            for key in keys.iter().flat_map(|key| [*key, key.in_crowd()]) {
                if state.streams.get(&key).is_some() {
                    let leases = state.streams.entry(key, Vec::is_empty).iter_mut();
                    leases.filter(|lease| lease.id == *id).for_each(|lease| lease.until = now.since + LEASE);
                }
            }
        }
    }

    /// Sets tokens aside for some time.
    pub(super) fn reserve(
        &self,
        buckets: &[Bucket],
        id: Uuid,
        tokens: u64,
        time: Duration,
        now: Now,
    ) -> Result<(), Refused> {
        let mut state = self.lock();
        let limited = || buckets.iter().filter(|bucket| bucket.allowance.tokens > 0);
        for bucket in limited() {
            state.day(bucket.key, now).check(bucket.allowance.tokens, tokens, now)?;
        }
        for bucket in limited() {
            state.day(bucket.key, now).reserved.push(Reserved { id, tokens, until: now.since + time });
        }
        Ok(())
    }

    /// Counts what was used instead of what was set aside.
    pub(super) fn settle(&self, buckets: &[Bucket], id: Uuid, used: u64, now: Now) {
        let mut state = self.lock();
        for bucket in buckets.iter().filter(|bucket| bucket.allowance.tokens > 0) {
            let day = state.day(bucket.key, now);
            day.reserved.retain(|reserved| reserved.id != id);
            day.used = day.used.saturating_add(used);
        }
    }

    /// Counts an attempt to sign in, if it may be made.
    pub(super) fn attempt(&self, keys: [Key; 2], now: Now) -> Result<Marks, RetryAfter> {
        let mut state = self.lock();
        let [account, address] = keys.map(|key| state.failures.get(&key).copied().unwrap_or_default().at(now.since));
        guesses::judge(account, address, now.since)?;
        Ok(state.failed(keys, now))
    }

    /// Counts an attempt to sign in.
    pub(super) fn failed(&self, keys: [Key; 2], now: Now) -> Marks {
        self.lock().failed(keys, now)
    }

    /// Takes an attempt back; where it passed, all of the account's.
    pub(super) fn take_back(&self, keys: [Key; 2], marks: Marks, passed: bool, now: Now) {
        let mut state = self.lock();
        for (place, (key, mark)) in keys.into_iter().zip(marks).enumerate() {
            if state.failures.get(&key).is_some() {
                let tally = state.failures.entry(key, |tally| tally.is_forgotten(now.since));
                let all = passed && place == 0;
                *tally = if all { Tally::default() } else { tally.at(now.since).taken_back(mark) };
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counts are whole between any two statements that touch them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn failed(&mut self, keys: [Key; 2], now: Now) -> Marks {
        keys.map(|key| {
            let tally = self.failures.entry(key, |tally| tally.is_forgotten(now.since));
            let before = tally.at(now.since);
            *tally = before.failed(now.since);
            Mark { before: before.paused_until, set: tally.paused_until }
        })
    }

    fn day(&mut self, key: Key, now: Now) -> &mut Day {
        self.tokens.entry(key, |day| day.is_stale(now)).today(now)
    }

    fn tokens(&mut self, bucket: &Bucket, now: Now) -> Standing {
        let limit = bucket.allowance.tokens;
        let taken = self.tokens.get(&bucket.key).filter(|day| day.number == now.day);
        let taken = taken.map_or(0, |day| day.used.saturating_add(day.reserved()));
        Standing { limit, remaining: limit.saturating_sub(taken), reset: now.rest_of_day }
    }

    fn is_at_limit(&mut self, bucket: &Bucket, now: Now) -> bool {
        let limit = bucket.allowance.streams as usize;
        if limit == 0 {
            return false;
        }
        let leases = self.streams.entry(bucket.key, Vec::is_empty);
        leases.retain(|lease| lease.until > now.since);
        leases.len() >= limit
    }
}

#[cfg(test)]
mod tests;
