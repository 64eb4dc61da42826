//! Servers that are replaced while people chat: whoever is cut off asks again and
//! is answered; and a server that is told to end does, whoever holds on to it.
//!
//! `FOOTNOTE_ROLLS` sets how often a server is replaced (3 times unless set; 50 in
//! `make soak`), `FOOTNOTE_OPEN_STREAMS` how many streams one ends with (50 unless
//! set; 200 in `make soak`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::command::{Footnote, Server};
use crate::counting::{Counting, Faults};
use crate::live::{posting, until};
use crate::plant::{Plant, address, credential};
use crate::reading::{amount, assert_whole, frames, numbered, question, said, varying};
use crate::scripted::{Script, Scripted};

/// How long a server may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Those who chat at once.
const CLIENTS: usize = 6;
/// How often each asks for one answer, and how long it waits in between.
const TRIES: usize = 20;
const PAUSE_BETWEEN: Duration = Duration::from_millis(100);
/// How long the clients chat with both servers before one is replaced.
const REST: Duration = Duration::from_millis(500);
/// Texts that the model says, their pieces, and milliseconds before each.
const TEXTS: usize = 8;
const PIECES: usize = 60;
const PAUSE: u64 = 15;

/// The servers that a balancer would send people to.
#[derive(Clone, Default)]
struct Balancer(Arc<Mutex<Vec<(Client, String)>>>);

impl Balancer {
    fn admit(&self, server: &Server) {
        self.0.lock().unwrap().push((server.client(), server.url.clone()));
    }

    fn remove(&self, url: &str) {
        self.0.lock().unwrap().retain(|(_, known)| known != url);
    }

    fn pick(&self, n: usize) -> (Client, String) {
        let servers = self.0.lock().unwrap();
        servers[n % servers.len()].clone()
    }
}

