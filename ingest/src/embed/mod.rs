//! Embeddings: texts to unit vectors.
//!
//! Owns the closed set of embedders ([`Embedder`]) and the batching that all
//! share. Imports errors and the token counter.

mod hash;
mod lanes;
mod local;
mod provider;

use std::sync::Arc;

use tokio::task::JoinSet;

pub use hash::HashEmbedder;
pub use local::{LocalConfig, LocalEmbedder};
pub use provider::{DEFAULT_PATIENCE, ProviderConfig, ProviderEmbedder};

use crate::error::{Error, Result};
use crate::tokens::TokenCounter;

/// Texts in one batch of the local model. On a processor each text costs the
/// same in any batch, but the memory grows with it, and the caches fill: 2 to 4
/// at once are a tenth faster than 16.
const LOCAL_BATCH: usize = 2;
/// Texts in one request to a provider. The most that OpenAI takes is 2,048;
/// servers at home are slower with more.
const PROVIDER_BATCH: usize = 128;
/// Bytes in one request to a provider: some 50,000 tokens.
const PROVIDER_BATCH_BYTES: usize = 200_000;

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
        let mut batches = self.batches(texts, interactive);
        while let Some(batch) = batches.next().await {
            for (place, vector) in batch? {
                vectors[place] = vector;
            }
        }
        Ok(vectors)
    }

    /// Embeds many texts and gives each batch as soon as it is done. The texts
    /// are sorted by length into batches, so that short ones do not pay for the
    /// padding of long ones.
    #[must_use]
    pub fn bulk_batches(&self, texts: Vec<String>) -> Batches {
        self.batches(texts, false)
    }

    fn batches(&self, texts: Vec<String>, interactive: bool) -> Batches {
        let (most, bytes) = self.batch_size();
        Batches {
            embedder: self.clone(),
            interactive,
            waiting: length_sorted(texts, most, bytes).into_iter(),
            running: JoinSet::new(),
        }
    }

    async fn placed_batch(&self, batch: Vec<(usize, String)>, interactive: bool) -> Result<Vec<(usize, Vec<f32>)>> {
        let (places, texts): (Vec<usize>, Vec<String>) = batch.into_iter().unzip();
        let vectors = self.batch(texts, interactive).await?;
        if places.len() != vectors.len() {
            return Err(Error::Embedder("the model returned another number of vectors than texts".into()));
        }
        Ok(places.into_iter().zip(vectors).collect())
    }

    fn batch_size(&self) -> (usize, usize) {
        match self {
            Self::Local(_) => (LOCAL_BATCH, usize::MAX),
            Self::Provider(_) => (PROVIDER_BATCH, PROVIDER_BATCH_BYTES),
            Self::Hash(_) => (PROVIDER_BATCH, usize::MAX),
        }
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

/// Batches under way. As many at once as the embedder has lanes: the long ones
/// go first, so that the lanes end together.
#[derive(Debug)]
pub struct Batches {
    embedder: Embedder,
    interactive: bool,
    waiting: std::vec::IntoIter<Vec<(usize, String)>>,
    running: JoinSet<Result<Batch>>,
}

/// Vectors, each with the place of its text.
pub type Batch = Vec<(usize, Vec<f32>)>;

impl Batches {
    /// The next batch that is done; `None` after the last. After an error no
    /// more are begun, but those that are under way still come: what was paid
    /// for is not lost.
    pub async fn next(&mut self) -> Option<Result<Batch>> {
        self.fill();
        let done = self.running.join_next().await?.unwrap_or_else(|error| Err(error.into()));
        match &done {
            // The lane goes on while this batch is written down.
            Ok(_) => self.fill(),
            Err(_) => self.waiting = Vec::new().into_iter(),
        }
        Some(done)
    }

    fn fill(&mut self) {
        while self.running.len() < self.embedder.lanes(self.interactive) {
            let Some(batch) = self.waiting.next() else { break };
            let (embedder, interactive) = (self.embedder.clone(), self.interactive);
            self.running.spawn(async move { embedder.placed_batch(batch, interactive).await });
        }
    }
}

/// Batches of texts of like length, longest first, each text with its place: at
/// most `most` texts and, but for a single one, `bytes` of them.
fn length_sorted(texts: Vec<String>, most: usize, bytes: usize) -> Vec<Vec<(usize, String)>> {
    let mut placed: Vec<(usize, String)> = texts.into_iter().enumerate().collect();
    placed.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    let mut batches: Vec<Vec<(usize, String)>> = Vec::with_capacity(placed.len().div_ceil(most));
    let mut held = 0;
    for (place, text) in placed {
        match batches.last_mut() {
            Some(batch) if batch.len() < most && held + text.len() <= bytes => {
                held += text.len();
                batch.push((place, text));
            }
            _ => {
                held = text.len();
                batches.push(vec![(place, text)]);
            }
        }
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
        let batches = length_sorted(texts, 4, 100);
        assert!(batches.iter().all(|batch| batch.len() <= 4));
        assert!(batches.iter().all(|batch| batch.iter().map(|(_, text)| text.len()).sum::<usize>() <= 100));
        let lengths: Vec<usize> = batches.iter().flatten().map(|(_, text)| text.len()).collect();
        assert!(lengths.is_sorted_by(|a, b| a >= b));
        assert_eq!(lengths.len(), 40);
    }
}
