//! Settings of one server. Imports the errors.
//!
//! Values are taken as they stand: nothing of the environment is put into them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::error::McpError;

/// Characters of a server's name, at most: half of a tool's full name.
const NAME: usize = 32;
/// Seconds that a step may take, when nothing is said.
const DEFAULT_TIMEOUT: u64 = 30;
/// Seconds that a step may take, at most.
const MAX_TIMEOUT: u64 = 3600;
/// Headers that the protocol sets itself.
const RESERVED: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// A server: a program that is started here, or an address.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Letters, digits, `-` and single `_`; begins the names of its tools.
    pub name: String,
    /// The program that speaks MCP on its standard input and output.
    #[serde(default)]
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment, besides PATH, HOME and LANG of this process.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The address of streamable HTTP, instead of a program.
    #[serde(default)]
    pub url: Option<String>,
    /// Headers of each request to it.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretString>,
    /// The tools that may be used, by the server's names for them; none allows
    /// all.
    #[serde(default)]
    pub tools: Option<Vec<String>>,
    /// Seconds that a call may take, and as many before it where the server must
    /// be connected to and listed. One that leaves unknown requests unanswered
    /// is greeted after ten.
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    /// Which calls need a person's consent.
    #[serde(default)]
    pub approve: Approve,
}

/// Which calls need a person's consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approve {
    /// Those of tools that the server does not mark as read-only. The mark is
    /// the server's word, so this trusts it.
    #[default]
    Writes,
    /// All.
    Always,
    /// None.
    Never,
}

/// How to reach a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'a> {
    Program(&'a str),
    Address(&'a str),
}

impl ServerConfig {
    /// Checks all that can be checked without the server.
    pub(super) fn validate(&self) -> Result<(), McpError> {
        let problem = self
            .name_problem()
            .or_else(|| match self.way() {
                None => Some("give either `command` or `url`".to_owned()),
                Some(Way::Program(_)) => self.program_problem(),
                Some(Way::Address(url)) => self.address_problem(url),
            })
            .or_else(|| {
                let outside = !(1..=MAX_TIMEOUT).contains(&self.timeout);
                outside.then(|| format!("`timeout` must be 1 to {MAX_TIMEOUT} seconds"))
            });
        problem.map_or(Ok(()), |problem| Err(McpError::Misconfigured { server: self.name.clone(), problem }))
    }

    /// Checks all of them, and that no two have the same name.
    pub(super) fn validate_all(configs: &[Self]) -> Result<(), McpError> {
        let mut names = BTreeSet::new();
        for config in configs {
            config.validate()?;
            if !names.insert(&config.name) {
                let problem = "another server has this name; give it its own".to_owned();
                return Err(McpError::Misconfigured { server: config.name.clone(), problem });
            }
        }
        Ok(())
    }

    pub(super) fn way(&self) -> Option<Way<'_>> {
        match (&self.command, &self.url) {
            (Some(command), None) => Some(Way::Program(command)),
            (None, Some(url)) => Some(Way::Address(url)),
            _ => None,
        }
    }

    pub(super) fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The headers as they are sent; none is shown by `Debug`.
    pub(super) fn header_values(&self) -> impl Iterator<Item = Option<(HeaderName, HeaderValue)>> {
        self.headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value.expose_secret()).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        })
    }

    /// A full name is split at its first `__`, so a server's has none, nor can
    /// it make one with what follows.
    fn name_problem(&self) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let good = !self.name.is_empty()
            && self.name.len() <= NAME
            && self.name.chars().all(fits)
            && !self.name.contains("__")
            && !self.name.ends_with('_');
        (!good).then(|| {
            format!("a name has 1 to {NAME} letters, digits, `-` and single `_`, the last not at its end; rename it")
        })
    }

    fn program_problem(&self) -> Option<String> {
        let bad_name = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
        if self.command.as_ref().is_some_and(|command| command.trim().is_empty()) {
            return Some("`command` is empty; name a program".into());
        }
        if !self.headers.is_empty() {
            return Some("`headers` go with `url`; a program is given `env`".into());
        }
        self.env.keys().find(bad_name).map(|name| format!("`env` has no variable `{name}`; correct its name"))
    }

    fn address_problem(&self, url: &str) -> Option<String> {
        if !self.args.is_empty() || !self.env.is_empty() {
            return Some("`args` and `env` go with `command`; an address is given `headers`".into());
        }
        let Some(url) = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Some("`url` must begin with http:// or https://".into());
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Some("`url` holds credentials; put them into `headers`".into());
        }
        if let Some(name) = self.headers.keys().find(|name| RESERVED.contains(&name.to_ascii_lowercase().as_str())) {
            return Some(format!("the header `{name}` is set by the protocol; leave it out"));
        }
        let bad = self.headers.keys().zip(self.header_values()).find(|(_, header)| header.is_none());
        bad.map(|(name, _)| format!("`{name}` is no header, or its value has characters that none may have"))
    }
}

