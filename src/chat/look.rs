//! Looking for evidence: what to search for, and one more search where the
//! first found little.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::ahead::{self, EVIDENCE};
use super::evidence;
use super::history::History;
use super::state::Generation;
use super::thinking;
use crate::error::Result;
use crate::llm::{Completion, Request};
use crate::prompt;
use crate::retrieve::{self, Passage, Query};
use crate::storage::calls::Purpose;

/// Questions that one is taken apart into, at most.
const QUERIES: usize = 3;
/// Tokens of a question in other words, at most.
const TOKENS: u32 = 200;
/// How long a question may be put into other words.
const PATIENCE: Duration = Duration::from_secs(15);
/// Characters of the conversation that are given to understand a question.
const CONTEXT: usize = 6_000;
impl Generation {
    /// Finds the first evidence. What was found is told when the model is asked.
    pub(super) async fn look(&mut self) -> Result<()> {
        if self.follows {
            self.history = History::load(&self.app.db, self.scope, self.asked.question).await?;
        }
        self.queries = self.understood().await;
        if self.queries != [self.ask.content.clone()] {
            self.pending.push(("question.rewritten", json!({ "queries": self.queries })));
        }
        let mut found = self.search_all(&self.queries.clone()).await?;
        // What is named is meant, however far off the words are.
        if self.files.is_empty()
            && self.is_weak(&found)
            && let Some(other) = self.rephrased().await
        {
            self.pending.push(("search.repeated", json!({ "query": other })));
            self.queries.push(other.clone());
            let more = self.search(&other).await?;
            found = in_turns(vec![found, more]);
        }
        found.truncate(EVIDENCE);
        found = self.with_files(found).await?;
        self.receipt.found = found.len();
        let numbers = self.evidence.take(found);
        let brief: Vec<Value> = numbers
            .into_iter()
            .filter_map(|n| self.evidence.get(n).map(|passage| evidence::brief(n, passage)))
            .collect();
        self.receipt.queries.clone_from(&self.queries);
        self.pending.push(("retrieval.completed", json!({ "passages": brief, "queries": self.queries })));
        Ok(())
    }

    /// The question in words that stand alone, taken apart where it asks for
    /// several things; beside the one before where that cannot be had.
    async fn understood(&mut self) -> Vec<String> {
        let question = self.ask.content.clone();
        let stands_alone = self.history.is_empty() && !is_several(&question);
        if stands_alone || !self.app.settings.rewrite_questions {
            return vec![question];
        }
        if !self.provider.capabilities().instructed {
            return vec![self.joined(&question)];
        }
        let prompt = format!("{}Last question: {question}", self.said_before());
        let replied = self.aside(Purpose::Rewrite, prompt::rewrite(), prompt, TOKENS).await;
        let lines = replied.map(|replied| lines(&replied)).unwrap_or_default();
        if lines.is_empty() { vec![self.joined(&question)] } else { lines }
    }

    /// Without a model to understand it, a short question is looked for beside
    /// the one before.
    fn joined(&self, question: &str) -> String {
        match self.history.exchanges.last() {
            Some(last) if question.split_whitespace().count() < 6 => format!("{} {question}", last.question),
            _ => question.to_owned(),
        }
    }

    /// The question as the documents might put it.
    async fn rephrased(&mut self) -> Option<String> {
        if !self.app.settings.rewrite_questions || !self.provider.capabilities().instructed {
            return None;
        }
        let prompt = format!("Question: {}", self.queries.join("\n"));
        let replied = self.aside(Purpose::Rewrite, prompt::rephrase(), prompt, TOKENS).await?;
        lines(&replied).into_iter().next().filter(|other| !self.queries.contains(other))
    }

    /// Whether a search found little: nothing, or nothing near by meaning.
    fn is_weak(&self, found: &[Passage]) -> bool {
        let best = found.iter().filter_map(|passage| passage.scores.dense).fold(f32::MIN, f32::max);
        found.is_empty() || (best > f32::MIN && best < self.app.settings.weak_search)
    }

    /// Asks the model something beside the answer, whose failure is no failure
    /// of the answer.
    pub(super) async fn aside(
        &mut self,
        purpose: Purpose,
        system: String,
        prompt: String,
        max_tokens: u32,
    ) -> Option<String> {
        let provider = Arc::clone(&self.provider);
        if self.app.models.habits().is_slow(provider.name()) {
            return None;
        }
        let room = self.room_for(provider.as_ref(), max_tokens, false);
        let request = Request::plain(provider.name(), system, prompt, room);
        let mut completion = self.completed(purpose, request.clone()).await?;
        let more = self.room_for(provider.as_ref(), max_tokens, true);
        if more > room && thinking::is_spent(&completion.text, Some(completion.finish)) {
            completion = self.completed(purpose, Request { max_tokens: more, ..request }).await?;
            if !thinking::is_spent(&completion.text, Some(completion.finish)) {
                self.app.models.habits().note_thinking(provider.name());
            }
        }
        Some(completion.text).filter(|text| !text.trim().is_empty())
    }

