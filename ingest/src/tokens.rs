//! Counting tokens as the embedder does.
//!
//! Owns [`TokenCounter`]. A text is tokenised once and the starts of its tokens
//! are kept; the size of any part of it is then a binary search. Imports no
//! other module.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

/// Longest text that is given to a tokenizer at once, in bytes: what it keeps
/// for each token is some hundred bytes.
const PIECE_BYTES: usize = 16 * 1024;
/// Longest word that is remembered, in bytes.
const KNOWN_WORD_BYTES: usize = 64;
/// Words that one thread remembers at most: some MiB.
const KNOWN_WORDS: usize = 64 * 1024;
/// Characters of a plain word that make one token, for [`TokenCounter::Estimate`].
const ESTIMATED_CHARACTERS: usize = 5;

/// Why a tokenizer cannot be used.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum TokensError {
    /// The file is missing or is not a tokenizer.
    #[error("cannot read the tokenizer `{}`: {problem}; take `tokenizer.json` from the model's own folder", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the tokenizer library says.
        problem: String,
    },
}

/// Counts tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub enum TokenCounter {
    /// The embedder's own tokenizer.
    Model(Arc<ModelTokens>),
    /// From the characters of each word, for embedders whose tokenizer is not
    /// known. Leans to too many.
    Estimate,
}

/// A tokenizer, set up for counting.
pub struct ModelTokens {
    tokenizer: Tokenizer,
    by_word: bool,
    /// Tables that no call uses at the moment: one for each thread that ever
    /// counted while others did. A call has its own, so that none waits.
    idle: Mutex<Vec<KnownWords>>,
}

/// Where the tokens of a word start, in bytes of the word.
type KnownWords = HashMap<Box<str>, Box<[u32]>>;

impl fmt::Debug for ModelTokens {
    /// Not the vocabulary: it has ten thousands of words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelTokens").field("by_word", &self.by_word).finish_non_exhaustive()
    }
}

