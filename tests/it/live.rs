//! The service behind a real listener, and sockets that speak to it byte by
//! byte: what no router sees happens there.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use footnote::startup::{Doors, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// As many connections as may be.
pub const OPEN: Doors = Doors { connections: 0, from_one_address: 0 };

/// A listening service.
pub struct Live {
    pub address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

/// A reply as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(|line| of(line))?;
        line.split_once(": ").map(|(_, value)| value)
    }
}

impl Live {
    pub async fn start(router: Router, doors: Doors) -> Self {
        Self::with(router, doors, std::future::pending()).await
    }

    /// The same, with what is done when streams go on for long at the end.
    pub async fn with(router: Router, doors: Doors, last_call: impl Future<Output = ()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let served = tokio::spawn(async move { serve(listener, router, doors, stopped.cancelled(), last_call).await });
        Self { address, stop, served }
    }

    /// Asks it to end; it goes on meanwhile.
    pub fn end(&self) {
        self.stop.cancel();
    }

    /// Waits until it has ended.
    pub async fn ended(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.served).await.expect("the server ends").unwrap();
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes and returns all that comes until the other side ends.
    pub async fn says(&self, bytes: &[u8]) -> Answer {
        let mut socket = self.connect().await;
        // The other side may end before it has read everything.
        let _ = socket.write_all(bytes).await;
        answer(&mut socket).await
    }

    pub async fn get(&self, path: &str, headers: &str) -> Answer {
        self.says(head("GET", path, &format!("connection: close\r\n{headers}")).as_bytes()).await
    }

    pub async fn post(&self, path: &str, body: &str, headers: &str) -> Answer {
        self.says(posting(path, body, &format!("connection: close\r\n{headers}")).as_bytes()).await
    }

    /// How long it takes to say that it lives.
    pub async fn health(&self) -> Duration {
        let started = tokio::time::Instant::now();
        let answer = self.get("/health/live", "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        started.elapsed()
    }
}

/// The head of a request; `headers` are whole lines.
pub fn head(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// A request with a JSON body.
pub fn posting(path: &str, body: &str, headers: &str) -> String {
    let lines = format!("content-type: application/json\r\ncontent-length: {}\r\n{headers}", body.len());
    format!("{}{body}", head("POST", path, &lines))
}

/// All that comes until the other side ends.
pub async fn answer(socket: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset behind the reply is an end too.
    let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.expect("the other side ends");
    read(&bytes)
}

/// What comes up to a reply's first bytes that hold `needle`.
pub async fn until(socket: &mut TcpStream, needle: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&bytes).contains(needle) {
            let more = socket.read_buf(&mut bytes).await.unwrap();
            assert!(more > 0, "no `{needle}` in {}", String::from_utf8_lossy(&bytes));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it comes");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A reply; its status is 0 where there was none.
fn read(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
