//! Conversations as they are found again and taken away. Imports storage and
//! errors; names no HTTP.
//!
//! [`search()`] looks for words, [`export()`] writes a whole conversation down.

mod document;
mod export;
mod markdown;
mod search;
mod snippet;
#[cfg(test)]
mod tests;
mod text;

pub use export::{Exported, Format, Whole, export};
pub use search::{Found, MAX_QUERY, search};
