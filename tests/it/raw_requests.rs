//! Requests that no client sends: odd, cut, endless in their claims, several at
//! once. The process lives, answers, and calls none of them its own fault.
//!
//! `FOOTNOTE_FUZZ` sets how many there are (2,000 unless set; 1,000,000 in
//! `make soak`); with the same `FOOTNOTE_SEED` each sender sends the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::command::Server;
use crate::counting::{Counting, Faults};
use crate::live::head;
use crate::plant::{Plant, address, credential, get, resident};
use crate::random::{Random, number};
use crate::scripted::{Script, Scripted, pieces};

/// Connections at once.
const SENDERS: u64 = 16;
/// Requests in sound frames before one that is in none, at most.
const TOGETHER: u64 = 40;
/// How long a sender listens when nothing comes.
const LISTENS: Duration = Duration::from_millis(100);
/// How long a connection may take in all.
const PATIENCE: Duration = Duration::from_mins(2);
/// Limits that would keep most of them from being looked at.
const UNLIMITED: [&str; 4] = [
    "FOOTNOTE_LIMITS_ADDRESS_REQUESTS",
    "FOOTNOTE_LIMITS_GUEST_ADDRESS_REQUESTS",
    "FOOTNOTE_LIMITS_GUEST_ADDRESS_STREAMS",
    "FOOTNOTE_LIMITS_REQUESTS",
];
/// Replies that blame the service and are right: what it cannot do, when it has no
/// room, and a version that it does not speak.
const RIGHTLY: [u16; 3] = [501, 503, 505];

const METHODS: &str =
    "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|TRACE|CONNECT|PROPFIND|get|G-T|QUERY|M-SEARCH|A!#$%&'*+.^_`~";
const PATHS: &str = "/|/health/live|/health/ready|/metrics|/openapi.json|/docs|/docs/|/mcp|/api/v1/search|\
                     /api/v1/collections|/api/v1/documents|/api/v1/conversations|/api/v1/me|/api/v1/api-keys|\
                     /api/v1/auth/login|/api/v1/auth/refresh|/api/v1/auth/register|/api/v1/auth/guest|/api/v1/usage|\
                     /api/v1/models|/api/v1/tools|/api/v1/schedules|/api/v1/admin/jobs|/api/v1/admin/users|\
                     /v1/chat/completions|/v1/responses|/v1/models|/v1/files|/v1/embeddings|/v1/vector_stores|\
                     /api/me/chat|/api/v1/conversations/0190a000-0000-7000-8000-000000000000/messages|\
                     /api/v1/documents/0190a000-0000-7000-8000-000000000000/original|/api/v1/artifacts/1|/assets/x.js";
const BITS: &str = "%00|%|%2|%zz|%2e%2e/|../|..%2f|//|/./|;a=b|?|?limit=-1|?limit=99999999999999999999|?limit=1e9|\
                    ?cursor=%00|&&|=|?a[]=1|~|'|\"|%ff%fe|%c0%ae|*|{id}|$|@|:80|\\|^|?q=%f0%9f%99%82|\
                    ?collection=0190a000|/0|/-1|/null|/18446744073709551616";
const NAMES: &str = "accept|accept-encoding|accept-language|authorization|cookie|content-type|content-encoding|expect|\
                     forwarded|idempotency-key|if-match|if-modified-since|if-none-match|last-event-id|mcp-session-id|\
                     mcp-protocol-version|origin|range|referer|te|traceparent|user-agent|x-api-key|x-forwarded-for|\
                     x-forwarded-proto|x-http-method-override|x-request-id|x-stainless-retry-count|sec-fetch-site|\
                     access-control-request-method|access-control-request-headers|via|a|x-!#$%&'*+.^_`~";
