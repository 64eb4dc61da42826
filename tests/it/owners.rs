//! Every query says whose rows it means, or is one of the service's own work.
//!
//! The queries are those that were checked at compile time. The snapshot says
//! of each one that touches somebody's rows how often it names an owner: a filter
//! that is dropped from any of them changes it, and somebody has to look.

use std::path::Path;

use serde_json::Value;

/// Tables whose rows belong to somebody.
const OWNED: &[&str] = &[
    "api_keys",
    "approvals",
    "artifact_versions",
    "artifacts",
    "chat_questions",
    "chats",
    "chunks",
    "collection_members",
    "collections",
    "conversations",
    "documents",
    "embeddings",
    "fetches",
    "generation_revisions",
    "idempotency_keys",
    "jobs",
    "kept_replies",
    "message_events",
    "message_feedback",
    "messages",
    "model_calls",
    "openai_batches",
    "openai_files",
    "openai_responses",
    "openai_stores",
    "originals",
    "purges",
    "revisions",
    "schedule_runs",
    "schedules",
    "sessions",
    "summaries",
];
/// Columns that say whose a row is.
const OWNERS: &[&str] = &["owner_id", "user_id"];
/// Characters of a query that tell it from others.
const SHOWN: usize = 110;

fn queries() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let files = std::fs::read_dir(folder).expect("the checked queries");
    let read = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let queries = files.map(|file| read(&file.unwrap().path())["query"].as_str().unwrap().to_owned());
    queries.map(|query| query.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn words(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// How often a query names an owner; none for one that touches nobody's rows.
fn owners(query: &str) -> Option<usize> {
    let all: Vec<&str> = words(query).collect();
    let touches =
        |pair: &[&str]| ["from", "join", "update", "into", "using"].contains(&pair[0]) && OWNED.contains(&pair[1]);
    all.windows(2).any(touches).then(|| all.iter().filter(|word| OWNERS.contains(word)).count())
}

#[test]
fn every_query_over_what_is_somebodys_is_known_with_its_owners() {
    let mut known: Vec<String> = queries()
        .iter()
        .filter_map(|query| {
            let shown: String = query.chars().take(SHOWN).collect();
            owners(query).map(|owners| format!("{owners}  {shown}"))
        })
        .collect();
    known.sort_by(|a, b| a[1..].cmp(&b[1..]));
    assert!(known.len() > 150, "{}", known.len());
    insta::assert_snapshot!(known.join("\n"));
}

#[test]
fn a_filter_that_is_dropped_is_seen_whichever_it_is() {
    let mut dropped = 0;
    for query in queries() {
        let Some(before) = owners(&query) else { continue };
        for owner in OWNERS {
            for (at, _) in query.match_indices(owner) {
                let mutant = format!("{}true{}", &query[..at], &query[at + owner.len()..]);
                if owners(&mutant).is_some() {
                    assert_ne!(owners(&mutant), Some(before), "{query}");
                    dropped += 1;
                }
            }
        }
    }
    assert!(dropped > 200, "{dropped}");
}
