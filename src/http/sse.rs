//! Streams: frames of server-sent events, and signs of life between them. Imports
//! nothing of this crate.

use std::convert::Infallible;
use std::io::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use serde::Serialize;
use serde_json::Value;

/// How often a silent stream says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The sign: a comment, which every client passes over.
const COMMENT: &[u8] = b": alive\n\n";
/// What ends a stream of chunks.
pub(super) const DONE: &[u8] = b"data: [DONE]\n\n";

/// Appends an event without a name.
pub(super) fn data(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    // It writes no line breaks, and into memory alone.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend_from_slice(b"{}");
    }
    out.extend_from_slice(b"\n\n");
}

/// Appends an event with its name.
pub(super) fn event(out: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    let _ = writeln!(out, "event: {name}");
    data(out, value);
}

/// An event with its number, and for its reader how long to wait before it comes
/// again. It takes no more memory than it has bytes: many wait for slow readers.
pub(super) fn numbered(number: i32, name: &str, value: &Value, retry: Option<Duration>) -> Vec<u8> {
    let retry = retry.map(|retry| format!("retry: {}\n", retry.as_millis())).unwrap_or_default();
    format!("id: {number}\nevent: {name}\ndata: {value}\n{retry}\n").into_bytes().into_boxed_slice().into_vec()
}

/// A reply that streams these frames; empty ones are left out.
pub(super) fn reply(frames: impl Stream<Item = Vec<u8>> + Send + 'static) -> Response {
    let frames = Box::pin(frames.filter(|frame| std::future::ready(!frame.is_empty())));
    let alive = stream::unfold(frames, |mut frames| async move {
        let frame = match tokio::time::timeout(KEEP_ALIVE, frames.next()).await {
            Ok(frame) => Bytes::from(frame?),
            Err(_) => Bytes::from_static(COMMENT),
        };
        Some((Ok::<_, Infallible>(frame), frames))
    });
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/event-stream"),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        // Proxies must not hold events back.
        ("x-accel-buffering", "no"),
    ];
    (headers, Body::from_stream(alive)).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_frame_has_no_line_breaks_of_its_value() {
        let mut out = Vec::new();
        event(&mut out, "a.b", &json!({ "text": "one\ntwo" }));
        assert_eq!(String::from_utf8(out).expect("text"), "event: a.b\ndata: {\"text\":\"one\\ntwo\"}\n\n");
    }

    #[test]
    fn a_numbered_frame_takes_what_it_needs() {
        let value = json!({ "text": "one\ntwo" });
        let frame = numbered(7, "a.b", &value, None);
        assert_eq!(frame.capacity(), frame.len());
        assert_eq!(String::from_utf8(frame).expect("text"), "id: 7\nevent: a.b\ndata: {\"text\":\"one\\ntwo\"}\n\n");
        let frame = numbered(1, "a.b", &json!({}), Some(Duration::from_secs(1)));
        assert_eq!(String::from_utf8(frame).expect("text"), "id: 1\nevent: a.b\ndata: {}\nretry: 1000\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_that_it_is_alive() {
        let frames = stream::once(async {
            tokio::time::sleep(KEEP_ALIVE * 2 + KEEP_ALIVE / 2).await;
            DONE.to_vec()
        });
        let body = axum::body::to_bytes(reply(frames).into_body(), 1000).await.expect("a body");
        assert_eq!(&body[..], [COMMENT, COMMENT, DONE].concat());
    }
}
