//! One line of the log for each request, and its figures. Imports figures.
//!
//! It says the route's pattern and not the path, which holds ids, and nothing
//! that the caller wrote. The line is written when the reply has ended.

use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use footnote_ingest::ids::UserId;
use tower_http::request_id::RequestId;
use tracing::Instrument;

use super::class::route;
use super::tail;
use crate::figures::{Figures, OpenStream};

/// Where a request stands that fits no route.
const NO_ROUTE: &str = "none";
/// Characters of a request's id that the log repeats: a caller may choose it.
const ID: usize = 64;

/// What the log is written with.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) figures: Figures,
    /// From then on a request is slow.
    pub(super) slow: Duration,
}

/// Who asked, on its way out to the log.
#[derive(Clone, Copy)]
struct AskedBy(UserId);

/// Notes for the log who asked.
pub(super) fn asked_by(response: &mut Response, account: Option<UserId>) {
    if let Some(account) = account {
        response.extensions_mut().insert(AskedBy(account));
    }
}

/// A request, on its way into the log.
struct Line {
    route: String,
    method: Method,
    id: String,
    account: Option<UserId>,
    status: StatusCode,
    started: Instant,
    head: Duration,
    bytes: u64,
    is_whole: bool,
    slow: Duration,
    _stream: Option<OpenStream>,
}

pub(super) async fn log(State(access): State<Access>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = route(&request).unwrap_or(NO_ROUTE).to_owned();
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let id: String = id.unwrap_or_default().chars().take(ID).collect();
    let span = tracing::info_span!("request", id, %method, route);
    let response = next.run(request).instrument(span).await;
    let head = started.elapsed();
    let status = response.status();
    access.figures.answered(&route, method.as_str(), status.as_u16(), head);
    let is_stream = response.headers().get(header::CONTENT_TYPE);
    let is_stream = is_stream.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let line = Line {
        account: response.extensions().get::<AskedBy>().map(|asked| asked.0),
        route,
        method,
        id,
        status,
        started,
        head,
        bytes: 0,
        is_whole: false,
        slow: access.slow,
        _stream: is_stream.then(|| access.figures.stream()),
    };
    tail::wrap(response, line)
}

impl tail::Watch for Line {
    fn gave(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    fn ended(&mut self) {
        self.is_whole = true;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { route, method, id, bytes, is_whole, .. } = self;
        let status = self.status.as_u16();
        let account = self.account.map(|account| account.to_string()).unwrap_or_default();
        let (milliseconds, head) = (self.started.elapsed().as_millis(), self.head.as_millis());
        // A stream takes as long as it takes; its head does not.
        let is_slow = self.slow > Duration::ZERO && self.head >= self.slow;
        if is_slow || self.status.is_server_error() {
            tracing::warn!(id, %method, route, status, milliseconds, head, bytes, is_whole, account, is_slow, "answered");
        } else {
            tracing::info!(id, %method, route, status, milliseconds, head, bytes, is_whole, account, "answered");
        }
    }
}
