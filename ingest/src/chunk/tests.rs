//! What chunks are like, with a tokenizer made here and with the estimate.

use std::collections::HashMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use tokenizers::Tokenizer;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::*;
use crate::document::{Heading, PageSpan, TextMap, slice};

/// Every letter is a token, so that words have several.
fn letters() -> TokenCounter {
    let mut words = vec!["[UNK]".to_owned()];
    for letter in ('a'..='z').chain(['.', '#', '-', 'é', '日']) {
        words.extend([letter.to_string(), format!("##{letter}")]);
    }
    words.extend(["the".to_owned(), "##ing".to_owned()]);
    let words: Vec<(String, u32)> = words.into_iter().zip(0..).collect();
    let vocabulary: [_; 65] = words.try_into().unwrap();
    let model = WordPiece::builder().vocab(vocabulary).unk_token("[UNK]".into()).build().unwrap();
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(BertNormalizer::default())).unwrap();
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    TokenCounter::from_tokenizer(tokenizer)
}

fn parsed(text: &str, syntax: Syntax) -> Parsed {
    Parsed { title: None, text: text.to_owned(), map: TextMap::default(), syntax, members: vec![] }
}

fn config(max_tokens: usize, overlap: usize) -> ChunkConfig {
    ChunkConfig { max_tokens, overlap }
}

/// Chunks ascend, fit, are trimmed, and leave out nothing but white space.
fn check(parsed: &Parsed, tokens: &TokenCounter, config: &ChunkConfig) -> Vec<Chunk> {
    let chunks = chunk(parsed, tokens, config);
    let mut covered = vec![false; parsed.text.chars().count()];
    let mut last = 0;
    for (chunk, ordinal) in chunks.iter().zip(0..) {
        let text = slice(&parsed.text, chunk.span);
        assert_eq!(chunk.ordinal, ordinal);
        assert!(chunk.span.start >= last, "{:?} starts before the one before", chunk.span);
        assert_eq!(text.chars().count(), chunk.span.len());
        // The indentation of a first line belongs to Markdown.
        assert!(!text.is_empty() && text.trim_end() == text && !text.starts_with('\n'), "{text:?}");
        assert_eq!(tokens.count(text), chunk.tokens as usize, "{text:?}");
        assert!(chunk.tokens as usize <= config.max_tokens || chunk.span.len() == 1, "{text:?}");
        covered[chunk.span.start..chunk.span.end].fill(true);
        last = chunk.span.start;
    }
    for (character, covered) in parsed.text.chars().zip(covered) {
        assert!(covered || character.is_whitespace(), "{character:?} is in no chunk");
    }
    chunks
}

#[test]
fn a_short_text_is_one_chunk_and_an_empty_one_none() {
    let tokens = TokenCounter::Estimate;
    let chunks = check(&parsed("Only this.", Syntax::Plain), &tokens, &ChunkConfig::default());
    assert_eq!(chunks.iter().map(|chunk| chunk.span).collect::<Vec<_>>(), [Span { start: 0, end: 10 }]);
    assert_eq!(chunk(&parsed("", Syntax::Plain), &tokens, &ChunkConfig::default()), []);
}

#[test]
fn chunks_know_their_page_and_the_headings_above() {
    let text = "# Öl\n\none two three\n\n## Care\n\nfour five six";
    let heading = |level, title: &str, at: &str| Heading {
        level,
        title: title.into(),
        start: text[..text.find(at).unwrap()].chars().count(),
    };
    let page = |page, start, end| PageSpan { page, span: Span { start, end } };
    let parsed = Parsed {
        map: TextMap {
            pages: vec![page(1, 0, 19), page(2, 21, 43)],
            headings: vec![heading(1, "Öl", "# Öl"), heading(2, "Care", "## Care")],
            ..TextMap::default()
        },
        ..parsed(text, Syntax::Markdown)
    };
    let chunks = check(&parsed, &TokenCounter::Estimate, &config(8, 0));
    assert_eq!(slice(text, chunks[0].span), "# Öl\n\none two three");
    assert_eq!((chunks[0].page, chunks[0].headings.as_slice()), (Some(1), ["Öl".to_owned()].as_slice()));
    let last = chunks.last().unwrap();
    assert_eq!((last.page, last.headings.join(" > ")), (Some(2), "Öl > Care".to_owned()));
}

