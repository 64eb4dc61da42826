//! Keys over time, with a clock that the tests move.

use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::advance;

use super::super::samples::{ed_jwk, signed, signers};
use super::*;

/// An issuer's server.
struct Server {
    /// What it answers; nothing while it is away.
    answer: StdMutex<Option<Vec<u8>>>,
    asked: AtomicUsize,
    /// How many answers may leave.
    open: Semaphore,
}

impl Server {
    fn new(keys: &[Value]) -> Arc<Self> {
        let open = Semaphore::new(1000);
        let server = Self { answer: StdMutex::default(), asked: AtomicUsize::new(0), open };
        server.publish(keys);
        Arc::new(server)
    }

    fn publish(&self, keys: &[Value]) {
        *self.answer.lock().unwrap() = Some(json!({ "keys": keys }).to_string().into_bytes());
    }

    fn leave(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Fetch for Server {
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        assert_eq!(url, "https://issuer.test/keys");
        self.asked.fetch_add(1, Ordering::SeqCst);
        async move {
            let _open = self.open.acquire().await.unwrap();
            self.answer.lock().unwrap().clone().ok_or_else(|| FetchError("connection refused".into()))
        }
        .boxed()
    }
}

fn keys_of(server: &Arc<Server>) -> IssuerKeys {
    let issuer =
        json!({ "issuer": "https://issuer.test", "audience": "footnote", "jwks_url": "https://issuer.test/keys" });
    let fetch: Arc<dyn Fetch> = Arc::clone(server) as _;
    IssuerKeys::new(serde_json::from_value(issuer).unwrap(), fetch).unwrap()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn token(key: &str) -> String {
    let header = json!({ "alg": "EdDSA", "kid": key }).to_string();
    let claims = json!({
        "iss": "https://issuer.test", "aud": "footnote", "sub": "user-1", "iat": 1_800_000_000, "exp": 1_800_000_900,
    });
    let (_, algorithm, key) = signers().pop().unwrap();
    signed(&header, &claims.to_string(), &key, algorithm)
}

async fn refusal(keys: &IssuerKeys, key: &str) -> Option<Reason> {
    keys.verify(&token(key), now()).await.err().map(|error| error.0)
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_and_used_again() {
    let server = Server::new(&[ed_jwk("a")]);
    let keys = keys_of(&server);
    assert_eq!(server.asked(), 0);
    for _ in 0..100 {
        assert_eq!(refusal(&keys, "a").await, None);
    }
    assert_eq!(server.asked(), 1);
    advance(FRESH).await;
    assert_eq!(refusal(&keys, "a").await, None);
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_cause_one_fetch_a_minute_however_many_are_asked_for() {
    let server = Server::new(&[ed_jwk("a")]);
    let keys = keys_of(&server);
    assert_eq!(refusal(&keys, "a").await, None);
    for number in 0..1000 {
        assert_eq!(refusal(&keys, &format!("unknown-{number}")).await, Some(Reason::Key));
    }
    assert_eq!(server.asked(), 1);
    server.publish(&[ed_jwk("a"), ed_jwk("b")]);
    advance(Duration::from_secs(59)).await;
    assert_eq!(refusal(&keys, "b").await, Some(Reason::Key));
    advance(Duration::from_secs(1)).await;
    assert_eq!(refusal(&keys, "b").await, None);
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_are_kept_for_a_day_while_the_issuer_is_away() {
    let server = Server::new(&[ed_jwk("a")]);
    let keys = keys_of(&server);
    assert_eq!(refusal(&keys, "a").await, None);
    server.leave();
    for _ in 0..23 {
        advance(FRESH).await;
        assert_eq!(refusal(&keys, "a").await, None);
    }
    assert_eq!(server.asked(), 24);
    advance(FRESH).await;
    assert_eq!(refusal(&keys, "a").await, Some(Reason::NoKeys));
    server.publish(&[ed_jwk("a")]);
    assert_eq!(refusal(&keys, "a").await, Some(Reason::NoKeys));
    advance(PAUSE).await;
    assert_eq!(refusal(&keys, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_back_is_forgotten_within_an_hour() {
    let server = Server::new(&[ed_jwk("a"), ed_jwk("b")]);
    let keys = keys_of(&server);
    assert_eq!(refusal(&keys, "a").await, None);
    server.publish(&[ed_jwk("b")]);
    advance(FRESH).await;
    assert_eq!(refusal(&keys, "a").await, Some(Reason::Key));
    assert_eq!(refusal(&keys, "b").await, None);
}

#[tokio::test(start_paused = true)]
async fn nonsense_does_not_replace_good_keys() {
    let server = Server::new(&[ed_jwk("a")]);
    let keys = keys_of(&server);
    assert_eq!(refusal(&keys, "a").await, None);
    for nonsense in
        [&b"<html>away</html>"[..], b"", br#"{"keys":[]}"#, br#"{"keys":[{"kty":"oct","kid":"a","k":"AA"}]}"#]
    {
        *server.answer.lock().unwrap() = Some(nonsense.to_vec());
        advance(FRESH).await;
        assert_eq!(refusal(&keys, "a").await, None);
    }
    assert_eq!(server.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn callers_at_once_share_one_fetch() {
    let server = Server::new(&[ed_jwk("a")]);
    server.open.forget_permits(1000);
    let keys = keys_of(&server);
    let callers = join_all((0..50).map(|_| refusal(&keys, "a")));
    let open = async {
        while server.asked() == 0 {
            tokio::task::yield_now().await;
        }
        server.open.add_permits(1);
    };
    let (refusals, ()) = tokio::join!(callers, open);
    assert!(refusals.iter().all(Option::is_none), "{refusals:?}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn known_keys_do_not_wait_for_a_fetch_that_another_began() {
    let server = Server::new(&[ed_jwk("a")]);
    let keys = keys_of(&server);
    assert_eq!(refusal(&keys, "a").await, None);
    server.open.forget_permits(1000);
    advance(PAUSE).await;
    let unknown = refusal(&keys, "unknown");
    let known = async {
        while server.asked() < 2 {
            tokio::task::yield_now().await;
        }
        let answer = refusal(&keys, "a").now_or_never();
        server.open.add_permits(1);
        answer
    };
    assert_eq!(tokio::join!(unknown, known), (Some(Reason::Key), Some(None)));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::new(&[ed_jwk("a")]);
    server.open.forget_permits(1000);
    let keys = keys_of(&server);
    let started = Instant::now();
    assert_eq!(refusal(&keys, "a").await, Some(Reason::NoKeys));
    assert!(started.elapsed() >= PATIENCE && started.elapsed() < PATIENCE * 2);
    // And the next is told at once.
    assert_eq!(refusal(&keys, "a").now_or_never(), Some(Some(Reason::NoKeys)));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_during_a_fetch_blocks_nobody() {
    let server = Server::new(&[ed_jwk("a")]);
    server.open.forget_permits(1000);
    let keys = keys_of(&server);
    assert_eq!(refusal(&keys, "a").now_or_never(), None);
    server.open.add_permits(1);
    assert_eq!(refusal(&keys, "a").await, Some(Reason::NoKeys));
    advance(PAUSE).await;
    assert_eq!(refusal(&keys, "a").await, None);
}

#[tokio::test]
async fn what_cannot_be_a_token_causes_no_fetch() {
    let server = Server::new(&[ed_jwk("a")]);
    let keys = keys_of(&server);
    for text in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30.AA", &"a".repeat(1_000_000)] {
        assert!(keys.verify(text, now()).await.is_err());
    }
    assert_eq!(server.asked(), 0);
}
