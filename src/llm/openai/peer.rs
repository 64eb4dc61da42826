//! A provider's failures in our own words: what its status, its error object or
//! the network says becomes an [`LlmError`] and whether to try again.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::llm::LlmError;

/// Characters of a provider's own words that are passed on.
const DETAILS: usize = 300;
/// A longer wait than this is left to the caller.
const PATIENCE: Duration = Duration::from_secs(5);

/// A try that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: LlmError,
    pub(super) again: Again,
}

/// A failure of which no reply's headers say when to come again.
impl From<LlmError> for Failed {
    fn from(error: LlmError) -> Self {
        let passes = matches!(error, LlmError::Transient { .. } | LlmError::Unreachable { .. });
        Self { error, again: if passes { Again::After(Duration::ZERO) } else { Again::Never } }
    }
}

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    After(Duration),
    /// The provider wants the limit of tokens under its other name.
    WithOtherLimit,
}

/// Who answers, for what is said about it.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    name: String,
    key: Option<SecretString>,
}

/// An error as providers write it. OpenAI: `{"error": {message, type, param,
/// code}}`; others put a text there, leave the shell out, or number the code.
#[derive(Debug, Default)]
struct Said {
    message: String,
    /// `code` and `type`, in lower case.
    names: String,
    param: String,
    status: Option<u16>,
}

