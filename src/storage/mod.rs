//! Storage of this half: one module a table, free functions, the owner an
//! argument of every query; and the database they live in. Imports ids.

pub mod conversations;
pub mod database;
pub mod embedded;
pub mod events;
pub mod messages;
pub mod schedule_runs;
pub mod schedules;
