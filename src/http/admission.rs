//! Admission: each request's credential is verified once, before its route;
//! what the route does then runs with the caller's rights and no others, and
//! what it streams ends soon after the credential does.

use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use footnote_ingest::rights::{self, Rights};
use futures::Stream;
use futures::future::BoxFuture;

use super::address::ClientAddress;
use super::caller::SIGN_IN;
use super::error::ApiError;
use super::limit;
use super::needs::{self, Need};
use super::vetted::vetted;
use crate::app::App;
use crate::credentials::{Principal, Right};
use crate::error::Error;

/// How often a stream's credential is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Lets a request through to its route, or not.
pub(super) async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    // What is no route has nothing to protect.
    let Some(pattern) = request.extensions().get::<MatchedPath>() else { return next.run(request).await };
    let need = needs::of(request.method(), pattern.as_str());
    // Who looks after the process hears that it lives while the database is busy.
    let shown = bearer(request.headers()).filter(|_| !needs::is_health(pattern.as_str()));
    let nowhere = ClientAddress(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let ClientAddress(address) = request.extensions().get().copied().unwrap_or(nowhere);
    let principal = match shown {
        Some(token) => match app.credentials.authenticate_from(&app, token, address).await {
            Ok(principal) => Some(principal),
            // To sign in anew, with an old token still in hand.
            Err(Error::Unauthorized(_)) if need == Need::Nothing => None,
            Err(error @ Error::Unauthorized(_)) => {
                return limit::turned_away(&app, address, error.into()).await.into_response();
            }
            Err(error) => return ApiError::from(error).into_response(),
        },
        None => None,
    };
    let principal = match (need, principal) {
        (Need::Right(_), None) => {
            return limit::turned_away(&app, address, ApiError::unauthorized(SIGN_IN)).await.into_response();
        }
        (Need::Right(right), Some(principal)) if !principal.may(right) => {
            return refusal(&principal, right).into_response();
        }
        (Need::Nothing | Need::Right(_), principal) => principal,
    };
    let rights = match (&principal, need) {
        (Some(_), Need::Right(Right::Admin)) => Some(Rights::System),
        (Some(principal), _) => Some(Rights::Of(principal.scope)),
        (None, _) => None,
    };
    let Some((principal, rights)) = principal.zip(rights) else { return next.run(request).await };
    request.extensions_mut().insert(principal.clone());
    let right = match need {
        Need::Right(right) => Some(right),
        Need::Nothing => None,
    };
    let (parts, body) = request.into_parts();
    let (body, is_over) = vetted(body, &app, &principal, right);
    let response = rights::with(rights, next.run(Request::from_parts(parts, body))).await;
    if is_over.is_set() {
        return ApiError::unauthorized("the credential has ended; sign in again").into_response();
    }
    held(app, principal, rights, response)
}

/// What a caller is told whose credential lacks a right.
pub(super) fn refusal(principal: &Principal, right: Right) -> ApiError {
    let message = if right == Right::Admin {
        "only an administrator may do this, with a key that has the scope `admin` if with a key".to_owned()
    } else if right == Right::Account {
        "keys may not change the account they belong to; sign in".to_owned()
    } else {
        format!("this key may not do it; make one with the scope `{}`", right.name())
    };
    tracing::debug!(account.id = %principal.user.id, right = right.name(), "refused");
    ApiError::forbidden("scope", message)
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    // Of two, which would be meant?
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The response, whose body is made with the caller's rights, and ends with the
/// credential: a stream as though it were over, anything else broken off.
fn held(app: App, principal: Principal, rights: Rights, response: Response) -> Response {
    // Made already.
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let ended: BoxFuture<'static, ()> = Box::pin(ended(app, principal));
    response.map(|body| Body::from_stream(Held { body: body.into_data_stream(), rights, ended, is_stream }))
}

/// Completes when the credential is good no more.
async fn ended(app: App, principal: Principal) {
    loop {
        tokio::time::sleep(LOOK).await;
        if !app.credentials.is_still_good(&app, &principal).await {
            tracing::info!(account.id = %principal.user.id, "a stream was ended with its credential");
            return;
        }
    }
}

/// A body that is made with a caller's rights, until its credential ends.
struct Held {
    body: BodyDataStream,
    rights: Rights,
    ended: BoxFuture<'static, ()>,
    /// Of events: its reader comes again, and is told why it may not.
    is_stream: bool,
}

impl Stream for Held {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended.as_mut().poll(context).is_ready() {
            let broken_off = || Err(axum::Error::new("the credential has ended"));
            return Poll::Ready((!self.is_stream).then(broken_off));
        }
        let rights = self.rights;
        rights::during(rights, || Pin::new(&mut self.body).poll_next(context))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn what_is_made_while_it_is_read_ends_with_the_credential() {
        for is_stream in [true, false] {
            let body = Body::from_stream(futures::stream::repeat(Ok::<_, std::convert::Infallible>("more")));
            let (end, ended) = tokio::sync::oneshot::channel::<()>();
            let ended = Box::pin(async { drop(ended.await) });
            let mut held = Held { body: body.into_data_stream(), rights: Rights::System, ended, is_stream };
            assert!(held.next().await.is_some_and(|more| more.is_ok()));
            end.send(()).expect("it is waited for");
            // A stream is over; anything else is not whole, which shows.
            assert_eq!(held.next().await.map(|more| more.is_err()), (!is_stream).then_some(true));
        }
    }

    #[test]
    fn a_token_is_taken_from_one_bearer_header_only() {
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(with(&["bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(with(&["Bearer a", "Bearer b"]), None);
        assert_eq!(with(&["Basic abc"]), None);
        assert_eq!(with(&["Bearer"]), None);
        assert_eq!(with(&[]), None);
    }
}
