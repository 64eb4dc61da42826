//! Chat: a question in a conversation, and its answer as a numbered stream.
//!
//! Owns the making of answers and their streams. Imports services and storage;
//! names no HTTP. An answer is made by a task of its own: it does not depend on
//! anybody listening.
//!
//! * [`ask`]: taking a question, with what goes [beside](asked_with) its words; [`follow`]: reading, awaiting, stopping
//! * [`ahead`], [`generate`], [`look`], [`converse`], [`compose`]: the answer from its question to its end
//! * [`files`]: documents that a question names; [`named`]: chats whose ids callers choose
//! * [`calling`] and the tools; [`approve`]: leave for those that change things
//! * [`state`]: what the steps share; [`account`]: what they cost
//! * [`hub`], [`journal`], [`record`], [`keeper`]: its events, stored and shown
//! * [`told`]: what they amount to; [`orphans`]: answers whose makers are gone

mod account;
mod ahead;
mod approve;
mod artifact_tools;
mod ask;
mod asked_with;
mod calling;
mod compose;
mod converse;
mod document_tools;
mod ends;
mod evidence;
mod files;
mod follow;
mod gate;
mod generate;
mod history;
mod hub;
mod journal;
mod keeper;
mod look;
pub mod named;
mod orphans;
mod question;
mod receipt;
mod record;
mod repeat;
mod state;
mod summarise;
mod thinking;
mod titles;
mod told;
mod toolset;

pub use crate::storage::options::Options;
pub use crate::storage::withdrawals::Unanswered;
pub use approve::decide;
pub use ask::{ask, ask_and_follow, asked_before, edit, follow_again, regenerate};
pub use follow::{cancel, follow, wait};
pub use hub::Hub;
pub use journal::Journal;
pub use keeper::Keeper;
pub use orphans::interrupt;
pub use question::{Ask, Asked, IdempotencyKey};
