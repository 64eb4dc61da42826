//! Settings of the front door that are lists of names: whose word is believed,
//! and whose pages may call.

use footnote_ingest::source::address::Allow;

use super::Settings;
use crate::error::{Error, Result};

impl Settings {
    /// Proxies whose word on a caller's address is believed.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names what is neither an address nor a network.
    pub fn proxies(&self) -> Result<Vec<Allow>> {
        let given = self.trusted_proxies.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        let parsed = given.map(|text| match text.parse() {
            Ok(network @ Allow::Net(_)) => Ok(network),
            _ => {
                let problem = format!("holds `{text}`, which is no address or network; 10.0.0.0/8 is one");
                Err(Error::Invalid { field: "trusted_proxies", problem })
            }
        });
        parsed.collect()
    }

    /// Origins of other sites whose pages may call the service, as browsers
    /// write them.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names what is no origin. `*` is none: whoever may
    /// call is named.
    pub fn origins(&self) -> Result<Vec<String>> {
        let given = self.allowed_origins.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        let parsed = given.map(|text| {
            origin(text).ok_or_else(|| {
                let problem = format!("holds `{text}`, which is no origin; `https://chat.example.org` is one");
                Error::Invalid { field: "allowed_origins", problem }
            })
        });
        parsed.collect()
    }
}

/// An origin in lower case: a scheme, a host, a port unless it is the scheme's
/// own, and nothing else.
fn origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, site) = text.split_once("://")?;
    let own_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let site = site.strip_suffix(own_port).unwrap_or(site);
    let (host, port) = match site.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (site, None),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let good_host = match inside {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_host),
    };
    let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (good_host && good_port).then(|| format!("{scheme}://{site}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        for (text, expected) in [
            ("https://Chat.example.org", "https://chat.example.org"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("https://a.example:443", "https://a.example"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(origin(text).as_deref(), Some(expected));
        }
        for text in [
            "*",
            "null",
            "chat.example.org",
            "https://",
            "https://*.example.org",
            "https://a.example/",
            "https://a.example/path",
            "https://me@a.example",
            "ftp://a.example",
            "https://a.example:0",
            "https://a b",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        let of = |names: &[&str]| {
            let trusted_proxies = names.iter().map(|&name| name.to_owned()).collect();
            Settings { trusted_proxies, ..Settings::default() }.proxies()
        };
        assert_eq!(of(&["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", ""]).expect("proxies").len(), 3);
        let refusal = of(&["proxy.internal"]).expect_err("a name can lead anywhere").to_string();
        assert!(refusal.contains("trusted_proxies") && refusal.contains("proxy.internal"), "{refusal}");
    }
}
