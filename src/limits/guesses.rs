//! Guessing is slow: failed sign-ins by account and by address. Imports nothing
//! of this crate.
//!
//! An attempt counts as a failure from its start, or as many guesses could be made
//! as come in at once; it is taken back when it goes well, or was none.
//!
//! Ten failures without a quarter of an hour between them are let through. From
//! then on each failure brings a pause, the first of 15 seconds, each later one
//! twice as long as the one before, at most a quarter of an hour. Whoever fails
//! no more for a quarter of an hour begins anew.
//!
//! A pause of an address holds for whatever is tried from there. A pause of an
//! account holds only for addresses that failed themselves: a stranger who guesses
//! at an account makes nobody else wait, so that nobody can lock its owner out.

use std::net::IpAddr;
use std::time::Duration;

use super::Limits;
use super::who::Key;

/// Failures that bring no pause yet.
pub(super) const FREE: u32 = 10;
/// The first pause.
pub(super) const FIRST: Duration = Duration::from_secs(15);
/// The longest.
pub(super) const LONGEST: Duration = Duration::from_mins(15);
/// Without a failure for so long, all is forgotten.
pub(super) const FORGOTTEN: Duration = Duration::from_mins(15);

/// Somebody has to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts; try again in {} seconds", super::seconds(*.0))]
pub struct RetryAfter(pub Duration);

/// Somebody's failures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) failures: u32,
    /// No attempt before that.
    pub(super) paused_until: Duration,
    /// Until then, failures count together.
    pub(super) kept_until: Duration,
}

impl Tally {
    /// The same at another time.
    pub(super) fn at(self, now: Duration) -> Self {
        if self.is_forgotten(now) { Self::default() } else { self }
    }

    pub(super) fn is_forgotten(&self, now: Duration) -> bool {
        self.kept_until <= now
    }

    pub(super) fn failed(self, now: Duration) -> Self {
        let failures = self.failures.saturating_add(1);
        let paused_until = self.paused_until.max(now + pause(failures));
        Self { failures, paused_until, kept_until: paused_until.max(now) + FORGOTTEN }
    }

    /// The same without an attempt that is taken back, and without the pause that
    /// it brought.
    pub(super) fn taken_back(self, Mark { before, set }: Mark) -> Self {
        let failures = self.failures.saturating_sub(1);
        let paused_until = match (failures < FREE, self.paused_until == set) {
            (true, _) => Duration::ZERO,
            (false, true) => before,
            (false, false) => self.paused_until,
        };
        Self { failures, paused_until, ..self }
    }

    fn rest(&self, now: Duration) -> Option<Duration> {
        self.paused_until.checked_sub(now).filter(|rest| !rest.is_zero())
    }
}

/// The ends of two pauses: before an attempt was counted, and after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) before: Duration,
    pub(super) set: Duration,
}

/// The marks of account and address.
pub(super) type Marks = [Mark; 2];

/// The pause that so many failures bring.
pub(super) fn pause(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => FIRST.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST),
    }
}

/// Whether an attempt may be made.
pub(super) fn judge(account: Tally, address: Tally, now: Duration) -> Result<(), RetryAfter> {
    let of_account = account.rest(now).filter(|_| address.failures > 0);
    match of_account.max(address.rest(now)) {
        Some(rest) => Err(RetryAfter(rest)),
        None => Ok(()),
    }
}

/// Counts failed sign-ins.
#[derive(Clone)]
pub struct Guesses(pub(super) Limits);

impl Guesses {
    /// Begins an attempt to sign in, which counts as failed unless something else
    /// is said of it. `account` is what the caller wrote, in the form by which
    /// accounts are told apart; it need not exist.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn begin(&self, account: &str, address: IpAddr) -> Result<Attempt, RetryAfter> {
        let keys = keys(account, address);
        let (own, shared) = self.0.try_sign_in(keys).await?;
        Ok(Attempt { limits: self.0.clone(), keys, own, shared })
    }
}

