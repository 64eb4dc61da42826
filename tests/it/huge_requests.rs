//! Requests that are huge, endless or worse than they look: each is refused, and
//! the process never takes much memory for any of them, not even for a moment.

use std::io::Write as _;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::command::Server;
use crate::counting::{Counting, Faults};
use crate::live::{head, posting};
use crate::plant::{Plant, address, credential, forget_peak, get, peak, resident};
use crate::scripted::{Script, Scripted, pieces};

/// Bytes that they may add to the process at any time.
const MEMORY: u64 = 64 * 1024 * 1024;
/// Of each kind at once.
const AT_ONCE: usize = 4;
/// Bytes of what is sent on and on, and of each piece.
const ENDLESS: usize = 200_000_000;
const CHUNK: usize = 64 * 1024;
/// How long a refusal may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request: its head and first bytes, and what is sent on and on behind it.
struct Huge {
    what: String,
    begins: Vec<u8>,
    goes_on: Option<Vec<u8>>,
}

impl Huge {
    fn whole(what: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { what: what.to_owned(), begins: bytes.into(), goes_on: None }
    }

    /// A body of 100 MB, or one without an end.
    fn endless(path: &str, shown: &str, announced: bool) -> Self {
        let framing = if announced { "content-length: 100000000\r\n" } else { "transfer-encoding: chunked\r\n" };
        let chunk = match announced {
            true => vec![b' '; CHUNK],
            false => [format!("{CHUNK:x}\r\n").into_bytes(), vec![b' '; CHUNK], b"\r\n".to_vec()].concat(),
        };
        let what = format!("{} to {path}", framing.trim());
        let lines = format!("{shown}content-type: application/json\r\n{framing}");
        Self { what, begins: head("POST", path, &lines).into_bytes(), goes_on: Some(chunk) }
    }

    /// Sends it until it is refused; the status, 0 if nothing was said.
    async fn status(&self, server: &Server) -> u16 {
        let mut socket = TcpStream::connect(address(server)).await.unwrap();
        let (mut reads, mut writes) = socket.split();
        let writing = async {
            let mut sent = writes.write_all(&self.begins).await.is_ok();
            let mut bytes = 0;
            while let Some(more) = &self.goes_on
                && sent
                && bytes < ENDLESS
            {
                sent = writes.write_all(more).await.is_ok();
                bytes += more.len();
            }
            std::future::pending::<()>().await;
        };
        let reading = async {
            let mut bytes = Vec::new();
            // Whoever goes on writing is cut off behind the reply.
            while let Ok(1..) = reads.read_buf(&mut bytes).await {
                if bytes.contains(&b'\n') {
                    break;
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let said = async {
            tokio::select! {
                said = reading => said,
                () = writing => String::new(),
            }
        };
        let said = tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("{}: no reply", self.what));
        said.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}

/// JSON that is said to be compressed, and would be 200 MB.
fn compressed(path: &str, shown: &str, encoding: &str) -> Vec<u8> {
    let blank = vec![b' '; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..200 {
        gzip.write_all(&blank).unwrap();
    }
    let body = gzip.finish().unwrap();
    let length = body.len();
    let lines = format!(
        "{shown}content-type: application/json\r\n{encoding}: gzip\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    [head("POST", path, &lines).into_bytes(), body].concat()
}

/// Everything that is too much.
fn all(shown: &str, collection: &str, messages: &str) -> Vec<Huge> {
    let upload = format!("/api/v1/collections/{collection}/documents");
    let many: String = (0..10_000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(1 << 20));
    let close = format!("{shown}connection: close\r\n");
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let mut all = vec![
        Huge::whole("10,000 headers", head("GET", "/health/live", &many)),
        Huge::whole("a header of 1 MB", head("GET", "/health/live", &long)),
        Huge::whole("a path of 1 MB", head("GET", &format!("/{}", "x".repeat(1 << 20)), "")),
        Huge::whole("a query of 1 MB", head("GET", &format!("/health/live?{}", "x".repeat(1 << 20)), "")),
        Huge::whole("a bomb", compressed("/api/v1/search", shown, "content-encoding")),
        Huge::whole("a bomb at the chat", compressed(messages, shown, "content-encoding")),
    ];
    for path in ["/api/v1/search", messages, &upload, "/v1/chat/completions", "/v1/responses", "/mcp"] {
        for (open, end) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = posting(path, &deep(open, end), &close);
            all.push(Huge::whole(&format!("deep JSON of {open} to {path}"), nested));
        }
        let field = json!({ "query": 1 }).to_string().replace('1', &deep("[", "]"));
        all.push(Huge::whole(&format!("a deep field to {path}"), posting(path, &field, &close)));
        all.extend([true, false].map(|announced| Huge::endless(path, shown, announced)));
    }
    all.extend([true, false].map(|announced| Huge::endless("/v1/files", shown, announced)));
    // Without a credential nothing is read at all.
    all.extend([true, false].map(|announced| Huge::endless("/api/v1/search", "", announced)));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_too_much_is_refused_and_never_takes_much_memory() {
    let provider = Scripted::start(Script::Says(pieces("The pump holds 4 bar."))).await;
    let embedder = Counting::start(Faults::default()).await;
    let mut plant = Plant::start(&provider, &embedder).await;
    // An upload may take as much memory as a file may be large; as many as come at
    // once fit into what is allowed.
    plant.environment.push(("FOOTNOTE_MAX_FILE_BYTES", "10000000".to_owned()));
    let server = plant.serve();
    let client = server.client();
    let made = async |path: &str, body: Value| -> String {
        let reply = client.post(format!("{}{path}", server.url)).json(&body).send().await.unwrap();
        let made: Value = reply.json().await.unwrap();
        made["id"].as_str().unwrap().to_owned()
    };
    let collection = made("/api/v1/collections", json!({ "name": "c" })).await;
    let conversation = made("/api/v1/conversations", json!({ "title": "A test" })).await;
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let before = resident(&server.child);
    let mut most = 0;
    // What MCP wants to be told; the others do not mind.
    let shown = format!("{}accept: application/json, text/event-stream\r\n", credential(&server));
    for huge in all(&shown, &collection, &messages) {
        forget_peak(&server.child);
        // One question with pictures may have half of that memory.
        let pictures = [messages.as_str(), "/v1/chat/completions", "/v1/responses"];
        let at_once = if pictures.iter().any(|path| huge.what.ends_with(path)) { 1 } else { AT_ONCE };
        let statuses = join_all((0..at_once).map(|_| huge.status(&server))).await;
        let rise = peak(&server.child).saturating_sub(before);
        eprintln!("{}: {statuses:?}, {} KiB more", huge.what, rise >> 10);
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{}: {statuses:?}", huge.what);
        assert!(rise <= MEMORY, "{}: {} MiB", huge.what, rise >> 20);
        most = most.max(rise);
        assert_eq!(get(&server, "/health/live").await.status, 200, "after {}", huge.what);
    }
    eprintln!("{} MiB before, {} KiB more at most", before >> 20, most >> 10);
    assert_eq!(server.stop(), Some(0));
    plant.stop().await;
}
