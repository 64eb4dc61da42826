//! The limits hold whatever callers do.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::rates::MINUTE;
use super::tests::{guard, nothing_is_left, now};
use super::*;

#[test]
fn places_hold_across_threads() {
    const PLACES: usize = 3;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let guard = guard(0, 0, PLACES);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut line = JoinSet::new();
        for number in 0..2000 {
            let (guard, running, most) = (guard.clone(), Arc::clone(&running), Arc::clone(&most));
            line.spawn(async move {
                let enter = guard.enter(1, MINUTE);
                // Some go away while they wait.
                let permit = match number % 5 {
                    0 => tokio::select! {
                        biased;
                        permit = enter => permit,
                        () = tokio::task::yield_now() => return,
                    },
                    _ => enter.await,
                };
                let _permit = permit.expect("a place in time");
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        line.join_all().await;
        assert!(most.load(Ordering::SeqCst) <= PLACES);
        nothing_is_left(&guard);
        let mut permits = vec![];
        for _ in 0..PLACES {
            permits.push(now(&guard, 1).await.expect("all places are free again"));
        }
        assert!(now(&guard, 1).await.is_err());
    });
}

/// One caller of the property below; times in milliseconds.
#[derive(Debug, Clone)]
struct Caller {
    comes_after: u64,
    tokens: usize,
    /// Percent of `tokens` that are used.
    used: usize,
    patience: u64,
    stays: u64,
}

fn caller() -> impl Strategy<Value = Caller> {
    (0_u64..8_000, 0_usize..700, 0_usize..=100, 0_u64..90_000, 0_u64..20_000)
        .prop_map(|(comes_after, tokens, used, patience, stays)| Caller { comes_after, tokens, used, patience, stays })
}

/// When calls began and ended, and the tokens that they used.
async fn run(guard: &Guard, callers: Vec<Caller>) -> Vec<(Instant, Instant, usize)> {
    let mut all = JoinSet::new();
    for caller in callers {
        sleep(Duration::from_millis(caller.comes_after)).await;
        let guard = guard.clone();
        all.spawn(async move {
            let came = Instant::now();
            let patience = Duration::from_millis(caller.patience);
            let entered = guard.enter(caller.tokens, patience).await;
            assert!(came.elapsed() <= patience, "{caller:?} waited for {:?}", came.elapsed());
            let mut permit = match entered {
                Ok(permit) => permit,
                Err(refusal) => {
                    assert!(refusal.retry_after() > Duration::ZERO);
                    return None;
                }
            };
            let start = Instant::now();
            sleep(Duration::from_millis(caller.stays)).await;
            let used = caller.tokens * caller.used / 100;
            permit.used(used);
            Some((start, Instant::now(), used))
        });
    }
    all.join_all().await.into_iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_minute_holds_more_than_the_limits_and_no_moment_more_than_the_places(
        requests in 1_u32..12,
        tokens in 700_u32..4_000,
        places in 1_usize..5,
        callers in proptest::collection::vec(caller(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let calls = runtime.expect("a runtime").block_on(async {
            let guard = guard(requests, tokens, places);
            let calls = run(&guard, callers).await;
            nothing_is_left(&guard);
            calls
        });
        prop_assert!(!calls.is_empty(), "the first caller finds an empty room");
        for (start, ..) in &calls {
            let minute = || calls.iter().filter(|(other, ..)| (*start..*start + MINUTE).contains(other));
            prop_assert!(minute().count() <= requests as usize);
            prop_assert!(minute().map(|(.., used)| used).sum::<usize>() <= tokens as usize);
            let at_once = calls.iter().filter(|(other, end, _)| other <= start && start < end).count();
            prop_assert!(at_once <= places);
        }
    }
}
