//! Requests whose body takes its time: what it asks for is done only if the
//! credential that opened it is good when all of it is there. Imports credentials.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};

use crate::app::App;
use crate::credentials::{Principal, Right};

/// A body that is there within this time is as its credential was.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Whether a credential was found to have ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Ended(Arc<AtomicBool>);

impl Ended {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body whose end comes only while its caller may still do what it opened it for.
struct Vetted {
    body: Body,
    caller: Option<(App, Principal, Option<Right>)>,
    opened: Instant,
    check: Option<BoxFuture<'static, bool>>,
    ended: Ended,
}

/// The body of a request of this caller that needs this right; and whether it was
/// broken off since the caller has it no more.
pub(super) fn vetted(body: Body, app: &App, caller: &Principal, right: Option<Right>) -> (Body, Ended) {
    let ended = Ended::default();
    if body.is_end_stream() {
        return (body, ended);
    }
    let caller = Some((app.clone(), caller.clone(), right));
    let vetted = Vetted { body, caller, opened: Instant::now(), check: None, ended: ended.clone() };
    (Body::new(vetted), ended)
}

/// Whether the caller is still there, with this right.
async fn may_still(app: App, caller: Principal, right: Option<Right>) -> bool {
    let present = app.credentials.present(&app, &caller).await;
    present.is_some_and(|caller| right.is_none_or(|right| caller.may(right)))
}

impl HttpBody for Vetted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.check.is_none() {
            if let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) {
                return Poll::Ready(Some(frame));
            }
            let Some((app, caller, right)) = self.caller.take() else { return Poll::Ready(None) };
            if self.opened.elapsed() < AT_ONCE {
                return Poll::Ready(None);
            }
            self.check = Some(Box::pin(may_still(app, caller, right)));
        }
        let Some(check) = &mut self.check else { return Poll::Ready(None) };
        let is_good = ready!(check.as_mut().poll(context));
        self.check = None;
        if is_good {
            return Poll::Ready(None);
        }
        self.ended.0.store(true, Ordering::Release);
        Poll::Ready(Some(Err(axum::Error::new("the credential has ended"))))
    }

    // The end is not there before the last look.
    fn is_end_stream(&self) -> bool {
        self.caller.is_none() && self.check.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