impl TokenCounter {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokensError::Unreadable`].
    pub fn from_file(path: &Path) -> Result<Self, TokensError> {
        Tokenizer::from_file(path)
            .map(Self::from_tokenizer)
            .map_err(|error| TokensError::Unreadable { path: path.to_owned(), problem: error.to_string() })
    }

    /// Counts with `tokenizer`, whole texts, without special tokens.
    #[must_use]
    pub fn from_tokenizer(mut tokenizer: Tokenizer) -> Self {
        tokenizer.with_padding(None::<PaddingParams>);
        // Fails only for a stride, and none is given.
        let _ = tokenizer.with_truncation(None::<TruncationParams>);
        let by_word = splits_at_spaces(&tokenizer);
        Self::Model(Arc::new(ModelTokens { tokenizer, by_word, idle: Mutex::default() }))
    }

    /// Whether a text cut at white space has as many tokens as its parts.
    #[must_use]
    pub fn adds_up_at_spaces(&self) -> bool {
        match self {
            Self::Model(model) => model.by_word,
            Self::Estimate => true,
        }
    }

    /// Tokens of `text` alone.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.offsets(text).len()
    }

    /// Byte position where each token starts, ascending. Tokens of one
    /// character may share a start.
    #[must_use]
    pub fn offsets(&self, text: &str) -> Vec<usize> {
        match self {
            Self::Model(model) if model.by_word => model.offsets_by_word(text),
            Self::Model(model) => model.offsets_by_piece(text),
            Self::Estimate => estimate(text),
        }
    }
}

/// BERT's rules never look across a space, so words can be tokenised alone.
fn splits_at_spaces(tokenizer: &Tokenizer) -> bool {
    let plain_normalizer = matches!(tokenizer.get_normalizer(), None | Some(NormalizerWrapper::BertNormalizer(_)));
    let plain_words = matches!(
        tokenizer.get_pre_tokenizer(),
        Some(PreTokenizerWrapper::BertPreTokenizer(_) | PreTokenizerWrapper::WhitespaceSplit(_))
    );
    // An added token such as `New York` would match across a space.
    let whole_words =
        tokenizer.get_added_tokens_decoder().values().all(|token| !token.content.contains(char::is_whitespace));
    plain_normalizer && plain_words && whole_words
}

impl ModelTokens {
    /// Words repeat: each is tokenised once, and the rest is a table.
    fn offsets_by_word(&self, text: &str) -> Vec<usize> {
        let mut known = self.idle().pop().unwrap_or_default();
        let mut starts = Vec::with_capacity(text.len() / 4);
        let mut at = 0;
        // Only the white space that every step of the tokenizer takes for such.
        for word in text.split([' ', '\n', '\t']) {
            if let Some(tokens) = known.get(word) {
                starts.extend(tokens.iter().map(|start| at + *start as usize));
            } else if !word.is_empty() {
                let tokens = self.encode(word);
                starts.extend(tokens.iter().map(|start| at + start));
                if word.len() <= KNOWN_WORD_BYTES {
                    if known.len() == KNOWN_WORDS {
                        known.clear();
                    }
                    known.insert(
                        word.into(),
                        tokens.into_iter().filter_map(|start| u32::try_from(start).ok()).collect(),
                    );
                }
            }
            at += word.len() + 1;
        }
        self.idle().push(known);
        starts
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<KnownWords>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offsets_by_piece(&self, text: &str) -> Vec<usize> {
        let mut starts = Vec::with_capacity(text.len() / 4);
        let mut at = 0;
        while at < text.len() {
            let end = piece_end(text, at);
            starts.extend(self.encode(&text[at..end]).into_iter().map(|start| at + start));
            at = end;
        }
        starts
    }

    fn encode(&self, text: &str) -> Vec<usize> {
        match self.tokenizer.encode(text, false) {
            Ok(encoding) => {
                let mut starts: Vec<usize> = encoding.get_offsets().iter().map(|(start, _)| *start).collect();
                // Reordering normalizers exist; a binary search must not meet them.
                if !starts.is_sorted() {
                    starts.sort_unstable();
                }
                starts
            }
            // A text that the tokenizer refuses is counted like one it does not know.
            Err(_) => estimate(text),
        }
    }
}

/// Where the piece that starts at `at` ends: before white space, so that the
/// next one starts as a word does inside a text.
fn piece_end(text: &str, at: usize) -> usize {
    if text.len() - at <= PIECE_BYTES {
        return text.len();
    }
    let end = text.floor_char_boundary(at + PIECE_BYTES);
    let window = &text[at..end];
    let space = window.rfind('\n').or_else(|| window.rfind(char::is_whitespace));
    space.filter(|space| *space > 0).map_or(end, |space| at + space)
}

/// Kinds of characters that do not share a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Foreign,
    Alone,
}

/// Starts of the tokens that `text` probably has.
fn estimate(text: &str) -> Vec<usize> {
    let mut starts = Vec::with_capacity(text.len() / 4);
    let mut run = None;
    for (at, character) in text.char_indices() {
        if character.is_whitespace() {
            run = None;
            continue;
        }
        let class = class(character);
        let longest = match class {
            Class::Word => ESTIMATED_CHARACTERS,
            Class::Foreign => 2,
            Class::Alone => 1,
        };
        run = match run {
            Some((same, length)) if same == class && length < longest => Some((class, length + 1)),
            _ => {
                starts.push(at);
                Some((class, 1))
            }
        };
    }
    starts
}

fn class(character: char) -> Class {
    match character {
        _ if character.is_ascii_alphanumeric() => Class::Word,
        // Latin letters with marks.
        '\u{00c0}'..='\u{024f}' => Class::Word,
        // Han, kana, Hangul and the like: a token each.
        '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'.. => Class::Alone,
        _ if character.is_alphabetic() => Class::Foreign,
        _ => Class::Alone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokenizers::models::wordpiece::WordPiece;
    use tokenizers::normalizers::BertNormalizer;
    use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    fn wordpiece() -> Tokenizer {
        let words = ["[UNK]", "play", "##ing", "##er", "the", "a", "##a", "b", "##b", ".", "!", "日", "e", "##e"];
        let mut id = 0;
        let vocabulary = words.map(|word| {
            id += 1;
            (word.to_owned(), id - 1)
        });
        let model = WordPiece::builder().vocab(vocabulary).unk_token("[UNK]".into()).build().unwrap();
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(BertNormalizer::default())).unwrap();
        tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
        tokenizer
    }

    fn model() -> TokenCounter {
        TokenCounter::from_tokenizer(wordpiece())
    }

    #[test]
    fn offsets_are_bytes_not_characters() {
        assert_eq!(model().offsets("日 the playing"), [0, 4, 8, 12]);
        assert_eq!(TokenCounter::Estimate.offsets("日 the"), [0, 4]);
    }

    #[test]
    fn truncation_padding_and_special_tokens_do_not_count() {
        let mut tokenizer = wordpiece();
        tokenizer.with_padding(Some(PaddingParams::default()));
        let short = TruncationParams { max_length: 2, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(short)).unwrap();
        assert_eq!(TokenCounter::from_tokenizer(tokenizer).count("the player the player"), 6);
    }

    #[test]
    fn words_tokenised_alone_give_the_offsets_of_the_whole_text() {
        let counter = model();
        let TokenCounter::Model(model) = &counter else { panic!("a model") };
        assert!(model.by_word);
        let text = "The  player\u{301}.\n\nPLAYING the\tb日a! unknownword\u{200b}aa";
        assert_eq!(model.offsets_by_word(text), model.encode(text));
    }

    #[test]
    fn a_long_text_has_the_same_offsets_in_pieces_as_at_once() {
        let counter = model();
        let TokenCounter::Model(model) = &counter else { panic!("a model") };
        let text = "the player 日 ab\n".repeat(5000);
        assert_eq!(model.offsets_by_piece(&text), model.encode(&text));
    }

    #[test]
    fn a_byte_level_tokenizer_is_not_taken_apart_at_spaces() {
        let mut tokenizer = wordpiece();
        tokenizer.with_pre_tokenizer(Some(ByteLevel::default()));
        assert!(!TokenCounter::from_tokenizer(tokenizer).adds_up_at_spaces());
    }

    #[test]
    fn an_unreadable_file_is_named_with_a_hint() {
        let error = TokenCounter::from_file(Path::new("/nowhere/tokenizer.json")).unwrap_err();
        assert!(error.to_string().contains("`/nowhere/tokenizer.json`"), "{error}");
    }

    proptest! {
        #[test]
        fn offsets_ascend_and_lie_on_character_boundaries(text in "\\PC{0,80}") {
            for counter in [model(), TokenCounter::Estimate] {
                let starts = counter.offsets(&text);
                prop_assert!(starts.is_sorted());
                prop_assert!(starts.iter().all(|start| text.is_char_boundary(*start)));
            }
        }

        #[test]
        fn any_text_has_the_same_tokens_by_word_as_at_once(text in "[a-e .!\\n\\t日é\u{200b}\u{301}\u{a0}]{0,60}") {
            let counter = model();
            if let TokenCounter::Model(model) = &counter {
                prop_assert_eq!(model.offsets_by_word(&text), model.encode(&text));
            }
        }
    }
}