const VALUES: &str = "|0|-1|1|18446744073709551616|1e309|NaN|null|*|*/*|text/event-stream|application/json|\
                      application/json; charset=utf-16|multipart/form-data|multipart/form-data; boundary=x|\
                      multipart/form-data; boundary=\"|gzip|br, gzip;q=0|identity;q=0|bytes=0-0|bytes=-1|\
                      bytes=9999999999999999999-|Bearer|Bearer x|Bearer fn_0000000000000000000000_x|Basic eDp5|\
                      Bearer eyJhbGciOiJub25lIn0.e30.|100-continue|trailers|\"|W/\"|a=b; c=d|__Host-x=|null, null|\
                      http://localhost|https://evil.example|%00|%0d%0aset-cookie: a=b|127.0.0.1|::1|for=\"[::1]:x\"|\
                      Thu, 01 Jan 1970 00:00:00 GMT|Fri, 99 Zzz 9999 99:99:99 GMT|00-0-0-0|2025-11-25|\u{e9}\u{fffd}";
const BODIES: &str = "|{}|[]|null|0|-0|1e400|\"|{|[|{\"|{\"query\":|{\"query\":\"pump\"}|{\"query\":\"\\u0000\"}|\
                      {\"query\":\"\\ud800\"}|{\"query\":\"pump\",\"limit\":-1}|{\"query\":\"pump\",\"limit\":1e99}|\
                      {\"query\":[]}|{\"name\":\"a\",\"name\":\"b\"}|{\"name\":\"\"}|{\"name\":null}|{\"content\":1}|\
                      {\"name\":\"admin\",\"password\":\"x\"}|{\"model\":\"x\",\"messages\":[]}|{\"model\":\"\",\"input\":\"x\"}|\
                      {\"model\":\"scripted\",\"messages\":[{\"role\":\"user\",\"content\":\"Well?\"}],\"stream\":true}|\
                      {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}|{\"jsonrpc\":\"2.0\",\"method\":\"\"}|\
                      {\"jsonrpc\":\"1\"}|[{\"jsonrpc\":\"2.0\",\"id\":null}]|--x\r\n\r\n\r\n--x--\r\n|\
                      --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"../a\"\r\n\r\na\r\n--x--|a=b&c=%00|\u{feff}{}";
/// Heads that are none, lengths that are none, and what is cut.
const BROKEN: &str = "\r\n|\n\n\n|GET\r\n\r\n|GET / HTTP/9.9\r\n\r\n|GET / HTTP/1.1\n\n|GET  /  HTTP/1.1\r\n\r\n|\
                      GET / HTTP/1.1\r\n\r\n|GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n|GET / HTTP/1.1\r\n: x\r\n\r\n|\
                      GET / HTTP/1.1\r\nhost: localhost\r\n folded: x\r\n\r\n|GET /\u{0} HTTP/1.1\r\nhost: localhost\r\n\r\n|\
                      GET http://localhost:0/ HTTP/1.1\r\nhost: localhost\r\n\r\n|GET http://[::1/ HTTP/1.1\r\nhost: x\r\n\r\n|\
                      CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n|OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n|\
                      GET / HTTP/1.1\r\nhost: localhost\r\nname\u{0}: x\r\n\r\n|GET / HTTP/1.1\r\nhost: \u{1}\r\n\r\n|\
                      GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n|\
                      GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n|\
                      PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}|PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxxxxxx|\
                      \u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}|\u{0}\u{0}\u{0}\u{0}|SSH-2.0-x\r\n";
/// Framings of a body that do not agree with it, or with each other.
const FRAMINGS: &str = "content-length: 99999999999999999999\r\n|content-length: -1\r\n|content-length: +5\r\n|\
                        content-length: 5, 5\r\n|content-length: 5\r\ncontent-length: 6\r\n|content-length: 0x5\r\n|\
                        content-length: 1000\r\n|content-length: 18446744073709551615\r\n|transfer-encoding: chunked, chunked\r\n|\
                        transfer-encoding: gzip\r\n|transfer-encoding: \u{b}chunked\r\n|transfer-encoding : chunked\r\n|\
                        content-length: 5\r\ntransfer-encoding: chunked\r\n|transfer-encoding: identity\r\n|\
                        transfer-encoding: chunked\r\nexpect: 100-continue\r\n|transfer-encoding: chunked\r\ntrailer: host\r\n";
const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n|5\r\nhell|ffffffffffffffff\r\nx|fffffffffffffffff\r\nx|-1\r\nx\r\n|g\r\nx\r\n|\
                      5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n|5\nhello\n0\n\n|0\r\n\r\n|00000000000000000005\r\nhello\r\n0\r\n\r\n|\
                      \r\n|5\r\nhelloworld\r\n0\r\n\r\n|0\r\nhost: a\r\n\u{0}: b\r\n\r\n|7fffffffffffffff\r\n|5 \r\nhello\r\n0\r\n\r\n";

