//! Our own limits by the minute. Imports nothing of this crate.
//!
//! A log of what was taken within the last minute: no 60 seconds hold more than
//! the limit, wherever they begin. A bucket that fills up again would need less
//! memory, but lets through more than the limit within a minute (a full bucket,
//! and what flows in meanwhile), or less. The price is that a burst may use up a
//! minute at once.
//!
//! Tokens are taken by an estimate and corrected when the call tells. Those that
//! were used beyond the estimate count from then on.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::ops::{Add, AddAssign, SubAssign};
use std::time::Duration;

use tokio::time::Instant;

/// What limits are counted by.
pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// Calls and their tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    requests: u64,
    tokens: u64,
}

impl Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, tokens: self.tokens + other.tokens }
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Load {
    fn sub_assign(&mut self, other: Self) {
        self.requests -= other.requests;
        self.tokens -= other.tokens;
    }
}

/// The last minute.
#[derive(Debug)]
pub(super) struct Rates {
    requests: Option<u64>,
    tokens: Option<u64>,
    /// Oldest first.
    taken: VecDeque<(Instant, Load)>,
    sum: Load,
    /// Number of the first one in `taken`.
    first: u64,
}

impl Rates {
    pub(super) fn new(requests: Option<NonZeroU32>, tokens: Option<NonZeroU32>) -> Self {
        let number = |limit: NonZeroU32| u64::from(limit.get());
        let (requests, tokens) = (requests.map(number), tokens.map(number));
        Self { requests, tokens, taken: VecDeque::new(), sum: Load::default(), first: 0 }
    }

    /// What one call takes. One that is larger than the limit takes all of it,
    /// and so goes alone; it is the provider's to refuse.
    pub(super) fn call(&self, tokens: usize) -> Load {
        Load { requests: 1, tokens: tokens_of(tokens).min(self.tokens.unwrap_or(u64::MAX)) }
    }

    /// When there is room for `wanted`; none if there is now. Exact for one call
    /// if nothing is corrected meanwhile, and never too late for several.
    pub(super) fn room_at(&mut self, now: Instant, wanted: Load) -> Option<Instant> {
        self.forget(now);
        let after = self.sum + wanted;
        let mut requests = self.requests.map_or(0, |limit| after.requests.saturating_sub(limit));
        let mut tokens = self.tokens.map_or(0, |limit| after.tokens.saturating_sub(limit));
        let mut room_at = None;
        for (at, load) in &self.taken {
            if requests == 0 && tokens == 0 {
                return room_at;
            }
            requests = requests.saturating_sub(load.requests);
            tokens = tokens.saturating_sub(load.tokens);
            room_at = Some(*at + MINUTE);
        }
        // More than a minute's worth: some of it must itself be a minute old first.
        if requests > 0 || tokens > 0 { Some(now + MINUTE) } else { room_at }
    }

    /// Takes what a call needs. Returns the number to correct it by.
    pub(super) fn take(&mut self, now: Instant, load: Load) -> u64 {
        self.forget(now);
        let number = self.first + self.taken.len() as u64;
        if self.requests.is_some() || self.tokens.is_some() {
            self.sum += load;
            self.taken.push_back((now, load));
        }
        number
    }

    /// The call with this number used so many tokens. Nothing happens if that was
    /// more than a minute ago.
    pub(super) fn correct(&mut self, now: Instant, number: u64, tokens: usize) {
        self.forget(now);
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some((_, load)) = place.and_then(|place| self.taken.get_mut(place)) {
            self.sum -= *load;
            load.tokens = tokens_of(tokens);
            self.sum += *load;
        }
    }

    /// Forgets what was taken a minute ago or earlier.
    fn forget(&mut self, now: Instant) {
        while let Some((_, load)) = self.taken.pop_front_if(|(at, _)| *at + MINUTE <= now) {
            self.sum -= load;
            self.first += 1;
        }
    }
}

