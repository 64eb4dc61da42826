//! Two embedding models side by side: what each finds for the same questions,
//! before queries change over from one to the other.

use std::sync::Arc;

use footnote_ingest::scope::Scope;
use footnote_ingest::space::Space;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Result};
use crate::retrieve::{self, Query};
use crate::storage::messages;

/// Questions of one comparison, at most.
pub const MAX_QUESTIONS: usize = 1000;
/// Questions that were asked here and are compared on when none are given.
const ASKED: i64 = 100;
/// Documents that are compared for each question.
const DEPTH: usize = 10;
/// Questions whose results differ most that are shown.
const SHOWN: usize = 5;

/// A question to compare on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SampleQuestion)]
pub struct Question {
    /// Its words.
    pub text: String,
    /// Keys of the documents that should be found; may be empty.
    #[serde(default)]
    pub documents: Vec<String>,
}

/// How well a model finds the documents that should be found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finds {
    /// Share of the questions with one of them among the first ten documents.
    pub found: f64,
    /// Mean of one over the rank of the first of them.
    pub mrr: f64,
}

/// A question for which the two models find different documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The question.
    pub question: String,
    /// Share of the first ten documents that both find.
    pub overlap: f64,
    /// Keys that the model in use finds first.
    pub live: Vec<String>,
    /// Keys that the new one finds first.
    pub new: Vec<String>,
}

/// Two models compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The model in use.
    pub live_model: String,
    /// The new one.
    pub new_model: String,
    /// Questions that were compared on.
    pub questions: usize,
    /// Mean share of the first ten documents that both find.
    pub overlap: f64,
    /// Share of the questions for which both find the same document first.
    pub same_first: f64,
    /// Questions that name the documents that should be found.
    pub judged: usize,
    /// How well the model in use finds those.
    pub live: Option<Finds>,
    /// How well the new one does.
    pub new: Option<Finds>,
    /// Where they differ most.
    pub differences: Vec<Difference>,
}

/// What both models find for one question.
struct Pair<'a> {
    question: &'a Question,
    live: Vec<String>,
    new: Vec<String>,
}

/// Compares the model in use with the one that is built, over the given
/// questions or, without any, over those that were asked here last.
///
/// # Errors
/// [`Error::Invalid`] when nothing is built, or there is nothing to compare on;
/// as retrieval.
pub async fn compare(app: &App, scope: Scope, questions: Vec<Question>) -> Result<Comparison> {
    app.corpus.refresh().await?;
    let Some(new) = app.corpus.building().await? else {
        let problem = "is not being built; begin with `footnote reembed`".to_owned();
        return Err(Error::Invalid { field: "model", problem });
    };
    let questions = match questions.is_empty() {
        true => asked(app, scope).await?,
        false => questions,
    };
    if questions.len() > MAX_QUESTIONS {
        let problem = format!("are {}; give {MAX_QUESTIONS} at most", questions.len());
        return Err(Error::Invalid { field: "questions", problem });
    }
    if questions.is_empty() {
        let problem = "are missing; give some, for none were asked here yet that could stand in for them".into();
        return Err(Error::Invalid { field: "questions", problem });
    }
    let live = app.corpus.live();
    let mut pairs = Vec::with_capacity(questions.len());
    for question in &questions {
        let pair = Pair {
            question,
            live: found(app, scope, &live, &question.text).await?,
            new: found(app, scope, &new, &question.text).await?,
        };
        pairs.push(pair);
    }
    Ok(summary(live.embedder.model(), new.embedder.model(), &pairs))
}

async fn asked(app: &App, scope: Scope) -> Result<Vec<Question>> {
    let texts = messages::latest_questions(&app.db, scope, ASKED).await?;
    Ok(texts.into_iter().map(|text| Question { text, documents: Vec::new() }).collect())
}

/// Keys of the documents that a space finds.
async fn found(app: &App, scope: Scope, space: &Arc<Space>, text: &str) -> Result<Vec<String>> {
    retrieve::check(text)?;
    let dense = Some(Arc::clone(space).query(scope, text).await?);
    let query = Query { text: text.to_owned(), dense, limit: DEPTH, ..Query::default() };
    retrieve::rank_documents(&app.corpus, scope, &query).await
}

