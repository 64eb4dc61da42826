//! Many streams at once: what a server adds to the first token and between
//! tokens, and the memory that it takes. Provider and readers share the machine
//! with it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use axum::routing::post;
use futures::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::first_token::listen;
use crate::process;
use crate::rig::{client, folder, footnote};
use crate::{Target, figure, quantile};

/// Streams at once, seconds of each, and seconds over which they begin, unless
/// `FOOTNOTE_STREAMS`, `FOOTNOTE_STREAM_SECONDS` or `FOOTNOTE_STREAM_RAMP` say
/// otherwise.
const STREAMS: u64 = 1000;
const SECONDS: u64 = 60;
const RAMP: u64 = 30;
/// Time between the tokens of a stream: 20 in a second.
const PACE: Duration = Duration::from_millis(50);

/// What a reader saw, in milliseconds.
#[derive(Default)]
struct Seen {
    first: Vec<f64>,
    gaps: Vec<f64>,
    tokens: usize,
    stored: usize,
    errors: usize,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// A provider whose every token is the time at which it was said.
fn provider(epoch: Instant, tokens: u64) -> Router {
    let answer = move || async move {
        let arrived = micros(epoch);
        let start = tokio::time::Instant::now();
        let tokens = stream::iter(0..=tokens).then(move |n| async move {
            tokio::time::sleep_until(start + PACE * u32::try_from(n).unwrap()).await;
            if n == tokens {
                return "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".into();
            }
            let begun = if n == 0 { format!("a{arrived} ") } else { String::new() };
            // A claim that is over is told between two words, not within one.
            let end = if n % 10 == 9 { "." } else { "" };
            let word = format!("{begun}w{}{end} ", micros(epoch));
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n")
        });
        let body = Body::from_stream(tokens.map(|text: String| Ok::<_, std::io::Error>(Bytes::from(text))));
        ([("content-type", "text/event-stream")], body).into_response()
    };
    Router::new().route("/v1/chat/completions", post(answer))
}

fn micros(epoch: Instant) -> u128 {
    epoch.elapsed().as_micros()
}

pub async fn measure() {
    raise_limit();
    let (streams, seconds) = (number("FOOTNOTE_STREAMS", STREAMS), number("FOOTNOTE_STREAM_SECONDS", SECONDS));
    let ramp = Duration::from_secs(number("FOOTNOTE_STREAM_RAMP", RAMP));
    let epoch = Instant::now();
    let provider = listen(provider(epoch, seconds * 20)).await;
    let data = folder();
    let environment = [("OPENAI_BASE_URL", format!("{provider}/v1")), ("FOOTNOTE_MODEL", "scripted".to_owned())];
    let server = process::serve(data.path(), &environment);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kb");
    let ingested =
        footnote(data.path(), &["ingest", fixtures.to_str().unwrap(), "--quiet"]).stdout(Stdio::null()).status();
    assert!(ingested.unwrap().success());
    let url = server.url.clone();
    let client = client(&server.token);
    let idle = server.resident();
    let mut readers = JoinSet::new();
    for n in 0..streams {
        let (client, url) = (client.clone(), url.clone());
        readers.spawn(read(client, url, n, epoch));
        tokio::time::sleep(ramp / u32::try_from(streams).unwrap()).await;
    }
    let mut most = server.resident();
    let (mut heard, mut all) = (Vec::new(), Seen::default());
    while !readers.is_empty() {
        most = most.max(server.resident());
        let Ok(Some(read)) = tokio::time::timeout(Duration::from_secs(1), readers.join_next()).await else { continue };
        heard.push(read.unwrap());
    }
    for heard in heard {
        let seen = heard.seen();
        all.first.extend(seen.first);
        all.gaps.extend(seen.gaps);
        all.tokens += seen.tokens;
        all.stored += seen.stored;
        all.errors += seen.errors;
    }
    report(&mut all, streams * seconds * 20, most - idle);
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
fn report(all: &mut Seen, tokens: u64, memory: f64) {
    figure("streams: answers that failed", all.errors as f64, "", Target::AtMost(0.0));
    figure("streams: tokens that did not come", tokens as f64 - all.tokens as f64, "", Target::AtMost(0.0));
    figure("streams: tokens that were not stored", tokens as f64 - all.stored as f64, "", Target::AtMost(0.0));
    figure("streams: added to the first token, p50", quantile(&mut all.first, 0.5), "ms", Target::None);
    figure("streams: added to the first token, p99", quantile(&mut all.first, 0.99), "ms", Target::AtMost(150.0));
    figure("streams: added to the gap between tokens, p50", quantile(&mut all.gaps, 0.5), "ms", Target::None);
    figure("streams: added to the gap between tokens, p99", quantile(&mut all.gaps, 0.99), "ms", Target::AtMost(50.0));
    figure("streams: memory above idle", memory, "MiB", Target::AtMost(512.0));
}

/// What came of one answer, as it came. It is looked at when all have ended: the
/// readers are to take little of the machine from what is measured.
struct Heard {
    asked: u128,
    bytes: Vec<u8>,
    /// Up to where there were bytes, and when.
    came: Vec<(usize, u128)>,
}

/// Asks, and reads the answer to its end.
async fn read(client: reqwest::Client, url: String, n: u64, epoch: Instant) -> Heard {
    let title = json!({ "title": format!("stream {n}") });
    let begun = client.post(format!("{url}/api/v1/conversations")).json(&title).send().await.unwrap();
    let begun: Value = begun.json().await.unwrap();
    let path = format!("{url}/api/v1/conversations/{}/messages", begun["id"].as_str().unwrap());
    let question = json!({ "content": format!("What is the pressure of valve {n}?"), "stream": true });
    let mut heard = Heard { asked: micros(epoch), bytes: Vec::new(), came: Vec::new() };
    let mut reply = client.post(path).json(&question).send().await.unwrap();
    while let Ok(Some(bytes)) = reply.chunk().await {
        heard.bytes.extend_from_slice(&bytes);
        heard.came.push((heard.bytes.len(), micros(epoch)));
    }
    heard
}

impl Heard {
    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        let mut shown = String::new();
        let (mut arrived, mut last) = (0_u128, None::<(u128, u128)>);
        let (mut completed, mut replaced) = (false, false);
        let mut end = 0;
        for line in self.bytes.split_inclusive(|byte| *byte == b'\n') {
            end += line.len();
            let line = std::str::from_utf8(line).unwrap();
            completed |= line.starts_with("event: message.completed");
            // Another answers in the model's stead.
            replaced |= line.starts_with("event: notice");
            // The last event repeats all words.
            if completed && line.starts_with("data:") {
                seen.stored += tokens(line);
            }
            if completed || !line.starts_with("data: {\"text\"") {
                continue;
            }
            let now = self.came[self.came.partition_point(|(until, _)| *until < end)].1;
            let event: Value = serde_json::from_str(line.trim_start_matches("data: ")).unwrap();
            shown.push_str(event["text"].as_str().unwrap());
            for word in line.split(|c: char| !c.is_ascii_alphanumeric()) {
                let Some(said) = word.get(1..).and_then(|digits| digits.parse::<u128>().ok()) else { continue };
                match (word.as_bytes()[0], last) {
                    (b'a', _) => arrived = said,
                    (b'w', before) => {
                        match before {
                            None => {
                                seen.first.push(ms((now - self.asked).saturating_sub(said.saturating_sub(arrived))));
                            }
                            Some((said_before, came)) => {
                                seen.gaps.push(ms((now - came).saturating_sub(said.saturating_sub(said_before))));
                            }
                        }
                        last = Some((said, now));
                    }
                    _ => {}
                }
            }
        }
        // Of all pieces together: one may end within a word.
        seen.tokens = tokens(&shown);
        seen.errors += usize::from(!completed || replaced);
        seen
    }
}

/// The provider's words in a text.
fn tokens(text: &str) -> usize {
    let is_said = |word: &&str| word.strip_prefix('w').is_some_and(|rest| rest.parse::<u128>().is_ok());
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_said).count()
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of one run")]
fn ms(micros: u128) -> f64 {
    micros as f64 / 1000.0
}

/// Two sockets and their other ends for each stream.
fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
