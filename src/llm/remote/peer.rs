//! A provider's failures in our own words: what its status, its error object or
//! the network says becomes an [`LlmError`] and whether to try again.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Spelling;
use super::said::Said;
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
    /// The provider wants it written in this other way.
    Spelled(Spelling),
}

/// Who answers, for what is said about it.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    name: String,
    key: Option<SecretString>,
    names: Names,
}

/// The settings that say where a provider is and who asks.
#[derive(Debug, Clone)]
pub(in crate::llm) struct Names {
    pub(in crate::llm) key: String,
    pub(in crate::llm) url: String,
}

impl Peer {
    pub(super) fn new(name: String, key: Option<&str>, names: Names) -> Self {
        Self { name, key: key.map(SecretString::from), names }
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
        LlmError::Protocol { provider: self.name.clone(), details: self.clean(details), url: self.names.url.clone() }
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
            let (provider, details, url) = (self.name.clone(), self.clean(&details), self.names.url.clone());
            return LlmError::Unreachable { provider, details, url }.into();
        }
        self.transient(&details).into()
    }

    /// A reply with a status that is no success.
    pub(super) fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8], model: &str) -> Failed {
        let said = Said::read(body);
        let wait = retry_after(headers).or(said.wait);
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
            LlmError::Refused { .. } if said.wants_other_limit() => Again::Spelled(Spelling::OtherLimit),
            LlmError::Refused { .. } if said.is_of("stream_options") => Again::Spelled(Spelling::UsageUnasked),
            _ => Again::Never,
        };
        Failed { error, again }
    }

    /// An error object within a reply that began well.
    pub(super) fn said(&self, error: &Value, model: &str) -> LlmError {
        let said = Said::of(error);
        let status = said.status.or_else(|| said.status_by_name()).unwrap_or(500);
        let mut error = self.classify(status, &said, model);
        if let LlmError::Transient { status, .. } = &mut error {
            // Only what it said itself.
            *status = said.status;
        }
        error
    }

    fn classify(&self, status: u16, said: &Said, model: &str) -> LlmError {
        let (provider, details) = (self.name.clone(), self.clean(&said.message));
        let Names { key, url } = self.names.clone();
        match status {
            413 => LlmError::TooLong { provider, details },
            400 | 422 if said.is_too_long() => LlmError::TooLong { provider, details },
            401 | 403 => LlmError::Unauthorized { provider, details, key, url },
            // So OpenRouter says that a model takes no tools.
            404 if said.message.to_lowercase().contains("tool") => LlmError::Refused { provider, details },
            404 => LlmError::ModelNotFound { provider, model: model.to_owned(), details, url },
            400 if said.names.contains("model_not_found") => {
                LlmError::ModelNotFound { provider, model: model.to_owned(), details, url }
            }
            // So Google says it.
            400 if said.names.contains("api_key") => LlmError::Unauthorized { provider, details, key, url },
            // So llama.cpp says that it was started without templates that take tools.
            500 if said.message.contains("--jinja") => LlmError::Refused { provider, details },
            // 402: nothing left to pay with.
            402 | 429 => LlmError::RateLimited { provider, retry_after: said.wait, details },
            400 if said.is_unpaid() => LlmError::RateLimited { provider, retry_after: None, details },
            408 | 409 | 500.. => LlmError::Transient { provider, status: Some(status), details },
            400..500 => LlmError::Refused { provider, details },
            _ => {
                let details = format!("HTTP status {status}; redirects are not followed");
                LlmError::Protocol { provider, details, url }
            }
        }
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
        Peer::new(
            "api.test".into(),
            Some("sk-canary"),
            Names { key: "OPENAI_API_KEY".into(), url: "OPENAI_BASE_URL".into() },
        )
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
    fn a_server_that_was_started_without_tools_refuses_them() {
        let error =
            json!({ "error": { "code": 500, "message": "tools param requires --jinja flag", "type": "server_error" } });
        let refused = refused(500, &error);
        assert_eq!((refused.error.code(), refused.again), ("refused", Again::Never));
    }

    #[test]
    fn anthropics_errors_are_told_apart_by_their_names() {
        for (kind, message, code) in [
            ("overloaded_error", "Overloaded", "transient"),
            ("api_error", "Internal server error", "transient"),
            ("timeout_error", "took too long", "transient"),
            ("rate_limit_error", "slow down", "rate_limited"),
            ("billing_error", "pay", "rate_limited"),
            ("authentication_error", "invalid x-api-key", "unauthorized"),
            ("permission_error", "no", "unauthorized"),
            ("not_found_error", "model: claude-x", "model_not_found"),
            ("request_too_large", "Request exceeds the maximum size", "too_long"),
            ("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", "too_long"),
            ("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2", "too_long"),
            ("invalid_request_error", "Your credit balance is too low to access the API", "rate_limited"),
            ("invalid_request_error", "messages: at least one message is required", "refused"),
        ] {
            let error = json!({ "type": kind, "message": message });
            assert_eq!(peer().said(&error, "m").code(), code, "{kind}: {message}");
        }
        let overloaded =
            refused(529, &json!({ "type": "error", "error": { "type": "overloaded_error", "message": "x" } }));
        assert!(matches!(overloaded.error, LlmError::Transient { status: Some(529), .. }), "{overloaded:?}");
        assert_eq!(overloaded.again, Again::After(Duration::ZERO));
        let within = peer().said(&json!({ "type": "overloaded_error", "message": "x" }), "m");
        assert!(matches!(within, LlmError::Transient { status: None, .. }), "{within:?}");
        for (status, message) in [(400, "prompt is too long: 2 > 1"), (413, "too large")] {
            assert_eq!(refused(status, &json!({ "error": { "message": message } })).error.code(), "too_long");
        }
    }

    #[test]
    fn googles_errors_are_told_apart_by_their_details() {
        let error = |code: u16, status: &str, message: &str, details: Value| json!([{ "error": { "code": code, "status": status, "message": message, "details": details } }]);
        let invalid = json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }]);
        let bad_key = refused(400, &error(400, "INVALID_ARGUMENT", "API key not valid.", invalid));
        assert_eq!(bad_key.error.code(), "unauthorized");
        let message = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).";
        assert_eq!(refused(400, &error(400, "INVALID_ARGUMENT", message, json!(null))).error.code(), "too_long");
        let unavailable = refused(503, &error(503, "UNAVAILABLE", "The model is overloaded.", json!([])));
        assert_eq!(unavailable.error.code(), "transient");

        let delay = json!([{ "@type": "x", "retryDelay": "odd" }, { "@type": "y", "retryDelay": "3.5s" }]);
        let limited = refused(429, &error(429, "RESOURCE_EXHAUSTED", "You exceeded your quota", delay));
        let wait = Duration::from_millis(3500);
        assert!(
            matches!(limited.error, LlmError::RateLimited { retry_after: Some(w), .. } if w == wait),
            "{limited:?}"
        );
        assert_eq!(limited.again, Again::After(wait));
        assert_eq!(peer().said(&json!({ "status": "RESOURCE_EXHAUSTED" }), "m").code(), "rate_limited");
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
