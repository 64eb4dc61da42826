//! What a question is asked with beside its words: kept with it, and taken up
//! when it is asked again.

use serde_json::Value;

use super::question::Ask;
use crate::error::{Error, Result};
use crate::storage::options::Options;

/// Bytes that are kept of it, at most.
const MAX_BYTES: usize = 64 << 10;

impl Ask {
    /// Takes up what the question was asked with before, where nothing else is
    /// wanted.
    pub(super) fn inherit(&mut self, before: Options) {
        let wanted = &mut self.options;
        let Options { collections, filter, model, temperature, max_tokens, tools, tool_choice, locale, time_zone } =
            before;
        take_up(&mut wanted.collections, collections);
        take_up(&mut wanted.filter, filter);
        take_up(&mut wanted.model, model);
        take_up(&mut wanted.temperature, temperature);
        take_up(&mut wanted.max_tokens, max_tokens);
        take_up(&mut wanted.tools, tools);
        take_up(&mut wanted.tool_choice, tool_choice);
        take_up(&mut wanted.locale, locale);
        take_up(&mut wanted.time_zone, time_zone);
    }
}

fn take_up<T>(wanted: &mut Option<T>, before: Option<T>) {
    *wanted = wanted.take().or(before);
}

/// Refuses what cannot be kept.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn check(options: &Options) -> Result<()> {
    let wrong = |problem: &str| Error::Invalid { field: "filter", problem: problem.into() };
    let value = serde_json::to_value(options).map_err(anyhow::Error::from)?;
    if value.to_string().len() > MAX_BYTES {
        return Err(wrong("with the tools and collections that are named has more than 64 KiB; ask for less"));
    }
    if holds_nul(&value) {
        return Err(wrong("or a name beside it holds the character NUL, which no text has; leave it out"));
    }
    Ok(())
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use footnote_ingest::index::MetaFilter;
    use serde_json::json;

    use super::*;
    use crate::llm::ToolChoice;

    fn filter(filter: Value) -> MetaFilter {
        serde_json::from_value(filter).expect("a filter")
    }

    #[test]
    fn what_is_wanted_comes_before_what_was_asked_with() {
        let before = Options {
            filter: Some(filter(json!({ "language": "de" }))),
            model: Some("old".into()),
            temperature: Some(0.5),
            max_tokens: Some(77),
            tools: Some(vec!["calculate".into()]),
            tool_choice: Some(ToolChoice::Required),
            locale: Some("de-CH".into()),
            time_zone: Some("Europe/Zurich".into()),
            ..Options::default()
        };
        let mut again = Ask::new("What?");
        again.inherit(before.clone());
        assert_eq!(again.options, before);

        let wanted = Options {
            filter: Some(filter(json!({}))),
            tools: Some(vec![]),
            tool_choice: Some(ToolChoice::Auto),
            locale: Some("fr".into()),
            ..Options::default()
        };
        let mut other = Ask { options: wanted.clone(), ..Ask::new("What?") };
        other.inherit(before.clone());
        let expected = Options {
            filter: wanted.filter,
            tools: wanted.tools,
            tool_choice: wanted.tool_choice,
            locale: wanted.locale,
            ..before
        };
        assert_eq!(other.options, expected);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert!(check(&Options::default()).is_ok());
        let long = json!({ "a": "x".repeat(MAX_BYTES) });
        for wrong in [long, json!({ "a": "b\0" }), json!({ "a\0": [true, "b"] })] {
            assert!(check(&Options { filter: Some(filter(wrong)), ..Options::default() }).is_err());
        }
    }
}
