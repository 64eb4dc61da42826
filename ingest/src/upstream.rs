//! Slow upstreams: the log warns of each wait for somebody else's server that took
//! long, whether it ended, failed or was given up. Imports nothing of this crate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// From which on a wait is slow unless [`warn_from`] says otherwise.
pub const SLOW: Duration = Duration::from_secs(10);

/// Milliseconds; one for the process, as the log is.
static FROM: AtomicU64 = AtomicU64::new(SLOW.as_secs() * 1_000);

/// Sets for the whole process from when on a wait is slow; zero never warns.
pub fn warn_from(slow: Duration) {
    FROM.store(slow.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Does `work`, which waits for an upstream of this `kind` and `name` (such as
/// "model" and its provider's host), and warns if it took long. What was waited
/// for is not logged: it may be anybody's words.
pub async fn watched<T>(kind: &'static str, name: &str, work: impl Future<Output = T>) -> T {
    let mut wait = Wait { kind, name, since: Instant::now(), answered: false };
    let done = work.await;
    wait.answered = true;
    done
}

/// Warns when it is dropped, so that a wait that was given up is told too.
struct Wait<'a> {
    kind: &'static str,
    name: &'a str,
    since: Instant,
    answered: bool,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let milliseconds = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if is_slow(milliseconds, FROM.load(Ordering::Relaxed)) {
            let Self { kind, name, answered, .. } = self;
            tracing::warn!(upstream = kind, name, milliseconds, answered, "slow upstream");
        }
    }
}

fn is_slow(milliseconds: u64, from: u64) -> bool {
    from > 0 && milliseconds >= from
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("unpoisoned").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_slow_below_the_limit_or_without_one() {
        assert!(is_slow(10, 10) && is_slow(11, 10));
        assert!(!is_slow(9, 10) && !is_slow(u64::MAX, 0));
    }

    /// One test, for the limit is the process's.
    #[tokio::test]
    async fn a_slow_upstream_is_told_whether_it_answered_or_was_given_up() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _log = tracing::subscriber::set_default(log);
        assert_eq!(watched("model", "quick.example", async { 1 }).await, 1);
        warn_from(Duration::from_millis(1));
        let waits = async |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        watched("model", "answers.example", waits(5)).await;
        let silent = watched("page", "silent.example", std::future::pending::<()>());
        assert!(tokio::time::timeout(Duration::from_millis(5), silent).await.is_err());
        warn_from(SLOW);
        let told = String::from_utf8(lines.0.lock().expect("unpoisoned").clone()).expect("text");
        assert!(!told.contains("quick.example"), "{told}");
        let line = |name: &str| told.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
        assert!(
            line("answers.example").contains("WARN") && line("answers.example").contains("answered=true"),
            "{told}"
        );
        assert!(line("silent.example").contains("answered=false"), "{told}");
    }
}
