//! Answers, as they are told to other programs. Imports storage's types and
//! what a question must be.

use schemars::JsonSchema;
use serde::Serialize;

use super::backend::Failure;
use crate::citations::Citation;
use crate::error::Error;
use crate::retrieve;
use crate::storage::messages::{Message, Part, Status};

/// The tools that an answer may call here: those that only read, and nothing of
/// other people's servers. Nobody could allow more from here.
pub const READING_TOOLS: [&str; 4] = ["search_documents", "get_document", "calculate", "current_time"];

/// Characters of a conversation's title.
const TITLE: usize = 80;

/// An answer with what backs it.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "clients read the names")]
pub(super) struct Answer {
    /// Its words, with markers [n] where citation n backs them.
    answer: String,
    /// Whether the documents hold the answer.
    grounded: bool,
    /// What backs it, in the order of the markers. Each quote is exactly the
    /// range of code points from start to end of its revision's text; fetch
    /// reads it and what stands around it as `{revision_id}:{start}-{end}`.
    citations: Vec<Citation>,
    /// What a reader should know about how it was made.
    notes: Vec<String>,
    /// The model that answered.
    model: Option<String>,
    /// Where question and answer are kept.
    conversation_id: String,
    /// The stored answer.
    message_id: String,
}

impl From<Message> for Answer {
    fn from(message: Message) -> Self {
        let answer = message.text();
        let (mut citations, mut notes) = (vec![], vec![]);
        for part in message.parts.0 {
            match part {
                Part::Citation { citation } => citations.push(citation),
                Part::Notice { text, .. } => notes.push(text),
                _ => {}
            }
        }
        Self {
            answer,
            grounded: message.grounded.unwrap_or_default(),
            citations,
            notes,
            model: message.model,
            conversation_id: message.conversation_id.to_string(),
            message_id: message.id.to_string(),
        }
    }
}

/// Refuses what is no question, by the name of its argument.
pub(super) fn check(argument: &'static str, text: &str) -> Result<(), Failure> {
    let problem = match retrieve::check(text) {
        Ok(()) if text.contains('\0') => "holds the character NUL, which no text has; leave it out".to_owned(),
        Ok(()) => return Ok(()),
        Err(Error::Invalid { problem, .. }) => problem,
        Err(error) => return Err(error.into()),
    };
    Err(Failure::Refused(format!("`{argument}` {problem}")))
}

/// The title of the conversation that a question begins.
#[must_use]
pub fn title(question: &str) -> String {
    question.trim().chars().take(TITLE).collect::<String>().trim_end().to_owned()
}

/// A whole answer, or why there is none.
pub(super) fn whole(answer: Message, problem: Option<String>) -> Result<Message, Failure> {
    match answer.status {
        Status::Completed => Ok(answer),
        _ => Err(Failure::Refused(problem.unwrap_or_else(|| "the answer was broken off; ask again".into()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_question_is_refused_by_the_name_of_its_argument() {
        for text in ["", "  \n", "a\0b", &"x".repeat(100_000)] {
            let refusal = check("question", text).expect_err("no question").to_string();
            assert!(refusal.starts_with("`question` ") && refusal.len() < 200, "{refusal}");
        }
        assert_eq!(check("question", "How long is the warranty?"), Ok(()));
    }

    #[test]
    fn a_title_is_the_beginning_of_the_question() {
        assert_eq!(title("  How long? \n"), "How long?");
        assert_eq!(title(&"ü ".repeat(100)).chars().count(), TITLE - 1);
    }
}
