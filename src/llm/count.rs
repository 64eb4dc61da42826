//! How many tokens a text is taken for where the model's own count is not
//! known. Imports the plain types of `llm`.

use super::{Delta, Request, ToolCall, Usage};

/// Tokens that a chat format adds around each message, at most.
const MESSAGE_OVERHEAD: usize = 8;

/// Tokens of a text, rather too many than too few.
///
/// OpenAI's rule of thumb is four characters of English to a token; this takes
/// three, and two bytes of anything beyond ASCII, and at least one token to a
/// word.
pub(super) fn estimate(text: &str) -> usize {
    let beyond: usize = text.chars().filter(|c| !c.is_ascii()).map(char::len_utf8).sum();
    let ascii = text.len() - beyond;
    let by_length = (2 * ascii + 3 * beyond).div_ceil(6);
    by_length.max(text.split_whitespace().count())
}

/// Tokens of a whole request, rather too many than too few.
pub(super) fn estimate_request(request: &Request) -> usize {
    let message = |text: &str| estimate(text) + MESSAGE_OVERHEAD;
    let history: usize = request.history.iter().map(|turn| message(&turn.text)).sum();
    let steps = request.steps.iter().map(|step| {
        let calls = step.calls.iter().map(|call| message(&call.name) + estimate(&call.arguments));
        let results = step.results.iter().map(|result| message(&result.text));
        message(&step.text) + calls.chain(results).sum::<usize>()
    });
    let tools = request
        .tools
        .iter()
        .map(|tool| message(&tool.name) + estimate(&tool.description) + estimate(&tool.parameters.to_string()));
    message(&request.system) + message(&request.prompt) + history + steps.chain(tools).sum::<usize>()
}

fn tokens(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What a provider says that an answer took.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) input: Option<u32>,
    pub(super) cached: u32,
    pub(super) output: Option<u32>,
}

/// What an answer takes by our own count, for what a provider does not say.
#[derive(Debug)]
pub(super) struct Tally {
    /// Tokens of the request.
    input: usize,
    /// Everything that the model wrote.
    written: String,
}

impl Tally {
    pub(super) fn new(request: &Request) -> Self {
        Self { input: estimate_request(request), written: String::new() }
    }

    /// Takes down the words of the answer and of its reasoning.
    pub(super) fn hear(&mut self, deltas: &[Delta]) {
        for delta in deltas {
            if let Delta::Text(text) | Delta::Reasoning(text) = delta {
                self.written.push_str(text);
            }
        }
    }

    /// What the provider says, or our count of what it does not.
    pub(super) fn usage(&self, said: &Said, calls: &[ToolCall]) -> Usage {
        let arguments = calls.iter().map(|call| estimate(&call.arguments)).sum::<usize>();
        let nothing = self.written.is_empty() && calls.is_empty();
        let output = said.output.or(nothing.then_some(0));
        Usage {
            input_tokens: said.input.unwrap_or_else(|| tokens(self.input)),
            cached_tokens: said.cached,
            output_tokens: output.unwrap_or_else(|| tokens(estimate(&self.written) + arguments)),
            estimated: said.input.is_none() || output.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_estimated_high() {
        assert_eq!(estimate(""), 0);
        assert!(estimate("Hello world") >= 2);
        assert!(estimate("The pump is rated for a pressure of 4 bar") >= 10);
        assert!(estimate("我们今天去公园") >= 6);
        assert!(estimate("| 1 | 2 |") >= 5);
    }

    #[test]
    fn what_a_provider_says_goes_before_our_own_count() {
        let mut tally = Tally::new(&Request::plain("m", "be brief".into(), "how much?".into(), 9));
        tally.hear(&[Delta::Text("4 bar".into()), Delta::Reasoning("hm".into())]);
        let said = Said { input: Some(70), cached: 30, output: None };
        let usage = tally.usage(&said, &[]);
        assert_eq!((usage.input_tokens, usage.cached_tokens, usage.estimated), (70, 30, true));
        assert!((3..20).contains(&usage.output_tokens), "{usage:?}");
        let usage = tally.usage(&Said { output: Some(5), ..said }, &[]);
        assert_eq!((usage.output_tokens, usage.estimated), (5, false));
    }
}