#[test]
fn a_heading_goes_with_the_text_below_it() {
    let text = "one two three four\n\nHeading\n\nfive six seven eight nine";
    let start = text.find("Heading").unwrap();
    let parsed = Parsed {
        map: TextMap { headings: vec![Heading { level: 1, title: "Heading".into(), start }], ..TextMap::default() },
        ..parsed(text, Syntax::Plain)
    };
    let chunks = check(&parsed, &TokenCounter::Estimate, &config(8, 0));
    assert!(chunks.iter().any(|chunk| slice(text, chunk.span).starts_with("Heading\n\nfive")), "{chunks:?}");
}

#[test]
fn an_overlap_repeats_the_end_of_the_chunk_before() {
    let text = "w0 w1 w2 w3 w4 ".repeat(40);
    let parsed = parsed(text.trim_end(), Syntax::Plain);
    let chunks = check(&parsed, &TokenCounter::Estimate, &config(20, 5));
    assert!(chunks.windows(2).all(|pair| pair[1].span.start < pair[0].span.end), "{chunks:?}");
}

#[test]
fn one_endless_word_is_cut_and_nothing_of_it_is_lost() {
    for text in ["x".repeat(5000), "日本".repeat(2000), "e\u{301}".repeat(3000)] {
        for tokens in [letters(), TokenCounter::Estimate] {
            check(&parsed(&text, Syntax::Plain), &tokens, &config(50, 0));
        }
    }
}

#[test]
fn a_long_text_is_cut_in_blocks_at_its_headings() {
    let mut text = String::new();
    let mut headings = Vec::new();
    for section in 0..400 {
        headings.push(Heading { level: 1, title: format!("Part {section}"), start: text.chars().count() });
        writeln!(text, "# Part {section}\n\n{}\n", "Words of grüne Bäume. ".repeat(30).trim_end()).unwrap();
    }
    let text = text.trim_end().to_owned();
    assert!(text.len() > 4 * blocks::BLOCK_BYTES);
    for syntax in [Syntax::Plain, Syntax::Markdown] {
        let map = TextMap { headings: headings.clone(), ..TextMap::default() };
        let parsed = Parsed { title: None, text: text.clone(), map, syntax, members: vec![] };
        for chunk in check(&parsed, &TokenCounter::Estimate, &ChunkConfig::default()) {
            let heading = &chunk.headings[0];
            let above = headings.iter().rev().find(|heading| heading.start <= chunk.span.start).unwrap();
            assert_eq!(*heading, above.title);
        }
    }
}

#[test]
fn the_chunks_of_a_repeated_text_are_the_same() {
    let parsed = parsed(&"A sentence here. ".repeat(2000), Syntax::Plain);
    let tokens = letters();
    let first = chunk(&parsed, &tokens, &ChunkConfig::default());
    assert_eq!(chunk(&parsed, &tokens.clone(), &ChunkConfig::default()), first);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_cut_into_chunks_that_fit_and_cover_it(
        text in "([a-e]{1,12}|[a-zé日.#\\-]{0,8}|\\n\\n|\\n- |\\n# |\\n```\\n|    |[ \u{a0}\u{301}\u{200b}]){0,150}",
        max in 1..30_usize,
        overlap in 0..10_usize,
    ) {
        for syntax in [Syntax::Plain, Syntax::Markdown] {
            for tokens in [letters(), TokenCounter::Estimate] {
                check(&parsed(&text, syntax), &tokens, &config(max, overlap));
            }
        }
    }

    #[test]
    fn arbitrary_characters_are_cut_too(text in any::<String>(), max in 1..20_usize) {
        let counts: HashMap<bool, usize> = [true, false].into_iter().map(|plain| {
            let syntax = if plain { Syntax::Plain } else { Syntax::Markdown };
            (plain, check(&parsed(&text, syntax), &TokenCounter::Estimate, &config(max, 0)).len())
        }).collect();
        prop_assert_eq!(counts[&true] == 0, text.trim().is_empty());
    }
}
