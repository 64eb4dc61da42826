//! A conversation as protocols want it that are strict about turns and calls.
//! Imports the plain types of `llm`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Request, Role, ToolCall, Turn};

/// Calls of one answer, at most; more are left out.
pub(super) const CALLS: usize = 128;

/// Earlier turns, neighbours of one role together, blank ones left out. The
/// first is the user's: an answer without its question is left out too.
pub(super) fn alternating(history: &[Turn]) -> Vec<(Role, Vec<&str>)> {
    let mut spells: Vec<(Role, Vec<&str>)> = Vec::new();
    for turn in history.iter().filter(|turn| !turn.text.trim().is_empty()) {
        match spells.last_mut() {
            Some((role, texts)) if *role == turn.role => texts.push(&turn.text),
            None if turn.role == Role::Assistant => {}
            _ => spells.push((turn.role, vec![&turn.text])),
        }
    }
    spells
}

/// Earlier turns for protocols in which the templates of some models are strict:
/// neighbours of one role as one turn, blank ones left out.
pub(super) fn joined(history: &[Turn]) -> Vec<(Role, String)> {
    let mut spells: Vec<(Role, String)> = Vec::new();
    for turn in history.iter().filter(|turn| !turn.text.trim().is_empty()) {
        match spells.last_mut() {
            Some((role, text)) if *role == turn.role => {
                text.push_str("\n\n");
                text.push_str(&turn.text);
            }
            _ => spells.push((turn.role, turn.text.clone())),
        }
    }
    spells
}

/// A call's arguments as the object that they should be, else an empty one.
pub(super) fn arguments(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(arguments)) => Value::Object(arguments),
        _ => Value::Object(Map::new()),
    }
}

/// Whether a text is a JSON object, as a call's arguments must be.
pub(super) fn is_object(text: &str) -> bool {
    serde_json::from_str::<Map<String, Value>>(text).is_ok()
}

/// Names of an answer's calls: no two alike, those of earlier steps included.
#[derive(Debug)]
pub(super) struct CallIds {
    taken: HashSet<String>,
    made: usize,
}

impl CallIds {
    pub(super) fn new(request: &Request) -> Self {
        let calls = request.steps.iter().flat_map(|step| &step.calls);
        Self { taken: calls.map(|call| call.id.clone()).collect(), made: 0 }
    }

    /// The provider's name for the next call, or one made up where it gave none
    /// or one that is taken.
    pub(super) fn take(&mut self, given: &str) -> String {
        let mut id = given.to_owned();
        while id.is_empty() || self.taken.contains(&id) {
            self.made += 1;
            id = format!("call_{}", self.made);
        }
        self.taken.insert(id.clone());
        id
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(id: &str, arguments: &str) -> ToolCall {
        ToolCall { id: id.into(), name: "look".into(), arguments: arguments.into() }
    }

    proptest! {
        #[test]
        fn turns_alternate_and_begin_with_the_user(
            turns in proptest::collection::vec((any::<bool>(), "[a ]{0,2}"), 0..12),
        ) {
            let history: Vec<Turn> = turns
                .into_iter()
                .map(|(user, text)| Turn { role: if user { Role::User } else { Role::Assistant }, text })
                .collect();
            let spells = alternating(&history);
            for (place, (role, texts)) in spells.iter().enumerate() {
                prop_assert_eq!(*role == Role::User, place % 2 == 0);
                prop_assert!(!texts.is_empty() && texts.iter().all(|text| !text.trim().is_empty()));
            }
            let said = |turns: &[Turn]| turns.iter().filter(|turn| !turn.text.trim().is_empty()).count();
            let first = history.iter().position(|turn| turn.role == Role::User && !turn.text.trim().is_empty());
            let expected = first.map_or(0, |first| said(&history[first..]));
            prop_assert_eq!(spells.iter().map(|(_, texts)| texts.len()).sum::<usize>(), expected);
        }

        #[test]
        fn no_two_calls_share_a_name(given in proptest::collection::vec("(call_[1-3]|a|)", 0..12)) {
            let mut request = Request::plain("m", String::new(), "q".into(), 1);
            let calls = vec![call("call_2", "{}")];
            request.steps.push(crate::llm::Step { text: String::new(), calls, results: vec![], state: None });
            let mut ids = CallIds::new(&request);
            let names: HashSet<String> = given.iter().map(|id| ids.take(id)).collect();
            prop_assert_eq!(names.len(), given.len());
            prop_assert!(!names.contains("call_2") && !names.contains(""));
        }
    }

    #[test]
    fn a_providers_own_name_is_kept() {
        let mut ids = CallIds::new(&Request::plain("m", String::new(), "q".into(), 1));
        assert_eq!([ids.take("a"), ids.take(""), ids.take("a"), ids.take("b")], ["a", "call_1", "call_2", "b"]);
    }

    #[test]
    fn arguments_that_are_no_object_become_an_empty_one() {
        assert_eq!(arguments(&call("a", "{\"q\":1}")).to_string(), "{\"q\":1}");
        for text in ["", "{\"q\":", "[1]", "null", "{\"q\":1}{"] {
            assert_eq!(arguments(&call("a", text)).to_string(), "{}", "{text}");
            assert!(!is_object(text), "{text}");
        }
    }
}
