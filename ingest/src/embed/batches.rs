//! Batches under way: as many texts at once as the embedder takes, and which of
//! them it refuses. Imports the embedders beside it.

use std::collections::VecDeque;

use tokio::task::JoinSet;

use super::Embedder;
use crate::error::{Error, Result};

/// Texts in one batch of the local model. On a processor each text costs the
/// same in any batch, but the memory grows with it, and the caches fill: 2 to 4
/// at once are a tenth faster than 16.
const LOCAL_BATCH: usize = 2;
/// Texts in one request to a provider. The most that OpenAI takes is 2,048;
/// servers at home are slower with more.
const PROVIDER_BATCH: usize = 128;
/// Bytes in one request to a provider: some 50,000 tokens.
const PROVIDER_BATCH_BYTES: usize = 200_000;

/// What any embedder takes, unless it is set up wrongly.
const PLAIN: &str = "probe";

/// What became of some texts.
#[derive(Debug)]
pub enum Batch {
    /// Vectors, each with the place of its text.
    Made(Vec<(usize, Vec<f32>)>),
    /// The text at this place is not embedded, though others are.
    Refused {
        /// Its place.
        place: usize,
        /// What the embedder says.
        reason: String,
    },
}

/// Texts, each with its place.
type Texts = Vec<(usize, String)>;

/// Batches under way. As many at once as the embedder has lanes: the long ones
/// go first, so that the lanes end together.
#[derive(Debug)]
pub struct Batches {
    embedder: Embedder,
    interactive: bool,
    waiting: VecDeque<Texts>,
    running: JoinSet<(Texts, Result<Vec<Vec<f32>>>)>,
    /// No more are begun.
    failed: bool,
}

impl Batches {
    pub(super) fn new(embedder: Embedder, texts: Vec<String>, interactive: bool) -> Self {
        let (most, bytes) = batch_size(&embedder);
        let waiting = length_sorted(texts, most, bytes).into();
        Self { embedder, interactive, waiting, running: JoinSet::new(), failed: false }
    }

    /// The next batch that is done; `None` after the last. A batch that is refused
    /// is tried again in halves of halves, until each text that is at fault stands
    /// alone. After an error no more are begun, but those that are under way still
    /// come: what was paid for is not lost.
    pub async fn next(&mut self) -> Option<Result<Batch>> {
        loop {
            self.fill();
            let (texts, done) = match self.running.join_next().await? {
                Ok(done) => done,
                Err(error) => (Vec::new(), Err(error.into())),
            };
            let done = match done {
                Err(Error::EmbedderRefused(_)) if self.failed => continue,
                Err(Error::EmbedderRefused(reason)) => self.refused(texts, reason).await,
                done => done.and_then(|vectors| placed(&texts, vectors)).map(Some),
            };
            match done {
                // The lane goes on while this batch is written down.
                Ok(Some(batch)) => {
                    self.fill();
                    return Some(Ok(batch));
                }
                Ok(None) => {}
                Err(error) => {
                    self.failed = true;
                    self.waiting.clear();
                    return Some(Err(error));
                }
            }
        }
    }

    fn fill(&mut self) {
        while self.running.len() < self.embedder.lanes(self.interactive) {
            let Some(texts) = self.waiting.pop_front() else { break };
            // It has been learned since this batch was made that it is too large.
            if texts.len() > batch_size(&self.embedder).0 {
                self.halve(texts);
                continue;
            }
            let (embedder, interactive) = (self.embedder.clone(), self.interactive);
            self.running.spawn(async move {
                let inputs = texts.iter().map(|(_, text)| text.clone()).collect();
                let vectors = embedder.batch(inputs, interactive).await;
                (texts, vectors)
            });
        }
    }

    /// Finds out why by plain words: there may be too many texts for one request
    /// (providers take from 10 to 2,048), one of them may be too long or not to be
    /// embedded, or nothing is taken at all: then no text is at fault.
    async fn refused(&mut self, texts: Texts, reason: String) -> Result<Option<Batch>> {
        match (self.takes_words(texts.len()).await, texts.as_slice()) {
            (Ok(()), &[(place, _)]) => return Ok(Some(Batch::Refused { place, reason })),
            (Ok(()), _) => {}
            (Err(Error::EmbedderRefused(_)), [_, _, ..]) => {
                self.takes_words(1).await?;
                if let Embedder::Provider(provider) = &self.embedder {
                    provider.takes_fewer_than(texts.len());
                }
            }
            (Err(error), _) => return Err(error),
        }
        self.halve(texts);
        Ok(None)
    }

    async fn takes_words(&self, count: usize) -> Result<()> {
        self.embedder.batch(vec![PLAIN.to_owned(); count], self.interactive).await.map(drop)
    }

    fn halve(&mut self, mut texts: Texts) {
        let second = texts.split_off(texts.len() / 2);
        self.waiting.push_front(second);
        self.waiting.push_front(texts);
    }
}

/// Texts and bytes in one batch.
fn batch_size(embedder: &Embedder) -> (usize, usize) {
    match embedder {
        Embedder::Local(_) => (LOCAL_BATCH, usize::MAX),
        Embedder::Provider(provider) => (PROVIDER_BATCH.min(provider.most()), PROVIDER_BATCH_BYTES),
        Embedder::Hash(_) => (PROVIDER_BATCH, usize::MAX),
    }
}

fn placed(texts: &Texts, vectors: Vec<Vec<f32>>) -> Result<Batch> {
    if texts.len() != vectors.len() {
        return Err(Error::Embedder("the model returned another number of vectors than texts".into()));
    }
    Ok(Batch::Made(texts.iter().map(|(place, _)| *place).zip(vectors).collect()))
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

#[cfg(test)]
mod tests {
    use super::*;

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
