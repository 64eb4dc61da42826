//! Three times as much as there are connections for, to the database and to the
//! service: waits have an end, and nothing is locked for good.
//!
//! `FOOTNOTE_POOL_SECONDS` sets for how long there is too much (6 unless set; 600
//! in `make soak`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use footnote::startup::Doors;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};

use crate::harness::TestApp;
use crate::live::{Answer, Live, OPEN};
use crate::random::{Random, number};
use crate::reading::talking;
use crate::scripted::{Script, pieces};

/// The database connections of a service, and callers at once.
const POOL: usize = 16;
const CALLERS: usize = 3 * POOL;
/// How long a caller may wait for whatever it is told: a connection is waited for
/// for two seconds, by several queries of one request perhaps.
const TOLD: Duration = Duration::from_secs(15);
/// How long what everybody wants is locked: longer than connections are waited for.
const LOCKED: Duration = Duration::from_secs(3);
/// How long it is free in between.
const FREE: Duration = Duration::from_secs(1);

fn assert_told_to_come_back(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("\"busy:database\""), "{answer:?}");
    let seconds: u64 = answer.header("retry-after").expect("when to come back").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
}

/// An answer, which comes in time.
async fn told(asked: impl Future<Output = Answer>) -> (Answer, Duration) {
    let began = Instant::now();
    let answer = tokio::time::timeout(TOLD, asked).await.expect("a wait has an end");
    (answer, began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_connection_to_the_database_is_told_to_come_back() {
    let app = TestApp::start().await;
    app.collection("c").await;
    let live = Live::start(app.router.clone(), OPEN).await;
    let mut lock = app.db.begin().await.unwrap();
    sqlx::query("lock table collections in access exclusive mode").execute(&mut *lock).await.unwrap();
    let mut asking: FuturesUnordered<_> = (0..CALLERS).map(|_| told(live.get("/api/v1/collections", ""))).collect();
    let mut longest = Duration::ZERO;
    // Those that hold all connections wait for the lock; all others are told.
    for _ in 0..CALLERS - POOL {
        let (answer, time) = asking.next().await.unwrap();
        assert_told_to_come_back(&answer);
        longest = longest.max(time);
    }
    live.health().await;
    lock.rollback().await.unwrap();
    let mut through = 0;
    while let Some((answer, _)) = asking.next().await {
        if answer.status == 200 {
            through += 1;
        } else {
            assert_told_to_come_back(&answer);
        }
    }
    drop(asking);
    eprintln!("{CALLERS} callers for {POOL} connections: {through} had one, the others were told within {longest:?}");
    assert!(through > 0);
    for (answer, _) in join_all((0..CALLERS).map(|_| told(live.get("/api/v1/collections", "")))).await {
        assert_eq!(answer.status, 200, "all is as before: {answer:?}");
    }
    live.ended().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_what_another_holds_is_told_to_come_back_too() {
    let app = TestApp::start().await;
    app.collection("c").await;
    let live = Live::start(app.router.clone(), OPEN).await;
    let mut lock = app.db.begin().await.unwrap();
    sqlx::query("lock table collections in access exclusive mode").execute(&mut *lock).await.unwrap();
    // It has a connection, and waits for the table.
    let (answer, time) = told(live.get("/api/v1/collections", "")).await;
    assert_told_to_come_back(&answer);
    eprintln!("told after {time:?}");
    lock.rollback().await.unwrap();
    assert_eq!(live.get("/api/v1/collections", "").await.status, 200, "all is as before");
    live.ended().await;
    app.stop().await;
}

/// One of several things that a caller may want.
async fn wanted(live: &Live, collection: &str, random: &mut Random) -> Answer {
    let word = random.word();
    match random.below(6) {
        0 => live.get("/api/v1/collections", "").await,
        1 => live.get("/api/v1/conversations?limit=5", "").await,
        2 => live.post("/api/v1/conversations", &json!({ "title": word }).to_string(), "").await,
        3 => live.post("/api/v1/search", &json!({ "query": word, "limit": 3 }).to_string(), "").await,
        4 => {
            let path = format!("/api/v1/collections/{collection}/documents");
            let key = format!("{}.txt", random.below(20));
            let body = json!({ "key": key, "text": format!("The key {word} hangs on a hook.") });
            live.post(&path, &body.to_string(), "").await
        }
        _ => {
            let body = json!({ "model": "scripted", "messages": [{ "role": "user", "content": word }] });
            live.post("/v1/chat/completions", &body.to_string(), "").await
        }
    }
}

/// Locks what many want, by turns: one table at a time, so that nothing is locked
/// for good on account of this.
async fn locks(db: &PgPool, until: Instant) {
    let tables = ["lock table collections", "lock table conversations"];
    for table in tables.into_iter().cycle() {
        if Instant::now() >= until {
            return;
        }
        let mut lock = db.begin().await.unwrap();
        sqlx::query(table).execute(&mut *lock).await.unwrap();
        tokio::time::sleep(LOCKED).await;
        lock.rollback().await.unwrap();
        tokio::time::sleep(FREE).await;
    }
}

/// How often each status came, 0 for a connection too many, and the longest wait.
type Told = (BTreeMap<u16, usize>, Duration);

/// Wants one thing after the other.
async fn wants(live: &Live, collection: &str, mut random: Random, until: Instant) -> Told {
    let (mut seen, mut longest) = (BTreeMap::new(), Duration::ZERO);
    while Instant::now() < until {
        let (answer, time) = told(wanted(live, collection, &mut random)).await;
        match answer.status {
            // Closed at once, as it was one too many.
            0 => tokio::time::sleep(Duration::from_millis(20)).await,
            503 => {
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            status => assert!((200..300).contains(&status), "{answer:?}"),
        }
        longest = longest.max(time);
        *seen.entry(answer.status).or_default() += 1;
    }
    (seen, longest)
}

async fn deadlocks(url: &str) -> i64 {
    let mut db = PgConnection::connect(url).await.unwrap();
    let query = "select deadlocks from pg_stat_database where datname = current_database()";
    sqlx::query_scalar(query).fetch_one(&mut db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_times_too_much_is_waited_for_briefly_and_locks_nothing_for_good() {
    let half = Duration::from_secs(number("FOOTNOTE_POOL_SECONDS", 6)) / 2;
    let mut random = Random::seeded();
    let (app, _provider) = talking(Script::Says(pieces("The pump holds 4 bar.")), |_| {}).await;
    let collection = app.collection("c").await;
    // First there is no room in the database, then at the door as well.
    for doors in [OPEN, Doors { connections: POOL, from_one_address: 0 }] {
        let live = Live::start(app.router.clone(), doors).await;
        let until = Instant::now() + half;
        let all = (0..CALLERS).map(|_| wants(&live, &collection, random.branch(), until));
        let (all, ()) = tokio::join!(join_all(all.collect::<Vec<_>>()), locks(&app.db, until));
        let (mut seen, mut longest) = (BTreeMap::<u16, usize>::new(), Duration::ZERO);
        for (statuses, time) in all {
            longest = longest.max(time);
            for (status, times) in statuses {
                *seen.entry(status).or_default() += times;
            }
        }
        eprintln!("{CALLERS} callers for {half:?} with {doors:?}: {seen:?}, the longest wait {longest:?}");
        assert!(seen.keys().any(|status| (200..300).contains(status)), "{seen:?}");
        assert!(doors != OPEN || seen.contains_key(&503), "there was room for all: {seen:?}");
        assert_eq!(doors != OPEN, seen.contains_key(&0), "who came in at all: {seen:?}");
        let free = async {
            while live.get("/api/v1/collections", "").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(TOLD, free).await.expect("all is as before");
        live.ended().await;
    }
    app.settled(&collection).await;
    let mut found = -1;
    let app = app
        .restarted_after(async |settings| {
            // What a connection counted is known when it has ended.
            found = deadlocks(settings.database_url.as_ref().unwrap().expose_secret()).await;
        })
        .await;
    assert_eq!(found, 0, "deadlocks");
    app.stop().await;
}
