//! The evidence as Claude can cite it.
//!
//! A text block is the least that Claude cites, so a passage goes out cut at
//! the ends of its sentences. Joined, its blocks are the passage, so that what
//! is cited is found in it character by character.

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use super::is_claude;
use crate::llm::{Request, Source};

/// Characters of a block, at least, unless the passage is shorter.
const BLOCK: usize = 40;

/// The sources that are sent, in the order in which Claude counts them. The
/// protocol refuses blank texts.
pub(super) fn sent(request: &Request) -> impl Iterator<Item = &Source> {
    let cites = is_claude(&request.model);
    request.sources.iter().filter(move |source| cites && !source.text.trim().is_empty())
}

/// A source as a `search_result` block.
pub(super) fn block(source: &Source) -> Value {
    let name = format!("source-{}", source.n);
    let title = if source.title.trim().is_empty() { &name } else { &source.title };
    let content = cut(&source.text).into_iter().map(|text| json!({ "type": "text", "text": text }));
    json!({
        "type": "search_result", "source": name, "title": title, "content": content.collect::<Vec<_>>(),
        "citations": { "enabled": true },
    })
}

/// A passage in sentences, short ones together with those after them, the rest
/// with the one before. None is blank unless the passage is.
fn cut(passage: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let (mut start, mut end) = (0, 0);
    for sentence in passage.split_sentence_bounds() {
        end += sentence.len();
        if passage[start..end].trim().chars().count() >= BLOCK {
            blocks.push((start, end));
            start = end;
        }
    }
    match blocks.last_mut() {
        Some((_, last)) => *last = passage.len(),
        None => blocks.push((0, passage.len())),
    }
    blocks.into_iter().map(|(start, end)| &passage[start..end]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(n: usize, title: &str, text: &str) -> Source {
        Source { n, title: title.into(), headings: vec![], text: text.into(), score: 1.0, dense: None }
    }

    proptest! {
        #[test]
        fn blocks_join_to_the_passage_and_none_is_small(passage in "([A-Za-zé漢🙂]{1,30}[ .!?\n。]{1,3}){0,30}") {
            let blocks = cut(&passage);
            prop_assert_eq!(blocks.concat(), passage.clone());
            prop_assert!(blocks.len() == 1 || blocks.iter().all(|block| block.trim().chars().count() >= BLOCK));
        }

        #[test]
        fn any_text_is_cut_into_itself(passage in any::<String>()) {
            prop_assert_eq!(cut(&passage).concat(), passage);
        }
    }

    #[test]
    fn a_passage_is_cut_where_sentences_end() {
        let passage =
            "Yes. The pump holds 4 bar, and no more than that.\nThe valve opens at 3.5 bar when it is warm. Ok.";
        assert_eq!(
            cut(passage),
            ["Yes. The pump holds 4 bar, and no more than that.\n", "The valve opens at 3.5 bar when it is warm. Ok."]
        );
        assert_eq!(cut("Short."), ["Short."]);
    }

    #[test]
    fn a_source_is_a_search_result_that_can_be_cited() {
        let block = block(&source(3, "Pumps", "It holds 4 bar."));
        let expected = json!({
            "type": "search_result", "source": "source-3", "title": "Pumps",
            "content": [{ "type": "text", "text": "It holds 4 bar." }], "citations": { "enabled": true },
        });
        assert_eq!(block, expected);
        assert_eq!(super::block(&source(3, " ", "x"))["title"], "source-3");
    }

    #[test]
    fn blank_sources_are_not_sent_and_none_to_a_model_that_does_not_cite() {
        let mut request = Request::plain("claude-x", String::new(), "q".into(), 1);
        request.sources = vec![source(1, "a", " \n"), source(2, "b", "x"), source(5, "c", "y")];
        assert_eq!(sent(&request).map(|source| source.n).collect::<Vec<_>>(), [2, 5]);
        request.model = "deepseek-chat".into();
        assert_eq!(sent(&request).count(), 0);
    }
}
