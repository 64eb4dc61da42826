//! Storage of this half: one module a table, free functions, the owner an
//! argument of every query; and the database they live in. Imports ids.

pub mod answers;
pub mod api_keys;
pub mod approvals;
pub mod artifacts;
pub mod branches;
pub mod calls;
pub mod chats;
pub mod conversation_words;
pub mod conversations;
pub mod database;
pub mod embedded;
pub mod events;
pub mod feedback;
pub mod hidden;
pub mod idempotency;
pub mod kept_replies;
pub mod message_pages;
pub mod messages;
pub mod openai_batches;
pub mod openai_files;
pub mod openai_responses;
pub mod openai_stores;
pub mod options;
pub mod schedule_runs;
pub mod schedules;
pub mod sessions;
pub mod summaries;
pub mod tool_pins;
pub mod users;
pub mod withdrawals;
