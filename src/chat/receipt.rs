//! The receipt of an answer: what was looked for, sent and dropped, tokens,
//! cost, time by stage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::budget::Fitted;
use crate::llm::{Provider, Usage};
use crate::storage::calls::{Call, Purpose, Recorded};
use crate::storage::events::Event;

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
    calls: Vec<Value>,
    usage: Option<Usage>,
    cost: Option<f64>,
    pub(super) open: Option<Open>,
}

/// A call of a model that is under way.
pub(super) struct Open {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) purpose: Purpose,
    pub(super) started: Instant,
    /// As the provider said, or as we estimate until then.
    pub(super) usage: Usage,
    /// What was heard, to estimate it.
    pub(super) heard: String,
}

impl Receipt {
    pub(super) fn open(&mut self, provider: Arc<dyn Provider>, purpose: Purpose, usage: Usage) {
        self.open = Some(Open { provider, purpose, started: Instant::now(), usage, heard: String::new() });
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

    /// Notes a call that has ended; `took` in milliseconds.
    pub(super) fn ended(&mut self, call: &Call<'_>, took: &Value) {
        self.calls.push(json!({
            "purpose": call.purpose, "model": call.model, "provider": call.provider, "usage": call.usage,
            "cost_usd": call.cost, "ms": took, "outcome": call.outcome,
        }));
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

/// What is left of the receipt of an answer whose maker is gone: what its events
/// told, and the calls that were recorded for it. The rest is not known.
#[derive(Default)]
pub(super) struct Left {
    told: Value,
    receipt: Receipt,
}

impl Left {
    /// Takes the next event.
    pub(super) fn hear(&mut self, event: &Event) {
        let fields: &[&str] = match event.name.as_str() {
            "message.started" => &["model"],
            "retrieval.completed" => &["queries"],
            "usage" => &["usage", "cost_usd"],
            "notice" if event.data["code"] == "cached" => &["message_id"],
            _ => &[],
        };
        for field in fields {
            self.told[*field] = event.data[*field].clone();
        }
    }

    /// Takes a call that was recorded.
    pub(super) fn take(&mut self, recorded: &Recorded) {
        let call = recorded.call();
        self.receipt.add(call.purpose, call.usage, call.cost);
        self.receipt.ended(&call, &json!(call.milliseconds));
    }

    /// As it is stored. An answer that told what it took knows best; else it is
    /// what its calls took that have ended.
    pub(super) fn to_json(&self) -> Value {
        let (usage, cost) = match &self.told["usage"] {
            Value::Null => (json!(self.receipt.usage), json!(self.receipt.cost)),
            usage => (usage.clone(), self.told["cost_usd"].clone()),
        };
        json!({
            "model": self.told["model"],
            "cached_from": self.told["message_id"],
            "queries": self.told["queries"],
            "usage": usage,
            "cost_usd": cost,
            "calls": self.receipt.calls,
        })
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MessageId;

    fn hear(left: &mut Left, name: &str, data: Value) {
        left.hear(&Event { seq: 1, name: name.to_owned(), data });
    }

    fn recorded(purpose: Purpose, tokens: u32, cost: Option<f64>) -> Recorded {
        Recorded {
            message: MessageId::new(),
            purpose,
            provider: "p".into(),
            model: "m".into(),
            usage: Usage { input_tokens: tokens, output_tokens: 1, ..Usage::default() },
            cost,
            milliseconds: 7,
            outcome: "ok".into(),
        }
    }

    #[test]
    fn what_is_left_tells_what_the_calls_took_that_have_ended() {
        let mut left = Left::default();
        hear(&mut left, "message.started", json!({ "message_id": 1, "question_id": 2, "model": "m" }));
        hear(&mut left, "retrieval.completed", json!({ "passages": [], "queries": ["q"] }));
        left.take(&recorded(Purpose::Rewrite, 5, Some(0.25)));
        left.take(&recorded(Purpose::Answer, 10, Some(0.5)));
        left.take(&recorded(Purpose::Answer, 20, None));
        let receipt = left.to_json();
        assert_eq!((&receipt["model"], &receipt["queries"]), (&json!("m"), &json!(["q"])));
        let usage = json!({ "input_tokens": 30, "cached_tokens": 0, "output_tokens": 2, "estimated": false });
        assert_eq!((&receipt["usage"], &receipt["cost_usd"]), (&usage, &json!(0.75)));
        let first = &receipt["calls"][0];
        assert_eq!((&first["purpose"], &first["outcome"], &first["ms"]), (&json!("rewrite"), &json!("ok"), &json!(7)));
        assert_eq!(receipt["calls"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn what_an_answer_told_that_it_took_is_believed() {
        let mut left = Left::default();
        left.take(&recorded(Purpose::Answer, 10, Some(0.5)));
        hear(&mut left, "usage", json!({ "usage": { "input_tokens": 3 }, "cost_usd": null }));
        let receipt = left.to_json();
        assert_eq!((&receipt["usage"], &receipt["cost_usd"]), (&json!({ "input_tokens": 3 }), &Value::Null));
    }

    #[test]
    fn what_nobody_told_is_not_made_up() {
        let mut left = Left::default();
        hear(&mut left, "text.delta", json!({ "text": "words" }));
        let unknown = json!({
            "model": null, "cached_from": null, "queries": null, "usage": null, "cost_usd": null, "calls": [],
        });
        assert_eq!(left.to_json(), unknown);
        hear(&mut left, "notice", json!({ "code": "cached", "message_id": "other" }));
        assert_eq!(left.to_json()["cached_from"], "other");
    }
}
