//! What stands between this service and one model provider: our own limits, a
//! breaker, a budget of retries, and the pauses that the provider asks for.
//! Imports nothing of this crate.
//!
//! Every call goes through [`Guard::enter`], a repeated one too, after it was
//! granted by [`Guard::may_retry`]. One lock holds all that is decided by, and is
//! never held while waiting. Who has to wait stands in line, first come, first
//! served; only the first in line watches for room. Who cannot get in within the
//! time is told so at once, where that can be known.

mod breaker;
mod budget;
mod rates;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Line, Notify};
use tokio::time::{Instant, timeout_at};

use self::breaker::{Breaker, Pass};
use self::budget::Budget;
use self::rates::{Load, Rates};

/// A longer pause is not believed.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Those who waited for the end of a pause come back over this time.
const SPREAD: Duration = Duration::from_millis(2500);
/// When to come again if all places are taken: at least this, at most twice as
/// long. Nobody knows when a call ends.
const PLACE_TIME: Duration = Duration::from_secs(1);
/// Nobody waits longer.
const LONGEST_PATIENCE: Duration = Duration::from_hours(1);

/// Limits of our own to what a provider is asked; none is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls begun within any 60 seconds.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens of the calls begun within any 60 seconds, read and written.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Calls under way at a time.
    pub concurrent: Option<NonZeroUsize>,
}

/// Why a call may not be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The provider keeps failing.
    #[error("the model's provider keeps failing and is left alone for now; try again in {} s", seconds(.retry_after))]
    Open {
        /// When to come again.
        retry_after: Duration,
    },
    /// Our own limits are reached.
    #[error("the model is asked as much as its limits here allow; try again in {} s", seconds(.retry_after))]
    Busy {
        /// When to come again.
        retry_after: Duration,
    },
    /// The provider said when it wants to be asked again.
    #[error("the model's provider takes no requests for now; try again in {} s", seconds(.retry_after))]
    Paused {
        /// When to come again.
        retry_after: Duration,
    },
}

impl Closed {
    /// When to come again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        let (Self::Open { retry_after } | Self::Busy { retry_after } | Self::Paused { retry_after }) = self;
        *retry_after
    }
}

/// Guards one provider. Clones are the same guard.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    concurrent: Option<NonZeroUsize>,
    state: Mutex<State>,
    line: Line<()>,
    /// Wakes the first in line to look again.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    budget: Budget,
    rates: Rates,
    /// Calls under way.
    running: usize,
    /// What those in line want.
    in_line: Load,
    paused_until: Option<Instant>,
}

/// What the first in line finds.
enum Found {
    Room(Permit),
    /// None: when a call ends.
    RoomAt(Option<Instant>),
    Pause,
}

