//! What can go wrong with a model, by what the operator or caller can do about
//! it. Imports nothing of this crate.
//!
//! `details` are the provider's own words, cleaned and shortened where they are
//! taken in; no variant ever holds a key.

use std::time::Duration;

/// A model's failure. `provider` is the provider's host, or a local answerer's
/// name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// The key is wrong, missing, or not allowed to do this.
    #[error("`{provider}` refuses the key{}; check {key} and {url}", because(.details))]
    Unauthorized {
        /// Who refuses it.
        provider: String,
        /// In its own words; may be empty.
        details: String,
        /// The setting that holds the key.
        key: String,
        /// The setting that holds the address.
        url: String,
    },
    /// The provider has no such model, or no chat at this address.
    #[error(
        "`{provider}` does not know the model `{model}`{}; check the model's name, and that {url} ends where the protocol's path begins",
        because(details)
    )]
    ModelNotFound {
        /// Who does not know it.
        provider: String,
        /// The name that was asked for.
        model: String,
        /// In its own words; may be empty.
        details: String,
        /// The setting that holds the address.
        url: String,
    },
    /// The request exceeds what the model reads.
    #[error(
        "the question and its sources are too long for the model at `{provider}`{}; lower FOOTNOTE_CONTEXT_WINDOW",
        because(.details)
    )]
    TooLong {
        /// Whose model.
        provider: String,
        /// In its own words; may be empty.
        details: String,
    },
    /// The provider will not answer this request; the same again ends the same.
    #[error("`{provider}` refuses the request{}", because(.details))]
    Refused {
        /// Who refuses it.
        provider: String,
        /// In its own words; may be empty.
        details: String,
    },
    /// Too many requests, or no quota left.
    #[error("`{provider}` takes no more requests now{}{}; try again later or check the account's quota", because(details), .retry_after.map(for_time).unwrap_or_default())]
    RateLimited {
        /// Who limits.
        provider: String,
        /// When it may be tried again, if the provider says.
        retry_after: Option<Duration>,
        /// In its own words; may be empty.
        details: String,
    },
    /// The provider failed in a way that may pass.
    #[error(
        "`{provider}` failed{}{}; try again shortly",
        .status.map(with_status).unwrap_or_default(),
        because(.details)
    )]
    Transient {
        /// Who failed.
        provider: String,
        /// Its HTTP status, if there was a reply.
        status: Option<u16>,
        /// In its own words; may be empty.
        details: String,
    },
    /// No connection came about.
    #[error("`{provider}` cannot be reached{}; check {url} and the network", because(.details))]
    Unreachable {
        /// Who.
        provider: String,
        /// What the network said.
        details: String,
        /// The setting that holds the address.
        url: String,
    },
    /// Nothing came in time.
    #[error("`{provider}` sent no {what} within {} s; try again, or raise {setting}", .limit.as_secs_f32())]
    Timeout {
        /// Who was too slow.
        provider: String,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
        /// The variable that sets it.
        setting: &'static str,
    },
    /// The answer broke off.
    #[error("`{provider}` broke off in the middle of the answer{}; ask again", because(.details))]
    Interrupted {
        /// Who broke off.
        provider: String,
        /// How.
        details: String,
    },
    /// It ended without a word, after all the tokens that it had.
    #[error(
        "the model at `{provider}` used up its {tokens} tokens before its first word; raise FOOTNOTE_MAX_ANSWER_TOKENS"
    )]
    Spent {
        /// Whose model.
        provider: String,
        /// Tokens that it was allowed.
        tokens: u32,
    },
    /// It ended without a word.
    #[error("the model at `{provider}` ended its answer without a word; ask again, or ask another model")]
    Blank {
        /// Whose model.
        provider: String,
    },
    /// A setting cannot be what it is.
    #[error("`{setting}` {problem}")]
    Misconfigured {
        /// The setting.
        setting: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The reply is no answer of this protocol.
    #[error("`{provider}` sent a reply that is no answer of its protocol{}; check {url}", because(.details))]
    Protocol {
        /// Who sent it.
        provider: String,
        /// What is wrong with it.
        details: String,
        /// The setting that holds the address.
        url: String,
    },
}

impl LlmError {
    /// A failure that may pass, without an HTTP status.
    pub fn transient(provider: impl Into<String>, details: impl Into<String>) -> Self {
        Self::Transient { provider: provider.into(), status: None, details: details.into() }
    }

    /// The failure as the log may tell it: without the provider's own words,
    /// which may repeat what was asked.
    #[must_use]
    pub fn silent(&self) -> String {
        let mut silent = self.clone();
        match &mut silent {
            Self::Unauthorized { details, .. }
            | Self::ModelNotFound { details, .. }
            | Self::TooLong { details, .. }
            | Self::Refused { details, .. }
            | Self::RateLimited { details, .. }
            | Self::Transient { details, .. }
            | Self::Interrupted { details, .. }
            | Self::Protocol { details, .. } => details.clear(),
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Spent { .. }
            | Self::Blank { .. }
            | Self::Misconfigured { .. } => {}
        }
        silent.to_string()
    }

    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "unauthorized",
            Self::Misconfigured { .. } => "misconfigured",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::TooLong { .. } => "too_long",
            Self::Refused { .. } => "refused",
            Self::RateLimited { .. } => "rate_limited",
            Self::Transient { .. } => "transient",
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Interrupted { .. } => "interrupted",
            Self::Spent { .. } => "spent",
            Self::Blank { .. } => "blank",
            Self::Protocol { .. } => "protocol",
        }
    }
}

fn because(details: &str) -> String {
    if details.is_empty() { String::new() } else { format!(" ({details})") }
}

fn with_status(status: u16) -> String {
    format!(" with HTTP status {status}")
}

fn for_time(time: Duration) -> String {
    format!(", for {} s", time.as_secs_f32().ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_who_what_and_what_to_do() {
        let error = LlmError::Unauthorized {
            provider: "api.test".into(),
            details: "bad key".into(),
            key: "OPENAI_API_KEY".into(),
            url: "OPENAI_BASE_URL".into(),
        };
        assert_eq!(error.to_string(), "`api.test` refuses the key (bad key); check OPENAI_API_KEY and OPENAI_BASE_URL");
        let error = LlmError::RateLimited {
            provider: "api.test".into(),
            retry_after: Some(Duration::from_millis(1500)),
            details: String::new(),
        };
        assert_eq!(
            error.to_string(),
            "`api.test` takes no more requests now, for 2 s; try again later or check the account's quota"
        );
    }
}
