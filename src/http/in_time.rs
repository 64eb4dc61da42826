//! Every request is answered in time, or told that it was not: whatever it waits
//! for may be silent for ever, a database behind a broken network say.
//!
//! A stream counts as answered when it begins. Imports the classes of requests.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::class::{self, Class};
use super::error::ApiError;

/// What goes through all that is stored.
const MAINTENANCE: Duration = Duration::from_hours(1);
/// Seconds after which to come back.
const COME_BACK: u64 = 5;

/// How long requests may take once all of their body has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// What does not wait for a model.
    short: Duration,
    /// What does.
    asked: Duration,
}

impl Limits {
    /// Of requests that are `short`, and where answers may take as long as that.
    pub(super) fn new(short: Duration, answers: Duration) -> Self {
        Self { short, asked: answers + short }
    }

    fn of(self, class: Class, route: &str) -> Duration {
        match class {
            _ if route.starts_with("/api/v1/admin/") => MAINTENANCE,
            Class::Ask => self.asked,
            // Embeddings of many texts, above all.
            _ if route.starts_with("/v1/") => self.asked,
            // A page may be fetched first, which has its own minute.
            Class::Upload => 2 * self.short,
            Class::Watch | Class::Other => self.short,
        }
    }
}

/// Passes a request on, and gives it up when it takes too long.
pub(super) async fn answer(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let limit = limits.of(Class::of(&request), class::route(&request).unwrap_or_default());
    let heard = Arc::new(Mutex::new(Instant::now()));
    let hears = Arc::clone(&heard);
    let request = request.map(|body| {
        Body::new(body.map_frame(move |frame| {
            *hears.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            frame
        }))
    });
    let mut answered = pin!(next.run(request));
    loop {
        let until = *heard.lock().unwrap_or_else(PoisonError::into_inner) + limit;
        if let Ok(response) = timeout_at(until, &mut answered).await {
            return response;
        }
        let has_come_more = *heard.lock().unwrap_or_else(PoisonError::into_inner) + limit > until;
        if !has_come_more {
            tracing::error!(seconds = limit.as_secs(), "a request was given up, for it took too long");
            let message = format!("this took longer than {} s and was given up; try again shortly", limit.as_secs());
            return ApiError::unavailable("service", message, COME_BACK).into_response();
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Bytes, to_bytes};
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use futures::{StreamExt, stream};
    use tower::ServiceExt;

    use super::*;

    const SHORT: Duration = Duration::from_mins(1);
    const ANSWERS: Duration = Duration::from_mins(10);

    async fn status(route: &str, work: Duration, body: Body) -> (StatusCode, Duration) {
        let handler = async move |body: Body| {
            to_bytes(body, usize::MAX).await.expect("a body");
            tokio::time::sleep(work).await;
        };
        let routes =
            Router::new().route(route, post(handler)).layer(from_fn_with_state(Limits::new(SHORT, ANSWERS), answer));
        let began = Instant::now();
        let reply = routes.oneshot(Request::post(route).body(body).expect("a request")).await.expect("a reply");
        (reply.status(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_for_ever_is_given_up() {
        let for_ever = Duration::from_hours(24);
        for (route, limit) in [
            ("/api/v1/search", SHORT),
            ("/api/v1/collections/c/documents", 2 * SHORT),
            ("/health/ready", SHORT),
            ("/api/v1/conversations/c/messages", ANSWERS + SHORT),
            ("/v1/embeddings", ANSWERS + SHORT),
            ("/api/v1/admin/doctor", MAINTENANCE),
        ] {
            assert_eq!(status(route, limit.mul_f32(0.9), Body::empty()).await.0, StatusCode::OK, "{route}");
            assert_eq!(
                status(route, for_ever, Body::empty()).await,
                (StatusCode::SERVICE_UNAVAILABLE, limit),
                "{route}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_takes_long_takes_nothing_of_the_time_for_the_work() {
        let slowly = |seconds: usize| {
            let bytes = stream::iter(0..seconds).then(async |_| {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
            });
            Body::from_stream(Box::pin(bytes))
        };
        let route = "/api/v1/collections/c/documents";
        let work = SHORT.mul_f32(1.9);
        assert_eq!(status(route, work, slowly(1_000)).await.0, StatusCode::OK);
        let (given_up, after) = status(route, SHORT * 3, slowly(1_000)).await;
        assert_eq!((given_up, after), (StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1_000) + 2 * SHORT));
    }
}
