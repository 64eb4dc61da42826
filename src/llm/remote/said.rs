//! What a provider's error says, whoever wrote it: its words, names, status and
//! when to come again. Imports nothing of this crate.

use std::time::Duration;

use serde_json::Value;

/// An error as providers write it. OpenAI: `{"error": {message, type, param,
/// code}}`; others put a text there, leave the shell out, or number the code.
/// Google adds `status` and a list of `details`.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) message: String,
    /// `code`, `type`, `status` and the details' `reason`, in lower case.
    pub(super) names: String,
    param: String,
    pub(super) status: Option<u16>,
    /// When to come again.
    pub(super) wait: Option<Duration>,
}

impl Said {
    /// Reads a body; what is neither JSON nor plain text says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            // Gemini wraps it into a list.
            let value = value.get(0).unwrap_or(&value);
            return Self::of(value.get("error").unwrap_or(value));
        }
        let text = String::from_utf8_lossy(body);
        let is_page = text.trim_start().starts_with('<');
        Self { message: if is_page { String::new() } else { text.into_owned() }, ..Self::default() }
    }

    pub(super) fn of(error: &Value) -> Self {
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
        let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
        let reasons = details.iter().filter_map(|detail| detail["reason"].as_str());
        let names: Vec<&str> =
            [code.as_str(), &kind, error["status"].as_str().unwrap_or_default()].into_iter().chain(reasons).collect();
        let mut waits = details.iter().filter_map(|detail| detail["retryDelay"].as_str()?.strip_suffix('s'));
        Self {
            message: message.unwrap_or_default(),
            status: code.parse().ok().filter(|status| (400..600).contains(status)),
            names: names.join(" ").to_lowercase(),
            param: text("param"),
            wait: waits.find_map(|wait| Duration::try_from_secs_f64(wait.parse().ok()?).ok()),
        }
    }

    /// The status that an error's name stands for.
    pub(super) fn status_by_name(&self) -> Option<u16> {
        let named = |parts: &[&str]| parts.iter().any(|part| self.names.contains(part));
        match () {
            () if self.is_too_long() => Some(413),
            () if named(&["rate_limit", "quota", "too_many", "exhausted"]) => Some(429),
            () if named(&["billing"]) || self.is_unpaid() => Some(402),
            () if named(&["api_key", "authentication", "unauthenticated", "permission"]) => Some(401),
            () if named(&["not_found"]) => Some(404),
            () if named(&["overloaded", "unavailable", "timeout", "deadline"]) => Some(503),
            () if named(&["content_filter", "invalid_request", "invalid_argument", "badrequest", "policy"]) => {
                Some(400)
            }
            () => None,
        }
    }

    pub(super) fn is_too_long(&self) -> bool {
        let message = self.message.to_lowercase();
        ["context_length", "exceed_context", "request_too_large"].iter().any(|part| self.names.contains(part))
            || [
                "context length",
                "context window",
                "context size",
                "context limit",
                "maximum context",
                "prompt is too long",
                "input token count",
            ]
            .iter()
            .any(|part| message.contains(part))
    }

    /// So Anthropic says that nothing is left to pay with.
    pub(super) fn is_unpaid(&self) -> bool {
        self.message.contains("credit balance")
    }

    /// Whether it names this field of the request.
    pub(super) fn is_of(&self, field: &str) -> bool {
        self.param.starts_with(field) || self.message.contains(field)
    }

    pub(super) fn wants_other_limit(&self) -> bool {
        let names = ["max_tokens", "max_completion_tokens"];
        let unsupported = self.names.contains("unsupported") || self.message.contains("not supported");
        unsupported && (names.contains(&self.param.as_str()) || self.message.contains(names[0]))
    }
}
