//! The gate before an answer: the sign of refusal is never shown.

use crate::llm::NOT_IN_DOCUMENTS;

/// Holds back the start of an answer while it may be the sign that the
/// documents do not hold one.
#[derive(Debug, Default)]
pub(super) struct RefusalGate {
    held: String,
    open: bool,
}

impl RefusalGate {
    /// What may be shown of the words so far.
    pub(super) fn pass(&mut self, text: &str) -> Option<String> {
        if self.open {
            return Some(text.to_owned());
        }
        self.held.push_str(text);
        let start = self.held.trim_start_matches(|c: char| c.is_whitespace() || "*`\"'".contains(c));
        let undecided = NOT_IN_DOCUMENTS.starts_with(start) || start.starts_with(NOT_IN_DOCUMENTS);
        if undecided {
            return None;
        }
        self.open = true;
        Some(std::mem::take(&mut self.held))
    }

    /// Whether it was the sign.
    pub(super) fn refused(&self) -> bool {
        !self.open && self.held.contains(NOT_IN_DOCUMENTS)
    }

    /// What is still held when the answer ends, unless it is the sign or blank.
    pub(super) fn rest(self) -> Option<String> {
        (!self.open && !self.refused() && !self.held.trim().is_empty()).then_some(self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(pieces: &[&str]) -> (String, bool) {
        let mut gate = RefusalGate::default();
        let mut shown: String = pieces.iter().filter_map(|piece| gate.pass(piece)).collect();
        let refused = gate.refused();
        shown.extend(gate.rest());
        (shown, refused)
    }

    #[test]
    fn the_sign_of_refusal_is_never_shown() {
        assert_eq!(through(&["NOT_IN", "_DOCUM", "ENTS"]), (String::new(), true));
        assert_eq!(through(&["**NOT_IN_DOCUMENTS**", "\n"]), (String::new(), true));
    }

    #[test]
    fn an_answer_that_only_begins_like_it_is_shown_whole() {
        assert_eq!(through(&["NOT", " many"]), ("NOT many".into(), false));
        assert_eq!(through(&["N"]), ("N".into(), false));
        assert_eq!(through(&[" ", "\n"]), (String::new(), false));
        assert_eq!(through(&["  The ", "pump"]), ("  The pump".into(), false));
    }
}
