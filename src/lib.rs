//! Footnote answers questions from your own documents and backs every claim
//! with a citation that was checked against the exact characters of the source.
//!
//! The question half: questions to answers, and the binary. The corpus half is
//! the crate [`footnote_ingest`].
//!
//! Floors, low to high; a module imports only lower ones:
//!
//! * [`ids`], [`error`], [`sentences`], [`tools`], [`mcp_client`], [`unattended`]
//! * [`config`]
//! * [`storage`], [`llm`], [`limits`], [`credentials`], [`telemetry`], [`figures`]
//! * [`models`], [`outside`], [`ledger`], [`app`]: the one cloneable state
//! * [`retrieve`], [`budget`], [`prompt`], [`citations`], [`schedules`], [`reembed`]
//! * [`chat`], [`conversations`]
//! * [`mcp`]: what models of other programs are offered
//! * [`http`], [`jobs`]: the front doors, for callers and for the clock
//! * [`startup`], [`client`], [`eval`], [`cli`]: the command line

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test has all rights, and a clock of its own"))]

pub mod accounts;
pub mod app;
pub mod budget;
pub mod chat;
pub mod citations;
pub mod cli;
pub mod client;
pub mod config;
pub mod conversations;
pub mod credentials;
pub mod error;
pub mod eval;
pub mod figures;
mod folding;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod ledger;
pub mod limits;
pub mod llm;
pub mod mcp;
pub mod mcp_client;
pub mod models;
pub mod outside;
pub mod prompt;
pub mod reembed;
pub mod reranker;
pub mod retrieve;
pub mod schedules;
pub mod sentences;
pub mod sharing;
pub mod startup;
pub mod storage;
pub mod telemetry;
pub mod tools;
pub mod unattended;

pub use error::{Error, Result};
