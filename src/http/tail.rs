//! What lasts until a reply's body has ended, or its reader is gone. Imports
//! nothing of this crate.
//!
//! Layers add to the reply what they hold; the outermost wraps the body, once.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::Stream;

/// What layers hold.
#[derive(Clone, Default)]
struct Held(Vec<Arc<dyn Any + Send + Sync>>);

/// Watches a body.
pub(super) trait Watch: Send + Unpin + 'static {
    /// More is wanted.
    fn asked(&mut self);
    /// So many bytes were given out.
    fn gave(&mut self, bytes: usize);
    /// The body has ended as it should. Without it, it was cut off.
    fn ended(&mut self);
}

/// Keeps `what` until the reply's body has ended or is dropped.
pub(super) fn hold(response: &mut Response, what: impl Any + Send + Sync) {
    let held = response.extensions_mut().get_or_insert_default::<Held>();
    held.0.push(Arc::new(what));
}

/// Lets `watch` see the body, and lets go of what is held when it has ended.
pub(super) fn wrap(mut response: Response, mut watch: impl Watch) -> Response {
    let held = response.extensions_mut().remove::<Held>().unwrap_or_default();
    if response.body().is_end_stream() {
        watch.ended();
        return response;
    }
    keep_length(&mut response);
    let left = response.body().size_hint().exact();
    response.map(|body| Body::from_stream(Tail { body: body.into_data_stream(), left, kept: Some((watch, held)) }))
}

/// A body that is wrapped does not tell its length any more.
fn keep_length(response: &mut Response) {
    let has_body = !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if let Some(length) = response.body().size_hint().exact()
        && has_body
        && !response.headers().contains_key(header::TRANSFER_ENCODING)
    {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
}

struct Tail<W> {
    body: BodyDataStream,
    /// Bytes to come, where that is known: then the end is not asked for.
    left: Option<u64>,
    /// Gone once the body has ended.
    kept: Option<(W, Held)>,
}

impl<W: Watch> Tail<W> {
    fn end(&mut self) {
        if let Some((mut watch, _held)) = self.kept.take() {
            watch.ended();
        }
    }
}

impl<W: Watch> Stream for Tail<W> {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((watch, _)) = &mut self.kept {
            watch.asked();
        }
        let next = std::task::ready!(Pin::new(&mut self.body).poll_next(cx));
        match &next {
            Some(Ok(bytes)) => {
                self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                if let Some((watch, _)) = &mut self.kept {
                    watch.gave(bytes.len());
                }
                if self.left == Some(0) {
                    self.end();
                }
            }
            Some(Err(_)) => drop(self.kept.take()),
            None => self.end(),
        }
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::StreamExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<(usize, bool)>>);

    impl Watch for Seen {
        fn asked(&mut self) {}
        fn gave(&mut self, bytes: usize) {
            self.0.lock().expect("unpoisoned").0 += bytes;
        }
        fn ended(&mut self) {
            self.0.lock().expect("unpoisoned").1 = true;
        }
    }

    fn held(body: Body) -> (Response, Seen, Arc<()>) {
        let (seen, held) = (Seen::default(), Arc::new(()));
        let mut response = Response::new(body);
        hold(&mut response, Arc::clone(&held));
        (wrap(response, seen.clone()), seen, held)
    }

    #[tokio::test]
    async fn what_is_held_lasts_until_the_end() {
        let parts = ["one", "two"].map(Ok::<_, std::io::Error>);
        let (response, seen, held) = held(Body::from_stream(futures::stream::iter(parts)));
        let mut body = response.into_body().into_data_stream();
        assert!(body.next().await.is_some());
        assert_eq!(Arc::strong_count(&held), 2);
        assert!(body.next().await.is_some() && body.next().await.is_none());
        assert_eq!((Arc::strong_count(&held), *seen.0.lock().expect("unpoisoned")), (1, (6, true)));
    }

    #[test]
    fn a_reader_that_goes_away_lets_go() {
        let (response, seen, held) = held(Body::from_stream(futures::stream::pending::<std::io::Result<&str>>()));
        assert_eq!(Arc::strong_count(&held), 2);
        drop(response);
        assert_eq!((Arc::strong_count(&held), *seen.0.lock().expect("unpoisoned")), (1, (0, false)));
    }

    #[test]
    fn without_a_body_nothing_is_held_and_a_length_is_kept() {
        let (_, seen, empty) = held(Body::empty());
        assert_eq!((Arc::strong_count(&empty), seen.0.lock().expect("unpoisoned").1), (1, true));
        let (response, seen, _) = held(Body::from("four"));
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "4");
        let mut body = response.into_body().into_data_stream();
        assert!(futures::executor::block_on(body.next()).is_some());
        assert!(seen.0.lock().expect("unpoisoned").1, "a server does not ask on behind a known length");
    }
}
