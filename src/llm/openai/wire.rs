//! The request's JSON, and how many tokens a text is taken for.

use serde::Serialize;

use crate::llm::{Request, Role};

/// Tokens that the chat format adds around each message, at most.
const MESSAGE_OVERHEAD: usize = 8;

/// Which name the limit of the answer's tokens goes by.
///
/// OpenAI calls it `max_completion_tokens` and refuses the old name for its
/// reasoning models; many other servers know the old name only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    MaxTokens,
    MaxCompletionTokens,
}

impl Limit {
    /// The name that a host most likely knows.
    pub(super) fn of(host: &str) -> Self {
        let is_openai = ["openai.com", "openai.azure.com"]
            .iter()
            .any(|domain| host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.')));
        if is_openai { Self::MaxCompletionTokens } else { Self::MaxTokens }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::MaxTokens => Self::MaxCompletionTokens,
            Self::MaxCompletionTokens => Self::MaxTokens,
        }
    }
}

/// The body of `POST /chat/completions`.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(request: &'a Request, limit: Limit) -> Self {
        let system = Message { role: "system", content: &request.system };
        let system = (!request.system.is_empty()).then_some(system);
        let turns = request.messages.iter().map(|turn| Message {
            role: match turn.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            },
            content: &turn.text,
        });
        let tokens = Some(request.max_tokens);
        Self {
            model: &request.model,
            messages: system.into_iter().chain(turns).collect(),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            max_tokens: tokens.filter(|_| limit == Limit::MaxTokens),
            max_completion_tokens: tokens.filter(|_| limit == Limit::MaxCompletionTokens),
            temperature: request.temperature,
        }
    }
}

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
    let texts = request.messages.iter().map(|turn| turn.text.as_str()).chain([request.system.as_str()]);
    texts.map(|text| estimate(text) + MESSAGE_OVERHEAD).sum()
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
    fn the_limits_name_goes_by_the_host() {
        assert_eq!(Limit::of("api.openai.com"), Limit::MaxCompletionTokens);
        assert_eq!(Limit::of("mine.openai.azure.com"), Limit::MaxCompletionTokens);
        assert_eq!(Limit::of("notopenai.com"), Limit::MaxTokens);
        assert_eq!(Limit::of("localhost"), Limit::MaxTokens);
    }
}
