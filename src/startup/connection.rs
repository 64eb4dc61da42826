//! One connection: what it may take, and when it is closed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use futures::future::BoxFuture;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service};

use super::opening::{Opened, Version, hear};
use super::patient::Patient;
use crate::http::{Standing, Traffic};

/// How long a client may take to send a request's head. Over HTTP/1, a
/// connection that rests after a reply is closed after that time too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take from connecting to a whole request's head, whatever
/// it speaks and even if it says nothing.
const UNUSED: Duration = Duration::from_secs(12);
/// How long a connection may rest between requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a reader may take nothing of what it asked for.
const STALLED: Duration = Duration::from_mins(1);
/// How often a busy connection is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long a client may take to hear that its connection is closed.
const FAREWELL: Duration = Duration::from_secs(5);
/// What is said of a connection over which no request came.
const NOTHING_ASKED: &str = "nothing was asked";
/// Bytes of a request's head over HTTP/1, and of a reply that wait for its
/// reader.
const BUFFER: usize = 64 * 1024;
/// Bytes of a request's head over HTTP/2.
const HEADERS: u32 = 32 * 1024;
/// Requests at once over one HTTP/2 connection.
const AT_ONCE: u32 = 128;
/// How often the other end of an HTTP/2 connection is asked whether it is there.
const PING: Duration = Duration::from_secs(20);

/// How connections are spoken with. More than a hundred headers are refused by
/// the library.
pub(super) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(PING))
        .keep_alive_timeout(PING)
        .max_concurrent_streams(AT_ONCE)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(BUFFER);
    builder
}

/// Serves a connection until it ends, is of no use any more, or `stop` is
/// cancelled and what is under way has ended.
pub(super) async fn serve(
    builder: Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let traffic = Traffic::opened();
    let visitor = TowerToHyperService::new(Visitor { router, peer, traffic: Arc::clone(&traffic) });
    let stream = Patient::new(stream, STALLED, Arc::clone(&traffic));
    let Some((version, stream)) = open(stream, peer, &stop).await else { return };
    let builder = match version {
        Version::One => builder.http1_only(),
        Version::Two => builder.http2_only(),
    };
    // The one with upgrades, which nothing here needs, would listen once more.
    let connection = builder.serve_connection(TokioIo::new(stream), visitor);
    tokio::pin!(connection);
    let (mut stopping, mut next_look) = (false, Duration::ZERO);
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    // Mostly a client that went away.
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(next_look) => match judge(traffic.standing()) {
                Verdict::Good(look_again) => next_look = look_again,
                Verdict::Rests if stopping => return,
                Verdict::Rests => {
                    // One whose request is on its way hears that it was not taken.
                    stopping = true;
                    next_look = FAREWELL;
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Useless(why) => {
                    tracing::debug!(%peer, why, "connection closed");
                    return;
                }
            },
        }
    }
}

/// Waits until it is clear what is spoken. None when nothing is, or `stop` is
/// cancelled.
async fn open<S: AsyncRead + Unpin>(
    stream: S,
    peer: SocketAddr,
    stop: &CancellationToken,
) -> Option<(Version, Opened<S>)> {
    let heard = tokio::select! {
        heard = tokio::time::timeout(UNUSED, hear(stream)) => heard,
        () = stop.cancelled() => return None,
    };
    match heard {
        Ok(Ok(heard)) => return Some(heard),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "connection ended"),
        Err(_) => tracing::debug!(%peer, why = NOTHING_ASKED, "connection closed"),
    }
    None
}

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing; look again.
    Good(Duration),
    /// It is to be closed when nothing comes meanwhile.
    Rests,
    /// It is to be closed.
    Useless(&'static str),
}

fn judge(standing: Standing) -> Verdict {
    match standing {
        Standing::Unused(time) if time >= UNUSED => Verdict::Useless(NOTHING_ASKED),
        Standing::Unused(time) => Verdict::Good(UNUSED.saturating_sub(time)),
        Standing::Idle(time) if time >= KEEP_ALIVE => Verdict::Rests,
        Standing::Idle(time) => Verdict::Good(KEEP_ALIVE.saturating_sub(time)),
        Standing::Stalled(time) if time >= STALLED => Verdict::Useless("nothing was taken"),
        Standing::Stalled(_) | Standing::Busy => Verdict::Good(LOOK),
    }
}

/// Takes the requests of a connection to the router, with what it must know of
/// where they come from.
#[derive(Clone)]
struct Visitor {
    router: Router,
    peer: SocketAddr,
    traffic: Arc<Traffic>,
}

impl<B> Service<Request<B>> for Visitor
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.traffic.begin());
        Box::pin(self.router.call(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_closed_when_it_is_of_no_use() {
        let second = Duration::from_secs(1);
        for (standing, expected) in [
            (Standing::Unused(second), Verdict::Good(UNUSED.saturating_sub(second))),
            (Standing::Unused(UNUSED), Verdict::Useless(NOTHING_ASKED)),
            (Standing::Idle(second), Verdict::Good(KEEP_ALIVE.saturating_sub(second))),
            (Standing::Idle(KEEP_ALIVE), Verdict::Rests),
            (Standing::Busy, Verdict::Good(LOOK)),
            (Standing::Stalled(STALLED.saturating_sub(second)), Verdict::Good(LOOK)),
            (Standing::Stalled(STALLED), Verdict::Useless("nothing was taken")),
        ] {
            assert_eq!(judge(standing), expected);
        }
    }
}