/// So that sums cannot overflow; no call comes near it.
fn tokens_of(tokens: usize) -> u64 {
    u32::try_from(tokens).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates(requests: u32, tokens: u32) -> Rates {
        Rates::new(NonZeroU32::new(requests), NonZeroU32::new(tokens))
    }

    proptest! {
        #[test]
        fn room_is_there_when_it_is_promised_and_not_a_millisecond_before(
            limits in (1_u32..8, 1_u32..1_000),
            calls in proptest::collection::vec((0_u64..20_000, 0_usize..1_200, 0_usize..1_200), 1..60),
        ) {
            let mut rates = rates(limits.0, limits.1);
            let mut now = Instant::now();
            // Independent of the log: all that was ever taken, with what it counts.
            let mut all: Vec<(Instant, u64)> = vec![];
            let fits = |all: &[(Instant, u64)], now: Instant, tokens: u64| {
                let recent = || all.iter().filter(|(at, _)| *at + MINUTE > now);
                recent().count() < limits.0 as usize
                    && recent().map(|(_, tokens)| tokens).sum::<u64>() + tokens <= u64::from(limits.1)
            };
            for (gap, tokens, used) in calls {
                now += Duration::from_millis(gap);
                let load = rates.call(tokens);
                if let Some(at) = rates.room_at(now, load) {
                    prop_assert!(at > now);
                    let before = at.checked_sub(Duration::from_millis(1)).expect("later than now");
                    prop_assert!(!fits(&all, before, load.tokens));
                    prop_assert!(rates.room_at(before, load).is_some());
                    now = at;
                }
                prop_assert!(rates.room_at(now, load).is_none());
                prop_assert!(fits(&all, now, load.tokens));
                let number = rates.take(now, load);
                rates.correct(now, number, used);
                all.push((now, used as u64));
            }
        }

        #[test]
        fn for_several_it_is_never_later_than_one_by_one(
            past in proptest::collection::vec((0_u64..9_000, 0_usize..400), 0..10),
            wanted in proptest::collection::vec(0_usize..500, 1..20),
        ) {
            let mut rates = rates(5, 1_000);
            let mut now = Instant::now();
            let mut take = |rates: &mut Rates, gap: u64, tokens: usize| {
                let load = rates.call(tokens);
                now += Duration::from_millis(gap);
                now = rates.room_at(now, load).unwrap_or(now);
                rates.take(now, load);
                now
            };
            for (gap, tokens) in past {
                take(&mut rates, gap, tokens);
            }
            let start = take(&mut rates, 0, 0);
            let all = wanted.iter().fold(Load::default(), |sum, tokens| sum + rates.call(*tokens));
            let promised = rates.room_at(start, all).unwrap_or(start);
            let last = wanted.iter().map(|tokens| take(&mut rates, 0, *tokens)).last();
            prop_assert!(Some(promised) <= last);
        }
    }

    #[test]
    fn a_call_larger_than_the_limit_goes_alone() {
        let mut rates = rates(0, 100);
        let now = Instant::now();
        let large = rates.call(5_000);
        assert_eq!(rates.room_at(now, large), None);
        let number = rates.take(now, large);
        assert_eq!(rates.room_at(now, rates.call(1)), Some(now + MINUTE));
        rates.correct(now, number, 60);
        assert_eq!(rates.room_at(now, rates.call(40)), None);
        assert_eq!(rates.room_at(now, rates.call(41)), Some(now + MINUTE));
    }

    #[test]
    fn what_is_told_too_late_or_twice_breaks_nothing() {
        let mut rates = rates(2, 100);
        let now = Instant::now();
        let number = rates.take(now, rates.call(10));
        rates.correct(now, number, 90);
        rates.correct(now, number, 20);
        assert_eq!(rates.room_at(now, rates.call(80)), None);
        let later = now + MINUTE;
        rates.take(later, rates.call(100));
        rates.correct(later, number, 0);
        assert_eq!(rates.room_at(later, rates.call(1)), Some(later + MINUTE));
    }

    #[test]
    fn without_limits_nothing_is_kept() {
        let mut rates = rates(0, 0);
        for _ in 0..100 {
            let load = rates.call(usize::MAX);
            assert_eq!(rates.room_at(Instant::now(), load), None);
            rates.take(Instant::now(), load);
        }
        assert!(rates.taken.is_empty());
    }
}
