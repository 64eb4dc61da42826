//! More than can be done at once is refused at once, and says when to come back;
//! what was let in goes on as if nothing were.
//!
//! `FOOTNOTE_OVERLOAD_SECONDS` sets for how long there is too much (5 unless set;
//! 60 in `make soak`).

use std::cell::Cell;
use std::time::Duration;

use axum::http::StatusCode;
use futures::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::harness::TestApp;
use crate::live::{Answer, Live, OPEN, answer, head, posting, until};
use crate::random::number;
use crate::reading::{numbered, question, talking, varying};
use crate::scripted::Script;

/// How fast what is too much is told so.
const AT_ONCE: Duration = Duration::from_millis(50);

fn assert_turned_away(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains("\"busy:service\""), "{answer:?}");
    let seconds: u64 = answer.header("retry-after").expect("when to come back").parse().unwrap();
    assert!((1..=3).contains(&seconds), "{seconds}");
}

fn asking() -> String {
    json!({ "content": "Anything?", "stream": true }).to_string()
}

/// Asks, and leaves the stream open.
async fn open_stream(app: &TestApp, live: &Live) -> TcpStream {
    let messages = app.conversation().await;
    let mut socket = live.connect().await;
    socket.write_all(posting(&messages, &asking(), "").as_bytes()).await.unwrap();
    until(&mut socket, "message.started").await;
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_beyond_the_places_are_turned_away_at_once() {
    const PLACES: usize = 4;
    let (app, _provider) = talking(Script::IsSilent, |settings| settings.limits.in_flight_asks = PLACES).await;
    let live = Live::start(app.router.clone(), OPEN).await;
    let mut streams = Vec::new();
    for _ in 0..PLACES {
        streams.push(open_stream(&app, &live).await);
    }
    let messages = app.conversation().await;
    let excess = (0..5 * PLACES).map(async |_| {
        let started = Instant::now();
        (live.post(&messages, &asking(), "").await, started.elapsed())
    });
    let excess = join_all(excess).await;
    for (answer, _) in &excess {
        assert_turned_away(answer);
    }
    let mut times: Vec<Duration> = excess.into_iter().map(|(_, time)| time).collect();
    times.sort();
    assert!(times[times.len() / 2] <= AT_ONCE, "{times:?}");
    // What is short has places of its own, and health needs none.
    live.health().await;
    assert_eq!(app.get("/api/v1/collections").await.status, StatusCode::OK);
    assert!(app.get("/metrics").await.text().contains("footnote_shed_total{class=\"ask\"} 20\n"));
    drop(streams.pop());
    let admitted = async {
        while live.post(&messages, &json!({ "content": " " }).to_string(), "").await.status == 503 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), admitted).await.expect("there is a place again");
    drop(streams);
    live.ended().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_too_many_is_turned_away_before_its_body_comes() {
    let app = TestApp::with(|settings| settings.limits.in_flight_uploads = 1).await;
    let collection = app.collection("c").await;
    let live = Live::start(app.router.clone(), OPEN).await;
    let path = format!("/api/v1/collections/{collection}/documents");
    let lines = "content-type: application/json\r\ncontent-length: 50000000\r\n";
    let upload = async || {
        let mut socket = live.connect().await;
        socket.write_all(head("POST", &path, lines).as_bytes()).await.unwrap();
        socket.write_all(b"{").await.unwrap();
        socket
    };
    // Which of the two takes the place is theirs to settle; the other one is told at once.
    let started = Instant::now();
    let (mut one, mut other) = tokio::join!(upload(), upload());
    let refused = async {
        tokio::select! {
            reply = answer(&mut one) => reply,
            reply = answer(&mut other) => reply,
        }
    };
    let reply = tokio::time::timeout(Duration::from_secs(30), refused).await.expect("one is refused");
    assert_turned_away(&reply);
    let time = started.elapsed();
    assert!(time <= Duration::from_secs(1), "{time:?}");
    live.health().await;
    drop((one, other));
    live.ended().await;
    app.stop().await;
}

/// Answers of one kind: how long each took.
fn figures(mut times: Vec<Duration>) -> String {
    times.sort();
    let at =
        |hundredths: usize| times.get(times.len().saturating_sub(1) * hundredths / 100).copied().unwrap_or_default();
    format!("{} in {:?}, 99 of 100 in {:?}", times.len(), at(50), at(99))
}

/// Those who ask again and again, and how long they waited for what they were told.
struct Crowd<'a> {
    app: &'a TestApp,
    live: &'a Live,
    asked: Cell<usize>,
    /// The last words of each answer.
    last: &'a str,
}

