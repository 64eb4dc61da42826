//! Who a server is, for what is said about it: its name, and the secrets that
//! may stand in no log, error or tool's result. Imports settings and errors.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::config::ServerConfig;
use super::error::McpError;

/// Characters of a server's words that are kept in an error or a log line.
const DETAILS: usize = 300;
/// Shorter values are no secrets, and would take common words with them.
const SHORTEST_SECRET: usize = 7;
/// Parts of a variable's name that tell that its value is a secret.
const SECRET_NAMES: [&str; 6] = ["KEY", "TOKEN", "SECRET", "PASS", "AUTH", "CREDENTIAL"];
/// What stands in a secret's place.
const HIDDEN: &str = "[secret]";

/// A server's name and secrets.
#[derive(Debug)]
pub(super) struct Peer {
    name: String,
    /// Longest first, so that none is left over from a longer one.
    secrets: Vec<SecretString>,
}

impl Peer {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let is_secret = |name: &str| SECRET_NAMES.iter().any(|part| name.to_ascii_uppercase().contains(part));
        let of_env = config.env.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.as_str());
        // `Bearer abc` is as secret as `abc`.
        let of_headers = config.headers.values().map(ExposeSecret::expose_secret);
        let of_headers = of_headers.flat_map(|value| std::iter::once(value).chain(value.split_whitespace()));
        let mut secrets: Vec<&str> = of_env.chain(of_headers).filter(|value| value.len() >= SHORTEST_SECRET).collect();
        secrets.sort_by_key(|value| std::cmp::Reverse(value.len()));
        secrets.dedup();
        Self { name: config.name.clone(), secrets: secrets.into_iter().map(SecretString::from).collect() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The text without secrets.
    pub(super) fn hide(&self, mut text: String) -> String {
        for secret in self.secrets.iter().map(ExposeSecret::expose_secret) {
            if text.contains(secret) {
                text = text.replace(secret, HIDDEN);
            }
        }
        text
    }

    /// Takes the secrets out of all texts within a value.
    pub(super) fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hide(std::mem::take(text)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.hide_in(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The words of others, fit for a log line: without secrets, on one line,
    /// and short.
    pub(super) fn line(&self, words: &str) -> String {
        // No secret is cut in two, for only this much can be shown.
        let words = self.hide(words.chars().take(DETAILS * 16).collect());
        let line: Vec<&str> = words.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        let line = line.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(DETAILS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    pub(super) fn gone(&self, details: &str) -> McpError {
        McpError::Gone { server: self.name.clone(), details: self.line(details) }
    }

    pub(super) fn protocol(&self, details: &str) -> McpError {
        McpError::Protocol { server: self.name.clone(), details: self.line(details) }
    }

    pub(super) fn unauthorized(&self) -> McpError {
        McpError::Unauthorized { server: self.name.clone() }
    }

    pub(super) fn timeout(&self, what: &'static str, limit: Duration) -> McpError {
        McpError::Timeout { server: self.name.clone(), what, limit }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn peer(value: Value) -> Peer {
        Peer::new(&serde_json::from_value(value).expect("a config"))
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let peer = peer(json!({ "name": "a", "url": "http://x", "headers": { "authorization": "Bearer canary-1" } }));
        assert_eq!(peer.hide("Bearer canary-1, canary-1, Bearer x".into()), "[secret], [secret], Bearer x");
        let mut value = json!({ "a": ["b canary-1", 1, null], "c": true });
        peer.hide_in(&mut value);
        assert_eq!(value, json!({ "a": ["b [secret]", 1, null], "c": true }));
    }

    #[test]
    fn only_variables_named_like_secrets_are_hidden() {
        let env = json!({ "API_KEY": "canary-1", "db_password": "canary-2", "ZONE": "Europe/Berlin", "KEY": "short" });
        let peer = peer(json!({ "name": "a", "command": "x", "env": env }));
        assert_eq!(peer.hide("canary-1 canary-2 Europe/Berlin short".into()), "[secret] [secret] Europe/Berlin short");
    }

    #[test]
    fn words_of_a_server_are_one_short_line() {
        let peer = peer(json!({ "name": "a", "command": "x" }));
        let line = peer.line(&format!("bad\r\n\u{1b}[1m {}", "x".repeat(1_000_000)));
        assert!(line.starts_with("bad [1m xxx"), "{line}");
        assert_eq!(line.chars().count(), DETAILS + 1);
    }
}
