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
use super::traffic::Visit;
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
    /// None within the process, where there is no connection.
    visit: Option<Visit>,
    _stream: Option<OpenStream>,
}

pub(super) async fn log(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = route(&request).unwrap_or(NO_ROUTE).to_owned();
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let id: String = id.unwrap_or_default().chars().take(ID).collect();
    let span = tracing::info_span!("request", id, %method, route);
    let visit = request.extensions_mut().remove::<Visit>();
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
        visit,
        _stream: is_stream.then(|| access.figures.stream()),
    };
    tail::wrap(response, line)
}

impl tail::Watch for Line {
    fn asked(&mut self) {
        if let Some(visit) = &self.visit {
            visit.asked();
        }
    }

    fn gave(&mut self, bytes: usize) {
        if let Some(visit) = &self.visit {
            visit.gave();
        }
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
        let (milliseconds, head) = (in_milliseconds(self.started.elapsed()), in_milliseconds(self.head));
        // A stream takes as long as it takes; its head does not.
        let is_slow = self.slow > Duration::ZERO && self.head >= self.slow;
        if is_slow || self.status.is_server_error() {
            tracing::warn!(id, %method, route, status, milliseconds, head, bytes, is_whole, account, is_slow, "answered");
        } else {
            tracing::info!(id, %method, route, status, milliseconds, head, bytes, is_whole, account, "answered");
        }
    }
}

/// A number that a log in JSON writes as one.
fn in_milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::{get, post};
    use tower::ServiceExt;
    use tower_http::request_id::{MakeRequestUuid, SetRequestIdLayer};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the log says of a request whose reply is read to its end.
    async fn logged(slow: Duration, request: Request) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let access = Access { figures: Figures::new([]), slow };
        let router = Router::new()
            .route("/things/{id}", get(async || "four"))
            .route("/fails", post(async || StatusCode::INTERNAL_SERVER_ERROR))
            .layer(from_fn_with_state(access, log))
            .layer(SetRequestIdLayer::new(axum::http::HeaderName::from_static("x-request-id"), MakeRequestUuid));
        let reply = router.oneshot(request).await.expect("answered");
        axum::body::to_bytes(reply.into_body(), 1000).await.expect("a body");
        let text = lines.0.lock().expect("unpoisoned").clone();
        String::from_utf8(text).expect("text")
    }

    fn request(method: &str, path: &str) -> Request {
        let request = Request::builder().method(method).uri(path).header("authorization", "Bearer canary-token");
        request.header("x-request-id", "an-id").body(Body::empty()).expect("a request")
    }

    #[tokio::test]
    async fn a_request_is_one_line_without_what_the_caller_wrote() {
        let line = logged(Duration::from_secs(2), request("GET", "/things/canary-id?q=canary-query")).await;
        assert_eq!(line.lines().count(), 1, "{line}");
        for told in ["INFO", "GET", "/things/{id}", "status=200", "bytes=4", "is_whole=true", "an-id"] {
            assert!(line.contains(told), "{told} in {line}");
        }
        assert!(!line.contains("canary"), "{line}");
    }

    #[tokio::test]
    async fn what_is_slow_or_fails_is_warned_of() {
        let slow = logged(Duration::from_nanos(1), request("GET", "/things/1")).await;
        assert!(slow.contains("WARN") && slow.contains("is_slow=true"), "{slow}");
        let failed = logged(Duration::ZERO, request("POST", "/fails")).await;
        assert!(failed.contains("WARN") && failed.contains("status=500"), "{failed}");
        let nowhere = logged(Duration::ZERO, request("GET", "/canary-path")).await;
        assert!(nowhere.contains("status=404") && !nowhere.contains("canary"), "{nowhere}");
    }
}
