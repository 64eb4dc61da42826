//! Chat: a question in a conversation, and its answer as a numbered stream.
//!
//! Owns the making of answers ([`ask`], [`generate`]) and their streams
//! ([`Hub`]). Imports services and storage; names no HTTP. An answer is made by
//! a task of its own: it does not depend on anybody listening.

mod ask;
mod generate;
mod hub;
mod record;

pub use ask::{Ask, Asked, ask, cancel, follow, wait};
pub use hub::Hub;
