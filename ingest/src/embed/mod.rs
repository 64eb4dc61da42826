//! Embeddings: texts to unit vectors.
//!
//! Owns the closed set of embedders ([`Embedder`]) and the batching that all
//! share. Imports errors and the token counter.

mod hash;
mod local;
mod provider;

use std::sync::Arc;

pub use hash::HashEmbedder;
pub use local::{LocalConfig, LocalEmbedder};
pub use provider::{ProviderConfig, ProviderEmbedder};

use crate::error::{Error, Result};
use crate::tokens::TokenCounter;

/// Texts in one batch. On a processor each text costs the same in any batch, but
/// the memory grows with it, and the caches fill: 2 to 4 at once are a tenth
/// faster than 16.
const BATCH: usize = 4;

/// Who turns texts into vectors.
#[derive(Debug, Clone)]
pub enum Embedder {
    /// A model on ONNX Runtime, in this process.
    Local(Arc<LocalEmbedder>),
    /// A provider's `/embeddings`.
    Provider(Arc<ProviderEmbedder>),
    /// Words hashed into a vector: the same every time, and fast.
    Hash(HashEmbedder),
}

impl Embedder {
    /// Name of the model: part of every point's id, so that two never mix.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Local(local) => local.model(),
            Self::Provider(provider) => provider.model(),
            Self::Hash(_) => "hash",
        }
    }

    /// Numbers in a vector.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        match self {
            Self::Local(local) => local.dimensions(),
            Self::Provider(provider) => provider.dimensions(),
            Self::Hash(hash) => hash.dimensions(),
        }
    }

    /// Counts tokens as the model does.
    #[must_use]
    pub fn tokens(&self) -> &TokenCounter {
        match self {
            Self::Local(local) => local.tokens(),
            Self::Provider(provider) => provider.tokens(),
            Self::Hash(hash) => hash.tokens(),
        }
    }

    /// Embeds one question, ahead of any bulk work.
    ///
    /// # Errors
    /// [`Error::Embedder`].
    pub async fn query(&self, text: &str) -> Result<Vec<f32>> {
        let vectors = match self {
            Self::Local(local) => local.embed(vec![text.to_owned()], true).await?,
            Self::Provider(provider) => provider.embed(vec![text.to_owned()]).await?,
            Self::Hash(hash) => vec![hash.embed(text)],
        };
        vectors.into_iter().next().ok_or_else(|| Error::Embedder("the model returned no vector".into()))
    }

    /// Embeds a few short texts on the path of a waiting user.
    ///
    /// # Errors
    /// [`Error::Embedder`].
    pub async fn interactive(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.batched(texts, true).await
    }

    /// Embeds many texts. They are sorted by length into batches, so that short
    /// ones do not pay for the padding of long ones; the result is in the order
    /// of `texts`.
    ///
    /// # Errors
    /// [`Error::Embedder`].
    pub async fn bulk(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.batched(texts, false).await
    }

    async fn batched(&self, texts: Vec<String>, interactive: bool) -> Result<Vec<Vec<f32>>> {
        let count = texts.len();
        let mut batches = length_sorted(texts).into_iter();
        // As many batches at once as the embedder has lanes: the long ones go
        // first, so that the lanes end together.
        let mut running = tokio::task::JoinSet::new();
        let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); count];
        loop {
            while running.len() < self.lanes(interactive) {
                let Some(batch) = batches.next() else { break };
                let embedder = self.clone();
                running.spawn(async move {
                    let (places, texts): (Vec<usize>, Vec<String>) = batch.into_iter().unzip();
                    Ok::<_, Error>((places, embedder.batch(texts, interactive).await?))
                });
            }
            let Some(finished) = running.join_next().await else { break };
            let (places, batch) = finished??;
            if places.len() != batch.len() {
                return Err(Error::Embedder("the model returned another number of vectors than texts".into()));
            }
            for (place, vector) in places.into_iter().zip(batch) {
                vectors[place] = vector;
            }
        }
        Ok(vectors)
    }

    async fn batch(&self, texts: Vec<String>, interactive: bool) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Local(local) => local.embed(texts, interactive).await,
            Self::Provider(provider) => provider.embed(texts).await,
            Self::Hash(hash) => Ok(texts.iter().map(|text| hash.embed(text)).collect()),
        }
    }

    fn lanes(&self, interactive: bool) -> usize {
        match self {
            Self::Local(_) if interactive => 1,
            Self::Local(local) => local.lanes(),
            Self::Provider(provider) => provider.lanes(),
            Self::Hash(_) => 1,
        }
    }
}

/// Batches of texts of like length, longest first, each text with its place.
fn length_sorted(texts: Vec<String>) -> Vec<Vec<(usize, String)>> {
    let mut placed: Vec<(usize, String)> = texts.into_iter().enumerate().collect();
    placed.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    let mut batches = Vec::with_capacity(placed.len().div_ceil(BATCH));
    while !placed.is_empty() {
        let rest = placed.split_off(placed.len().min(BATCH));
        batches.push(placed);
        placed = rest;
    }
    batches
}

/// Scales a vector to length 1; a zero vector stays as it is.
fn normalise(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in &mut vector {
            *value /= length;
        }
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn vectors_come_back_in_the_order_of_the_texts() {
        let embedder = Embedder::Hash(HashEmbedder::default());
        let texts: Vec<String> = (0..100).map(|n| format!("text {n} {}", "word ".repeat(n % 7))).collect();
        let together = embedder.bulk(texts.clone()).await.expect("vectors");
        for (text, vector) in texts.iter().zip(together) {
            assert_eq!(embedder.query(text).await.expect("a vector"), vector);
        }
    }

    #[test]
    fn batches_hold_texts_of_like_length_longest_first() {
        let texts = (0..40).map(|n| "x".repeat((n * 7) % 40)).collect();
        let batches = length_sorted(texts);
        let lengths: Vec<usize> = batches.iter().flatten().map(|(_, text)| text.len()).collect();
        assert!(lengths.is_sorted_by(|a, b| a >= b));
        assert_eq!(lengths.len(), 40);
    }
}
