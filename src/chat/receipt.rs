//! The receipt of an answer: what was looked for, sent and dropped, tokens,
//! cost, time by stage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::budget::Fitted;
use crate::llm::{Provider, Usage};
use crate::storage::calls::Purpose;

/// What an answer's receipt is made of.
#[derive(Default)]
pub(super) struct Receipt {
    /// What was looked for.
    pub(super) queries: Vec<String>,
    /// Passages of the first searches.
    pub(super) found: usize,
    /// Making embeddings.
    pub(super) embed: Duration,
    /// Searching and loading.
    pub(super) search: Duration,
    /// From asking the model to its first words.
    pub(super) first_token: Option<Duration>,
    /// What was sent and dropped, the last time the model was asked.
    pub(super) fitted: Option<Fitted>,
    /// Why another answered.
    pub(super) fallback: Option<&'static str>,
    /// Claims made, and those that are supported.
    pub(super) claims: Option<(usize, usize)>,
    /// The answer that was given before and is given again.
    pub(super) cached_from: Option<crate::ids::MessageId>,
    /// Calls of models that have ended.
    pub(super) calls: Vec<Value>,
    usage: Option<Usage>,
    cost: Option<f64>,
    pub(super) open: Option<Open>,
}

/// A call of a model that is under way.
pub(super) struct Open {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) started: Instant,
    /// As the provider said, or as we estimate until then.
    pub(super) usage: Usage,
    /// What was heard, to estimate it.
    pub(super) heard: String,
}

impl Receipt {
    pub(super) fn open(&mut self, provider: Arc<dyn Provider>, usage: Usage) {
        self.open = Some(Open { provider, started: Instant::now(), usage, heard: String::new() });
    }

    /// Words came in.
    pub(super) fn heard(&mut self, text: &str) {
        if let Some(open) = &mut self.open {
            open.heard.push_str(text);
        }
    }

    /// The provider said what it took.
    pub(super) fn used(&mut self, usage: Usage) {
        if let Some(open) = &mut self.open {
            open.usage = usage;
        }
    }

    /// Tokens of all calls for the answer itself.
    pub(super) fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// Dollars of all calls, as far as they are known.
    pub(super) fn cost(&self) -> Option<f64> {
        self.cost
    }

    pub(super) fn add(&mut self, purpose: Purpose, usage: &Usage, cost: Option<f64>) {
        if purpose == Purpose::Answer {
            self.usage = Some(self.usage.take().unwrap_or_default().plus(usage));
        }
        if let Some(cost) = cost {
            self.cost = Some(self.cost.unwrap_or_default() + cost);
        }
    }

    /// As it is stored; times in milliseconds.
    pub(super) fn to_json(&self, provider: &dyn Provider, total: Duration) -> Value {
        json!({
            "model": provider.name(),
            "fallback": self.fallback,
            "cached_from": self.cached_from,
            "queries": self.queries,
            "budget": self.fitted,
            "usage": self.usage,
            "cost_usd": self.cost,
            "calls": self.calls,
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

pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
