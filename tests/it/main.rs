//! What users do, through the public faces: the router, the binary, and real
//! clients; on a real private Postgres, a real index and the real model.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends at what it did not expect")]

mod api_changes;
mod api_chat;
mod api_documents;
mod api_errors;
mod api_search;
mod bad_input;
mod canaries;
mod clock_steps;
mod command;
mod contention;
mod counting;
mod delete_while_asking;
mod embedded_postgres;
mod fair_shares;
mod fleet;
mod frozen;
mod harness;
mod killed_deletes;
mod kills;
mod ocr;
mod operations;
mod pages;
mod paid_once;
mod provider;
mod queue;
mod quotas;
mod random;
mod reembed;
mod schedules;
mod scripted;
mod sources;
mod worker_kills;
