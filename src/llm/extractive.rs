//! The answerer that needs no model: it picks the sentences that answer the
//! question best and quotes them, or says that there are none.
//!
//! Each sentence of the passages is compared with the question by meaning (the
//! embedder's cosine) and by words (the share of the question's rare words that
//! it holds). Imports sentences and the corpus crate's embedder and BM25.

mod score;

use std::collections::HashSet;
use std::sync::Arc;

use footnote_ingest::embed::Embedder;
use footnote_ingest::index::bm25::Bm25;
use futures::future::BoxFuture;
use futures::stream;
use futures::{FutureExt, StreamExt};

use super::{Delta, DeltaStream, EXTRACTIVE, FinishReason, LlmError, NOT_IN_DOCUMENTS, Provider, Request, Usage};
use crate::sentences;
use score::{Candidate, Question};

pub use score::DEFAULT_THRESHOLD;

/// Passages whose sentences are looked at.
const PASSAGES: usize = 6;
/// Sentences that are embedded: the best by words, and the first of each passage.
const EMBEDDED: usize = 24;
/// Sentences of an answer.
const SENTENCES: usize = 2;
/// A sentence of fewer words is a heading or a scrap.
const SHORTEST: usize = 3;
/// Code points of a sentence that is quoted; longer ones are cut at a word.
const LONGEST: usize = 600;
/// Tokens that a request may have: nothing but the sources is read.
const WINDOW: usize = 100_000;

/// The built-in answerer.
#[derive(Debug, Clone)]
pub struct Extractive {
    embedder: Embedder,
    bm25: Arc<Bm25>,
    threshold: f32,
}

impl Extractive {
    /// Answers when it is at least as sure as `threshold`, from 0 to 1.
    #[must_use]
    pub fn new(embedder: Embedder, bm25: Arc<Bm25>, threshold: f32) -> Self {
        Self { embedder, bm25, threshold }
    }

    /// The answer in the form that the citation checker reads.
    async fn answer(&self, request: &Request) -> Result<String, LlmError> {
        let question = Question::new(&request.question, self.stems(&request.question));
        let mut candidates = self.candidates(request, &question);
        score::weigh_words(&question, &mut candidates);
        candidates.sort_by(|a, b| b.words.total_cmp(&a.words));
        candidates.truncate(EMBEDDED);
        let mut texts = vec![request.question.clone()];
        texts.extend(candidates.iter().map(Candidate::in_context));
        let vectors = self.embedder.interactive(texts).await.map_err(|error| {
            tracing::warn!(%error, "the sentences could not be embedded");
            LlmError::transient(EXTRACTIVE, "the embedding model does not answer")
        })?;
        if let Some((asked, rest)) = vectors.split_first() {
            for (candidate, vector) in candidates.iter_mut().zip(rest) {
                candidate.meaning = asked.iter().zip(vector).map(|(a, b)| a * b).sum();
            }
        }
        let chosen = score::choose(&question, candidates, self.threshold, SENTENCES);
        if chosen.is_empty() {
            return Ok(NOT_IN_DOCUMENTS.to_owned());
        }
        let quoted: Vec<String> = chosen.iter().map(|candidate| quoted(candidate.n, &candidate.text)).collect();
        Ok(quoted.join(" "))
    }

    fn candidates(&self, request: &Request, question: &Question) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (rank, source) in request.sources.iter().take(PASSAGES).enumerate() {
            let around = self.stems(&format!("{}\n{}", source.title, source.text));
            for range in sentences::split(&source.text) {
                let text = &source.text[range];
                if text.split_whitespace().count() < SHORTEST || question.is_repeated_by(text) {
                    continue;
                }
                candidates.push(Candidate {
                    n: source.n,
                    rank,
                    text: shortened(text).to_owned(),
                    title: source.title.clone(),
                    stems: self.stems(text),
                    around: around.clone(),
                    words: 0.0,
                    meaning: 0.0,
                });
            }
        }
        candidates
    }

    /// The stems of a text as BM25 sees them: folded, without stop words.
    fn stems(&self, text: &str) -> HashSet<u32> {
        self.bm25.query(text).indices.into_iter().collect()
    }
}

