//! What time it is, as far as limits go. Imports nothing of this crate.
//!
//! Spans are measured by a clock that only goes forward; only the day comes from
//! the calendar. A wall clock that is set gives nobody a new minute.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// Since the clock was started.
    pub(super) since: Duration,
    /// The day in UTC, counted from 1970.
    pub(super) day: u64,
    /// Until that day ends.
    pub(super) rest_of_day: Duration,
}

/// Tells the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn now(&self) -> Now {
        let calendar = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now::at(self.start.elapsed(), calendar)
    }
}

impl Now {
    pub(super) fn at(since: Duration, calendar: Duration) -> Self {
        let seconds = calendar.as_secs();
        let rest_of_day = Duration::from_secs(DAY - seconds % DAY);
        Self { since, day: seconds / DAY, rest_of_day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_ends_at_midnight_in_utc() {
        let now = Now::at(Duration::ZERO, Duration::from_secs(3 * DAY - 60));
        assert_eq!((now.day, now.rest_of_day), (2, Duration::from_mins(1)));
        let next = Now::at(Duration::ZERO, Duration::from_secs(3 * DAY));
        assert_eq!((next.day, next.rest_of_day), (3, Duration::from_secs(DAY)));
    }
}
