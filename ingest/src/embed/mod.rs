//! Embeddings: texts to unit vectors.
//!
//! Owns the closed set of embedders ([`Embedder`]) and the batching that all
//! share. Imports errors and the token counter.

mod batches;
mod hash;
mod lanes;
mod local;
mod provider;
mod refusal;

use std::sync::Arc;

pub use batches::{Batch, Batches};
pub use hash::HashEmbedder;
pub use local::{LocalConfig, LocalEmbedder};
pub use provider::{DEFAULT_PATIENCE, ProviderConfig, ProviderEmbedder};

use crate::error::{Error, Result};
use crate::tokens::TokenCounter;

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
            Self::Provider(provider) => provider.embed(vec![text.to_owned()], true).await?,
            Self::Hash(hash) => vec![hash.embed(text)],
        };
        vectors.into_iter().next().ok_or_else(|| Error::Embedder("the model returned no vector".into()))
    }

    /// Embeds a few short texts on the path of a waiting user.
    ///
    /// # Errors
    /// [`Error::Embedder`].
    pub async fn interactive(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.in_order(texts, true).await
    }

    /// Embeds many texts; the result is in the order of `texts`.
    ///
    /// # Errors
    /// [`Error::Embedder`].
    pub async fn bulk(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        self.in_order(texts, false).await
    }

    async fn in_order(&self, texts: Vec<String>, interactive: bool) -> Result<Vec<Vec<f32>>> {
        let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); texts.len()];
        let mut batches = Batches::new(self.clone(), texts, interactive);
        while let Some(batch) = batches.next().await {
            match batch? {
                Batch::Made(made) => made.into_iter().for_each(|(place, vector)| vectors[place] = vector),
                Batch::Refused { reason, .. } => return Err(Error::EmbedderRefused(reason)),
            }
        }
        Ok(vectors)
    }

    /// Embeds many texts and gives each batch as soon as it is done. The texts
    /// are sorted by length into batches, so that short ones do not pay for the
    /// padding of long ones.
    #[must_use]
    pub fn bulk_batches(&self, texts: Vec<String>) -> Batches {
        Batches::new(self.clone(), texts, false)
    }

    async fn batch(&self, texts: Vec<String>, interactive: bool) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Local(local) => local.embed(texts, interactive).await,
            Self::Provider(provider) => provider.embed(texts, interactive).await,
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
}
