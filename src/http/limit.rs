//! Holds callers to their limits, and tells them how they stand. Imports the
//! limits.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::address::ClientAddress;
use super::class::{Class, is_api};
use super::error::ApiError;
use super::{access, tail};
use crate::app::App;
use crate::credentials::{Credential, Principal};
use crate::error::Error;
use crate::limits::{Standing, Who};

/// Who asks, as far as limits go. The one place that knows where a request says
/// so. None for the commands of this machine, which are held to nothing.
fn who(request: &Request) -> Option<Who> {
    let nowhere = ClientAddress(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let ClientAddress(address) = request.extensions().get().copied().unwrap_or(nowhere);
    let Some(principal) = request.extensions().get::<Principal>() else {
        return Some(nobody(address));
    };
    let key = match &principal.credential {
        Credential::Local => return None,
        Credential::Key(key, _) => Some(key.0),
        Credential::Session(_) | Credential::Outside(_) => None,
    };
    Some(Who { account: Some(principal.user.id), key, guest: principal.is_guest(), address })
}

/// Somebody without a credential, who is held to what guests are.
fn nobody(address: IpAddr) -> Who {
    Who { account: None, key: None, guest: true, address }
}

/// Counts a request that is turned away for want of a good credential, and gives
/// its refusal; or that of the limit, if it met that.
pub(super) async fn turned_away(app: &App, address: IpAddr, refusal: ApiError) -> ApiError {
    match app.limits.admit(&nobody(address)).await {
        Ok(_) => refusal,
        Err(refused) => ApiError::from(Error::from(refused)),
    }
}

/// Lets a request in or answers 429. A stream counts until its body has ended.
pub(super) async fn hold(State(app): State<App>, request: Request, next: Next) -> Response {
    let class = Class::of(&request);
    if class == Class::Watch || !is_api(request.uri().path()) {
        return next.run(request).await;
    }
    let Some(who) = who(&request) else { return next.run(request).await };
    let admitted = if class == Class::Ask {
        app.limits.admit_stream(&who).await.map(|(admitted, lease)| (admitted, Some(lease)))
    } else {
        app.limits.admit(&who).await.map(|admitted| (admitted, None))
    };
    let mut response = match admitted {
        Ok((admitted, lease)) => {
            let mut response = who.during(next.run(request)).await;
            tell(response.headers_mut(), &REQUESTS, admitted.requests);
            if class == Class::Ask {
                tell(response.headers_mut(), &TOKENS, admitted.tokens);
            }
            if let Some(lease) = lease {
                tail::hold(&mut response, lease);
            }
            response
        }
        Err(refused) => {
            let standing = refused.requests;
            let mut response = ApiError::from(Error::from(refused)).into_response();
            tell(response.headers_mut(), &REQUESTS, standing);
            response
        }
    };
    if let Some(what) = response.extensions().get::<ApiError>().and_then(ApiError::limit) {
        app.figures.limited(what);
    }
    access::asked_by(&mut response, who.account);
    response
}

/// Limit, what is left, and when all of it is back: the names that OpenAI gave
/// them.
type Names = [HeaderName; 3];

static REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// The headers that pages may read.
pub(super) fn headers() -> impl Iterator<Item = HeaderName> {
    REQUESTS.iter().chain(&TOKENS).cloned()
}

fn tell(headers: &mut HeaderMap, names: &'static Names, standing: Option<Standing>) {
    let Some(Standing { limit, remaining, reset }) = standing else { return };
    let [limit_name, remaining_name, reset_name] = names;
    headers.insert(limit_name, HeaderValue::from(limit));
    headers.insert(remaining_name, HeaderValue::from(remaining));
    if let Ok(reset) = HeaderValue::from_str(&span(reset)) {
        headers.insert(reset_name, reset);
    }
}

/// A span of time as OpenAI writes it: `6m0s`, `1.5s`, `20ms`, `0s`.
fn span(time: Duration) -> String {
    let milliseconds = time.as_millis();
    match milliseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{milliseconds}ms"),
        _ => {
            let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
            let (hours, minutes) = (minutes / 60, minutes % 60);
            let seconds = match rest % 1_000 {
                0 => format!("{}s", rest / 1_000),
                part => format!("{}.{}s", rest / 1_000, format!("{part:03}").trim_end_matches('0')),
            };
            match (hours, minutes) {
                (0, 0) => seconds,
                (0, _) => format!("{minutes}m{seconds}"),
                _ => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_clients_read_them() {
        for (milliseconds, expected) in [
            (0, "0s"),
            (20, "20ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (1_005, "1.005s"),
            (360_000, "6m0s"),
            (86_400_000, "24h0m0s"),
            (3_723_040, "1h2m3.04s"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), expected);
        }
    }
}