impl Crowd<'_> {
    async fn ask(&self) -> (Answer, Duration) {
        let messages = self.app.conversation().await;
        let n = self.asked.replace(self.asked.get() + 1);
        let body = json!({ "content": question(n), "stream": true }).to_string();
        let began = Instant::now();
        let answer = self.live.post(&messages, &body, "").await;
        (answer, began.elapsed())
    }

    fn assert_answered(&self, answer: &Answer) {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("event: message.completed") && answer.body.contains(self.last), "{answer:?}");
    }

    /// So many at once: how long each took, if there was a place for all.
    async fn answered(&self, callers: usize) -> Option<Vec<Duration>> {
        let answers = join_all((0..callers).map(|_| self.ask())).await;
        if answers.iter().any(|(answer, _)| answer.status == 503) {
            return None;
        }
        for (answer, _) in &answers {
            self.assert_answered(answer);
        }
        Some(answers.into_iter().map(|(_, time)| time).collect())
    }

    /// One of too many: how long it took to be answered, and to be turned away.
    async fn asks_until(&self, end: Instant) -> (Vec<Duration>, Vec<Duration>) {
        let (mut answered, mut shed) = (Vec::new(), Vec::new());
        while Instant::now() < end {
            let (answer, time) = self.ask().await;
            if answer.status == 200 {
                self.assert_answered(&answer);
                answered.push(time);
            } else {
                assert_turned_away(&answer);
                shed.push(time);
                tokio::time::sleep(AT_ONCE).await;
            }
        }
        (answered, shed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_times_too_much_is_shed_and_afterwards_all_is_as_before() {
    const PLACES: usize = 8;
    const CALLERS: usize = 5 * PLACES;
    /// How soon all is as before.
    const RECOVERS: Duration = Duration::from_secs(5);
    let seconds = number("FOOTNOTE_OVERLOAD_SECONDS", 5);
    let texts = numbered(1, 20);
    let (app, _provider) = talking(varying(&texts, 15), |settings| settings.limits.in_flight_asks = PLACES).await;
    let live = Live::start(app.router.clone(), OPEN).await;
    let crowd = Crowd { app: &app, live: &live, asked: Cell::new(0), last: texts[0].last().unwrap().trim() };
    let normal = crowd.answered(PLACES).await.expect("there is room");
    let end = Instant::now() + Duration::from_secs(seconds);
    let watching = async {
        while Instant::now() < end {
            live.health().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let (called, ()) = tokio::join!(join_all((0..CALLERS).map(|_| crowd.asks_until(end))), watching);
    let (answered, shed): (Vec<_>, Vec<_>) = called.into_iter().unzip();
    let (answered, shed) = (answered.concat(), shed.concat());
    assert!(!shed.is_empty() && answered.len() > PLACES, "{} answered, {} shed", answered.len(), shed.len());
    let began = Instant::now();
    let recovered = async {
        loop {
            // A place is free a moment after its answer was read.
            if let Some(times) = crowd.answered(PLACES).await {
                return times;
            }
        }
    };
    let after = tokio::time::timeout(RECOVERS, recovered).await.expect("all is as before");
    eprintln!(
        "{CALLERS} callers for {PLACES} places and {seconds} s: before {}; answered {}; turned away {}; after {}, all \
         within {:?}",
        figures(normal),
        figures(answered),
        figures(shed),
        figures(after),
        began.elapsed(),
    );
    live.ended().await;
    app.stop().await;
}
