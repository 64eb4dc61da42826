//! Passages that say nearly the same.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::Candidate;

/// Share of common word triples from which two texts are near-duplicates.
const DUPLICATE: f64 = 0.85;

/// Keeps the better of two candidates that say nearly the same.
pub(super) fn dropped(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<(Candidate, Vec<u64>)> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let triples = word_triples(&candidate.chunk.text);
        if !kept.iter().any(|(_, other)| similarity(&triples, other) >= DUPLICATE) {
            kept.push((candidate, triples));
        }
    }
    kept.into_iter().map(|(candidate, _)| candidate).collect()
}

/// Hashes of all runs of three words, in ascending order; of the words where
/// there are fewer.
fn word_triples(text: &str) -> Vec<u64> {
    let words: Vec<u64> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(word_hash).collect();
    let run = |run: &[u64]| run.iter().fold(0_u64, |hash, word| hash.rotate_left(21) ^ word);
    let mut triples: Vec<u64> = words.windows(3.min(words.len()).max(1)).map(run).collect();
    triples.sort_unstable();
    triples.dedup();
    triples
}

/// A word's hash, whatever its case.
fn word_hash(word: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    for c in word.chars().flat_map(char::to_lowercase) {
        hasher.write_u32(c.into());
    }
    hasher.finish()
}

/// Jaccard similarity of two ascending lists.
#[expect(clippy::cast_precision_loss, reason = "counts of words in a chunk are small")]
fn similarity(a: &[u64], b: &[u64]) -> f64 {
    // Too different in length to be alike: most pairs end here.
    let (short, long) = (a.len().min(b.len()), a.len().max(b.len()));
    if long == 0 || (short as f64) < DUPLICATE * long as f64 {
        return 0.0;
    }
    let (mut i, mut j, mut common) = (0, 0, 0_usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        common += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    common as f64 / (a.len() + b.len() - common) as f64
}