/// Names only: variables, headers and addresses may hold secrets.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("name", &self.name)
            .field("command", &self.command)
            .field("env", &self.env.keys())
            .field("headers", &self.headers.keys())
            .field("tools", &self.tools)
            .field("timeout", &self.timeout)
            .field("approve", &self.approve)
            .finish_non_exhaustive()
    }
}

const fn default_timeout() -> u64 {
    DEFAULT_TIMEOUT
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(value: Value) -> ServerConfig {
        serde_json::from_value(value).expect("a config")
    }

    fn problem(value: Value) -> String {
        config(value).validate().expect_err("refused").to_string()
    }

    #[test]
    fn a_name_and_a_way_are_enough() {
        let config = config(json!({ "name": "time", "command": "mcp-server-time" }));
        config.validate().expect("valid");
        assert_eq!((config.timeout, config.approve, config.tools), (30, Approve::Writes, None));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let unknown = json!({ "name": "time", "command": "x", "arguments": [] });
        assert!(serde_json::from_value::<ServerConfig>(unknown).is_err());
    }

    #[test]
    fn a_server_has_one_way_and_what_goes_with_it() {
        let url = "https://mcp.test/mcp";
        for (value, says) in [
            (json!({ "name": "a" }), "either `command` or `url`"),
            (json!({ "name": "a", "command": "x", "url": url }), "either `command` or `url`"),
            (json!({ "name": "a", "command": " " }), "name a program"),
            (json!({ "name": "a", "command": "x", "headers": { "a": "b" } }), "`headers` go with `url`"),
            (json!({ "name": "a", "command": "x", "env": { "A=B": "c" } }), "`A=B`"),
            (json!({ "name": "a", "url": url, "env": { "A": "b" } }), "go with `command`"),
            (json!({ "name": "a", "url": "file:///etc/passwd" }), "http://"),
            (json!({ "name": "a", "url": "https://me:canary@mcp.test" }), "put them into `headers`"),
            (json!({ "name": "a", "url": url, "headers": { "Mcp-Session-Id": "1" } }), "`Mcp-Session-Id`"),
            (json!({ "name": "a", "url": url, "headers": { "x": "a\nb" } }), "`x` is no header"),
            (json!({ "name": "a", "command": "x", "timeout": 0 }), "1 to 3600"),
        ] {
            let problem = problem(value);
            assert!(problem.contains(says), "{problem}");
            assert!(!problem.contains("canary"), "{problem}");
        }
    }

    #[test]
    fn a_name_leaves_no_doubt_where_a_tools_begins() {
        for name in ["", "a b", "a__b", "a_", "ä", "a.b", &"a".repeat(33)] {
            assert!(problem(json!({ "name": name, "command": "x" })).contains("rename it"), "{name}");
        }
        let twice = [json!({ "name": "a", "command": "x" }), json!({ "name": "a", "command": "y" })].map(config);
        assert!(ServerConfig::validate_all(&twice).is_err());
    }

    #[test]
    fn debug_shows_no_value_that_may_be_secret() {
        let program = config(json!({ "name": "a", "command": "x", "args": ["canary"], "env": { "KEY": "canary" } }));
        let address = config(json!({ "name": "a", "url": "https://mcp.test/canary", "headers": { "key": "canary" } }));
        let header = address.header_values().next().flatten().expect("a header");
        let shown = format!("{program:?} {address:?} {header:?}");
        assert!(shown.contains("KEY") && !shown.contains("canary"), "{shown}");
    }
}