#[expect(clippy::cast_precision_loss, reason = "counts of questions are small")]
fn summary(live_model: &str, new_model: &str, pairs: &[Pair<'_>]) -> Comparison {
    let share = |count: usize| count as f64 / pairs.len().max(1) as f64;
    let judged: Vec<&Pair<'_>> = pairs.iter().filter(|pair| !pair.question.documents.is_empty()).collect();
    let finds = |of: fn(&Pair<'_>) -> Vec<String>| {
        let ranks = judged.iter().map(|pair| rank(&of(pair), &pair.question.documents));
        let (found, mrr) = ranks.flatten().fold((0.0, 0.0), |(found, mrr), rank| (found + 1.0, mrr + 1.0 / rank));
        let count = judged.len() as f64;
        (!judged.is_empty()).then(|| Finds { found: found / count, mrr: mrr / count })
    };
    let mut differences: Vec<Difference> = pairs.iter().map(difference).collect();
    let overlap = differences.iter().map(|difference| difference.overlap).sum::<f64>() / pairs.len().max(1) as f64;
    differences.retain(|difference| difference.live != difference.new);
    differences.sort_by(|a, b| a.overlap.total_cmp(&b.overlap));
    differences.truncate(SHOWN);
    Comparison {
        live_model: live_model.to_owned(),
        new_model: new_model.to_owned(),
        questions: pairs.len(),
        overlap,
        same_first: share(pairs.iter().filter(|pair| pair.live.first() == pair.new.first()).count()),
        judged: judged.len(),
        live: finds(|pair| pair.live.clone()),
        new: finds(|pair| pair.new.clone()),
        differences,
    }
}

#[expect(clippy::cast_precision_loss, reason = "ten at most")]
fn difference(pair: &Pair<'_>) -> Difference {
    let both = pair.live.iter().filter(|key| pair.new.contains(key)).count();
    let most = pair.live.len().max(pair.new.len());
    let first = |keys: &[String]| keys.iter().take(3).cloned().collect();
    Difference {
        question: pair.question.text.clone(),
        overlap: if most == 0 { 1.0 } else { both as f64 / most as f64 },
        live: first(&pair.live),
        new: first(&pair.new),
    }
}

/// Rank of the first document that should be found, from 1.
#[expect(clippy::cast_precision_loss, reason = "ten at most")]
fn rank(found: &[String], wanted: &[String]) -> Option<f64> {
    found.iter().position(|key| wanted.contains(key)).map(|place| (place + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    fn question(text: &str, documents: &[&str]) -> Question {
        Question { text: text.into(), documents: keys(documents) }
    }

    #[test]
    fn a_comparison_says_who_finds_what_should_be_found_and_where_they_differ() {
        let (first, second) = (question("first?", &["a"]), question("second?", &[]));
        let pairs = [
            Pair { question: &first, live: keys(&["b", "a"]), new: keys(&["a", "b"]) },
            Pair { question: &second, live: keys(&["c", "d"]), new: keys(&["c", "e"]) },
        ];
        let comparison = summary("old", "new", &pairs);
        assert_eq!((comparison.questions, comparison.judged), (2, 1));
        assert!((comparison.overlap - 0.75).abs() < 1e-9 && (comparison.same_first - 0.5).abs() < 1e-9);
        assert_eq!(comparison.live, Some(Finds { found: 1.0, mrr: 0.5 }));
        assert_eq!(comparison.new, Some(Finds { found: 1.0, mrr: 1.0 }));
        let shown: Vec<&str> = comparison.differences.iter().map(|one| one.question.as_str()).collect();
        assert_eq!(shown, ["second?", "first?"]);
    }

    #[test]
    fn nothing_found_by_both_is_the_same() {
        let question = question("nothing?", &[]);
        let comparison = summary("old", "new", &[Pair { question: &question, live: vec![], new: vec![] }]);
        assert!((comparison.overlap - 1.0).abs() < 1e-9 && comparison.differences.is_empty());
        assert_eq!(comparison.live, None);
    }
}
