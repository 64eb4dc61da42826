//! A conversation as a Markdown document with footnotes.

use super::markdown::{address, inline, line};
use super::text::fit;
use crate::citations::Citation;
use crate::storage::conversations::Conversation;
use crate::storage::messages::{Message, Part, Role, Status};

/// The notice that an answer begins with already.
const SAID: &str = "fallback";

/// A conversation's branch as Markdown: the instructions, then questions and
/// answers. Reasoning is left out.
///
/// A marker `[n]` of an answer becomes a footnote `[^k]`, numbered through the
/// whole document; what the footnotes say stands at its end. Each has one mark
/// in the text at least.
pub(super) fn markdown(conversation: &Conversation, branch: &[Message]) -> String {
    let mut document = Document::default();
    document.block(&format!("# {}", inline(&conversation.title)));
    if let Some(prompt) = &conversation.system_prompt {
        document.block("## Instructions");
        document.text(prompt, &[]);
    }
    for message in branch {
        document.message(message);
    }
    document.end()
}

#[derive(Default)]
struct Document {
    text: String,
    /// What footnotes say, from the first on.
    notes: Vec<String>,
}

impl Document {
    fn block(&mut self, block: &str) {
        self.text.push_str(block);
        self.text.push_str("\n\n");
    }

    fn message(&mut self, message: &Message) {
        self.block(match message.role {
            Role::User => "## Question",
            Role::Assistant => "## Answer",
        });
        for part in message.parts.iter() {
            if let Part::File { title, .. } = part {
                self.block(&format!("> About the document: {}", inline(title)));
            }
        }
        let citations = message.parts.iter().filter_map(|part| match part {
            Part::Citation { citation } => Some(citation),
            _ => None,
        });
        self.text(&message.text(), &citations.collect::<Vec<_>>());
        if let Some(remark) = remark(message.status) {
            self.block(&format!("> {remark}"));
        }
        for part in message.parts.iter() {
            if let Part::Notice { code, text } = part
                && code != SAID
            {
                self.block(&format!("> Note: {}", inline(text)));
            }
        }
    }

    /// A text with its citations.
    fn text(&mut self, text: &str, citations: &[&Citation]) {
        if text.trim().is_empty() {
            return self.also_cited(citations);
        }
        let numbers: Vec<u32> = citations.iter().map(|citation| citation.n).collect();
        let fitted = fit(text, &numbers, self.notes.len() + 1);
        self.block(&fitted.text);
        self.notes.extend(fitted.cited.iter().map(|place| note(citations[*place])));
        let others = citations.iter().enumerate().filter(|(place, _)| !fitted.cited.contains(place));
        self.also_cited(&others.map(|(_, citation)| *citation).collect::<Vec<_>>());
    }

    /// Citations without a mark in their text, which may have been broken off.
    fn also_cited(&mut self, citations: &[&Citation]) {
        if citations.is_empty() {
            return;
        }
        let first = self.notes.len() + 1;
        let marks: Vec<String> = (first..first + citations.len()).map(|n| format!("[^{n}]")).collect();
        self.block(&format!("Also cited: {}", marks.join(" ")));
        self.notes.extend(citations.iter().map(|citation| note(citation)));
    }

    fn end(mut self) -> String {
        for (note, n) in std::mem::take(&mut self.notes).iter().zip(1..) {
            self.block(&format!("[^{n}]: {note}"));
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
        self.text
    }
}

fn remark(status: Status) -> Option<&'static str> {
    match status {
        Status::Completed => None,
        Status::Running => Some("This answer is still being made."),
        Status::Cancelled => Some("This answer was stopped."),
        Status::Interrupted => Some("This answer was broken off."),
        Status::Failed => Some("This answer could not be made."),
    }
}

/// What a footnote says: title, page, quote, address.
fn note(citation: &Citation) -> String {
    let title = if citation.title.trim().is_empty() { "Untitled" } else { &citation.title };
    let page = citation.page.map(|page| format!(", page {page}")).unwrap_or_default();
    let uri = citation.uri.as_deref().filter(|uri| !uri.trim().is_empty());
    let place = uri.map(|uri| format!(" ({})", address(uri))).unwrap_or_default();
    format!("{}{page}, \"{}\"{place}", line(title), inline(&citation.quote))
}
