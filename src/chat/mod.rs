//! Chat: a question in a conversation, and its answer as a numbered stream.
//!
//! Owns the making of answers ([`ask`], [`generate`]) and their streams
//! ([`Hub`]). Imports services and storage; names no HTTP. An answer is made by
//! a task of its own: it does not depend on anybody listening.

mod ask;
mod gate;
mod generate;
mod hub;
mod question;
mod receipt;
mod record;

pub use ask::{Asked, ask, cancel, follow, wait};
pub use hub::Hub;
pub use question::Ask;
