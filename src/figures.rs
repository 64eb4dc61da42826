//! Figures of what this process does, for monitoring. Imports nothing of this
//! crate.
//!
//! Labels have values that we know beforehand: routes by their pattern, models
//! that are set up. Nothing that a caller writes becomes one.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Where a model stands that is not set up by name.
const OTHER: &str = "other";

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    model: String,
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Model {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

/// What a call of a model took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Tokens that it read.
    pub input: u32,
    /// Tokens that it wrote.
    pub output: u32,
    /// Dollars, where a price is known.
    pub cost: Option<f64>,
}

/// The figures. Cloning shares them.
#[derive(Clone)]
pub struct Figures(Arc<Inner>);

struct Inner {
    models: HashSet<String>,
    registry: Registry,
    requests: Family<Request, Counter>,
    seconds: Histograms<Route>,
    streams: Gauge,
    tokens: Family<Tokens, Counter>,
    cost: Family<Model, Counter<f64, AtomicU64>>,
    stages: Histograms<Stage>,
    limited: Family<What, Counter>,
    shed: Family<Class, Counter>,
}

/// From a millisecond to half a minute.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Figures {
    /// Nothing was counted yet. `models` are those that are told apart.
    #[must_use]
    pub fn new(models: impl IntoIterator<Item = String>) -> Self {
        let mut registry = Registry::with_prefix("footnote");
        let requests = Family::default();
        registry.register("requests", "Requests, by route, method and class of status", Family::clone(&requests));
        let seconds = Histograms::new_with_constructor(times as fn() -> Histogram);
        let help = "Seconds from a request to the head of its reply";
        registry.register("request_seconds", help, seconds.clone());
        let streams = Gauge::default();
        registry.register("open_streams", "Streams of events that are read at the moment", streams.clone());
        let tokens = Family::default();
        registry.register("model_tokens", "Tokens that models read and wrote", Family::clone(&tokens));
        let cost = Family::default();
        registry.register("model_cost_dollars", "Dollars that models cost, as far as known", Family::clone(&cost));
        let stages = Histograms::new_with_constructor(times as fn() -> Histogram);
        registry.register("retrieval_seconds", "Seconds of each stage of a search", stages.clone());
        let limited = Family::default();
        registry.register("limited", "Requests refused for their caller's limits", Family::clone(&limited));
        let shed = Family::default();
        registry.register("shed", "Requests refused because too much was under way", Family::clone(&shed));
        let models = models.into_iter().collect();
        Self(Arc::new(Inner { models, registry, requests, seconds, streams, tokens, cost, stages, limited, shed }))
    }

    /// A request was answered. `route` is a pattern.
    pub fn answered(&self, route: &str, method: &str, status: u16, time: Duration) {
        let (route, method) = (route.to_owned(), known_method(method));
        self.0.seconds.get_or_create_owned(&Route { route: route.clone(), method }).observe(time.as_secs_f64());
        self.0.requests.get_or_create_owned(&Request { route, method, status: class(status) }).inc();
    }

    /// A stream is read, for as long as what is returned is kept.
    pub fn stream(&self) -> OpenStream {
        self.0.streams.inc();
        OpenStream(self.clone())
    }

    /// A model was called.
    pub fn called(&self, model: &str, spent: Spent) {
        let model = if self.0.models.contains(model) { model } else { OTHER };
        let tokens = |direction| Tokens { model: model.to_owned(), direction };
        self.0.tokens.get_or_create_owned(&tokens("input")).inc_by(spent.input.into());
        self.0.tokens.get_or_create_owned(&tokens("output")).inc_by(spent.output.into());
        if let Some(cost) = spent.cost.filter(|cost| *cost >= 0.0) {
            self.0.cost.get_or_create_owned(&Model { model: model.to_owned() }).inc_by(cost);
        }
    }

    /// A search went through a stage: `embed` or `search`.
    pub fn searched(&self, stage: &'static str, time: Duration) {
        self.0.stages.get_or_create_owned(&Stage { stage }).observe(time.as_secs_f64());
    }

    /// A caller met a limit.
    pub fn limited(&self, what: &'static str) {
        self.0.limited.get_or_create_owned(&What { what }).inc();
    }

    /// A request was turned away because too much was under way.
    pub fn shed(&self, class: &'static str) {
        self.0.shed.get_or_create_owned(&Class { class }).inc();
    }

    /// Writes them in the text form of `OpenMetrics`, without its end.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        encode_registry(out, &self.0.registry)
    }
}

/// A stream that is read.
#[must_use = "a stream counts as read until this is dropped"]
pub struct OpenStream(Figures);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.0.streams.dec();
    }
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// A method may be any word.
fn known_method(method: &str) -> &'static str {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    known.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(figures: &Figures) -> String {
        let mut text = String::new();
        figures.write(&mut text).expect("written");
        text
    }

    #[test]
    fn requests_are_told_by_route_method_and_class() {
        let figures = Figures::new([]);
        figures.answered("/api/v1/search", "POST", 201, Duration::from_millis(3));
        figures.answered("/api/v1/search", "POST", 204, Duration::from_millis(3));
        figures.answered("/api/v1/search", "<script>", 429, Duration::from_secs(90));
        let text = written(&figures);
        for line in [
            "footnote_requests_total{route=\"/api/v1/search\",method=\"POST\",status=\"2xx\"} 2\n",
            "footnote_requests_total{route=\"/api/v1/search\",method=\"other\",status=\"4xx\"} 1\n",
            "footnote_request_seconds_count{route=\"/api/v1/search\",method=\"POST\"} 2\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("script"));
    }

    #[test]
    fn a_model_that_a_caller_names_is_no_label() {
        let figures = Figures::new(["good".to_owned()]);
        let spent = Spent { input: 7, output: 2, cost: Some(0.5) };
        figures.called("good", spent);
        figures.called("canary", spent);
        figures.called("canary-2", Spent { cost: None, ..spent });
        let text = written(&figures);
        for line in [
            "footnote_model_tokens_total{model=\"good\",direction=\"input\"} 7\n",
            "footnote_model_tokens_total{model=\"other\",direction=\"output\"} 4\n",
            "footnote_model_cost_dollars_total{model=\"good\"} 0.5\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("canary"));
    }

    #[test]
    fn a_stream_counts_while_it_is_read() {
        let figures = Figures::new([]);
        let stream = figures.stream();
        assert!(written(&figures).contains("footnote_open_streams 1\n"));
        drop(stream);
        assert!(written(&figures).contains("footnote_open_streams 0\n"));
    }
}
