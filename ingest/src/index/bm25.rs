//! BM25 as Qdrant computes it: the same tokens, stems, stop words and token
//! ids as a server's own `qdrant/bm25`, so that edge and server agree. The
//! inverse document frequency is applied by the index (IDF modifier).

use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};
use qdrant_edge::external::ordered_float::NotNan;

use super::point::SparseVector;
use crate::error::{Error, Result};

/// Words of a typical chunk after stop words are dropped: what BM25 takes for
/// the average length when it weighs a long chunk against a short one.
const AVERAGE_WORDS: f64 = 100.0;

/// Turns texts into sparse vectors.
pub struct Bm25 {
    model: EdgeBm25,
}

impl std::fmt::Debug for Bm25 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bm25").finish_non_exhaustive()
    }
}

impl Bm25 {
    /// The model with English stemming and stop words.
    ///
    /// # Errors
    /// [`Error::Index`] when the library refuses its own parameters.
    pub fn new() -> Result<Self> {
        let refuse = |error: String| Error::Index(format!("bm25: {error}"));
        let config = EdgeBm25Config {
            avg_len: NotNan::new(AVERAGE_WORDS).map_err(|error| refuse(error.to_string()))?,
            ascii_folding: Some(true),
            ..EdgeBm25Config::default()
        };
        let model = EdgeBm25::new(config).map_err(|error| refuse(error.to_string()))?;
        Ok(Self { model })
    }

    /// The sparse vector of a chunk.
    #[must_use]
    pub fn document(&self, text: &str) -> SparseVector {
        let vector = self.model.embed_document(text);
        SparseVector { indices: vector.indices, values: vector.values }
    }

    /// The sparse vector of a question.
    #[must_use]
    pub fn query(&self, text: &str) -> SparseVector {
        let vector = self.model.embed_query(text);
        SparseVector { indices: vector.indices, values: vector.values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_meet_by_their_stem_and_without_accents() {
        let bm25 = Bm25::new().expect("the model");
        let document = bm25.document("The cafés were heating their valves.");
        let query = bm25.query("heated valve cafe");
        assert!(query.indices.iter().all(|token| document.indices.contains(token)));
    }
}
