//! Documents to vectors, for writing and for reading.
//!
//! The corpus half of Footnote: parse, chunk, embed, index, and the rows that
//! say what is there. It knows nothing of questions, models or HTTP.
//!
//! Floors, low to high; a module imports only lower ones:
//!
//! 1. [`ids`], [`scope`], [`quota`], [`error`], [`upstream`], [`fault`] (in builds of tests, something that goes wrong)
//! 2. [`document`]
//! 3. [`parse`], [`tokens`], [`chunk`], [`context`], [`embed`], [`index`],
//!    [`store`], [`source`], [`disk`], [`sandbox`], [`ocr`], [`reader`], and their settings together: [`config`]
//! 4. [`space`], [`corpus`], [`pipeline`], [`doctor`], [`reembed`]
//! 5. [`cli`]: the `ingest` command's arguments and report

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test has all rights, and a clock of its own"))]

pub mod chunk;
pub mod cli;
pub mod config;
pub mod context;
pub mod corpus;
pub mod disk;
pub mod doctor;
pub mod document;
pub mod embed;
pub mod error;
pub mod fault;
pub mod ids;
pub mod index;
pub mod ocr;
pub mod parse;
pub mod pipeline;
pub mod quota;
pub mod reader;
pub mod reembed;
pub mod rights;
pub mod sandbox;
pub mod scope;
pub mod source;
pub mod space;
pub mod store;
pub mod tokens;
pub mod upstream;

pub use error::{Error, Result};
