//! The receipt of an answer: what was sent and dropped, tokens, time by stage.

use std::time::Duration;

use serde_json::{Value, json};

use crate::budget::Fitted;
use crate::llm::Usage;

/// What an answer's receipt is made of.
#[derive(Debug, Default)]
pub(super) struct Receipt {
    /// Making the question's embedding.
    pub(super) embed: Duration,
    /// Searching and loading.
    pub(super) search: Duration,
    /// From asking the model to its first words.
    pub(super) first_token: Option<Duration>,
    /// What was sent and dropped.
    pub(super) fitted: Option<Fitted>,
    /// Tokens that it took.
    pub(super) usage: Option<Usage>,
    /// Why another answered.
    pub(super) fallback: Option<&'static str>,
    /// Claims made, and those that are supported.
    pub(super) claims: Option<(usize, usize)>,
}

impl Receipt {
    /// As it is stored; times in milliseconds.
    pub(super) fn to_json(&self, model: &str, total: Duration) -> Value {
        let milliseconds = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
        json!({
            "model": model,
            "fallback": self.fallback,
            "budget": self.fitted,
            "usage": self.usage,
            "claims": self.claims.map(|(made, supported)| json!({ "made": made, "supported": supported })),
            "timings": {
                "embed_ms": milliseconds(self.embed),
                "search_ms": milliseconds(self.search),
                "first_token_ms": self.first_token.map(milliseconds),
                "total_ms": milliseconds(total),
            },
        })
    }
}
