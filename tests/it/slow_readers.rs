//! Readers who take a byte a second of an answer cost its server next to
//! nothing, and nobody else notices them; who was cut off reads on where it was.
//!
//! `FOOTNOTE_SLOW_READERS` sets how many there are (20 unless set; 200 in
//! `make soak`), `FOOTNOTE_SLOW_SECONDS` for how long (10 unless set; 600 in
//! `make soak`). From two minutes on, each must have been cut off.
//! `FOOTNOTE_NORMAL_READERS` sets how many read beside them as fast as words come
//! (20 unless set; 500 in `make soak`), `FOOTNOTE_NORMAL_SECONDS` for how long each
//! time (4 unless set; 50 in `make soak`).

use std::cell::Cell;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use uuid::Uuid;

use crate::command::Server;
use crate::counting::{Counting, Faults};
use crate::plant::{Plant, address, credential, get, resident};
use crate::random::Random;
use crate::reading::{Frame, amount, assert_whole, frames, last_id, numbered, question, said, varying};
use crate::scripted::Scripted;

/// Bytes of memory that each of them may take.
const EACH: u64 = 64 * 1024;
/// By how many bytes the process varies without them.
const NOISE: u64 = 8 * 1024 * 1024;
/// More than that, and the machine is in danger: the test ends.
const ALARM: u64 = 1024 * 1024 * 1024;
/// Bytes that such a reader's own side of its connection holds.
const BUFFER: u32 = 4 * 1024;
/// Events of the answer that they read. With the words of each it is more than
/// both sides of a connection hold for them.
const EVENTS: i32 = 30_000;
/// Seconds from which on each of them must have been cut off: a minute passes
/// without a byte that its side takes, and there are rests.
const CUT_WITHIN: u64 = 120;
/// How long the process is looked at before they come: some time, for it grows with
/// its first answers, and longer for a longer test.
const CALM: Duration = Duration::from_secs(5);
const CALM_SHARE: u64 = 10;
/// Seconds until what their rush took is given back: hundreds of requests at once take
/// memory for a moment, whoever sends them.
const RUSH: u64 = 30;
/// Those who read as fast as they can.
const OTHERS: usize = 4;
/// Texts that the model says, their pieces, and milliseconds before each.
const TEXTS: usize = 8;
const PIECES: usize = 40;
const PAUSE: u64 = 10;

/// From so many answers on, the slowest of them say something.
const ENOUGH: usize = 1_000;
/// How much longer others may wait for their first words beside slow readers, at
/// the 99th of a hundred.
const ALIKE: f64 = 1.5;

