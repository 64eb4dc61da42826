//! Who may come in before anything is read: requests that name the service as it
//! is called, and pages of no other site but of the origins that are named.
//!
//! A web page of a stranger can make a browser send requests here. `Host` names
//! betray a rebound DNS name; `Origin` betrays a page of another site.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Uri, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use crate::config::Settings;

/// The names under which the service may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// This machine's own names, and these.
    Loopback(Arc<[String]>),
    /// Any: others reach the address that it listens on, by names that it cannot
    /// know. Each request shows a credential anyway.
    Any,
}

impl Hosts {
    /// Those of a service that listens on `address`.
    #[must_use]
    pub fn new(address: IpAddr, settings: &Settings) -> Self {
        let public = settings.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
        let public = public.and_then(|url| url.authority().map(|authority| authority.host().to_owned()));
        let mut named: Vec<String> = settings.allowed_hosts.iter().cloned().chain(public).collect();
        if !address.is_loopback() && named.is_empty() {
            return Self::Any;
        }
        // By which the commands of this machine call it.
        named.push(match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        });
        Self::Loopback(named.into())
    }

    /// This machine's own names only.
    #[must_use]
    pub fn loopback() -> Self {
        Self::Loopback(Arc::default())
    }

    fn know(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback(named) => {
                let Ok(authority) = host.parse::<Authority>() else { return false };
                let name = authority.host();
                is_loopback(name) || named.iter().any(|known| known.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// Who is let in.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) hosts: Hosts,
    /// Origins of other sites whose pages may call.
    pub(super) origins: Arc<[String]>,
}

pub(super) async fn check(State(door): State<Door>, request: Request, next: Next) -> Response {
    match admit(&door, request.uri().authority(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn admit(door: &Door, authority: Option<&Authority>, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = text(headers, &header::HOST).or(authority.map(Authority::as_str));
    if door.hosts != Hosts::Any && !host.is_some_and(|host| door.hosts.know(host)) {
        let message = "call the service as `localhost` or `127.0.0.1`, or name this host in `allowed_hosts`";
        return Err(ApiError::forbidden("host", message));
    }
    let foreign = text(headers, &header::ORIGIN).is_some_and(|origin| {
        let site = origin.split_once("://").map(|(_, site)| site);
        (site.is_none() || site != host) && !door.origins.iter().any(|named| named == origin)
    });
    if foreign {
        return Err(ApiError::forbidden("origin", "pages of other sites may not call the service"));
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

fn is_loopback(name: &str) -> bool {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(hosts: Hosts) -> Door {
        Door { hosts, origins: ["https://chat.example.org".to_owned()].into() }
    }

    fn asked(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a value"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a value"));
        }
        admit(&door(Hosts::loopback()), None, &headers).is_ok()
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
    fn a_name_that_is_configured_is_known_whatever_its_port() {
        let settings = Settings {
            public_url: Some("https://answers.example.org".into()),
            allowed_hosts: vec!["inner".into()],
            ..Settings::default()
        };
        let hosts = Hosts::new(IpAddr::from([0, 0, 0, 0]), &settings);
        for known in ["answers.example.org", "ANSWERS.example.org:443", "inner:8080", "127.0.0.1:8080"] {
            assert!(hosts.know(known), "{known}");
        }
        for unknown in ["example.org", "answers.example.org.evil.example", ""] {
            assert!(!hosts.know(unknown), "{unknown}");
        }
        assert_eq!(Hosts::new(IpAddr::from([0, 0, 0, 0]), &Settings::default()), Hosts::Any);
    }

    #[test]
    fn the_address_that_it_listens_on_is_a_name_of_it() {
        let settings = Settings { public_url: Some("https://answers.example.org".into()), ..Settings::default() };
        for (address, known) in [("192.0.2.7", "192.0.2.7:8080"), ("2001:db8::7", "[2001:db8::7]:8080")] {
            let hosts = Hosts::new(address.parse().expect("an address"), &settings);
            assert!(hosts.know(known) && hosts.know("answers.example.org"), "{known}");
            assert!(!hosts.know("192.0.2.8:8080") && !hosts.know("[2001:db8::8]:8080"), "{known}");
        }
    }

    #[test]
    fn a_page_of_a_named_origin_comes_in_and_nobody_who_looks_like_it() {
        assert!(asked("localhost:8080", Some("https://chat.example.org")));
        for origin in [
            "http://chat.example.org",
            "https://chat.example.org:8443",
            "https://chat.example.org.evil.example",
            "https://sub.chat.example.org",
            "https://evilchat.example.org",
            "https://example.org",
            "chat.example.org",
            "",
        ] {
            assert!(!asked("localhost:8080", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn a_request_without_a_host_is_turned_away() {
        assert!(admit(&door(Hosts::loopback()), None, &HeaderMap::new()).is_err());
        assert!(admit(&door(Hosts::Any), None, &HeaderMap::new()).is_ok());
    }
}
