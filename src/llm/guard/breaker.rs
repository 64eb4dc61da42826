//! The breaker: leaves a provider alone that keeps failing, and asks it one call
//! at a time until one goes well. Imports the helpers of `guard`.
//!
//! Closed, it opens when half of the last four seconds' calls failed; with too few
//! calls for that, when the last five failed. So, if all calls fail, it opens no
//! later than with the first that fails four seconds after the first failure, or
//! with the fifth failure. Failures in a row alone would open it by chance where
//! there are many calls.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::random_part;

/// How far back calls are counted.
const LOOK_BACK: Duration = Duration::from_secs(4);
/// Calls within that time from which their share of failures counts.
const MANY: usize = 10;
/// Failures in a row that open it when there are fewer calls.
const IN_A_ROW: u32 = 5;
/// The first time that it is open is at most this long, and at least half as long.
const OPEN_FIRST: Duration = Duration::from_secs(2);
/// So is the longest.
pub(super) const OPEN_LONGEST: Duration = Duration::from_secs(30);
/// What callers are told while a probe is under way.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// Whether a provider is asked.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// How often it opened. What a call says that began before is too old.
    epoch: u32,
    /// Times that it opened without a long calm between.
    openings: u32,
    log: Log,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        since: Option<Instant>,
    },
    /// From then on, the next call is a probe.
    Open {
        until: Instant,
    },
    Probing,
}

/// How calls ended, while closed.
#[derive(Debug, Default)]
struct Log {
    /// Whether each failed, oldest first.
    calls: VecDeque<(Instant, bool)>,
    failures: usize,
    in_a_row: u32,
}

/// A call that was let through.
#[derive(Debug)]
pub(super) struct Pass {
    epoch: u32,
    pub(super) probe: bool,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { state: State::Closed { since: None }, epoch: 0, openings: 0, log: Log::default() }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// For how long calls are refused; none if the next one may pass.
    pub(super) fn refuses_for(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until } => Some(until - now).filter(|rest| !rest.is_zero()),
            State::Probing => Some(PROBE_TIME),
        }
    }

    /// Lets a call through that is not refused.
    pub(super) fn pass(&mut self) -> Pass {
        let probe = matches!(self.state, State::Open { .. });
        if probe {
            self.state = State::Probing;
        }
        Pass { epoch: self.epoch, probe }
    }

    pub(super) fn succeeded(&mut self, pass: &Pass, now: Instant) {
        if pass.epoch != self.epoch {
            return;
        }
        match self.state {
            State::Probing => {
                self.state = State::Closed { since: Some(now) };
                tracing::info!("the model's provider answers again");
            }
            State::Closed { .. } => self.log.push(now, false),
            State::Open { .. } => {}
        }
    }

    pub(super) fn failed(&mut self, pass: &Pass, now: Instant) {
        if pass.epoch != self.epoch {
            return;
        }
        match self.state {
            State::Probing => self.open(now),
            State::Closed { since } => {
                self.log.push(now, true);
                if self.log.says_it_is_down() {
                    if since.is_none_or(|since| now - since >= OPEN_LONGEST) {
                        self.openings = 0;
                    }
                    self.open(now);
                }
            }
            State::Open { .. } => {}
        }
    }

    /// A call ended and told nothing, or told it before: another one may probe.
    pub(super) fn left(&mut self, pass: &Pass, now: Instant) {
        if pass.probe && pass.epoch == self.epoch && matches!(self.state, State::Probing) {
            self.state = State::Open { until: now };
        }
    }

    fn open(&mut self, now: Instant) {
        let longest = OPEN_FIRST.saturating_mul(2_u32.saturating_pow(self.openings)).min(OPEN_LONGEST);
        let time = longest / 2 + random_part(longest / 2);
        self.state = State::Open { until: now + time };
        self.openings = self.openings.saturating_add(1);
        self.epoch = self.epoch.wrapping_add(1);
        self.log = Log::default();
        tracing::warn!(?time, "the model's provider keeps failing and is left alone");
    }
}

impl Log {
    fn push(&mut self, now: Instant, failed: bool) {
        while let Some((_, failed)) = self.calls.pop_front_if(|(at, _)| *at + LOOK_BACK <= now) {
            self.failures -= usize::from(failed);
        }
        self.calls.push_back((now, failed));
        self.failures += usize::from(failed);
        self.in_a_row = if failed { self.in_a_row.saturating_add(1) } else { 0 };
    }

