//! A deterministic embedder for tests: words hashed into a vector.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::normalise;
use crate::tokens::TokenCounter;

/// Hashes words into a vector, so that texts that share words are near.
#[derive(Debug, Clone)]
pub struct HashEmbedder {
    tokens: TokenCounter,
}

impl Default for HashEmbedder {
    fn default() -> Self {
        Self { tokens: TokenCounter::Estimate }
    }
}

impl HashEmbedder {
    /// Numbers in a vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        64
    }

    pub(super) fn tokens(&self) -> &TokenCounter {
        &self.tokens
    }

    /// The unit vector of a text.
    #[must_use]
    pub fn embed(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimensions()];
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let mut hasher = DefaultHasher::new();
            word.to_lowercase().hash(&mut hasher);
            let hash = hasher.finish();
            let place = usize::try_from(hash % 64).unwrap_or_default();
            vector[place] += if hash & 1024 == 0 { 1.0 } else { -1.0 };
        }
        normalise(vector)
    }
}