impl Peer {
    pub(super) fn new(name: String, key: Option<&str>) -> Self {
        Self { name, key: key.map(SecretString::from) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The words of others, fit for a log line: without the key, on one line,
    /// and short.
    fn clean(&self, words: &str) -> String {
        let words = match &self.key {
            Some(key) => words.replace(key.expose_secret(), "[key]"),
            None => words.to_owned(),
        };
        let line: Vec<&str> = words.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        let line = line.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(DETAILS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    pub(super) fn protocol(&self, details: &str) -> LlmError {
        LlmError::Protocol { provider: self.name.clone(), details: self.clean(details) }
    }

    pub(super) fn interrupted(&self, details: &str) -> LlmError {
        LlmError::Interrupted { provider: self.name.clone(), details: self.clean(details) }
    }

    pub(super) fn transient(&self, details: &str) -> LlmError {
        LlmError::transient(self.name.as_str(), self.clean(details))
    }

    pub(super) fn timeout(&self, what: &'static str, limit: Duration, setting: &'static str) -> LlmError {
        LlmError::Timeout { provider: self.name.clone(), what, limit, setting }
    }

    /// The request did not get through.
    pub(super) fn not_sent(&self, error: &reqwest::Error) -> Failed {
        let details = cause(error);
        if error.is_connect() {
            let (provider, details) = (self.name.clone(), self.clean(&details));
            return LlmError::Unreachable { provider, details }.into();
        }
        self.transient(&details).into()
    }

    /// A reply with a status that is no success.
    pub(super) fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8], model: &str) -> Failed {
        let said = Said::read(body);
        let wait = retry_after(headers);
        let mut error = self.classify(status, &said, model);
        if let LlmError::RateLimited { retry_after, .. } = &mut error {
            *retry_after = wait;
        }
        let forbidden = headers.get("x-should-retry").is_some_and(|value| value == "false");
        let again = match &error {
            _ if forbidden || said.names.contains("quota") => Again::Never,
            // Without a time, a quota is more likely than a moment's crowd.
            LlmError::RateLimited { .. } => wait.filter(|wait| *wait <= PATIENCE).map_or(Again::Never, Again::After),
            LlmError::Transient { .. } => match wait {
                Some(wait) if wait > PATIENCE => Again::Never,
                wait => Again::After(wait.unwrap_or_default()),
            },
            LlmError::Refused { .. } if said.wants_other_limit() => Again::WithOtherLimit,
            _ => Again::Never,
        };
        Failed { error, again }
    }

    /// An error object within a reply that began well.
    pub(super) fn said(&self, error: &Value, model: &str) -> LlmError {
        let said = Said::of(error);
        let status = said.status.or_else(|| said.status_by_name()).unwrap_or(500);
        self.classify(status, &said, model)
    }

    fn classify(&self, status: u16, said: &Said, model: &str) -> LlmError {
        let (provider, details) = (self.name.clone(), self.clean(&said.message));
        match status {
            413 => LlmError::TooLong { provider, details },
            400 | 422 if said.is_too_long() => LlmError::TooLong { provider, details },
            401 | 403 => LlmError::Unauthorized { provider, details },
            404 => LlmError::ModelNotFound { provider, model: model.to_owned(), details },
            400 if said.names.contains("model_not_found") => {
                LlmError::ModelNotFound { provider, model: model.to_owned(), details }
            }
            // 402: nothing left to pay with.
            402 | 429 => LlmError::RateLimited { provider, retry_after: None, details },
            408 | 409 | 500.. => LlmError::Transient { provider, status: Some(status), details },
            400..500 => LlmError::Refused { provider, details },
            _ => LlmError::Protocol { provider, details: format!("HTTP status {status}; redirects are not followed") },
        }
    }
}

impl Said {
    /// Reads a body; what is neither JSON nor plain text says nothing.
    fn read(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            // Gemini wraps it into a list.
            let value = value.get(0).unwrap_or(&value);
            return Self::of(value.get("error").unwrap_or(value));
        }
        let text = String::from_utf8_lossy(body);
        let is_page = text.trim_start().starts_with('<');
        Self { message: if is_page { String::new() } else { text.into_owned() }, ..Self::default() }
    }

    fn of(error: &Value) -> Self {
        if let Value::String(message) = error {
            return Self { message: message.clone(), ..Self::default() };
        }
        let text = |name: &str| match &error[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let message = ["message", "detail", "error"].into_iter().map(text).find(|message| !message.is_empty());
        let (code, kind) = (text("code"), text("type"));
        Self {
            message: message.unwrap_or_default(),
            status: code.parse().ok().filter(|status| (400..600).contains(status)),
            names: format!("{code} {kind}").to_lowercase(),
            param: text("param"),
        }
    }

    /// The status that an error's name stands for.
    fn status_by_name(&self) -> Option<u16> {
        let named = |parts: &[&str]| parts.iter().any(|part| self.names.contains(part));
        match () {
            () if self.is_too_long() => Some(413),
            () if named(&["rate_limit", "quota", "too_many"]) => Some(429),
            () if named(&["api_key", "authentication", "permission"]) => Some(401),
            () if named(&["model_not_found"]) => Some(404),
            () if named(&["content_filter", "invalid_request", "badrequest", "policy"]) => Some(400),
            () => None,
        }
    }

    fn is_too_long(&self) -> bool {
        let message = self.message.to_lowercase();
        ["context_length", "exceed_context"].iter().any(|part| self.names.contains(part))
            || ["context length", "context window", "context size", "maximum context", "prompt is too long"]
                .iter()
                .any(|part| message.contains(part))
    }

    fn wants_other_limit(&self) -> bool {
        let names = ["max_tokens", "max_completion_tokens"];
        let unsupported = self.names.contains("unsupported") || self.message.contains("not supported");
        unsupported && (names.contains(&self.param.as_str()) || self.message.contains(names[0]))
    }
}

/// The last cause of a network error, without the URL.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut source = error.source();
    while let Some(deeper) = source.and_then(std::error::Error::source) {
        source = Some(deeper);
    }
    source.map_or_else(|| "the connection failed".to_owned(), ToString::to_string)
}

/// When to come again: milliseconds, seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok();
    if let Some(milliseconds) = text("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(value) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = SystemTime::from(chrono::DateTime::parse_from_rfc2822(value).ok()?);
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn peer() -> Peer {
        Peer::new("api.test".into(), Some("sk-canary"))
    }

    fn refused(status: u16, body: &Value) -> Failed {
        peer().refused(status, &HeaderMap::new(), body.to_string().as_bytes(), "m")
    }

    #[test]
    fn a_status_says_what_can_be_done() {
        let error = json!({ "error": { "message": "no", "type": null, "param": null, "code": null } });
        let codes = [401, 403, 404, 400, 422, 413, 429, 402, 408, 409, 500, 503, 307]
            .map(|status| refused(status, &error).error.code());
        let expected = [
            "unauthorized",
            "unauthorized",
            "model_not_found",
            "refused",
            "refused",
            "too_long",
            "rate_limited",
            "rate_limited",
            "transient",
            "transient",
            "transient",
            "transient",
            "protocol",
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_name_or_the_words_say_that_it_is_too_long() {
        for error in [
            json!({ "error": { "message": "x", "code": "context_length_exceeded" } }),
            json!({ "object": "error", "message": "This model's maximum context length is 8192 tokens", "code": 400 }),
            json!([{ "error": { "message": "x", "type": "exceed_context_size_error", "code": 400 } }]),
        ] {
            assert_eq!(refused(400, &error).error.code(), "too_long", "{error}");
        }
    }

    #[test]
    fn an_error_within_a_stream_goes_by_its_code() {
        let code = |error: Value| peer().said(&error, "m").code();
        assert_eq!(code(json!({ "message": "x", "code": 429 })), "rate_limited");
        assert_eq!(code(json!({ "message": "x", "code": "invalid_api_key" })), "unauthorized");
        assert_eq!(code(json!({ "message": "x", "type": "content_filter" })), "refused");
        assert_eq!(code(json!("out of memory")), "transient");
        assert_eq!(code(json!({ "message": ["odd"] })), "transient");
    }

    #[test]
    fn details_hold_no_key_no_line_break_and_little_else() {
        let words = format!("bad\r\nkey sk-canary\u{1b}[1m {}", "x".repeat(1000));
        let clean = peer().clean(&words);
        assert!(clean.starts_with("bad key [key] [1m xxx"), "{clean}");
        assert_eq!(clean.chars().count(), DETAILS + 1);
    }

    #[test]
    fn the_wait_may_be_seconds_milliseconds_or_a_date() {
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            retry_after(&headers)
        };
        assert_eq!(wait("retry-after", "3"), Some(Duration::from_secs(3)));
        assert_eq!(wait("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("retry-after", "-1"), None);
        assert_eq!(wait("retry-after", "soon"), None);
    }

    #[test]
    fn a_spent_quota_is_not_asked_again() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "1".parse().expect("a value"));
        let again = |code: &str| {
            peer().refused(429, &headers, json!({ "error": { "code": code } }).to_string().as_bytes(), "m").again
        };
        assert_eq!(again("insufficient_quota"), Again::Never);
        assert_eq!(again("rate_limit_exceeded"), Again::After(Duration::from_secs(1)));
    }
}
