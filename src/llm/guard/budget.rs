//! How many calls may be repeated. Imports nothing.
//!
//! Only success earns: a tenth of a retry for each call that went well, of which
//! a few are saved. Hence, over any stretch of time, retries are at most 10 % of
//! the calls that went well, and [`SAVED`]; a provider that is down earns none.
//! A question goes well at most once however often it is tried, so that retries
//! earn nothing for retries.

/// Retries that may be saved up, and are there at the start.
pub(super) const SAVED: u32 = 5;
/// What a retry costs, in what a success earns.
const COST: u32 = 10;

/// The retries that are left.
#[derive(Debug)]
pub(super) struct Budget {
    /// In tenths of a retry.
    left: u32,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: SAVED * COST }
    }

    /// A call went well.
    pub(super) fn earn(&mut self) {
        self.left = (self.left + 1).min(SAVED * COST);
    }

    /// Takes one retry, if there is one.
    pub(super) fn spend(&mut self) -> bool {
        let rest = self.left.checked_sub(COST);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn retries_stay_within_a_tenth_of_the_successes_in_any_stretch(
            calls in proptest::collection::vec(any::<bool>(), 0..400),
            start in 0_usize..400,
        ) {
            let mut budget = Budget::new();
            let (mut earned, mut spent) = (0, 0);
            for (place, went_well) in calls.iter().enumerate() {
                let counts = u32::from(place >= start);
                if *went_well {
                    budget.earn();
                    earned += counts;
                } else if budget.spend() {
                    spent += counts;
                }
            }
            prop_assert!(spent * 10 <= earned + SAVED * 10, "{spent} of {earned}");
        }
    }

    #[test]
    fn a_rare_failure_is_always_tried_again() {
        let mut budget = Budget::new();
        for _ in 0..1000 {
            for _ in 0..10 {
                budget.earn();
            }
            assert!(budget.spend());
        }
    }

    #[test]
    fn what_is_saved_is_soon_spent() {
        let mut budget = Budget::new();
        for _ in 0..1000 {
            budget.earn();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), SAVED as usize);
    }
}
