//! What a model was sent, taken apart: inside of the fences stands what is
//! quoted, outside of them what the service says itself.

use serde_json::Value;

/// A source as a model was given it.
#[derive(Debug)]
pub struct Source {
    /// Its number.
    pub n: usize,
    pub text: String,
}

/// The messages of a request behind its instructions.
pub fn messages(body: &Value) -> &[Value] {
    &body["messages"].as_array().expect("messages")[1..]
}

/// The words of a message.
pub fn content(message: &Value) -> String {
    match &message["content"] {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        words => words.as_str().unwrap_or_default().to_owned(),
    }
}

/// The message that asks.
pub fn prompt(body: &Value) -> String {
    content(messages(body).iter().rfind(|message| message["role"] == "user").expect("a question"))
}

/// The question, without what stands before it.
pub fn question(body: &Value) -> String {
    let prompt = prompt(body);
    match prompt.rsplit_once("Question: ") {
        Some((_, question)) => question.to_owned(),
        None => prompt,
    }
}

/// What came of the calls so far, a text each.
pub fn results(body: &Value) -> Vec<String> {
    messages(body).iter().filter(|message| message["role"] == "tool").map(content).collect()
}

/// The fence that the instructions tell of.
pub fn fence(body: &Value) -> &str {
    let instructions = body["messages"][0]["content"].as_str().expect("instructions");
    let (_, after) = instructions.split_once("Everything between <").expect("a rule about quotes");
    after.split_once('>').expect("a fence").0
}

/// What stands inside of each fence of a text, and what outside. A fence that
/// is not closed, or is opened or closed twice, ends the test.
pub fn split<'t>(text: &'t str, fence: &str) -> (Vec<&'t str>, String) {
    let (opening, closing) = (format!("<{fence}>"), format!("</{fence}>"));
    let (mut inside, mut outside, mut rest) = (Vec::new(), String::new(), text);
    while let Some((before, after)) = rest.split_once(&opening) {
        let (quoted, after) = after.split_once(&closing).unwrap_or_else(|| panic!("a fence is left open: {text}"));
        assert!(!before.contains(fence) && !quoted.contains(fence), "a fence stands in a fence: {text}");
        inside.push(quoted.trim_matches('\n'));
        outside.push_str(before);
        rest = after;
    }
    assert!(!rest.contains(fence), "a fence is closed twice: {text}");
    outside.push_str(rest);
    (inside, outside)
}

/// The numbered sources of a request, in its prompt and in what tools found.
pub fn sources(body: &Value) -> Vec<Source> {
    let fence = fence(body);
    let texts: Vec<String> = [prompt(body)].into_iter().chain(results(body)).collect();
    let blocks = texts.iter().flat_map(|text| split(text, fence).0);
    let numbered = blocks.filter_map(|block| {
        let (head, text) = block.split_once('\n')?;
        let n = head.strip_prefix('[')?.split_once(']')?.0.parse().ok()?;
        Some(Source { n, text: text.to_owned() })
    });
    numbered.collect()
}

/// The source that holds some words.
pub fn source_of(body: &Value, words: &str) -> Option<Source> {
    sources(body).into_iter().find(|source| source.text.contains(words))
}
