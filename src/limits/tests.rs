//! The limits as their users see them, kept in memory, and with a Redis that is
//! away.

use std::net::IpAddr;

use footnote_ingest::ids::UserId;

use super::*;

fn limits(change: impl FnOnce(&mut LimitSettings)) -> Limits {
    with(change, None)
}

fn with(change: impl FnOnce(&mut LimitSettings), redis: Option<&SecretString>) -> Limits {
    let mut settings = LimitSettings::none();
    change(&mut settings);
    Limits::new(settings, redis).expect("limits")
}

fn somebody() -> Who {
    Who { address: IpAddr::from([192, 0, 2, 1]), ..Who::command(UserId::new()) }
}

#[tokio::test]
async fn a_stream_counts_until_its_lease_is_dropped() {
    let limits = limits(|limits| limits.streams = 1);
    let who = somebody();
    let (_, lease) = limits.admit_stream(&who).await.expect("room");
    assert_eq!(limits.admit_stream(&who).await.err().map(|refused| refused.what), Some(What::Streams));
    assert!(limits.admit_stream(&somebody()).await.is_ok(), "others are not concerned");
    drop(lease);
    assert!(limits.admit_stream(&who).await.is_ok());
    assert!(lock(&limits.0.open).is_empty(), "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn a_long_stream_keeps_its_place() {
    let limits = limits(|limits| limits.streams = 1);
    limits.keep();
    let who = somebody();
    let (_, lease) = limits.admit_stream(&who).await.expect("room");
    tokio::time::sleep(10 * LEASE).await;
    assert!(limits.admit_stream(&who).await.is_err());
    drop(lease);
    assert!(limits.admit_stream(&who).await.is_ok());
}

#[tokio::test]
async fn guests_have_their_own_limits() {
    let limits = limits(|limits| {
        limits.requests = 100;
        limits.guest_requests = 1;
    });
    let guest = Who { guest: true, ..somebody() };
    let admitted = limits.admit(&guest).await.expect("one");
    let standing = admitted.requests.expect("a limit");
    assert_eq!((standing.limit, standing.remaining, standing.reset), (1, 0, Duration::from_mins(1)));
    let refused = limits.admit(&guest).await.expect_err("no second");
    assert!(refused.what == What::Requests && refused.retry_after > Duration::from_secs(50), "{refused:?}");
    assert!(limits.admit(&Who { guest: false, ..guest }).await.is_ok());
}

#[tokio::test]
async fn the_tightest_limit_is_the_one_that_is_told() {
    let limits = limits(|limits| (limits.requests, limits.address_requests) = (100, 10));
    let standing = limits.admit(&somebody()).await.expect("room").requests.expect("a limit");
    assert_eq!((standing.limit, standing.remaining), (10, 9));
}

#[tokio::test]
async fn tokens_are_given_back_when_nothing_was_used() {
    let limits = limits(|limits| limits.tokens = 100);
    let who = somebody();
    let reserve = async || limits.reserve(&who, 80, LEASE).await;
    let mut first = reserve().await.expect("room");
    assert_eq!(reserve().await.err().map(|refused| refused.what), Some(What::Tokens));
    drop(reserve().await);
    first.used(10);
    drop(first);
    drop(reserve().await.expect("nothing was used by it"));
    let mut last = reserve().await.expect("10 are used");
    last.used(95);
    drop(last);
    assert_eq!(reserve().await.err().map(|refused| refused.what), Some(What::TokensUsedUp));
}

#[tokio::test]
async fn without_redis_limits_hold_all_the_same() {
    // A port that nobody listens on.
    let url = SecretString::from("redis://127.0.0.1:1/");
    let limits = with(|limits| (limits.requests, limits.tokens, limits.streams) = (2, 100, 1), Some(&url));
    let who = somebody();
    let (_, lease) = limits.admit_stream(&who).await.expect("not closed");
    assert!(limits.admit_stream(&who).await.is_err(), "nor open");
    drop(lease);
    assert!(limits.admit(&who).await.is_ok());
    assert!(limits.admit(&who).await.is_err());
    let mut all = limits.reserve(&who, 100, LEASE).await.expect("room");
    all.used(100);
    drop(all);
    assert!(limits.reserve(&who, 1, LEASE).await.is_err());
    let (guesses, address) = (limits.guesses(), who.address);
    for _ in 0..10 {
        assert!(guesses.begin("eve", address).await.is_ok());
    }
    assert!(guesses.begin("eve", address).await.is_err());
    assert!(guesses.begin("eve", IpAddr::from([192, 0, 2, 2])).await.is_ok(), "the owner comes in");
}

#[test]
fn an_address_of_redis_that_is_none_is_refused_without_its_password() {
    let refused = Limits::new(LimitSettings::none(), Some(&"rediss//eve:canary@h".to_owned().into()));
    let words = refused.err().expect("no address").to_string();
    assert!(words.contains("REDIS_URL") && !words.contains("canary"), "{words}");
}

#[test]
fn seconds_are_rounded_up() {
    assert_eq!((seconds(Duration::ZERO), seconds(Duration::from_millis(1_001))), (1, 2));
}
