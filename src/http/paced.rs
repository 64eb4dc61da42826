//! Bodies of long requests: they may be large, but not trickle. Only the time
//! counts in which nothing came, not that in which nobody read. Imports nothing of
//! this crate.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// How long a body may be waited for, however little comes.
const GRACE: Duration = Duration::from_secs(30);
/// Bytes for which it may be waited a second longer.
const RATE: u64 = 32 * 1024;

/// A body that breaks off when too little comes of it.
pub(super) struct Paced {
    body: Body,
    /// How much longer it may be waited for.
    left: Duration,
    /// Since when it is waited for, if it is.
    waits: Option<Instant>,
    limit: Pin<Box<Sleep>>,
}

impl Paced {
    pub(super) fn new(body: Body) -> Self {
        Self { body, left: GRACE, waits: None, limit: Box::pin(tokio::time::sleep(GRACE)) }
    }

    /// Something came: what was waited is gone, and it earns more time.
    fn came(&mut self, bytes: usize) {
        if let Some(since) = self.waits.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left += Duration::from_millis(bytes.saturating_mul(1000) / RATE);
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            self.came(bytes);
            return Poll::Ready(frame);
        }
        if self.waits.is_none() {
            let now = Instant::now();
            self.waits = Some(now);
            let until = now + self.left;
            self.limit.as_mut().reset(until);
        }
        self.limit
            .as_mut()
            .poll(context)
            .map(|()| Some(Err(axum::Error::new("too little came of the request in too long a time"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    /// Reads a body of so many pieces, each of so many bytes, after a pause each; the
    /// reader pauses before each too. How many it gets, and whether it gets all.
    async fn read(pieces: usize, bytes: usize, pause: Duration, reader: Duration) -> (usize, bool) {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![b'a'; bytes]))
        });
        let mut body = Body::new(Paced::new(Body::from_stream(pieces))).into_data_stream();
        let mut came = 0;
        loop {
            tokio::time::sleep(reader).await;
            match body.next().await {
                Some(Ok(_)) => came += 1,
                Some(Err(_)) => return (came, false),
                None => return (came, true),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_trickles_is_broken_off_and_what_is_large_is_not() {
        let seconds = Duration::from_secs;
        // A byte every ten seconds earns nothing: the fourth would come after 40.
        assert_eq!(read(10, 1, seconds(10), Duration::ZERO).await, (3, false));
        assert_eq!(read(2, 1, seconds(10), Duration::ZERO).await, (2, true));
        // A mebibyte every twenty seconds earns 32 each.
        assert_eq!(read(100, 1 << 20, seconds(20), Duration::ZERO).await, (100, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_its_time_is_not_the_sender_s_fault() {
        assert_eq!(read(100, 1, Duration::ZERO, Duration::from_mins(1)).await, (100, true));
    }
}
