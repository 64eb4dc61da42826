//! Figures of a ranking, after `trec_eval`: gains are the judged scores,
//! discounted by the logarithm of the rank (Järvelin and Kekäläinen, 2002).

use std::collections::{BTreeMap, HashMap};

use footnote_ingest::index::Mode;
use serde::{Deserialize, Serialize};

use super::set::Set;

/// Figures of one query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryFigures {
    /// Normalised discounted cumulative gain of the first ten.
    pub ndcg_at_10: f64,
    /// Share of the relevant documents among the first ten.
    pub recall_at_10: f64,
    /// Share of the relevant documents among the first hundred.
    pub recall_at_100: f64,
    /// One over the rank of the first relevant document among the first ten.
    pub mrr_at_10: f64,
}

/// Means over the queries of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The set's name.
    pub name: String,
    /// Which vectors counted.
    pub mode: Mode,
    /// Documents of the set.
    pub documents: usize,
    /// Queries that are judged.
    pub queries: usize,
    /// The means.
    #[serde(flatten)]
    pub mean: QueryFigures,
    /// Each query's own, for comparisons.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub per_query: BTreeMap<String, QueryFigures>,
}

/// What changed between two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Difference of the mean nDCG.
    pub ndcg_at_10: f64,
    /// Queries that rank better now.
    pub better: usize,
    /// Queries that rank worse now.
    pub worse: usize,
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "counts of queries are small")]
    pub(super) fn mean(set: &Set, mode: Mode, per_query: BTreeMap<String, QueryFigures>) -> Self {
        let count = per_query.len().max(1) as f64;
        let mean = |figure: fn(&QueryFigures) -> f64| per_query.values().map(figure).sum::<f64>() / count;
        Self {
            name: set.name.clone(),
            mode,
            documents: set.documents.len(),
            queries: per_query.len(),
            mean: QueryFigures {
                ndcg_at_10: mean(|query| query.ndcg_at_10),
                recall_at_10: mean(|query| query.recall_at_10),
                recall_at_100: mean(|query| query.recall_at_100),
                mrr_at_10: mean(|query| query.mrr_at_10),
            },
            per_query,
        }
    }

    /// How this run differs from an earlier one.
    #[must_use]
    pub fn against(&self, earlier: &Self) -> Comparison {
        let pairs = self.per_query.iter().filter_map(|(id, now)| Some((now, earlier.per_query.get(id)?)));
        let (mut better, mut worse) = (0, 0);
        for (now, then) in pairs {
            better += usize::from(now.ndcg_at_10 > then.ndcg_at_10);
            worse += usize::from(now.ndcg_at_10 < then.ndcg_at_10);
        }
        Comparison { ndcg_at_10: self.mean.ndcg_at_10 - earlier.mean.ndcg_at_10, better, worse }
    }
}

/// Measures one ranking, best first, against what is judged.
#[expect(clippy::cast_precision_loss, reason = "ranks are small")]
pub(super) fn measure(ranked: &[String], judged: &HashMap<String, f64>) -> QueryFigures {
    let relevant: Vec<f64> = judged.values().copied().filter(|gain| *gain > 0.0).collect();
    if relevant.is_empty() {
        return QueryFigures::default();
    }
    let gain = |id: &String| judged.get(id).copied().unwrap_or(0.0).max(0.0);
    let discounted = |gains: &mut dyn Iterator<Item = f64>| -> f64 {
        gains.take(10).zip(2_u32..).map(|(gain, place)| gain / f64::from(place).log2()).sum()
    };
    let mut ideal = relevant.clone();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let found = |depth: usize| {
        let hits = ranked.iter().take(depth).filter(|id| gain(id) > 0.0).count();
        hits as f64 / relevant.len() as f64
    };
    let first = ranked.iter().take(10).position(|id| gain(id) > 0.0);
    QueryFigures {
        ndcg_at_10: discounted(&mut ranked.iter().map(gain)) / discounted(&mut ideal.into_iter()),
        recall_at_10: found(10),
        recall_at_100: found(100),
        mrr_at_10: first.map_or(0.0, |rank| 1.0 / (rank + 1) as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(ranked: &[&str], judged: &[(&str, f64)]) -> QueryFigures {
        let ranked: Vec<String> = ranked.iter().map(|id| (*id).to_owned()).collect();
        measure(&ranked, &judged.iter().map(|(id, gain)| ((*id).to_owned(), *gain)).collect())
    }

    #[test]
    fn a_perfect_ranking_scores_one() {
        let perfect = figures(&["a", "b", "c"], &[("a", 2.0), ("b", 1.0)]);
        let one = QueryFigures { ndcg_at_10: 1.0, recall_at_10: 1.0, recall_at_100: 1.0, mrr_at_10: 1.0 };
        assert_eq!(perfect, one);
    }

    #[test]
    fn the_figures_are_those_that_trec_eval_gives() {
        // One relevant document at rank 3: 1 / log2(4) = 0.5.
        let third = figures(&["x", "y", "a"], &[("a", 1.0)]);
        assert!((third.ndcg_at_10 - 0.5).abs() < 1e-9 && (third.mrr_at_10 - 1.0 / 3.0).abs() < 1e-9);
        // Two of them, found at ranks 1 and 4 of an ideal 1 and 2.
        let two = figures(&["a", "x", "y", "b"], &[("a", 1.0), ("b", 1.0)]);
        let expected = (1.0 + 1.0 / 5_f64.log2()) / (1.0 + 1.0 / 3_f64.log2());
        assert!((two.ndcg_at_10 - expected).abs() < 1e-9);
    }

    #[test]
    fn what_comes_after_the_tenth_place_counts_for_the_hundred_only() {
        let ranked: Vec<String> = (0..50).map(|n| format!("d{n}")).collect();
        let late = measure(&ranked, &HashMap::from([("d10".to_owned(), 1.0)]));
        let only_late = QueryFigures { recall_at_100: 1.0, ..QueryFigures::default() };
        assert_eq!(late, only_late);
    }
}