impl Guard {
    /// A guard that lets calls through within these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let state = State {
            breaker: Breaker::new(),
            budget: Budget::new(),
            rates: Rates::new(limits.requests_per_minute, limits.tokens_per_minute),
            running: 0,
            in_line: Load::default(),
            paused_until: None,
        };
        Self(Arc::new(Shared {
            concurrent: limits.concurrent,
            state: Mutex::new(state),
            line: Line::default(),
            changed: Notify::new(),
        }))
    }

    /// Waits for its turn, at most `patience`. `tokens` is what the call will read
    /// and write, estimated high; more than the limit by the minute counts as all
    /// of it.
    ///
    /// # Errors
    /// [`Closed::Open`] at once; [`Closed::Busy`] and [`Closed::Paused`] as soon as
    /// it is known that the patience does not suffice.
    pub async fn enter(&self, tokens: usize, patience: Duration) -> Result<Permit, Closed> {
        let deadline = Instant::now() + patience.min(LONGEST_PATIENCE);
        let entered = timeout_at(deadline, self.wait(tokens, deadline)).await;
        entered.unwrap_or_else(|_| Err(self.lock().busy(tokens)))
    }

    /// Whether a failed call may be tried once more; spends from the budget. A
    /// tenth of the calls that went well, and a few, and none of a provider that is
    /// left alone.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        let mut state = self.lock();
        state.breaker.is_closed() && state.budget.spend()
    }

    /// The provider asked for a pause (`Retry-After`): nobody asks it before then.
    /// More than a minute counts as a minute; a pause under way is not shortened.
    pub fn pause(&self, time: Duration) {
        let until = Instant::now() + time.min(LONGEST_PAUSE);
        self.change(|state, _| state.paused_until = state.paused_until.max(Some(until)));
    }

    async fn wait(&self, tokens: usize, deadline: Instant) -> Result<Permit, Closed> {
        loop {
            self.wait_for_pause(deadline).await?;
            let _in_line = self.queue(tokens, deadline)?;
            let _first = self.0.line.lock().await;
            loop {
                let changed = self.0.changed.notified();
                match self.look(tokens, deadline)? {
                    Found::Room(permit) => return Ok(permit),
                    Found::RoomAt(None) => changed.await,
                    // Whichever comes first: both are reasons to look again.
                    Found::RoomAt(Some(time)) => timeout_at(time, changed).await.unwrap_or_default(),
                    Found::Pause => break,
                }
            }
        }
    }

    /// Waits until there is no pause, and then a random time, so that those who
    /// waited together do not come back together.
    async fn wait_for_pause(&self, deadline: Instant) -> Result<(), Closed> {
        while let Some(until) = self.pause_end() {
            if until > deadline {
                let retry_after = until - Instant::now() + random_part(SPREAD);
                return Err(Closed::Paused { retry_after });
            }
            tokio::time::sleep_until(until + random_part(SPREAD.min(deadline - until))).await;
        }
        Ok(())
    }

    /// Whether a call would have to wait: for the end of a pause, for a place, or
    /// behind others.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let is_paused = self.pause_end().is_some();
        let state = self.lock();
        is_paused
            || state.in_line != Load::default()
            || self.0.concurrent.is_some_and(|places| state.running >= places.get())
    }

    fn pause_end(&self) -> Option<Instant> {
        self.lock().paused_until.filter(|until| *until > Instant::now())
    }

    /// Joins the line, unless that is in vain.
    fn queue(&self, tokens: usize, deadline: Instant) -> Result<InLine<'_>, Closed> {
        let mut state = self.lock();
        let now = Instant::now();
        state.check_breaker(now)?;
        let load = state.rates.call(tokens);
        let everyone = state.in_line + load;
        if state.rates.room_at(now, everyone).is_some_and(|time| time > deadline) {
            return Err(state.busy(tokens));
        }
        state.in_line = everyone;
        Ok(InLine { guard: self, load })
    }

    /// Gets in if there is room. Only the first in line looks.
    fn look(&self, tokens: usize, deadline: Instant) -> Result<Found, Closed> {
        let mut state = self.lock();
        let now = Instant::now();
        state.check_breaker(now)?;
        if state.paused_until.is_some_and(|until| until > now) {
            return Ok(Found::Pause);
        }
        if self.0.concurrent.is_some_and(|places| state.running >= places.get()) {
            return Ok(Found::RoomAt(None));
        }
        let load = state.rates.call(tokens);
        match state.rates.room_at(now, load) {
            Some(time) if time > deadline => Err(Closed::Busy { retry_after: time - now }),
            Some(time) => Ok(Found::RoomAt(Some(time))),
            None => {
                state.running += 1;
                let (pass, taken) = (state.breaker.pass(), state.rates.take(now, load));
                Ok(Found::Room(Permit { guard: self.clone(), pass, taken, told: None }))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what the first in line may wait for.
    fn change(&self, change: impl FnOnce(&mut State, Instant)) {
        // The time is taken under the lock: logs by time stay in order.
        let mut state = self.lock();
        change(&mut state, Instant::now());
        drop(state);
        self.0.changed.notify_one();
    }
}

impl State {
    fn check_breaker(&self, now: Instant) -> Result<(), Closed> {
        self.breaker.refuses_for(now).map_or(Ok(()), |retry_after| Err(Closed::Open { retry_after }))
    }

    /// The refusal of one who would be the last in line.
    fn busy(&mut self, tokens: usize) -> Closed {
        let now = Instant::now();
        let everyone = self.in_line + self.rates.call(tokens);
        let rest = self.rates.room_at(now, everyone).map(|time| time - now);
        Closed::Busy { retry_after: rest.unwrap_or_else(|| PLACE_TIME + random_part(PLACE_TIME)) }
    }
}

/// A place in line; dropping it leaves.
struct InLine<'a> {
    guard: &'a Guard,
    load: Load,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.guard.lock().in_line -= self.load;
    }
}

/// The right to make one call; held until its stream has ended.
///
/// Dropping it without a word says nothing about the provider: the caller went
/// away, or the provider asked for a pause.
#[derive(Debug)]
#[must_use = "a call counts as ended when its permit is dropped"]
pub struct Permit {
    guard: Guard,
    pass: Pass,
    /// Its number among `rates`.
    taken: u64,
    /// The last that was told: whether it went well.
    told: Option<bool>,
}

impl Permit {
    /// The provider answers, be it by refusing the request with a reason. May be
    /// told as soon as it does; a call that breaks off later counts as both.
    pub fn succeeded(&mut self) {
        if self.told.is_none() {
            self.told = Some(true);
            self.guard.change(|state, now| {
                state.budget.earn();
                state.breaker.succeeded(&self.pass, now);
            });
        }
    }

    /// The call failed by the provider's fault: no connection, nothing in time, a
    /// status from 500, an answer that broke off.
    pub fn failed(&mut self) {
        if self.told != Some(false) {
            self.told = Some(false);
            self.guard.change(|state, now| state.breaker.failed(&self.pass, now));
        }
    }

    /// What the call really used, read and written, instead of the estimate.
    pub fn used(&mut self, tokens: usize) {
        self.guard.change(|state, now| state.rates.correct(now, self.taken, tokens));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.guard.change(|state, now| {
            state.running -= 1;
            state.breaker.left(&self.pass, now);
        });
    }
}

/// How long to wait before a retry, `attempt` counted from 0: a random time
/// between nothing and `base` doubled at each attempt, at most `cap`. All times
/// are equally likely ("full jitter").
#[must_use]
pub fn jittered_backoff(attempt: u32, base: Duration, cap: Duration) -> Duration {
    random_part(base.saturating_mul(2_u32.saturating_pow(attempt)).min(cap))
}

/// From nothing to all of it.
fn random_part(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64())
}

/// Whole seconds, rounded up.
fn seconds(time: &Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
mod tests;
