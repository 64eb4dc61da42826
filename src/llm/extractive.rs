//! The answerer that needs no model: it picks the sentences that answer the
//! question best and quotes them, or says that there are none.
//!
//! Each sentence of the passages is compared with the question by words (the
//! share of the question's rare words in it and around it); the likeliest ones
//! also by meaning (the embedder's cosine). Imports sentences and the corpus
//! crate's embedder and BM25.

mod question;
mod score;
mod units;

use std::collections::HashSet;
use std::sync::Arc;

use footnote_ingest::embed::Embedder;
use footnote_ingest::index::bm25::Bm25;
use futures::future::BoxFuture;
use futures::stream;
use futures::{FutureExt, StreamExt};

use super::{
    Capabilities, Delta, DeltaStream, EXTRACTIVE, FinishReason, LlmError, NOT_IN_DOCUMENTS, Provider, Request, Usage,
};
use question::Question;

pub use score::DEFAULT_THRESHOLD;

/// Passages whose sentences are looked at.
const PASSAGES: usize = 8;
/// Sentences that are embedded. With 28, one in a hundred of the golden
/// questions lost the sentence that answers it; with 15, seven.
const EMBEDDED: usize = 28;
/// Sentences of an answer, at most.
const SENTENCES: usize = 3;
/// Code points of a sentence that is quoted; longer ones are cut at a word.
const LONGEST: usize = 600;
/// Tokens that a request may have: nothing but the sources is read.
const WINDOW: usize = 100_000;

/// The built-in answerer.
#[derive(Clone)]
pub struct Extractive {
    /// Gives the embedder that is in use.
    embedder: Arc<dyn Fn() -> Embedder + Send + Sync>,
    bm25: Arc<Bm25>,
    threshold: f32,
}

impl Extractive {
    /// Answers when it is at least as sure as `threshold`, from 0 to 1.
    #[must_use]
    pub fn new(embedder: impl Fn() -> Embedder + Send + Sync + 'static, bm25: Arc<Bm25>, threshold: f32) -> Self {
        Self { embedder: Arc::new(embedder), bm25, threshold }
    }

    /// The answer in the form that the citation checker reads.
    async fn answer(&self, request: &Request) -> Result<String, LlmError> {
        let sources = request.sources.get(..PASSAGES).unwrap_or(&request.sources);
        let question = Question::new(&request.question, self.stems(&request.question));
        let mut candidates = score::candidates(&question, sources, EMBEDDED, &|text: &str| self.stems(text));
        if candidates.is_empty() {
            return Ok(NOT_IN_DOCUMENTS.to_owned());
        }
        let mut texts = vec![request.question.clone()];
        texts.extend(candidates.iter().map(|candidate| shortened(&candidate.context).to_owned()));
        let vectors = (self.embedder)().interactive(texts).await.map_err(|error| {
            tracing::warn!(%error, "the sentences could not be embedded");
            LlmError::transient(EXTRACTIVE, "the embedding model does not answer")
        })?;
        if let Some((asked, rest)) = vectors.split_first() {
            for (candidate, vector) in candidates.iter_mut().zip(rest) {
                candidate.set_meaning(asked.iter().zip(vector).map(|(a, b)| a * b).sum());
            }
        }
        let sureness = score::sureness(&question, sources, &candidates);
        tracing::debug!(sureness, threshold = self.threshold, candidates = candidates.len(), "looked for an answer");
        if sureness < self.threshold {
            return Ok(NOT_IN_DOCUMENTS.to_owned());
        }
        let chosen = score::choose(candidates, SENTENCES);
        Ok(joined(chosen.iter().map(|candidate| (candidate.n, shortened(&candidate.text)))))
    }

    /// The stems of a text as BM25 sees them: folded, without stop words.
    fn stems(&self, text: &str) -> HashSet<u32> {
        self.bm25.query(text).indices.into_iter().collect()
    }
}

impl std::fmt::Debug for Extractive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extractive").field("threshold", &self.threshold).finish_non_exhaustive()
    }
}

impl Provider for Extractive {
    fn name(&self) -> &'static str {
        EXTRACTIVE
    }

    fn provider(&self) -> &'static str {
        EXTRACTIVE
    }

    fn stream(&self, request: Request) -> BoxFuture<'_, Result<DeltaStream, LlmError>> {
        async move {
            let answer = self.answer(&request).await?;
            let usage = Usage::default();
            let deltas = [Delta::Text(answer), Delta::Usage(usage), Delta::Finished(FinishReason::Stop)];
            Ok(stream::iter(deltas.map(Ok)).boxed())
        }
        .boxed()
    }

    fn context_window(&self) -> usize {
        WINDOW
    }

    fn count_tokens(&self, text: &str) -> usize {
        (self.embedder)().tokens().count(text)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { instructed: false, tools: false, images: false, citations: false, exact_counts: true }
    }
}

/// The sentences, one behind the other. One without an end of its own, such as
/// a row, is a paragraph, lest the next one be read as a part of it.
fn joined<'a>(sentences: impl Iterator<Item = (usize, &'a str)>) -> String {
    let mut answer = String::new();
    let mut ended = true;
    for (n, sentence) in sentences {
        if !answer.is_empty() {
            answer.push_str(if ended { " " } else { "\n\n" });
        }
        answer.push_str(&quoted(n, sentence));
        ended = plain(sentence).ends_with(['.', '!', '。']);
    }
    answer
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
    // A single star is emphasis at a word, and a product between two.
    let unmarked = unmarked.replace(" * ", " × ").replace('*', "");
    // Brackets would read as citations.
    let unbracketed = unmarked.replace('[', "(").replace(']', ")");
    // The dots between two columns would end a sentence.
    let is_leader = |word: &str| word.len() > 3 && word.bytes().all(|byte| byte == b'.');
    let words = unbracketed.split_whitespace().map(|word| if is_leader(word) { "–" } else { word });
    let words: Vec<&str> = words.collect();
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
        let extractive = Extractive::new(move || embedder.clone(), Arc::new(Bm25::new().expect("bm25")), 0.3);
        let sources = sources.iter().zip(1..).map(|(text, n)| Source {
            n,
            title: "Manual".into(),
            headings: vec![],
            text: (*text).to_owned(),
            score: 1.0,
            dense: None,
        });
        let request =
            Request { sources: sources.collect(), ..Request::plain(EXTRACTIVE, String::new(), question.into(), 100) };
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
    fn a_row_does_not_run_into_the_next_sentence() {
        let answer = joined([(1, "Lid | €27"), (2, "All net."), (1, "Yes.")].into_iter());
        assert_eq!(answer, "Lid – €27 [1: \"Lid | €27\"]\n\nAll net. [2: \"All net.\"] Yes. [1: \"Yes.\"]");
    }

    #[test]
    fn a_quote_within_a_sentence_does_not_end_the_proof() {
        assert_eq!(quoted(1, r#"Press "on" [A]"#), r#"Press "on" (A) [1: "Press \"on\" [A]"]"#);
    }

    #[test]
    fn a_table_row_reads_as_a_line() {
        assert_eq!(plain("| Solva 12 | **14 W** |"), "Solva 12 – 14 W");
        assert_eq!(plain("Soup ....... EUR 2.20"), "Soup – EUR 2.20");
    }
}
