//! Limits that two processes share through a real Redis: together they let
//! through what one would, and each by itself when Redis goes away.

use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use footnote::config::LimitSettings;
use footnote::limits::{Limits, Reservation, What, Who};
use footnote_ingest::ids::UserId;
use futures::future::join_all;
use tempfile::TempDir;

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis server of the test's own, on a socket in a folder of its own.
struct Redis {
    process: Child,
    folder: TempDir,
}

impl Redis {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Self::run(&folder);
        let redis = Self { process, folder };
        redis.answers().await;
        redis
    }

    fn run(folder: &TempDir) -> Child {
        Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "redis.sock"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed; scripts/ensure-redis.sh does that")
    }

    async fn answers(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        let answers = async {
            while client.get_multiplexed_async_connection().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answers).await.expect("redis answers");
    }

    fn url(&self) -> String {
        format!("redis+unix://{}/redis.sock", self.folder.path().display())
    }

    /// The limits of one more process.
    fn limits(&self, settings: &LimitSettings) -> Limits {
        Limits::new(settings.clone(), Some(&self.url().into())).unwrap()
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn restart(&mut self) {
        self.process = Self::run(&self.folder);
        self.answers().await;
    }

    /// All keys that there are, with the time that each has left.
    async fn keys(&self) -> Vec<(String, i64)> {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let names: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        let mut keys = vec![];
        for name in names {
            let left: i64 = redis::cmd("PTTL").arg(&name).query_async(&mut connection).await.unwrap();
            keys.push((name, left));
        }
        keys
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn settings(change: impl FnOnce(&mut LimitSettings)) -> LimitSettings {
    let mut settings = LimitSettings::none();
    change(&mut settings);
    settings
}

fn somebody() -> Who {
    Who { address: IpAddr::from([192, 0, 2, 1]), ..Who::command(UserId::new()) }
}

/// Tries until it goes well: what is given back is given back a moment later.
async fn soon<T, E: std::fmt::Debug>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let trying = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_let_through_what_one_would() {
    let redis = Redis::start().await;
    let settings = settings(|limits| (limits.requests, limits.address_requests) = (40, 1_000));
    let (one, two) = (redis.limits(&settings), redis.limits(&settings));
    let who = somebody();
    let all = (0..200).map(|n| if n % 2 == 0 { one.admit(&who) } else { two.admit(&who) });
    let admitted = join_all(all).await;
    let through = admitted.iter().filter(|admitted| admitted.is_ok()).count();
    // One comes back every second and a half.
    assert!((40..45).contains(&through), "{through}");
    let refused = admitted.iter().find_map(|admitted| admitted.err()).unwrap();
    assert!(refused.what == What::Requests && refused.retry_after <= Duration::from_millis(1_500), "{refused:?}");
    assert!(two.admit(&somebody()).await.is_ok(), "others are not concerned");
    let keys = redis.keys().await;
    assert!(keys.len() >= 2 && keys.iter().all(|(_, left)| *left > 0), "every key expires: {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_one_process_counts_in_the_other_until_it_ends() {
    let redis = Redis::start().await;
    let settings = settings(|limits| limits.streams = 3);
    let (one, two) = (redis.limits(&settings), redis.limits(&settings));
    let who = somebody();
    let all = (0..20).map(|n| if n % 2 == 0 { one.admit_stream(&who) } else { two.admit_stream(&who) });
    let leases: Vec<_> = join_all(all).await.into_iter().flatten().collect();
    assert_eq!(leases.len(), 3);
    assert!(one.admit_stream(&who).await.is_err() && two.admit_stream(&who).await.is_err());
    drop(leases);
    soon(async || two.admit_stream(&who).await.map(drop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_edge_of_a_day_two_processes_go_beyond_it_by_one_at_most() {
    let redis = Redis::start().await;
    let settings = settings(|limits| limits.tokens = 1_000);
    let (one, two) = (redis.limits(&settings), redis.limits(&settings));
    for _ in 0..5 {
        let who = somebody();
        let spend = async |limits: &Limits, tokens: u64| -> Option<Reservation> {
            let mut reserved = limits.reserve(&who, tokens, PATIENCE).await.ok()?;
            reserved.used(tokens);
            Some(reserved)
        };
        drop(spend(&one, 930).await.expect("room"));
        soon(async || {
            two.admit(&who).await.map_or(Err(()), |told| {
                let left = told.tokens.expect("a limit").remaining;
                if left == 70 { Ok(()) } else { Err(()) }
            })
        })
        .await;
        let all = (0..50).map(|n| spend(if n % 2 == 0 { &one } else { &two }, 100));
        let through = join_all(all).await.into_iter().flatten().count();
        assert_eq!(through, 1, "of 50 at once");
        soon(async || match two.reserve(&who, 1, PATIENCE).await {
            Err(refused) if refused.what == What::TokensUsedUp => Ok(()),
            other => Err(other.is_ok()),
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_both_processes_count_together() {
    let redis = Redis::start().await;
    let (one, two) = (redis.limits(&LimitSettings::none()), redis.limits(&LimitSettings::none()));
    let (one, two) = (one.guesses(), two.guesses());
    let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    for n in 0..10 {
        let guesses = if n % 2 == 0 { &one } else { &two };
        assert!(guesses.begin("eve", here).await.is_ok(), "a few are free");
    }
    let pause = one.begin("eve", here).await.err().expect("a pause").0;
    assert!(pause > Duration::from_secs(10) && pause <= Duration::from_secs(15), "{pause:?}");
    assert!(two.begin("adam", here).await.is_err(), "whatever is tried from there");
    let Ok(owner) = two.begin("eve", there).await else { panic!("the owner comes in from elsewhere") };
    assert!(one.begin("eve", there).await.is_err(), "unless that fails too");
    owner.passed().await;
    let Ok(again) = one.begin("eve", there).await else { panic!("all is forgotten of the account") };
    again.withdrawn().await;
    assert!(one.begin("eve", here).await.is_err(), "the address keeps what it did");
    let keys = redis.keys().await;
    assert!(keys.iter().all(|(name, left)| *left > 0 && !name.contains("eve")), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_process_goes_on_by_itself_and_comes_back() {
    let mut redis = Redis::start().await;
    let settings = settings(|limits| (limits.requests, limits.tokens) = (20, 1_000));
    let limits = redis.limits(&settings);
    let who = somebody();
    let mut spent = limits.reserve(&who, 900, PATIENCE).await.expect("room");
    spent.used(900);
    drop(spent);
    redis.kill();
    let mut through = 0;
    for _ in 0..100 {
        through += usize::from(limits.admit(&who).await.is_ok());
    }
    assert!((20..23).contains(&through), "neither open nor closed: {through}");
    // What went through this process is not forgotten.
    let reserved = limits.reserve(&who, 50, PATIENCE).await.expect("100 are left");
    assert!(limits.reserve(&who, 100, PATIENCE).await.is_err());
    drop(reserved);
    redis.restart().await;
    let other = redis.limits(&settings);
    let new = somebody();
    soon(async || {
        let _ = limits.admit(&new).await;
        let left = other.admit(&new).await.map_err(|_| 0_u64)?.requests.expect("a limit").remaining;
        if left < 19 { Ok(()) } else { Err(left) }
    })
    .await;
}
