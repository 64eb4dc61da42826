//! What one process counts by itself.

use proptest::prelude::*;

use super::super::who::{Allowance, Key};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds), Duration::from_secs(10 * 86_400 + seconds))
}

fn bucket(name: &str, allowance: Allowance) -> Bucket {
    Bucket { key: Key::name(name), allowance }
}

fn streams(name: &str, streams: u32) -> Bucket {
    bucket(name, Allowance { streams, ..Allowance::default() })
}

fn tokens(name: &str, tokens: u64) -> Bucket {
    bucket(name, Allowance { tokens, ..Allowance::default() })
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn what<T>(result: Result<T, Refused>) -> Option<What> {
    result.err().map(|refused| refused.what)
}

#[test]
fn streams_hold_their_places_until_they_end() {
    let memory = Memory::default();
    let mine = [streams("me", 2)];
    assert_eq!(what(memory.admit(&mine, Some(id(1)), at(0))), None);
    assert_eq!(what(memory.admit(&mine, Some(id(2)), at(0))), None);
    assert_eq!(what(memory.admit(&mine, Some(id(3)), at(0))), Some(What::Streams));
    assert_eq!(what(memory.admit(&mine, None, at(0))), None, "what is no stream needs no place");
    memory.release(&[mine[0].key], id(1));
    assert_eq!(what(memory.admit(&mine, Some(id(3)), at(0))), None);
}

#[test]
fn a_stream_without_a_sign_of_life_frees_its_place() {
    let memory = Memory::default();
    let mine = [streams("me", 2)];
    for n in [1, 2] {
        assert!(memory.admit(&mine, Some(id(n)), at(0)).is_ok());
    }
    memory.renew(&[(id(1), vec![mine[0].key])], at(40));
    assert_eq!(what(memory.admit(&mine, Some(id(3)), at(59))), Some(What::Streams));
    assert_eq!(what(memory.admit(&mine, Some(id(3)), at(60))), None, "the second was silent");
    assert_eq!(what(memory.admit(&mine, Some(id(4)), at(99))), Some(What::Streams), "the first was not");
}

#[test]
fn one_full_place_refuses_and_takes_nothing_of_the_others() {
    let memory = Memory::default();
    let (mine, ours) = (streams("me", 5), streams("us", 1));
    assert!(memory.admit(&[mine, ours], Some(id(1)), at(0)).is_ok());
    assert_eq!(what(memory.admit(&[mine, ours], Some(id(2)), at(0))), Some(What::Streams));
    for n in 3..7 {
        assert!(memory.admit(&[mine], Some(id(n)), at(0)).is_ok());
    }
    assert_eq!(what(memory.admit(&[mine], Some(id(9)), at(0))), Some(What::Streams));
}

#[test]
fn at_the_edge_of_a_day_one_goes_beyond_it() {
    let memory = Memory::default();
    let mine = [tokens("me", 1_000)];
    memory.settle(&mine, id(0), 900, at(0));
    let reserve = |n| what(memory.reserve(&mine, id(n), 500, 60 * SECOND, at(0)));
    assert_eq!(reserve(1), None, "what is left can be used");
    assert_eq!(reserve(2), Some(What::Tokens), "by one");
    memory.settle(&mine, id(1), 400, at(0));
    assert_eq!(reserve(3), Some(What::TokensUsedUp));
    let admitted = memory.admit(&mine, None, at(0)).expect("requests have no limit");
    assert_eq!(admitted.tokens.map(|standing| standing.remaining), Some(0));
}

#[test]
fn the_next_day_begins_anew_and_reservations_of_the_dead_expire() {
    let memory = Memory::default();
    let mine = [tokens("me", 1_000)];
    memory.settle(&mine, id(0), 2_000, at(0));
    let refused = memory.reserve(&mine, id(1), 10, SECOND, at(100)).expect_err("used up");
    assert_eq!((refused.what, refused.retry_after), (What::TokensUsedUp, at(100).rest_of_day));
    assert!(memory.reserve(&mine, id(1), 1_000, SECOND, at(86_400)).is_ok());
    assert_eq!(what(memory.reserve(&mine, id(2), 1_000, SECOND, at(86_400))), Some(What::Tokens));
    assert!(memory.reserve(&mine, id(2), 1_000, SECOND, at(86_402)).is_ok());
}

#[test]
fn fifty_at_once_go_beyond_the_limit_by_one_at_most() {
    for run in 0..100 {
        let (memory, mine) = (Memory::default(), [tokens("me", 1_000)]);
        memory.settle(&mine, id(0), 850 + run, at(0));
        std::thread::scope(|scope| {
            for n in 1..=50 {
                let (memory, mine) = (&memory, &mine);
                scope.spawn(move || {
                    if memory.reserve(mine, id(n), 100, 60 * SECOND, at(0)).is_ok() {
                        memory.settle(mine, id(n), 100, at(0));
                    }
                });
            }
        });
        let used = memory.lock().tokens.get(&mine[0].key).expect("counted").used;
        assert!((1_000..1_100).contains(&used), "{used}");
    }
}

#[test]
fn failed_sign_ins_are_counted_by_account_and_address_and_forgiven_by_account() {
    let memory = Memory::default();
    let keys = [Key::name("eve"), Key::name("an address")];
    let mut last = None;
    for _ in 0..10 {
        last = Some(memory.attempt(keys, at(0)).expect("a few are free"));
    }
    assert!(memory.attempt(keys, at(0)).is_err());
    memory.take_back(keys, last.expect("marks"), true, at(0));
    let failures = keys.map(|key| memory.lock().failures.get(&key).expect("a tally").failures);
    assert_eq!(failures, [0, 9]);
    assert!(memory.attempt(keys, at(0)).is_ok(), "what went well brings no pause");
}

#[test]
fn no_more_is_guessed_by_guessing_at_once() {
    let memory = Memory::default();
    let keys = [Key::name("eve"), Key::name("an address")];
    let tried: usize = std::thread::scope(|scope| {
        let attempts: Vec<_> = (0..50).map(|_| scope.spawn(|| memory.attempt(keys, at(0)).is_ok())).collect();
        attempts.into_iter().map(|attempt| usize::from(attempt.join().expect("it ends"))).sum()
    });
    assert_eq!(tried, 10);
}

proptest! {
    /// Whatever is set aside and used, in whatever order: the used never pass the
    /// limit by more than the last one.
    #[test]
    fn a_day_is_passed_by_one_at_most(
        limit in 1_u64..2_000,
        steps in proptest::collection::vec((1_u64..800, 0_u64..=100, any::<bool>()), 1..100),
    ) {
        let (memory, mine) = (Memory::default(), [tokens("me", limit)]);
        let (mut open, mut spent, mut largest): (Vec<(Uuid, u64)>, u64, u64) = (vec![], 0, 0);
        for (n, (wanted, share, ends)) in steps.into_iter().enumerate() {
            let id = id(n as u128);
            if memory.reserve(&mine, id, wanted, 60 * SECOND, at(0)).is_ok() {
                prop_assert!(spent < limit);
                open.push((id, wanted * share / 100));
                largest = largest.max(wanted);
            }
            if ends && let Some((id, used)) = open.pop() {
                memory.settle(&mine, id, used, at(0));
                spent += used;
            }
        }
        for (id, used) in open {
            memory.settle(&mine, id, used, at(0));
            spent += used;
        }
        prop_assert!(spent < limit + largest, "{spent} of {limit}");
    }
}