    async fn completed(&mut self, purpose: Purpose, request: Request) -> Option<Completion> {
        let provider = Arc::clone(&self.provider);
        self.open_call(&provider, &request, purpose);
        let completed = tokio::time::timeout(PATIENCE, provider.complete(request)).await;
        let (outcome, completion) = match completed {
            Ok(Ok(completion)) => ("ok", Some(completion)),
            Ok(Err(error)) => {
                tracing::debug!(message.id = %self.asked.answer, error = error.silent(), ?purpose, "a step of an answer failed");
                self.not_taken(&error);
                (error.code(), None)
            }
            Err(_) => {
                if !provider.is_crowded() {
                    self.app.models.habits().note_slow(provider.name());
                }
                ("timeout", None)
            }
        };
        if let Some(completion) = &completion {
            self.receipt.used(completion.usage.clone());
        }
        self.close_call(outcome).await;
        completion
    }

    fn said_before(&self) -> String {
        let notes = self.history.summary.iter().map(|summary| format!("Notes: {summary}\n"));
        let exchanges = self.history.exchanges.iter().rev().take(4).rev();
        let exchanges =
            exchanges.map(|exchange| format!("Person: {}\nAssistant: {}\n", exchange.question, exchange.answer));
        let said: String = notes.chain(exchanges).collect();
        let skipped = said.chars().count().saturating_sub(CONTEXT);
        let said: String = said.chars().skip(skipped).collect();
        format!("What was said before:\n{said}\n")
    }

    async fn search_all(&mut self, queries: &[String]) -> Result<Vec<Passage>> {
        let mut lists = Vec::new();
        for query in queries {
            lists.push(self.search(query).await?);
        }
        Ok(if lists.len() == 1 { lists.remove(0) } else { in_turns(lists) })
    }

    async fn search(&mut self, text: &str) -> Result<Vec<Passage>> {
        // Only the question as it was asked was looked for beforehand.
        let ahead = if text == self.ask.content { self.ahead.take() } else { None };
        let retrieved = match ahead {
            Some(ahead) => ahead.finish().await?,
            None => {
                let reranker = self.app.reranker.clone();
                let query = Query { reranker, ..self.query(text.to_owned(), EVIDENCE) };
                retrieve::retrieve(&self.app.corpus, self.scope, &query).await?
            }
        };
        self.receipt.embed += retrieved.embed;
        self.receipt.search += retrieved.search;
        self.app.figures.searched("embed", retrieved.embed);
        self.app.figures.searched("search", retrieved.search);
        Ok(retrieved.passages)
    }

    /// A search within what the question may see.
    pub(super) fn query(&self, text: String, limit: usize) -> Query {
        ahead::query(&self.conversation, &self.ask, &self.files, text, limit)
    }
}

/// Whether a question may ask for several things.
fn is_several(question: &str) -> bool {
    question.matches(['?', '？', '؟']).count() > 1
        || question.lines().filter(|line| !line.trim().is_empty()).count() > 1
}

/// Questions of a reply, one a line, without marks of a list.
fn lines(reply: &str) -> Vec<String> {
    let bare = |line: &str| {
        let line = line.trim();
        let numbered = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let marked = if numbered.len() < line.len() {
            numbered.strip_prefix(['.', ')'])
        } else {
            line.strip_prefix(['-', '*', '•'])
        };
        let line = marked.filter(|rest| rest.starts_with(' ')).unwrap_or(line);
        line.trim().trim_matches('"').trim().to_owned()
    };
    let lines = reply.lines().map(bare).filter(|line| !line.is_empty() && line.chars().count() <= retrieve::MAX_QUERY);
    lines.take(QUERIES).collect()
}

/// One list of several that take turns: the best of each comes before the
/// second of any.
fn in_turns(lists: Vec<Vec<Passage>>) -> Vec<Passage> {
    let range = |passage: &Passage| (passage.revision_id, passage.start, passage.end);
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    let (mut all, mut seen): (Vec<Passage>, HashSet<_>) = (Vec::new(), HashSet::new());
    loop {
        let turn: Vec<Passage> = lists.iter_mut().filter_map(Iterator::next).collect();
        if turn.is_empty() {
            return all;
        }
        all.extend(turn.into_iter().filter(|passage| seen.insert(range(passage))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_gives_at_most_three_questions_without_marks() {
        assert_eq!(lines("1. What is P4?\n- \"What is P5?\"\n\n* A\nB"), ["What is P4?", "What is P5?", "A"]);
        assert_eq!(lines("4 bar pumps?\n-5 degrees?"), ["4 bar pumps?", "-5 degrees?"]);
        assert!(lines(" \n").is_empty());
    }

    #[test]
    fn several_questions_in_one_are_told_by_their_marks() {
        assert!(is_several("What is P4? And P5?"));
        assert!(is_several("What is P4\nand P5"));
        assert!(!is_several("What is P4?"));
    }
}
