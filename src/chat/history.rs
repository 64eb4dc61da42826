//! What was said before: the exchanges of the branch, and their summary.

use footnote_ingest::scope::Scope;
use sqlx::PgPool;

use crate::citations::{Shown, shown};
use crate::error::Result;
use crate::ids::MessageId;
use crate::llm::{Role as Speaker, Turn};
use crate::storage::messages::{self, Message, Part, Role, Status};
use crate::storage::summaries;

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchange {
    /// The answer's message.
    pub(super) answer_id: MessageId,
    pub(super) question: String,
    pub(super) answer: String,
}

/// What was said before a question.
#[derive(Debug, Default)]
pub(super) struct History {
    /// All of it in short that was said before `exchanges`.
    pub(super) summary: Option<String>,
    /// Oldest first.
    pub(super) exchanges: Vec<Exchange>,
}

impl History {
    /// What was said on the branch that ends with `question`.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn load(db: &PgPool, scope: Scope, question: MessageId) -> Result<Self> {
        let path = messages::path_in_words(db, scope, question).await?;
        let mut exchanges = exchanges(&path);
        let answers: Vec<MessageId> = exchanges.iter().map(|exchange| exchange.answer_id).collect();
        let known = summaries::latest(db, scope, &answers).await?;
        let summary = known.map(|known| {
            let covered = answers.iter().position(|id| *id == known.answer_id).map_or(0, |place| place + 1);
            exchanges.drain(..covered);
            known.text
        });
        Ok(Self { summary, exchanges })
    }

    /// Whether nothing was said.
    pub(super) fn is_empty(&self) -> bool {
        self.summary.is_none() && self.exchanges.is_empty()
    }

    /// The summary as a model is told it.
    pub(super) fn told(&self) -> Option<String> {
        self.summary.as_ref().map(|summary| format!("What we spoke of before, in short:\n{summary}"))
    }

    /// The last `count` exchanges as a model is given them, after the summary.
    pub(super) fn turns(&self, count: usize, with_summary: bool) -> Vec<Turn> {
        let turn = |role: Speaker, text: &str| Turn { role, text: text.to_owned() };
        let told = self.told().filter(|_| with_summary);
        let summary = told.into_iter().map(|told| Turn { role: Speaker::User, text: told });
        let from = self.exchanges.len().saturating_sub(count);
        let said = self.exchanges[from..]
            .iter()
            .flat_map(|exchange| [turn(Speaker::User, &exchange.question), turn(Speaker::Assistant, &exchange.answer)]);
        summary.chain(said).collect()
    }
}

/// Questions with the answers that follow them; one without words of an answer is
/// left out. Of an answer that was stopped, what there is of it counts: whoever
/// says "go on" means it.
fn exchanges(path: &[Message]) -> Vec<Exchange> {
    let pairs = path.windows(2).filter_map(|pair| {
        let [question, answer] = pair else { return None };
        let is_over = matches!(answer.status, Status::Completed | Status::Cancelled | Status::Interrupted);
        let fits = question.role == Role::User && answer.role == Role::Assistant && is_over;
        let exchange = Exchange { answer_id: answer.id, question: question.text(), answer: without_markers(answer) };
        (fits && !exchange.question.is_empty() && !exchange.answer.is_empty()).then_some(exchange)
    });
    pairs.collect()
}

/// An answer's words without the numbers of its citations, which were those of
/// other sources.
fn without_markers(answer: &Message) -> String {
    let is_cited = |number: u32| {
        answer.parts.iter().any(|part| matches!(part, Part::Citation { citation } if citation.n == number))
    };
    unmarked(&answer.text(), is_cited)
}

/// A text without the numbers of citations that it shows, and the space before each.
fn unmarked(text: &str, is_cited: impl Fn(u32) -> bool) -> String {
    let (mut words, mut end) = (String::with_capacity(text.len()), 0);
    for Shown { range, .. } in shown(text, char::len_utf8).into_iter().filter(|shown| is_cited(shown.n)) {
        let before = &text[end..range.start];
        words.push_str(before.strip_suffix(' ').unwrap_or(before));
        end = range.end;
    }
    words.push_str(&text[end..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_citations_go_and_code_stays() {
        let text = "It holds 4 bar [1][2]. Take `bars[1]` [1], or [3].";
        assert_eq!(unmarked(text, |n| n < 3), "It holds 4 bar. Take `bars[1]`, or [3].");
    }
}