/// Asks, and returns the path of the answer with its whole stream.
async fn ask(client: &Client, url: &str, n: usize) -> (String, Vec<u8>) {
    let begun = client.post(format!("{url}/api/v1/conversations")).json(&json!({ "title": "A test" }));
    let begun: Value = begun.send().await.unwrap().json().await.unwrap();
    let messages = format!("/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
    let body = json!({ "content": question(n), "stream": true });
    let reply = client.post(format!("{url}{messages}")).json(&body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let bytes = reply.bytes().await.unwrap().to_vec();
    let started = frames(&bytes).first().expect("it begins").json();
    (format!("{messages}/{}", started["message_id"].as_str().unwrap()), bytes)
}

/// The events of the answer at `path` after one of them.
async fn following(client: &Client, url: &str, path: &str, after: &str) -> Vec<Frame> {
    let request = client.get(format!("{url}{path}/stream")).header("last-event-id", after);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    frames(&reply.bytes().await.unwrap())
}

/// Makes a stored answer long: more words before its end.
async fn lengthen(db: &PgPool, path: &str, events: i32) {
    let message: Uuid = path.rsplit('/').next().unwrap().parse().unwrap();
    let last: i32 = sqlx::query_scalar("select max(seq) from message_events where message_id = $1")
        .bind(message)
        .fetch_one(db)
        .await
        .unwrap();
    let moved = "update message_events set seq = seq + $3 where message_id = $1 and seq = $2";
    sqlx::query(moved).bind(message).bind(last).bind(events).execute(db).await.unwrap();
    let more = "insert into message_events (message_id, seq, name, data)
                select $1, $2 + n - 1, 'text.delta', json_build_object('text', repeat('word ' || n || ' ', 18))
                from generate_series(1, $3) n";
    sqlx::query(more).bind(message).bind(last).bind(events).execute(db).await.unwrap();
}

/// Those who read whole answers, one after the other, until it is over.
struct Others<'a> {
    client: Client,
    server: &'a Server,
    texts: HashSet<String>,
    asked: Cell<usize>,
    slowest: Cell<Duration>,
}

impl Others<'_> {
    async fn read_until(&self, over: &Cell<bool>) {
        let reading = async || {
            while !over.get() {
                let n = self.asked.replace(self.asked.get() + 1);
                let began = Instant::now();
                let (_, bytes) = ask(&self.client, &self.server.url, n).await;
                self.slowest.set(self.slowest.get().max(began.elapsed()));
                let read = frames(&bytes);
                assert_whole(&read, "message.completed");
                assert!(self.texts.contains(&said(&read)), "{}", said(&read));
            }
        };
        join_all((0..OTHERS).map(|_| reading())).await;
    }

    /// Reads while `work` goes on, and looks how much memory there is; returns
    /// the most from so many seconds on, and what came of the work.
    async fn beside<T>(&self, work: impl Future<Output = T>, alarm: u64, from: u64) -> (u64, T) {
        let over = Cell::new(false);
        let most = Cell::new(0);
        let began = Instant::now();
        let looking = async {
            while !over.get() {
                let now = resident(&self.server.child);
                assert!(now <= alarm, "{} MiB are in memory", now >> 20);
                if began.elapsed() >= Duration::from_secs(from) {
                    most.set(most.get().max(now));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let working = async {
            let done = work.await;
            over.set(true);
            done
        };
        let (done, (), ()) = tokio::join!(working, looking, self.read_until(&over));
        (most.get(), done)
    }
}

/// A reader who takes a byte a second.
struct Slow {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Slow {
    async fn open(server: &Server, path: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(BUFFER).unwrap();
        let mut socket = socket.connect(address(server)).await.unwrap();
        // By the older version of the protocol the stream comes as it is, without
        // the lengths of its pieces.
        let request = format!("GET {path}/stream HTTP/1.0\r\nhost: localhost\r\n{}\r\n", credential(server));
        tokio::io::AsyncWriteExt::write_all(&mut socket, request.as_bytes()).await.unwrap();
        Self { socket, bytes: Vec::new() }
    }

    async fn trickle(&mut self, seconds: u64) {
        for _ in 0..seconds {
            if let Ok(byte) = self.socket.read_u8().await {
                self.bytes.push(byte);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Reads up to so many bytes, as fast as they come, and goes away.
    async fn rest(mut self, most: u64) -> Vec<u8> {
        // A reset is an end too.
        let _ = (&mut self.socket).take(most).read_to_end(&mut self.bytes).await;
        let end = self.bytes.windows(4).position(|end| end == b"\r\n\r\n");
        end.map_or_else(Vec::new, |end| self.bytes.split_off(end + 4))
    }
}

/// What each has read is a beginning of the whole, and the rest is to be had.
async fn assert_reads_on(client: &Client, server: &Server, path: &str, whole: &[u8], bytes: &[u8]) {
    assert!(whole.starts_with(bytes), "{} bytes are no beginning", bytes.len());
    let read = frames(bytes);
    let rest = following(client, &server.url, path, &last_id(&read)).await;
    let expected = frames(whole);
    assert!([read, rest].concat() == expected, "cut at byte {}", bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_a_byte_a_second_cost_next_to_nothing_and_read_on_later() {
    let readers = amount("FOOTNOTE_SLOW_READERS", 20);
    let seconds = crate::random::number("FOOTNOTE_SLOW_SECONDS", 10);
    let mut random = Random::seeded();
    let texts = numbered(TEXTS, PIECES);
    let provider = Scripted::start(varying(&texts, PAUSE)).await;
    let embedder = Counting::start(Faults::default()).await;
    let plant = Plant::start(&provider, &embedder).await;
    let server = plant.serve();
    let client = server.client();
    let (path, _) = ask(&client, &server.url, 0).await;
    lengthen(&plant.db, &path, EVENTS).await;
    let reply = client.get(format!("{}{path}/stream", server.url)).send().await.unwrap();
    let whole = reply.bytes().await.unwrap();
    assert!(frames(&whole).len() > usize::try_from(EVENTS).unwrap(), "it was made longer");

    let others = Others {
        client: client.clone(),
        server: &server,
        texts: texts.iter().map(|text| text.concat()).collect(),
        asked: Cell::new(1),
        slowest: Cell::default(),
    };
    let calm = CALM.max(Duration::from_secs(seconds / CALM_SHARE));
    let (before, ()) = others.beside(tokio::time::sleep(calm), u64::MAX, 0).await;
    let (calm, slowest_calm) = (others.asked.get(), others.slowest.take());
    let trickling = async {
        let mut slow = Vec::new();
        for _ in 0..readers {
            slow.push(Slow::open(&server, &path).await);
        }
        join_all(slow.iter_mut().map(|reader| reader.trickle(seconds))).await;
        slow
    };
    let rush = if seconds > RUSH { RUSH } else { 0 };
    let (most, slow) = others.beside(trickling, before + ALARM, rush).await;
    let rise = most.saturating_sub(before);
    eprintln!(
        "{readers} readers of a byte a second for {seconds} s: {} MiB before, {} MiB more, {} KiB for each; {} answers \
         beside them, the slowest after {:?}, and {calm} before, {slowest_calm:?}",
        before >> 20,
        rise >> 20,
        (rise >> 10) / readers as u64,
        others.asked.get() - calm,
        others.slowest.get(),
    );
    assert!(rise <= readers as u64 * EACH + NOISE, "{} KiB for each", (rise >> 10) / readers as u64);

    let must_be_cut = seconds >= CUT_WITHIN;
    for reader in slow {
        let most = if must_be_cut { u64::MAX } else { random.below(whole.len() as u64) };
        let bytes = reader.rest(most).await;
        assert!(!must_be_cut || bytes.len() < whole.len(), "it was not cut off");
        assert_reads_on(&client, &server, &path, &whole, &bytes).await;
    }
    assert_eq!(get(&server, "/health/ready").await.status, 200);
    assert_eq!(server.stop(), Some(0));
    plant.stop().await;
}

/// How long it takes from a question to the first words of its answer, which is
/// read to its end.
async fn first_words(client: &Client, url: &str, n: usize) -> Duration {
    let begun = client.post(format!("{url}/api/v1/conversations")).json(&json!({ "title": "A test" }));
    let begun: Value = begun.send().await.unwrap().json().await.unwrap();
    let path = format!("{url}/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
    let began = Instant::now();
    let mut reply = client.post(path).json(&json!({ "content": question(n), "stream": true })).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let (mut bytes, mut first) = (Vec::new(), None);
    while let Some(piece) = reply.chunk().await.unwrap() {
        bytes.extend_from_slice(&piece);
        if first.is_none() && frames(&bytes).iter().any(|frame| frame.name == "text.delta") {
            first = Some(began.elapsed());
        }
    }
    assert_whole(&frames(&bytes), "message.completed");
    first.expect("words")
}

/// The 99th of a hundred waits of readers who ask again and again, and how many
/// there were. `n` counts the questions.
async fn waits(client: &Client, url: &str, n: &Cell<usize>, each: Duration) -> (Duration, usize) {
    let normal = amount("FOOTNOTE_NORMAL_READERS", 20);
    let over = Instant::now() + Duration::from_secs(crate::random::number("FOOTNOTE_NORMAL_SECONDS", 4));
    let reading = async |reader: usize| {
        // They do not all ask at once.
        tokio::time::sleep(each * u32::try_from(reader).unwrap() / u32::try_from(normal).unwrap()).await;
        let mut waits = Vec::new();
        while Instant::now() < over {
            waits.push(first_words(client, url, n.replace(n.get() + 1)).await);
        }
        waits
    };
    let mut waits = join_all((0..normal).map(reading)).await.concat();
    waits.sort();
    (waits[waits.len() * 99 / 100], waits.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn others_wait_no_longer_for_their_words_beside_slow_readers() {
    let (readers, normal) = (amount("FOOTNOTE_SLOW_READERS", 20), amount("FOOTNOTE_NORMAL_READERS", 20));
    let pause = PAUSE * (normal as u64 / 10).max(1);
    let provider = Scripted::start(varying(&numbered(TEXTS, PIECES), pause)).await;
    let embedder = Counting::start(Faults::default()).await;
    let plant = Plant::start(&provider, &embedder).await;
    let server = plant.serve();
    let client = server.client();
    let (path, _) = ask(&client, &server.url, 0).await;
    lengthen(&plant.db, &path, EVENTS).await;
    let (n, each) = (Cell::new(1), Duration::from_millis(pause * PIECES as u64));
    // Once to warm up.
    waits(&client, &server.url, &n, each).await;
    let (before, _) = waits(&client, &server.url, &n, each).await;
    let mut slow = Vec::new();
    for _ in 0..readers {
        slow.push(Slow::open(&server, &path).await);
    }
    let (beside, answers) = {
        let trickling = join_all(slow.iter_mut().map(|reader| reader.trickle(u64::MAX)));
        tokio::select! {
            waits = waits(&client, &server.url, &n, each) => waits,
            _ = trickling => unreachable!("they read on"),
        }
    };
    drop(slow);
    let (after, _) = waits(&client, &server.url, &n, each).await;
    let calm = f64::midpoint(before.as_secs_f64(), after.as_secs_f64());
    let ratio = beside.as_secs_f64() / calm;
    eprintln!(
        "{normal} readers beside {readers} slow ones: p99 of {answers} first words {beside:?}, {before:?} before and \
         {after:?} after: {ratio:.3} of the time"
    );
    assert!(answers < ENOUGH || ratio <= ALIKE, "{ratio}");
    assert_eq!(server.stop(), Some(0));
    plant.stop().await;
}
