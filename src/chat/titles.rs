//! Titles of conversations that nobody has named.

use super::state::Generation;
use crate::prompt;
use crate::storage::calls::Purpose;
use crate::storage::conversations;

/// Tokens of a title, at most.
const TOKENS: u32 = 40;
/// Characters of a title, at most.
const LENGTH: usize = 80;

impl Generation {
    /// Names the conversation after its first question, unless somebody has.
    /// What the title cost is recorded, but stands in no receipt: the answer has
    /// ended.
    pub(super) async fn name(&mut self) {
        if !self.history.is_empty() || !self.conversation.is_unnamed() {
            return;
        }
        let question = self.ask.content.clone();
        let made = if self.provider.capabilities().instructed {
            self.aside(Purpose::Title, prompt::title(), question.clone(), TOKENS).await
        } else {
            None
        };
        let title = tidy(made.as_deref().unwrap_or(&question));
        if title.is_empty() {
            return;
        }
        if let Err(error) = conversations::name(&self.app.db, self.scope, self.conversation.id, &title).await {
            tracing::warn!(conversation.id = %self.conversation.id, %error, "a conversation could not be named");
        }
    }
}

/// One line without marks around it, cut at a word.
fn tidy(title: &str) -> String {
    let line = title.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line = line.trim().trim_matches(['"', '\'', '*', '#', '`', '“', '”', '„']).trim().trim_end_matches('.');
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.chars().count() <= LENGTH {
        return line;
    }
    let cut: String = line.chars().take(LENGTH).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_without_marks() {
        assert_eq!(tidy("\n \"Pressure of the pump P4.\"\nmore"), "Pressure of the pump P4");
        let long = tidy(&"word ".repeat(40));
        assert!(long.chars().count() <= LENGTH + 1 && long.ends_with("word…"), "{long}");
    }
}
