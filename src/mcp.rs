//! The server of the Model Context Protocol: what models of other programs may
//! do with the documents. Imports services and storage; names no transport, and
//! never imports [`crate::http`].
//!
//! Both eras of the protocol are spoken: that of 2026-07-28, in which each
//! request stands alone, and those before it, which begin with a handshake.
//! Everything here only reads; what goes wrong in a call is told to the model.
//!
//! * [`backend`]: what the server stands on, and what can go wrong with it
//! * [`local`]: that in this process, under a scope
//! * [`server`]: the requests of the protocol
//! * [`tools`], [`resources`], [`prompt`]: what it offers
//! * [`asking`], [`reading`]: answers and texts, as they are told
//! * [`place`]: what ids and addresses name

mod asking;
mod backend;
mod local;
mod place;
mod prompt;
mod reading;
mod resources;
mod schema;
mod server;
mod tools;

pub use asking::{READING_TOOLS, title};
pub use backend::{Backend, Failure, Page};
pub use local::Local;
pub use server::Server;