impl Provider for Extractive {
    fn name(&self) -> &'static str {
        EXTRACTIVE
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<DeltaStream, LlmError>> {
        async move {
            let answer = self.answer(&request).await?;
            let usage = Usage { input_tokens: 0, output_tokens: 0, estimated: false };
            let deltas = [Delta::Text(answer), Delta::Usage(usage), Delta::Finished(FinishReason::Stop)];
            Ok(stream::iter(deltas.map(Ok)).boxed())
        }
        .boxed()
    }

    fn context_window(&self) -> usize {
        WINDOW
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.embedder.tokens().count(text)
    }
}

/// The sentence as claim and proof at once.
fn quoted(n: usize, sentence: &str) -> String {
    let claim = plain(sentence);
    let proof = sentence.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{claim} [{n}: \"{proof}\"]")
}

/// A sentence as it reads outside of its document: on one line, without
/// Markdown's marks.
fn plain(sentence: &str) -> String {
    let unmarked = sentence.replace("**", "").replace('`', "").replace("\\|", "|");
    // Brackets would read as citations.
    let unbracketed = unmarked.replace('[', "(").replace(']', ")");
    let words: Vec<&str> = unbracketed.split_whitespace().collect();
    let line = words.join(" ");
    line.trim_matches(|c| c == '|' || c == ' ').replace(" | ", " – ")
}

fn shortened(sentence: &str) -> &str {
    let Some((end, _)) = sentence.char_indices().nth(LONGEST) else { return sentence };
    let cut = &sentence[..end];
    cut.rfind(char::is_whitespace).map_or(cut, |space| cut[..space].trim_end())
}

#[cfg(test)]
mod tests {
    use footnote_ingest::embed::HashEmbedder;

    use super::super::Source;
    use super::*;

    async fn answer(question: &str, sources: &[&str]) -> String {
        let embedder = Embedder::Hash(HashEmbedder::default());
        let extractive = Extractive::new(embedder, Arc::new(Bm25::new().expect("bm25")), 0.3);
        let sources = sources.iter().zip(1..).map(|(text, n)| Source {
            n,
            title: "Manual".into(),
            headings: vec![],
            text: (*text).to_owned(),
            score: 1.0,
            dense: None,
        });
        let request = Request {
            model: EXTRACTIVE.into(),
            system: String::new(),
            messages: vec![],
            question: question.into(),
            sources: sources.collect(),
            max_tokens: 100,
            temperature: None,
        };
        extractive.answer(&request).await.expect("an answer")
    }

    #[tokio::test]
    async fn the_sentence_that_holds_the_words_of_the_question_is_quoted() {
        let text = "The pump is painted blue. The pump holds a pressure of 4 bar. It weighs three kilograms.";
        let answer = answer("What pressure does the pump hold?", &["Nothing of the sort is said here.", text]).await;
        assert!(
            answer.starts_with("The pump holds a pressure of 4 bar. [2: \"The pump holds a pressure of 4 bar.\"]"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn what_no_sentence_says_is_not_answered() {
        let answer = answer("Who won the chess tournament in Riga?", &["The pump holds a pressure of 4 bar."]).await;
        assert_eq!(answer, NOT_IN_DOCUMENTS);
    }

    #[tokio::test]
    async fn no_sources_are_no_answer() {
        assert_eq!(answer("What is it?", &[]).await, NOT_IN_DOCUMENTS);
    }

    #[test]
    fn a_quote_within_a_sentence_does_not_end_the_proof() {
        assert_eq!(quoted(1, r#"Press "on" [A]"#), r#"Press "on" (A) [1: "Press \"on\" [A]"]"#);
    }

    #[test]
    fn a_table_row_reads_as_a_line() {
        assert_eq!(plain("| Solva 12 | **14 W** |"), "Solva 12 – 14 W");
    }
}
