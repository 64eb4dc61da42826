//! More than can be done at once is refused at once, and says when to come back;
//! what was let in goes on as if nothing were.

use std::time::Duration;

use axum::http::StatusCode;
use futures::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::harness::TestApp;
use crate::live::{Answer, Live, OPEN, answer, head, posting, until};
use crate::reading::talking;
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
    let mut first = live.connect().await;
    first.write_all(head("POST", &path, lines).as_bytes()).await.unwrap();
    first.write_all(b"{").await.unwrap();
    // The first takes its place a moment after it was written.
    let refused = async {
        loop {
            let mut second = live.connect().await;
            second.write_all(head("POST", &path, lines).as_bytes()).await.unwrap();
            let started = Instant::now();
            let reply = tokio::time::timeout(Duration::from_secs(5), answer(&mut second)).await;
            if let Ok(reply) = reply {
                return (reply, started.elapsed());
            }
        }
    };
    let (reply, time) = tokio::time::timeout(Duration::from_secs(30), refused).await.expect("one is refused");
    assert_turned_away(&reply);
    assert!(time <= Duration::from_secs(1), "{time:?}");
    live.health().await;
    drop(first);
    live.ended().await;
    app.stop().await;
}
