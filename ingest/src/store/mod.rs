//! The corpus in Postgres: one module a table, free functions over an
//! executor, the owner an argument of every query. Imports ids, scope,
//! documents' types and errors.
//!
//! Lookups return `Option`; callers decide what absence means. Times are the
//! database's own clock.

pub mod chunks;
pub mod collections;
pub mod documents;
pub mod edits;
pub mod embeddings;
pub mod family;
pub mod generations;
pub mod jobs;
pub mod members;
pub mod originals;
pub mod purges;
pub mod revisions;
pub mod stages;
pub mod synced;
pub mod usage;