/// Asks once. Why there is no whole answer, if there is none.
async fn try_once(client: &Client, url: &str, n: usize) -> Result<String, String> {
    let told = |error: reqwest::Error| error.to_string();
    let begun = client.post(format!("{url}/api/v1/conversations")).json(&json!({ "title": "A test" }));
    let begun = begun.send().await.and_then(reqwest::Response::error_for_status).map_err(told)?;
    let begun: Value = begun.json().await.map_err(told)?;
    let messages = format!("{url}/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
    let body = json!({ "content": question(n), "stream": true });
    let reply = client.post(messages).json(&body).send().await;
    let reply = reply.and_then(reqwest::Response::error_for_status).map_err(told)?;
    let read = frames(&reply.bytes().await.map_err(told)?);
    match read.last() {
        Some(last) if last.name == "message.completed" => {
            assert_whole(&read, "message.completed");
            Ok(said(&read))
        }
        Some(last) => Err(format!("it ended with {}", last.name)),
        None => Err("it ended without an event".to_owned()),
    }
}

/// Chats until it is over; returns its answers, and why it had to ask again.
async fn chats(balancer: Balancer, first: usize, over: CancellationToken) -> (Vec<String>, Vec<String>) {
    let (mut answers, mut again) = (Vec::new(), Vec::new());
    let mut n = first;
    while !over.is_cancelled() {
        let mut answered = None;
        for attempt in 0..TRIES {
            let (client, url) = balancer.pick(n + attempt);
            match try_once(&client, &url, n).await {
                Ok(answer) => {
                    answered = Some(answer);
                    break;
                }
                Err(why) => again.push(why),
            }
            tokio::time::sleep(PAUSE_BETWEEN).await;
        }
        answers.push(answered.unwrap_or_else(|| panic!("a chat failed: {again:?}")));
        n += CLIENTS;
    }
    (answers, again)
}

/// Tells a server to end, and waits until it has: how long that took.
async fn ended(server: Server) -> Duration {
    let began = Instant::now();
    let ending = tokio::task::spawn_blocking(move || server.stop());
    let code = tokio::time::timeout(2 * ENDS_WITHIN, ending).await.expect("it ends").unwrap();
    assert_eq!(code, Some(0));
    let time = began.elapsed();
    assert!(time <= ENDS_WITHIN, "{time:?}");
    time
}

async fn started(footnote: &Arc<Footnote>, environment: &[(&'static str, String)]) -> Server {
    let (footnote, environment) = (Arc::clone(footnote), environment.to_vec());
    tokio::task::spawn_blocking(move || footnote.serve_with(environment)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_chat_fails_while_servers_are_replaced_one_after_the_other() {
    let rolls = amount("FOOTNOTE_ROLLS", 3);
    let texts = numbered(TEXTS, PIECES);
    let provider = Scripted::start(varying(&texts, PAUSE)).await;
    let embedder = Counting::start(Faults::default()).await;
    let plant = Plant::start(&provider, &embedder).await;
    // Each has a folder of its own; they share the database.
    let folders = [Arc::new(Footnote::new()), Arc::new(Footnote::new())];
    let balancer = Balancer::default();
    let mut servers = Vec::new();
    for folder in &folders {
        let server = started(folder, &plant.environment).await;
        balancer.admit(&server);
        servers.push(Some(server));
    }
    let over = CancellationToken::new();
    let clients: Vec<_> = (0..CLIENTS).map(|n| tokio::spawn(chats(balancer.clone(), n, over.clone()))).collect();
    let mut slowest = Duration::ZERO;
    for roll in 0..rolls {
        tokio::time::sleep(REST).await;
        let place = roll % servers.len();
        let server = servers[place].take().unwrap();
        balancer.remove(&server.url);
        slowest = slowest.max(ended(server).await);
        let server = started(&folders[place], &plant.environment).await;
        balancer.admit(&server);
        servers[place] = Some(server);
    }
    tokio::time::sleep(REST).await;
    over.cancel();
    let expected: HashSet<String> = texts.iter().map(|text| text.concat()).collect();
    let (mut answers, mut again) = (0, Vec::new());
    for client in join_all(clients).await {
        let (answered, why) = client.unwrap();
        for answer in &answered {
            assert!(expected.contains(answer), "{answer}");
        }
        answers += answered.len();
        again.extend(why);
    }
    eprintln!(
        "{rolls} replacements, the slowest end {slowest:?}; {answers} answers, {} asked for again: {:?}",
        again.len(),
        again.iter().collect::<HashSet<_>>()
    );
    assert!(answers >= CLIENTS);
    for server in servers.into_iter().flatten() {
        ended(server).await;
    }
    plant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_ends_in_time_with_streams_open_and_half_a_header() {
    let streams = amount("FOOTNOTE_OPEN_STREAMS", 50);
    let provider = Scripted::start(Script::IsSilent).await;
    let embedder = Counting::start(Faults::default()).await;
    let plant = Plant::start(&provider, &embedder).await;
    let server = plant.serve();
    let (client, shown) = (server.client(), credential(&server));
    let mut open = Vec::new();
    for n in 0..streams {
        let begun = client.post(format!("{}/api/v1/conversations", server.url)).json(&json!({ "title": "A test" }));
        let begun: Value = begun.send().await.unwrap().json().await.unwrap();
        let messages = format!("/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
        let body = json!({ "content": question(n), "stream": true }).to_string();
        let mut socket = TcpStream::connect(address(&server)).await.unwrap();
        socket.write_all(posting(&messages, &body, &shown).as_bytes()).await.unwrap();
        until(&mut socket, "message.started").await;
        open.push(socket);
    }
    let mut half = TcpStream::connect(address(&server)).await.unwrap();
    half.write_all(b"GET /health/live HTTP/1.1\r\nhost: localh").await.unwrap();
    let reading = join_all(open.iter_mut().map(async |socket: &mut TcpStream| {
        let mut rest = String::new();
        socket.read_to_string(&mut rest).await.map(|_| rest)
    }));
    let (rests, time) = tokio::join!(reading, ended(server));
    eprintln!("{streams} streams and half a header: it ended {time:?} after it was told to");
    for rest in rests {
        let rest = rest.expect("a whole reply");
        assert!(rest.contains("event: message.interrupted"), "{rest}");
        assert!(rest.ends_with("0\r\n\r\n"), "it ends as a body should: {rest}");
    }
    drop(half);
    plant.quiet().await;
    plant.stop().await;
}