/// One of what bars stand between.
fn one(random: &mut Random, of: &'static str) -> &'static str {
    let all: Vec<&str> = of.split('|').collect();
    all[random.index(all.len())]
}

/// Random bytes.
fn noise(random: &mut Random, most: u64) -> Vec<u8> {
    (0..random.below(most)).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}

/// Changes some bytes: others in their place, some gone, some twice.
fn mutated(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.index(bytes.len());
        match random.below(5) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.truncate(at),
            3 => {
                let end = bytes.len().min(at + random.index(40));
                bytes.drain(at..end);
            }
            _ => {
                let end = bytes.len().min(at + random.index(40));
                let twice = bytes[at..end].to_vec();
                bytes.splice(at..at, twice);
            }
        }
    }
    bytes
}

fn path(random: &mut Random) -> String {
    let mut path = one(random, PATHS).to_owned();
    for _ in 0..random.below(3) {
        path.push_str(one(random, BITS));
    }
    if random.below(200) == 0 {
        path.push_str(&"a".repeat(random.index(20_000)));
    }
    path
}

fn lines(random: &mut Random, credential: &str) -> String {
    let mut lines = String::new();
    if random.below(2) == 0 {
        lines.push_str(credential);
    }
    for _ in 0..random.below(5) {
        let (name, value) = (one(random, NAMES), one(random, VALUES));
        lines.extend([name, ": ", value, "\r\n"]);
    }
    if random.below(200) == 0 {
        lines.extend(["x-long: ", "a".repeat(random.index(20_000)).as_str(), "\r\n"]);
    }
    lines
}

fn body(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => noise(random, 200),
        1 => "[".repeat(random.index(2_000)).into_bytes(),
        2 => {
            let bytes = one(random, BODIES).as_bytes().to_vec();
            mutated(random, bytes)
        }
        _ => one(random, BODIES).as_bytes().to_vec(),
    }
}

/// A request whose end can be told, whatever it holds.
fn framed(random: &mut Random, credential: &str) -> Vec<u8> {
    let (method, path, lines, body) = (one(random, METHODS), path(random), lines(random, credential), body(random));
    if matches!(method, "GET" | "HEAD" | "CONNECT") {
        return head(if method == "CONNECT" { "GET" } else { method }, &path, &lines).into_bytes();
    }
    let json = if random.below(2) == 0 { "content-type: application/json\r\n" } else { "" };
    if random.below(4) == 0 {
        let mut request = head(method, &path, &format!("{lines}{json}transfer-encoding: chunked\r\n")).into_bytes();
        for chunk in body.chunks(1 + random.index(100)) {
            request.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        return [request, b"0\r\n\r\n".to_vec()].concat();
    }
    let length = format!("{lines}{json}content-length: {}\r\n", body.len());
    [head(method, &path, &length).into_bytes(), body].concat()
}

/// A request that breaks the framing.
fn broken(random: &mut Random, credential: &str) -> Vec<u8> {
    match random.below(6) {
        0 => noise(random, 2_000),
        // Each character below 256 is a byte of that number.
        1 => one(random, BROKEN).chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
        2 => {
            let lines = [lines(random, credential).as_str(), one(random, FRAMINGS)].concat();
            let head = head(one(random, METHODS), &path(random), &lines);
            [head.into_bytes(), one(random, CHUNKS).as_bytes().to_vec()].concat()
        }
        3 => {
            let head = head("POST", &path(random), "transfer-encoding: chunked\r\n");
            [head.into_bytes(), one(random, CHUNKS).as_bytes().to_vec()].concat()
        }
        4 => {
            let whole = framed(random, credential);
            whole[..random.index(whole.len())].to_vec()
        }
        _ => {
            let whole = framed(random, credential);
            mutated(random, whole)
        }
    }
}

/// The status of each reply that is seen in these bytes.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let starts =
        bytes.windows(13).filter(|start| start.starts_with(b"HTTP/1.") && start[8] == b' ' && start[12] == b' ');
    starts.filter_map(|start| std::str::from_utf8(&start[9..12]).ok()?.parse().ok()).collect()
}