/// An attempt to sign in that was let through.
#[must_use = "an attempt has failed unless it is said that it passed"]
pub struct Attempt {
    limits: Limits,
    keys: [Key; 2],
    own: Marks,
    shared: Option<Marks>,
}

impl Attempt {
    /// It went well: the account's failures are forgotten, those of the address
    /// before this attempt are not, or an account of one's own would be a way to
    /// guess at others.
    pub async fn passed(self) {
        self.limits.take_back(self.keys, self.own, self.shared, true).await;
    }

    /// Nothing was guessed.
    pub async fn withdrawn(self) {
        self.limits.take_back(self.keys, self.own, self.shared, false).await;
    }
}

fn keys(account: &str, address: IpAddr) -> [Key; 2] {
    [Key::name(account), Key::address(false, address)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failed(times: u32) -> Tally {
        (0..times).fold(Tally::default(), |tally, _| tally.failed(Duration::ZERO))
    }

    #[test]
    fn ten_failures_bring_a_pause_and_each_more_a_longer_one() {
        assert_eq!(judge(failed(9), failed(9), Duration::ZERO), Ok(()));
        let pauses: Vec<u64> = (10..18).map(|times| pause(times).as_secs()).collect();
        assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(judge(failed(10), failed(10), Duration::ZERO), Err(RetryAfter(FIRST)));
        assert_eq!(judge(failed(10), failed(10), FIRST), Ok(()));
    }

    #[test]
    fn the_owner_comes_in_from_elsewhere_however_much_others_guess() {
        let account = failed(1_000);
        assert_eq!(judge(account, Tally::default(), SECOND), Ok(()));
        assert!(judge(account, failed(1), SECOND).is_err(), "but whoever failed waits");
        assert_eq!(judge(account, failed(1).at(LONGEST), LONGEST), Ok(()), "and not for ever");
    }

    #[test]
    fn an_address_that_guesses_at_many_accounts_waits() {
        assert!(judge(Tally::default(), failed(10), Duration::ZERO).is_err());
    }

    #[test]
    fn an_attempt_that_is_taken_back_leaves_no_trace() {
        for before in [failed(0), failed(5), failed(9), failed(12)] {
            let now = LONGEST * 2;
            let counted = before.failed(now);
            let mark = Mark { before: before.paused_until, set: counted.paused_until };
            let after = counted.taken_back(mark);
            assert_eq!((after.failures, judge(after, after, now)), (before.failures, Ok(())));
            // Another failure meanwhile brought a pause, which stays.
            let other = counted.failed(now).failed(now);
            let after = other.taken_back(mark);
            assert_eq!(judge(after, after, now).is_err(), after.failures >= FREE, "{after:?}");
        }
    }

    #[test]
    fn failures_are_forgotten_after_a_calm() {
        let tally = failed(9);
        assert_eq!(tally.at(FORGOTTEN).failed(FORGOTTEN).failures, 1);
        let before = FORGOTTEN.saturating_sub(SECOND);
        assert_eq!(tally.at(before).failed(before).failures, 10);
    }

    proptest! {
        /// However attempts are spread over an hour, few of them are let through.
        #[test]
        fn an_hour_allows_few_guesses(gaps in proptest::collection::vec(0_u64..600, 1..2_000)) {
            let (mut tally, mut now, mut tried) = (Tally::default(), Duration::ZERO, 0);
            for gap in gaps {
                now += Duration::from_secs(gap);
                if now > Duration::from_hours(1) {
                    break;
                }
                tally = tally.at(now);
                if judge(tally, tally, now).is_ok() {
                    tally = tally.failed(now);
                    tried += 1;
                }
            }
            // Ten, seven pauses that grow, and four an hour of the longest.
            prop_assert!(tried <= 10 + 7 + 4, "{tried}");
        }
    }
}
