//! Turns, waits and pauses, on a clock that stands still while there is work.

use tokio::task::JoinSet;
use tokio::time::{advance, sleep};

use super::rates::MINUTE;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// With these limits; 0 is none.
pub(super) fn guard(requests: u32, tokens: u32, concurrent: usize) -> Guard {
    Guard::new(Limits {
        requests_per_minute: NonZeroU32::new(requests),
        tokens_per_minute: NonZeroU32::new(tokens),
        concurrent: NonZeroUsize::new(concurrent),
    })
}

/// Enters without waiting.
pub(super) async fn now(guard: &Guard, tokens: usize) -> Result<Permit, Closed> {
    guard.enter(tokens, Duration::ZERO).await
}

async fn break_it(guard: &Guard) {
    for _ in 0..5 {
        now(guard, 0).await.expect("closed").failed();
    }
}

/// Lets all others go on until they wait for something.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

pub(super) fn nothing_is_left(guard: &Guard) {
    let state = guard.lock();
    assert_eq!((state.running, state.in_line), (0, Load::default()));
}

#[tokio::test(start_paused = true)]
async fn without_limits_nobody_waits() {
    let guard = Guard::new(Limits::default());
    let mut permits = vec![];
    for _ in 0..1000 {
        permits.push(now(&guard, usize::MAX).await.expect("no limit"));
    }
    drop(permits);
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn the_next_request_waits_until_the_first_is_a_minute_old() {
    let guard = guard(3, 0, 0);
    let start = Instant::now();
    for _ in 0..3 {
        drop(now(&guard, 1).await.expect("within the limit"));
        advance(SECOND).await;
    }
    drop(guard.enter(1, MINUTE).await.expect("patient"));
    assert_eq!(start.elapsed(), MINUTE);
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_get_in_within_the_patience_is_told_at_once_when_to_come() {
    let guard = guard(1, 0, 0);
    drop(now(&guard, 1).await.expect("the first"));
    advance(10 * SECOND).await;
    let start = Instant::now();
    let refusal = guard.enter(1, 49 * SECOND).await.expect_err("too impatient");
    assert_eq!(refusal, Closed::Busy { retry_after: 50 * SECOND });
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(refusal.to_string().ends_with("try again in 50 s"), "{refusal}");
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn those_in_line_count_for_who_comes_after_them() {
    let guard = guard(2, 0, 0);
    drop(now(&guard, 1).await);
    advance(30 * SECOND).await;
    drop(now(&guard, 1).await);
    let start = Instant::now();
    let first = tokio::spawn({
        let guard = guard.clone();
        async move { guard.enter(1, MINUTE).await.map(drop) }
    });
    settle().await;
    let refusal = guard.enter(1, 40 * SECOND).await.expect_err("the room in 30 s is another's");
    assert!(start.elapsed() < SECOND, "told at once");
    assert_eq!(refusal.retry_after().as_secs(), 59);
    assert_eq!(first.await.expect("no panic"), Ok(()));
    assert_eq!(start.elapsed(), 30 * SECOND);
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_were_not_used_let_the_next_one_in() {
    let guard = guard(0, 1_000, 0);
    let mut permit = now(&guard, 900).await.expect("the first");
    assert_eq!(now(&guard, 200).await.expect_err("900 are taken").retry_after(), MINUTE);
    let next = tokio::spawn({
        let guard = guard.clone();
        async move { guard.enter(200, MINUTE).await.map(drop) }
    });
    settle().await;
    let start = Instant::now();
    permit.used(800);
    assert_eq!(next.await.expect("no panic"), Ok(()));
    assert_eq!(start.elapsed(), Duration::ZERO);
    permit.used(5_000);
    drop(permit);
    assert!(now(&guard, 1).await.is_err(), "more was used than there was");
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_at_once_when_another_used_up_the_minute() {
    let guard = guard(0, 1_000, 1);
    let mut permit = now(&guard, 100).await.expect("the first");
    let waiter = tokio::spawn({
        let guard = guard.clone();
        async move { guard.enter(200, 30 * SECOND).await.map(drop) }
    });
    settle().await;
    let start = Instant::now();
    permit.used(5_000);
    drop(permit);
    let refusal = waiter.await.expect("no panic").expect_err("nothing is left");
    assert_eq!(refusal.retry_after().as_secs(), 59);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_permit_frees_its_place_for_the_one_who_waits_longest() {
    let guard = guard(0, 0, 1);
    let permit = now(&guard, 1).await.expect("the first");
    let order = Arc::new(Mutex::new(vec![]));
    let mut line = JoinSet::new();
    for number in 0..5 {
        let (guard, order) = (guard.clone(), Arc::clone(&order));
        line.spawn(async move {
            let _permit = guard.enter(1, MINUTE).await.expect("a place in time");
            order.lock().expect("no panic").push(number);
            sleep(SECOND).await;
        });
        settle().await;
    }
    let start = Instant::now();
    drop(permit);
    line.join_all().await;
    assert_eq!(start.elapsed(), 5 * SECOND);
    assert_eq!(*order.lock().expect("no panic"), [0, 1, 2, 3, 4]);
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_for_a_place_is_refused_when_the_patience_ends() {
    let guard = guard(0, 0, 1);
    let _permit = now(&guard, 1).await.expect("the first");
    let start = Instant::now();
    let mut line = JoinSet::new();
    for _ in 0..3 {
        let guard = guard.clone();
        line.spawn(async move { guard.enter(1, 2 * SECOND).await.expect_err("no place") });
    }
    for refusal in line.join_all().await {
        assert!(matches!(refusal, Closed::Busy { .. }), "{refusal:?}");
        assert!((SECOND..=2 * SECOND).contains(&refusal.retry_after()), "{refusal:?}");
    }
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn waiters_that_are_cancelled_leak_nothing_and_stop_nobody() {
    let guard = guard(7, 0, 1);
    let permit = now(&guard, 1).await.expect("the first");
    let mut line: Vec<_> = (0..6)
        .map(|_| {
            let guard = guard.clone();
            tokio::spawn(async move { guard.enter(1, 50 * SECOND).await.map(drop) })
        })
        .collect();
    settle().await;
    // The first in line, and some behind it.
    for waiter in line.drain(..3) {
        waiter.abort();
        assert!(waiter.await.expect_err("cancelled").is_cancelled());
    }
    drop(permit);
    for waiter in line {
        assert_eq!(waiter.await.expect("no panic"), Ok(()));
    }
    nothing_is_left(&guard);
    for _ in 0..3 {
        drop(now(&guard, 1).await.expect("only four were let in"));
    }
    assert!(now(&guard, 1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_cancelled_as_its_turn_comes_passes_it_on() {
    let guard = guard(0, 0, 1);
    let permit = now(&guard, 1).await.expect("the first");
    let wait = |patience| {
        let guard = guard.clone();
        tokio::spawn(async move { guard.enter(1, patience).await.map(drop) })
    };
    let first = wait(MINUTE);
    settle().await;
    let second = wait(MINUTE);
    settle().await;
    drop(permit);
    first.abort();
    assert_eq!(second.await.expect("no panic"), Ok(()));
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_before_a_pause_is_over() {
    let guard = guard(0, 0, 0);
    guard.pause(3 * SECOND);
    guard.pause(SECOND);
    let refusal = guard.enter(1, 2 * SECOND).await.expect_err("paused");
    assert!(matches!(refusal, Closed::Paused { retry_after } if retry_after >= 3 * SECOND), "{refusal:?}");
    let start = Instant::now();
    drop(guard.enter(1, MINUTE).await.expect("patient"));
    assert!((3 * SECOND..=3 * SECOND + SPREAD).contains(&start.elapsed()), "{:?}", start.elapsed());
    drop(now(&guard, 1).await.expect("the pause is over"));
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_an_hour_counts_as_a_minute() {
    let guard = guard(0, 0, 0);
    guard.pause(Duration::MAX);
    advance(59 * SECOND).await;
    assert!(now(&guard, 1).await.is_err());
    advance(SECOND).await;
    assert!(now(&guard, 1).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_for_those_who_are_in_line_already() {
    let guard = guard(0, 0, 1);
    let permit = now(&guard, 1).await.expect("the first");
    let mut line = JoinSet::new();
    for patience in [2 * SECOND, MINUTE] {
        let guard = guard.clone();
        line.spawn(async move { guard.enter(1, patience).await.map(|_| Instant::now()) });
    }
    settle().await;
    guard.pause(10 * SECOND);
    drop(permit);
    let start = Instant::now();
    let refusal = line.join_next().await.expect("two").expect("no panic").expect_err("too impatient");
    assert!(matches!(refusal, Closed::Paused { .. }), "{refusal:?}");
    assert_eq!(start.elapsed(), Duration::ZERO);
    let entered = line.join_next().await.expect("one").expect("no panic").expect("patient");
    assert!(entered - start >= 10 * SECOND);
    nothing_is_left(&guard);
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_for_a_pause_come_back_over_a_spread() {
    fastrand::seed(37);
    let guard = guard(0, 0, 0);
    guard.pause(5 * SECOND);
    let end = Instant::now() + 5 * SECOND;
    let mut line = JoinSet::new();
    for _ in 0..10_000 {
        let guard = guard.clone();
        line.spawn(async move { guard.enter(1, MINUTE).await.map(|_| Instant::now()).expect("patient") });
    }
    let times = line.join_all().await.into_iter().map(|time| time - end).collect();
    spread(times);
}

#[test]
fn retries_spread_equally() {
    fastrand::seed(38);
    spread((0..10_000).map(|_| jittered_backoff(0, SPREAD, MINUTE)).collect());
}

#[test]
fn a_backoff_doubles_up_to_its_cap() {
    fastrand::seed(39);
    for (attempt, longest) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 10), (5, 10), (u32::MAX, 10)] {
        let longest = longest * SECOND;
        let times: Vec<_> = (0..1000).map(|_| jittered_backoff(attempt, SECOND, 10 * SECOND)).collect();
        assert!(times.iter().all(|time| *time <= longest), "attempt {attempt}");
        assert!(times.iter().any(|time| *time > longest * 9 / 10), "attempt {attempt}");
        assert!(times.iter().any(|time| *time < longest / 10), "attempt {attempt}");
    }
}

/// No 100 ms hold more than 5 % of them.
fn spread(times: Vec<Duration>) {
    let mut bins = [0; 26];
    let all = times.len();
    for time in times {
        bins[usize::try_from(time.as_millis() / 100).expect("small")] += 1;
    }
    assert!(bins.iter().all(|bin| bin * 20 <= all), "{bins:?}");
}

#[tokio::test(start_paused = true)]
async fn a_line_is_sent_away_when_the_provider_fails() {
    let guard = guard(0, 0, 1);
    for _ in 0..4 {
        now(&guard, 1).await.expect("closed").failed();
    }
    let mut permit = now(&guard, 1).await.expect("closed");
    let mut line = JoinSet::new();
    for _ in 0..10 {
        let guard = guard.clone();
        line.spawn(async move { guard.enter(1, MINUTE).await.expect_err("open") });
    }
    settle().await;
    let start = Instant::now();
    permit.failed();
    for refusal in line.join_all().await {
        assert!(matches!(refusal, Closed::Open { .. }), "{refusal:?}");
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_lets_the_next_one_probe() {
    let guard = guard(0, 0, 0);
    break_it(&guard).await;
    let Err(Closed::Open { retry_after }) = now(&guard, 1).await else { panic!("open") };
    advance(retry_after).await;
    let probe = now(&guard, 1).await.expect("a probe");
    assert!(matches!(now(&guard, 1).await, Err(Closed::Open { .. })), "one at a time");
    drop(probe);
    let mut probe = now(&guard, 1).await.expect("the next probe");
    assert!(now(&guard, 1).await.is_err());
    probe.succeeded();
    assert!(now(&guard, 1).await.is_ok(), "the answer is still being made, and others may ask");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_while_the_provider_is_left_alone() {
    let guard = guard(0, 0, 0);
    assert!(guard.may_retry());
    break_it(&guard).await;
    assert!(!guard.may_retry());
    advance(MINUTE).await;
    let mut probe = now(&guard, 1).await.expect("a probe");
    assert!(!guard.may_retry());
    probe.succeeded();
    assert!(guard.may_retry());
}

#[tokio::test(start_paused = true)]
async fn what_is_told_twice_counts_once() {
    let guard = guard(0, 0, 0);
    let mut permit = now(&guard, 1).await.expect("closed");
    for _ in 0..20 {
        permit.failed();
        permit.succeeded();
    }
    assert!(now(&guard, 1).await.is_ok());
}
