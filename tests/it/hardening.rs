//! Callers who are slow, silent, endless or huge: each gets an end, and nobody
//! else notices.
//!
//! `FOOTNOTE_HALF_OPEN` sets how many sockets stay half open (300 unless set;
//! 2,000 in `make soak`), `FOOTNOTE_OPEN_STREAMS` how many streams a shutdown
//! ends (50 unless set; 200 in `make soak`).

use std::io::Write as _;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use footnote::startup::Doors;
use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::harness::TestApp;
use crate::live::{Live, OPEN, answer, head, posting, until};
use crate::reading::{amount, talking};
use crate::scripted::Script;

/// How long a socket may stay half open.
const HALF_OPEN: Duration = Duration::from_secs(15);
/// How long health may take meanwhile, but for one time in twenty.
const HEALTH: Duration = Duration::from_millis(250);
/// Bytes that hostile requests may add to the process.
const MEMORY: u64 = 64 * 1024 * 1024;
/// What a client of HTTP/2 begins with, and its empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Opens a socket, sends the beginning of something, then a byte now and then,
/// and returns how long the other side kept it.
async fn kept(live: &Live, beginning: &[u8], drip: Option<u8>) -> Duration {
    let started = Instant::now();
    let mut socket = live.connect().await;
    socket.write_all(beginning).await.unwrap();
    let (mut reads, mut writes) = socket.split();
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Some(byte) = drip
                && writes.write_all(&[byte]).await.is_err()
            {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut bytes = Vec::new();
    tokio::select! {
        // A reset is an end too.
        _ = reads.read_to_end(&mut bytes) => {}
        () = dripping => {}
    }
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_sockets_are_closed_in_time_while_others_are_answered() {
    let app = TestApp::start().await;
    let live = Live::start(app.router.clone(), OPEN).await;
    let beginnings: [(&[u8], Option<u8>); 7] = [
        (b"", None),
        (b"G", None),
        (b"GET /health/live HTTP/1.1\r\nhost: localh", None),
        (b"GET /health/live HTTP/1.1\r\nx-slow: ", Some(b'x')),
        (&PREFACE[..10], None),
        (&PREFACE[..24], None),
        (PREFACE, None),
    ];
    let sockets = (0..amount("FOOTNOTE_HALF_OPEN", 300)).map(|n| {
        let (beginning, drip) = beginnings[n % beginnings.len()];
        let live = &live;
        async move {
            // One after the other: what the system itself drops never reached us.
            tokio::time::sleep(Duration::from_millis(2 * n as u64)).await;
            kept(live, beginning, drip).await
        }
    });
    let mut health = Vec::new();
    let times = {
        let all = join_all(sockets);
        tokio::pin!(all);
        loop {
            tokio::select! {
                times = &mut all => break times,
                () = tokio::time::sleep(Duration::from_millis(100)) => health.push(live.health().await),
            }
        }
    };
    let longest = times.iter().max().unwrap();
    assert!(*longest <= HALF_OPEN, "{longest:?}");
    health.sort();
    let slow = health[health.len() * 95 / 100];
    assert!(slow <= HEALTH, "{slow:?} of {}", health.len());
    live.ended().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_has_an_end_with_streams_open_and_half_a_header() {
    let (app, _provider) = talking(Script::IsSilent, |_| {}).await;
    let hub = app.service.app.hub.clone();
    let live = Live::with(app.router.clone(), OPEN, async move { hub.end().await }).await;
    let mut streams = Vec::new();
    for _ in 0..amount("FOOTNOTE_OPEN_STREAMS", 50) {
        let messages = app.conversation().await;
        let mut socket = live.connect().await;
        let question = json!({ "content": "Anything?", "stream": true }).to_string();
        socket.write_all(posting(&messages, &question, "").as_bytes()).await.unwrap();
        until(&mut socket, "message.started").await;
        streams.push(socket);
    }
    let mut half = live.connect().await;
    half.write_all(b"GET /health/live HTTP/1.1\r\nhost: localh").await.unwrap();
    let started = Instant::now();
    live.end();
    let rests = join_all(streams.iter_mut().map(async |socket: &mut TcpStream| {
        let mut rest = String::new();
        socket.read_to_string(&mut rest).await.map(|_| rest)
    }));
    let (rests, ()) = tokio::join!(rests, live.ended());
    assert!(started.elapsed() <= Duration::from_secs(26), "{:?}", started.elapsed());
    for rest in rests {
        let rest = rest.expect("a whole reply");
        assert!(rest.contains("event: message.interrupted"), "{rest}");
        assert!(rest.ends_with("0\r\n\r\n"), "it ends as a body should: {rest}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_and_endless_requests_are_refused_and_take_little_memory() {
    const AT_ONCE: usize = 4;
    let app = TestApp::start().await;
    let live = Live::start(app.router.clone(), OPEN).await;
    live.health().await;
    let before = resident();
    let many: String = (0..10_000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(1 << 20));
    for (what, request, allowed) in [
        ("10,000 headers", head("GET", "/health/live", &many).into_bytes(), [431, 0]),
        ("a header of 1 MB", head("GET", "/health/live", &long).into_bytes(), [431, 0]),
        ("a path of 1 MB", head("GET", &format!("/{}", "x".repeat(1 << 20)), "").into_bytes(), [414, 431]),
        (
            "deep JSON",
            posting("/api/v1/search", &"[".repeat(1 << 20), "connection: close\r\n").into_bytes(),
            [400, 422],
        ),
        ("a bomb", compressed(), [400, 422]),
    ] {
        for answer in join_all((0..AT_ONCE).map(|_| live.says(&request))).await {
            // Whoever goes on writing may miss the reply, and is cut off then.
            assert!(allowed.contains(&answer.status), "{what}: {}", answer.head);
        }
        live.health().await;
    }
    for announced in [true, false] {
        join_all((0..AT_ONCE).map(|_| endless(&live, announced))).await;
        live.health().await;
    }
    let rise = resident().saturating_sub(before);
    assert!(rise <= MEMORY, "{} MiB", rise >> 20);
    live.ended().await;
    app.stop().await;
}

/// Sends a body of 100 MB, or one that has no end, until it is refused.
async fn endless(live: &Live, announced: bool) {
    const CHUNK: usize = 64 * 1024;
    let mut socket = live.connect().await;
    let framing = if announced { "content-length: 100000000\r\n" } else { "transfer-encoding: chunked\r\n" };
    let lines = format!("content-type: application/json\r\n{framing}");
    socket.write_all(head("POST", "/api/v1/search", &lines).as_bytes()).await.unwrap();
    let chunk = match announced {
        true => vec![b' '; CHUNK],
        false => [format!("{CHUNK:x}\r\n").into_bytes(), vec![b' '; CHUNK], b"\r\n".to_vec()].concat(),
    };
    let (mut reads, mut writes) = socket.split();
    let mut bytes = Vec::new();
    let mut sent = 0;
    let writing = async {
        while sent < 200_000_000 && writes.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
    };
    let reading = async {
        let _ = reads.read_to_end(&mut bytes).await;
    };
    tokio::join!(writing, reading);
    assert!(sent < 50_000_000, "it was cut off after {sent} bytes");
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 413"), "{text}");
}

/// JSON that is said to be compressed, and would be 200 MB.
fn compressed() -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let blank = vec![b' '; 1 << 20];
    for _ in 0..200 {
        gzip.write_all(&blank).unwrap();
    }
    let body = gzip.finish().unwrap();
    let lines = format!(
        "content-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    [head("POST", "/api/v1/search", &lines).into_bytes(), body].concat()
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stands_still_is_given_up() {
    let app = TestApp::start().await;
    let live = Live::start(app.router.clone(), OPEN).await;
    let started = Instant::now();
    let mut socket = live.connect().await;
    let whole = posting("/api/v1/search", r#"{"query": "pump"}"#, "");
    socket.write_all(&whole.as_bytes()[..whole.len() - 5]).await.unwrap();
    let refused = answer(&mut socket).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    let time = started.elapsed();
    assert!((Duration::from_secs(14)..Duration::from_secs(20)).contains(&time), "{time:?}");
    live.ended().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_closed_at_once() {
    let app = TestApp::start().await;
    for doors in [Doors { from_one_address: 3, ..OPEN }, Doors { connections: 3, ..OPEN }] {
        let live = Live::start(app.router.clone(), doors).await;
        let mut sockets = Vec::new();
        for _ in 0..3 {
            let mut socket = live.connect().await;
            socket.write_all(head("GET", "/health/live", "").as_bytes()).await.unwrap();
            until(&mut socket, "\"ok\"").await;
            sockets.push(socket);
        }
        let started = Instant::now();
        assert_eq!(live.get("/health/live", "").await.status, 0);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        drop(sockets.pop());
        // The other side sees it a moment later.
        let admitted = async {
            while live.get("/health/live", "").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), admitted).await.expect("there is a place again");
        drop(sockets);
        live.ended().await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "waits for more than a minute"]
async fn a_reader_that_takes_nothing_is_cut() {
    const LENGTH: usize = 30_000_000;
    let large = get(async || vec![b'x'; LENGTH]);
    let live = Live::start(Router::new().route("/large", large), OPEN).await;
    let mut socket = live.connect().await;
    socket.write_all(head("GET", "/large", "").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(75)).await;
    let cut = answer(&mut socket).await;
    assert_eq!(cut.status, 200, "{}", cut.head);
    assert!(cut.body.len() < LENGTH, "all {} bytes came", cut.body.len());
    live.ended().await;
}
