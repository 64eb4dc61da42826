//! Who may come in before anything is read: while there is one local user, only
//! pages and programs of this machine.
//!
//! A web page of a stranger can make a browser send requests here. `Host` names
//! betray a rebound DNS name; `Origin` betrays a page of another site.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// The names under which the service may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// This machine's own names only.
    Loopback,
    /// Any: something in front of the service decides.
    Any,
}

pub(super) async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    match admit(hosts, request.uri().authority(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn admit(hosts: Hosts, authority: Option<&Authority>, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = text(headers, &header::HOST).or(authority.map(Authority::as_str));
    if hosts == Hosts::Loopback && !host.is_some_and(is_loopback) {
        return Err(ApiError::forbidden("host", "call the service as `localhost` or `127.0.0.1`"));
    }
    let foreign = text(headers, &header::ORIGIN).is_some_and(|origin| {
        let site = origin.split_once("://").map(|(_, site)| site);
        site.is_none() || site != host
    });
    if foreign {
        return Err(ApiError::forbidden("origin", "pages of other sites may not call the service"));
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a value"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a value"));
        }
        admit(Hosts::Loopback, None, &headers).is_ok()
    }

    #[test]
    fn a_rebound_name_does_not_reach_the_service() {
        assert!(asked("localhost:8080", None) && asked("127.0.0.1", None) && asked("[::1]:80", None));
        assert!(!asked("evil.example:8080", None) && !asked("127.0.0.1.evil.example", None) && !asked("", None));
    }

    #[test]
    fn a_page_of_another_site_is_turned_away() {
        assert!(asked("localhost:8080", Some("http://localhost:8080")));
        assert!(!asked("localhost:8080", Some("http://evil.example")));
        assert!(!asked("localhost:8080", Some("http://localhost:3000")));
        assert!(!asked("localhost:8080", Some("null")));
    }

    #[test]
    fn a_request_without_a_host_is_turned_away() {
        assert!(admit(Hosts::Loopback, None, &HeaderMap::new()).is_err());
        assert!(admit(Hosts::Any, None, &HeaderMap::new()).is_ok());
    }
}
