//! Citations: what a model claims, checked against the exact characters of its
//! sources while it streams. Imports `sentences`.
//!
//! A model ends a claim with `[2: "exact quote"]`. A quote that is found is
//! cited as [`Support::Quoted`]; a claim whose words and numbers stand in one
//! sentence of the source as [`Support::Aligned`]; anything else is not shown
//! as a citation and the claim counts as unsupported.

mod align;
mod claims;
mod code;
mod marker;
mod normal;
mod shown;
#[cfg(test)]
mod tests;
mod verifier;
mod verify;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use shown::{Shown, shown};
pub use verifier::Verifier;

/// A source as it was given to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceText {
    /// Its number in the prompt.
    pub n: u32,
    /// Its words: a slice of the revision's text.
    pub text: String,
    /// Where `text` starts in the revision, in code points.
    pub start: usize,
    /// The document.
    pub document_id: Uuid,
    /// The revision of it.
    pub revision_id: Uuid,
    /// The document's title.
    pub title: String,
    /// Where the document came from.
    pub uri: Option<String>,
    /// Where pages start in the revision, in code points, and their numbers;
    /// ascending.
    pub pages: Vec<(usize, u32)>,
}

/// How a citation backs its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// The model quoted words that stand in the source.
    Quoted,
    /// The claim's words and numbers stand in one sentence of the source.
    Aligned,
}

/// A range of a source that backs a claim.
///
/// `quote` is exactly the slice `[start, end)` of the revision's text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, JsonSchema)]
pub struct Citation {
    /// The number that the answer shows, from 1 in order of appearance.
    pub n: u32,
    /// The document.
    #[schemars(with = "String")]
    pub document_id: Uuid,
    /// The revision that the range points into.
    #[schemars(with = "String")]
    pub revision_id: Uuid,
    /// The document's title.
    pub title: String,
    /// Where the document came from.
    pub uri: Option<String>,
    /// The page on which the range starts.
    pub page: Option<u32>,
    /// First code point in the revision's text.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
    /// The characters of the range.
    pub quote: String,
    /// How it backs the claim.
    pub support: Support,
    /// From 0 to 1: 1 for quotes, else the share of the claim's words that
    /// stand in the range.
    pub score: f32,
}

/// A part of a checked answer, in the order of the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Words to show.
    Text(String),
    /// A citation, just before its number is first shown.
    Citation(Citation),
    /// A claim that no source backs: a half-open range of the shown answer, in
    /// code points.
    Unsupported {
        /// First code point.
        start: usize,
        /// One past the last code point.
        end: usize,
    },
}

/// What an answer amounts to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Sentences that claim something.
    pub claims: usize,
    /// Those that a source backs.
    pub supported: usize,
    /// The citations, in the order of their numbers.
    pub citations: Vec<Citation>,
    /// The answer as it was shown.
    pub text: String,
}
