//! Figures for monitoring, in the text form of `OpenMetrics`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use footnote_ingest::store::jobs;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::error::ApiError;
use crate::app::App;
use crate::figures::Figures;

/// As the `OpenMetrics` specification names it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Jobs of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Jobs {
    step: String,
    state: String,
}

/// What this process does, and the queue's and the index's figures over all users.
#[utoipa::path(get, path = "/metrics", tag = "service", responses((status = 200, body = String, content_type = OPEN_METRICS)))]
pub(super) async fn metrics(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let queue = jobs::queue(&app.db).await?;
    let points = app.corpus.live().index.info().await?.points;
    let stalled = app.corpus.stalled().is_some();
    let text = written(&app.figures, &queue, points, stalled).map_err(|error| {
        tracing::error!(%error, "the figures could not be written");
        ApiError::internal()
    })?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text))
}

fn written(figures: &Figures, queue: &[jobs::Queue], points: usize, stalled: bool) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("footnote");
    let (count, oldest) =
        (Family::<Jobs, Gauge>::default(), Family::<Jobs, Gauge<f64, std::sync::atomic::AtomicU64>>::default());
    for line in queue {
        let jobs = Jobs { step: name(&line.step), state: name(&line.state) };
        count.get_or_create(&jobs).set(line.jobs);
        oldest.get_or_create(&jobs).set(line.oldest_seconds);
    }
    registry.register("jobs", "Documents that are not done, by what is to be done and where they stand", count);
    registry.register("jobs_oldest_seconds", "Seconds since the oldest of them changed hands", oldest);
    let gauge = |value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        gauge
    };
    let points = gauge(i64::try_from(points).unwrap_or(i64::MAX));
    registry.register("index_points", "Chunks in the vector index", points);
    registry.register("ingestion_stalled", "Whether reading of documents stands still", gauge(stalled.into()));
    let mut text = String::new();
    figures.write(&mut text)?;
    encode(&mut text, &registry)?;
    Ok(text)
}

/// As the API writes it.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use footnote_ingest::store::jobs::{Queue, State, Step};

    #[test]
    fn the_queue_is_told_by_step_and_state() {
        let queue = [Queue { step: Step::Embed, state: State::Dead, jobs: 3, oldest_seconds: 1.5 }];
        let figures = crate::figures::Figures::new([]);
        figures.limited("requests");
        let text = super::written(&figures, &queue, 7, true).expect("written");
        for line in [
            "footnote_jobs{step=\"embed\",state=\"dead\"} 3\n",
            "footnote_jobs_oldest_seconds{step=\"embed\",state=\"dead\"} 1.5\n",
            "footnote_limited_total{what=\"requests\"} 1\n",
            "footnote_index_points 7\n",
            "footnote_ingestion_stalled 1\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    }
}
