//! Which addresses are the public internet's. Imports nothing of this crate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 blocks that are not fetched from: those of IANA's registry of IPv4
/// special-purpose addresses (RFC 6890 and its updates) that are not globally
/// reachable, multicast (RFC 5771), and the one public address that a cloud
/// uses for its inner services.
const CLOSED_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),            // "this network", RFC 791
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared with carriers, RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback, RFC 1122
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, RFC 3927
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments, RFC 6890
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation, RFC 5737
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays, withdrawn by RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private, RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast, RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved and broadcast, RFC 1112
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's platform address
];

/// The only IPv6 block that is given out as global unicast, RFC 4291.
const UNICAST_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks inside [`UNICAST_V6`] that are not fetched from, by IANA's registry of
/// IPv6 special-purpose addresses. 6to4 and Teredo carry an IPv4 address inside
/// them; both are out of use, so that they are closed as a whole.
const CLOSED_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments with Teredo, RFC 2928, RFC 4380
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4, RFC 3056, RFC 7526
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation, RFC 9637
];

/// The well-known prefix that translates to IPv4 (NAT64), RFC 6052.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Where clouds answer with credentials. No rule opens these.
const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether an address is reachable from anywhere, thus nobody's inner service.
/// IPv6 addresses that mean an IPv4 one (mapped, NAT64) are judged by that one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match embedded(address) {
        IpAddr::V4(address) => !CLOSED_V4.iter().any(|block| holds_v4(*block, address)),
        IpAddr::V6(address) => {
            holds_v6(&UNICAST_V6, address) && !CLOSED_V6.iter().any(|block| holds_v6(block, address))
        }
    }
}

/// The IPv4 address that an IPv6 one leads to, if it does.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    if holds_v6(&NAT64, v6) {
        let [.., a, b, c, d] = v6.octets();
        return Ipv4Addr::new(a, b, c, d).into();
    }
    address
}

fn holds_v4((network, bits): (Ipv4Addr, u8), address: Ipv4Addr) -> bool {
    Ipv4Net::new(network, bits).is_ok_and(|network| network.contains(&address))
}

fn holds_v6(&(network, bits): &(Ipv6Addr, u8), address: Ipv6Addr) -> bool {
    Ipv6Net::new(network, bits).is_ok_and(|network| network.contains(&address))
}

/// What the operator opens beyond the public internet: a network
/// (`10.1.0.0/16`), an address, or the name of a host (`wiki.internal`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// Every address in it.
    Net(IpNet),
    /// Every address of the host with this name, in lower case.
    Host(String),
}

/// Text that names neither a network nor a host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` names neither a network (`10.1.0.0/16`), nor an address, nor a host (`wiki.internal`)")]
pub struct NoAllow(String);

impl FromStr for Allow {
    type Err = NoAllow;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let all_digits = name.chars().all(|c| c.is_ascii_digit() || c == '.');
        if name.is_empty() || all_digits || !name.chars().all(is_name) {
            return Err(NoAllow(text.to_owned()));
        }
        Ok(Self::Host(name))
    }
}

/// Decides about addresses and names.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    allow: Vec<Allow>,
}

impl Policy {
    /// The public internet, and what is opened beyond it.
    #[must_use]
    pub fn new(allow: Vec<Allow>) -> Self {
        Self { allow }
    }

    /// Whether `host`, which has this address, may be fetched from. Where clouds
    /// hand out credentials never may.
    #[must_use]
    pub fn permits(&self, host: &str, address: IpAddr) -> bool {
        let address = embedded(address);
        if METADATA.contains(&address) {
            return false;
        }
        let opens = |allow: &Allow| match allow {
            Allow::Net(net) => net.contains(&address),
            Allow::Host(name) => *name == plain(host),
        };
        is_public(address) || self.allow.iter().any(opens)
    }

    /// Whether a name may be looked up: names of this very machine may only
    /// where they are opened by name.
    #[must_use]
    pub fn permits_name(&self, host: &str) -> bool {
        let name = plain(host);
        let is_own = name.is_empty()
            || name == "localhost"
            || name == "localhost.localdomain"
            || name.ends_with(".localhost")
            || matches!(name.as_str(), "ip6-localhost" | "ip6-loopback");
        !is_own || self.allow.iter().any(|allow| matches!(allow, Allow::Host(host) if *host == name))
    }
}

/// A host's name in lower case and without the dot of the root.
fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().expect("an address"))
    }

    #[test]
    fn addresses_of_special_purpose_are_not_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.1.2.3",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "64:ff9b:1::7f00:1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
            "1::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.17",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn an_operator_opens_networks_addresses_and_hosts() {
        let policy = Policy::new(["10.1.0.0/16", "fd12::7", "Wiki.Internal."].map(|t| t.parse().expect(t)).to_vec());
        let permits = |host: &str, address: &str| policy.permits(host, address.parse().expect("an address"));
        assert!(permits("x", "10.1.2.3") && !permits("x", "10.2.0.1"));
        assert!(permits("x", "fd12::7") && !permits("x", "fd12::8"));
        assert!(permits("WIKI.internal", "192.168.0.9") && !permits("wiki.internal.example", "192.168.0.9"));
        assert!(permits("x", "::ffff:10.1.2.3"), "an opened network is open in both spellings");
    }

    #[test]
    fn no_rule_opens_where_clouds_hand_out_credentials() {
        let policy = Policy::new(["0.0.0.0/0", "::/0", "meta"].map(|t| t.parse().expect(t)).to_vec());
        for address in ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"] {
            assert!(!policy.permits("meta", address.parse().expect("an address")), "{address}");
        }
        assert!(policy.permits("x", "127.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn what_is_neither_network_nor_host_is_refused() {
        for text in ["", "10.0.0.0/40", "300.1.1.1", "a b", "http://x", "10."] {
            assert!(text.parse::<Allow>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_this_machine_are_refused_unless_opened_by_name() {
        let closed = Policy::new(vec!["127.0.0.0/8".parse().expect("a network")]);
        for name in ["localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain", "."] {
            assert!(!closed.permits_name(name), "{name}");
        }
        assert!(closed.permits_name("example.com") && closed.permits_name("notlocalhost"));
        assert!(Policy::new(vec![Allow::Host("localhost".into())]).permits_name("localhost"));
    }
}
