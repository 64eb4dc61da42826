//! How many documents are read together: as many as take a moment. Large batches
//! are cheap where reading is quick; where a file takes seconds, others would wait
//! for all of the batch, and nobody else's is claimed meanwhile.

use std::time::Duration;

/// What a batch should take.
const MOMENT: Duration = Duration::from_secs(2);
/// Documents of the first batch, of which nothing is known.
const FIRST: i64 = 4;
/// Documents of one batch, at least and at most.
const LEAST: i64 = 2;
const MOST: i64 = 256;

#[derive(Debug)]
pub(super) struct Pace(i64);

impl Pace {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// Documents of the next batch, at most.
    pub(super) fn documents(&self) -> i64 {
        self.0
    }

    /// A batch of so many took so long.
    pub(super) fn took(&mut self, documents: usize, time: Duration) {
        let documents = i64::try_from(documents).unwrap_or(MOST).max(1);
        let each = time / u32::try_from(documents).unwrap_or(u32::MAX);
        let fit = i64::try_from(MOMENT.as_micros() / each.as_micros().max(1)).unwrap_or(MOST);
        // Not at once to the most: the next ones may be slower.
        self.0 = fit.min(self.0 * 4).clamp(LEAST, MOST);
    }

    /// Nothing is left; what comes next may be of another kind.
    pub(super) fn rest(&mut self) {
        self.0 = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(batches: &[(usize, Duration)]) -> i64 {
        let mut pace = Pace::new();
        for (documents, time) in batches {
            pace.took(*documents, *time);
        }
        pace.documents()
    }

    #[test]
    fn quick_files_are_read_by_the_hundred_and_slow_ones_a_few_at_a_time() {
        let (quick, slow) = (Duration::from_millis(1), Duration::from_secs(5));
        assert_eq!(after(&[]), FIRST);
        assert_eq!(after(&[(4, quick), (16, quick), (64, quick)]), MOST);
        assert_eq!(after(&[(4, slow * 4)]), LEAST);
        // However many were quick before.
        assert_eq!(after(&[(4, quick), (16, quick), (64, quick), (256, slow * 256)]), LEAST);
        assert_eq!(after(&[(0, Duration::ZERO)]), 4 * FIRST);
        let mut pace = Pace(MOST);
        pace.rest();
        assert_eq!(pace.documents(), FIRST);
    }
}
