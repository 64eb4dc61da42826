//! How long to wait after a failure: longer each time, and never the same for all
//! that failed together, so that they do not come back together.

use std::time::Duration;

/// First wait before a document is tried again; doubles with each try.
const FIRST_DELAY: Duration = Duration::from_secs(2);

/// The wait before a document is tried again that has failed `attempts` times
/// before.
pub(super) fn delay(attempts: i32) -> Duration {
    jittered(FIRST_DELAY.saturating_mul(2_u32.saturating_pow(attempts.unsigned_abs())))
}

/// Between half and all of `longest`.
pub(super) fn jittered(longest: Duration) -> Duration {
    longest.mul_f64(0.5 + 0.5 * jitter())
}

/// In [0, 1). The random bits of a UUIDv4 will do.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_grows_with_the_tries_and_is_never_the_same_for_all() {
        for attempts in 0..3 {
            let longest = FIRST_DELAY * 2_u32.pow(attempts);
            let delays: Vec<Duration> = (0..100).map(|_| delay(attempts.cast_signed())).collect();
            assert!(delays.iter().all(|delay| *delay >= longest / 2 && *delay <= longest));
            assert!(delays.iter().any(|delay| *delay != delays[0]));
        }
    }
}