/// Sends some requests over one connection, and returns what it says to them.
async fn send(address: std::net::SocketAddr, requests: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let (mut reads, mut writes) = socket.split();
    let mut bytes = Vec::new();
    let writing = async {
        // The other side may end before it has read everything.
        let _ = writes.write_all(requests).await;
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut block = [0; 8 * 1024];
        // Nothing for some time: either all is said, or it waits for more.
        while let Ok(Ok(more)) = tokio::time::timeout(LISTENS, reads.read(&mut block)).await {
            if more == 0 {
                break;
            }
            bytes.extend_from_slice(&block[..more]);
        }
    };
    let spoken = async {
        tokio::select! {
            () = writing => {}
            () = reading => {}
        }
    };
    tokio::time::timeout(PATIENCE, spoken).await.expect("a connection has an end");
    bytes
}

/// What all senders have counted.
#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    connections: AtomicU64,
}

/// Sends until there were enough; returns how often each status came.
async fn sends(
    server: (std::net::SocketAddr, String),
    mut random: Random,
    all: u64,
    counts: Arc<Counts>,
) -> BTreeMap<u16, u64> {
    let (address, credential) = server;
    let mut seen = BTreeMap::new();
    while counts.sent.load(Ordering::Relaxed) < all {
        let together = random.below(TOGETHER);
        let mut requests: Vec<u8> = (0..together).flat_map(|_| framed(&mut random, &credential)).collect();
        requests.extend(broken(&mut random, &credential));
        let replies = send(address, &requests).await;
        let statuses = statuses(&replies);
        for status in &statuses {
            let blamed = *status >= 500 && !RIGHTLY.contains(status);
            assert!(!blamed, "{status} to {}\n{}", requests.escape_ascii(), String::from_utf8_lossy(&replies));
            *seen.entry(*status).or_default() += 1;
        }
        // What came after a request that ended the connection was not looked at.
        let replies = statuses.iter().filter(|status| **status >= 200).count() as u64;
        let looked_at = replies.clamp(1, together + 1);
        counts.sent.fetch_add(looked_at, Ordering::Relaxed);
        counts.connections.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

async fn assert_well(server: &mut Server, pid: u32) {
    assert!(server.child.try_wait().unwrap().is_none(), "the process has ended");
    assert_eq!(server.child.id(), pid);
    for path in ["/health/live", "/health/ready"] {
        let answer = get(server, path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_ends_the_process_or_is_called_its_own_fault() {
    let all = number("FOOTNOTE_FUZZ", 2_000);
    let mut random = Random::seeded();
    let provider = Scripted::start(Script::Says(pieces("The pump holds 4 bar."))).await;
    let embedder = Counting::start(Faults::default()).await;
    let mut plant = Plant::start(&provider, &embedder).await;
    // Each request is to be looked at, and none is worth a line of the log.
    plant.environment.extend(UNLIMITED.map(|name| (name, "0".to_owned())));
    plant.environment.push(("RUST_LOG", "error".to_owned()));
    let mut server = plant.serve();
    let (pid, before, began) = (server.child.id(), resident(&server.child), Instant::now());
    let counts = Arc::new(Counts::default());
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let to = (address(&server), credential(&server));
        senders.spawn(sends(to, random.branch(), all, Arc::clone(&counts)));
    }
    let mut seen = BTreeMap::<u16, u64>::new();
    while let Some(ended) = senders.join_next().await {
        for (status, times) in ended.unwrap() {
            *seen.entry(status).or_default() += times;
        }
    }
    eprintln!(
        "{} requests over {} connections in {:?}: {seen:?}; {} MiB, and {} before",
        counts.sent.load(Ordering::Relaxed),
        counts.connections.load(Ordering::Relaxed),
        began.elapsed(),
        resident(&server.child) >> 20,
        before >> 20,
    );
    assert!(seen.contains_key(&200) && seen.contains_key(&400), "they did not reach it: {seen:?}");
    assert_well(&mut server, pid).await;
    assert_eq!(server.stop(), Some(0));
    plant.stop().await;
}
