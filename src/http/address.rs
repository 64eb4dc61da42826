//! Where a request comes from. Imports settings' networks.
//!
//! The address of the connection, unless a proxy that is trusted made it: then
//! what the proxy says of its caller. Headers are lists to which each proxy adds
//! at the right end, so they are read from the right, for as long as whoever added
//! an entry is trusted. What stands further left, anybody may have written.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use footnote_ingest::source::address::Allow;

/// Entries that are read, at most.
const MOST: usize = 32;

/// Proxies whose word is believed.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies(Arc<[Allow]>);

/// The address that a request comes from; the unspecified one where nothing is
/// known, as within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientAddress(pub(super) IpAddr);

impl Proxies {
    pub(super) fn new(trusted: Vec<Allow>) -> Self {
        Self(trusted.into())
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|proxy| match proxy {
            Allow::Net(network) => network.contains(&address),
            Allow::Host(_) => false,
        })
    }

    /// Where a request comes from that `peer` sent.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return peer;
        }
        let forwarded_for = list(headers, "x-forwarded-for");
        let forwarded = list(headers, "forwarded");
        match (forwarded_for.is_empty(), forwarded.is_empty()) {
            (true, true) => peer,
            (false, true) => self.walk(peer, forwarded_for.iter().map(|entry| node(entry))),
            (true, false) => self.walk(peer, forwarded.iter().map(|entry| element(entry))),
            // A proxy sets one and may pass the other on as it came. Which is which
            // is not known here, so that they must say the same.
            (false, false) => {
                let first = self.walk(peer, forwarded_for.iter().map(|entry| node(entry)));
                let second = self.walk(peer, forwarded.iter().map(|entry| element(entry)));
                if first == second { first } else { peer }
            }
        }
    }

    fn walk(&self, peer: IpAddr, entries: impl DoubleEndedIterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut last = peer;
        for entry in entries.rev().take(MOST) {
            // What is no address was said of somebody by the last one we trust.
            let Some(address) = entry else { return last };
            last = address;
            if !self.trust(address) {
                return last;
            }
        }
        last
    }
}

/// The entries of a header, over all its lines.
fn list<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(str::trim).collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let inside = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip())).or_else(inside);
    address.map(|address| address.to_canonical())
}

/// The `for` of an element of `Forwarded`, RFC 7239.
fn element(text: &str) -> Option<IpAddr> {
    let mut pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// Notes where the request comes from.
pub(super) async fn note(State(proxies): State<Proxies>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let nowhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let address = peer.map_or(nowhere, |peer| proxies.client(peer, request.headers()));
    request.extensions_mut().insert(ClientAddress(address));
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"];
        let proxies = Proxies::new(trusted.iter().map(|network| network.parse().expect("a network")).collect());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        proxies.client(ip(peer), &map).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let forged = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(client("198.51.100.7", &forged), "198.51.100.7");
        assert_eq!(client("::ffff:198.51.100.7", &forged), "198.51.100.7");
    }

    #[test]
    fn the_entry_that_a_trusted_proxy_added_counts_and_not_what_stands_left_of_it() {
        let header = |value| [("x-forwarded-for", value)];
        assert_eq!(client("10.0.0.1", &header("203.0.113.9")), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &header("1.1.1.1, 203.0.113.9")), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &header("1.1.1.1, 203.0.113.9, 192.0.2.1, 10.9.9.9")), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &header("10.0.0.7, 10.0.0.8")), "10.0.0.7", "all of them are ours");
    }

    #[test]
    fn fifty_forged_entries_do_not_help() {
        let forged = (0..50).map(|n| format!("203.0.113.{n}")).collect::<Vec<_>>().join(", ");
        let header = format!("{forged}, 198.51.100.7");
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", &header)]), "198.51.100.7");
        assert_eq!(
            client("10.0.0.1", &[("x-forwarded-for", &forged), ("x-forwarded-for", "198.51.100.7")]),
            "198.51.100.7"
        );
        let ours = vec!["10.0.0.2"; 100].join(",");
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", &format!("203.0.113.9,{ours}"))]), "10.0.0.2");
    }

    #[test]
    fn what_is_no_address_is_said_by_the_proxy_before_it() {
        for nonsense in ["unknown", "_hidden", "", "203.0.113.9 x", "999.1.1.1", "localhost", "\"203.0.113.9\""] {
            assert_eq!(client("10.0.0.1", &[("x-forwarded-for", nonsense)]), "10.0.0.1", "{nonsense}");
            let header = format!("1.1.1.1, {nonsense}, 10.2.2.2");
            assert_eq!(client("10.0.0.1", &[("x-forwarded-for", &header)]), "10.2.2.2", "{nonsense}");
        }
    }

    #[test]
    fn ports_brackets_and_forwarded_are_understood() {
        for (value, expected) in [
            ("203.0.113.9:1234", "203.0.113.9"),
            ("[2001:dead::9]:1234", "2001:dead::9"),
            ("[2001:dead::9]", "2001:dead::9"),
            ("2001:dead::9", "2001:dead::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(client("10.0.0.1", &[("x-forwarded-for", value)]), expected);
        }
        for (value, expected) in [
            ("for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
            ("proto=https; For=\"[2001:dead::9]:4711\"", "2001:dead::9"),
            ("for=1.1.1.1, for=203.0.113.9, for=10.3.3.3", "203.0.113.9"),
            ("for=unknown", "10.0.0.1"),
            ("by=203.0.113.9", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[("forwarded", value)]), expected);
        }
    }

    #[test]
    fn two_headers_must_say_the_same() {
        let both = |one, other| [("x-forwarded-for", one), ("forwarded", other)];
        assert_eq!(client("10.0.0.1", &both("203.0.113.9", "for=203.0.113.9")), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &both("203.0.113.9", "for=1.1.1.1")), "10.0.0.1", "one of them is forged");
    }
}