    fn says_it_is_down(&self) -> bool {
        match self.calls.len() {
            MANY.. => self.failures * 2 >= self.calls.len(),
            _ => self.in_a_row >= IN_A_ROW,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fail(breaker: &mut Breaker, times: u32, now: Instant) {
        for _ in 0..times {
            let pass = breaker.pass();
            breaker.failed(&pass, now);
        }
    }

    /// Fails it until it opens, and returns for how long.
    fn opened(breaker: &mut Breaker, now: Instant) -> Duration {
        fail(breaker, if breaker.is_closed() { IN_A_ROW } else { 1 }, now);
        breaker.refuses_for(now).expect("open")
    }

    proptest! {
        /// Each step: how much time passes, and what one of the calls does then.
        #[test]
        fn there_is_never_a_second_probe_and_always_a_next_one(
            steps in proptest::collection::vec((0_u64..4_000, 0_usize..8, 0_u8..4), 1..300),
        ) {
            let mut breaker = Breaker::new();
            let mut now = Instant::now();
            let mut calls: Vec<(usize, Pass)> = vec![];
            // The probe that has told nothing yet.
            let mut probe = None;
            for (number, (time, place, what)) in steps.into_iter().enumerate() {
                now += Duration::from_millis(time);
                let place = place.checked_rem(calls.len());
                let told = match (what, place) {
                    (0, _) | (_, None) => {
                        if breaker.refuses_for(now).is_none() {
                            let was_closed = breaker.is_closed();
                            let pass = breaker.pass();
                            prop_assert_eq!(pass.probe, !was_closed);
                            if pass.probe {
                                prop_assert_eq!(probe.replace(number), None);
                            }
                            calls.push((number, pass));
                        }
                        None
                    }
                    (1, Some(place)) => {
                        breaker.succeeded(&calls[place].1, now);
                        Some(calls[place].0)
                    }
                    (2, Some(place)) => {
                        breaker.failed(&calls[place].1, now);
                        Some(calls[place].0)
                    }
                    (_, Some(place)) => {
                        let (number, pass) = calls.remove(place);
                        breaker.left(&pass, now);
                        Some(number)
                    }
                };
                if told.is_some() && told == probe {
                    probe = None;
                }
                prop_assert_eq!(breaker.refuses_for(now + OPEN_LONGEST).is_some(), probe.is_some());
            }
        }

        #[test]
        fn a_provider_that_fails_all_calls_is_left_alone_within_four_seconds(
            before in proptest::collection::vec(0_u64..100, 0..500),
            gap in 1_u64..=1_000,
        ) {
            let mut breaker = Breaker::new();
            let mut now = Instant::now();
            for gap in before {
                now += Duration::from_millis(gap);
                let pass = breaker.pass();
                breaker.succeeded(&pass, now);
            }
            let start = now;
            fail(&mut breaker, 1, now);
            while breaker.is_closed() && now - start < 10 * LOOK_BACK {
                now += Duration::from_millis(gap);
                fail(&mut breaker, 1, now);
            }
            prop_assert!(now - start < LOOK_BACK + Duration::from_millis(gap), "{:?}", now - start);
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_four_do_not() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        fail(&mut breaker, 4, now);
        let pass = breaker.pass();
        breaker.succeeded(&pass, now);
        fail(&mut breaker, 4, now + LOOK_BACK);
        assert!(breaker.is_closed());
        fail(&mut breaker, 1, now + LOOK_BACK);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn a_third_of_failures_among_many_calls_is_borne() {
        fastrand::seed(7);
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        for call in 0..100_000 {
            let (pass, now) = (breaker.pass(), start + Duration::from_millis(call * 10));
            if fastrand::u8(..3) == 0 {
                breaker.failed(&pass, now);
            } else {
                breaker.succeeded(&pass, now);
            }
            assert!(breaker.is_closed(), "after {call} calls");
        }
    }

    #[test]
    fn it_stays_open_for_longer_each_time_and_begins_anew_after_a_calm() {
        let (mut breaker, mut now) = (Breaker::new(), Instant::now());
        let mut times = vec![];
        for _ in 0..6 {
            times.push(opened(&mut breaker, now));
            now += OPEN_LONGEST;
        }
        for (time, longest) in times.iter().zip([2, 4, 8, 16, 30, 30].map(Duration::from_secs)) {
            assert!((longest / 2..=longest).contains(time), "{times:?}");
        }
        let probe = breaker.pass();
        breaker.succeeded(&probe, now);
        assert!(opened(&mut breaker, now) >= OPEN_LONGEST / 2, "it failed again at once");
        now += OPEN_LONGEST;
        let probe = breaker.pass();
        breaker.succeeded(&probe, now);
        assert!(opened(&mut breaker, now + OPEN_LONGEST) <= OPEN_FIRST);
    }

    #[test]
    fn what_began_before_it_opened_has_no_say() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        let old: Vec<Pass> = (0..20).map(|_| breaker.pass()).collect();
        opened(&mut breaker, now);
        breaker.succeeded(&old[0], now);
        assert!(!breaker.is_closed());
        let now = now + OPEN_LONGEST;
        let probe = breaker.pass();
        breaker.failed(&old[1], now);
        breaker.left(&old[1], now);
        assert_eq!(breaker.refuses_for(now), Some(PROBE_TIME));
        breaker.succeeded(&probe, now);
        for old in &old {
            breaker.failed(old, now);
        }
        assert!(breaker.is_closed());
    }
}
