//! A folder of real documents, broken and hostile ones among them, is ingested in
//! one run: each good file gives its text, each bad one a reason, and the server
//! lives on little memory.
//!
//! `FOOTNOTE_FORMATS` names the folder. Its `expected.jsonl` says, a line each, what
//! the text of a file contains once white space is folded, or that it is refused:
//! `{"file": ..., "contains": ...}` or `{"file": ..., "error": ...}`. Unless it is
//! set there is nothing to try, and the test says so.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use crate::command::{Footnote, Server, errors, parsed};
use crate::plant::resident;

/// What is said of the files, and no document itself.
const EXPECTED: &str = "expected.jsonl";
/// Bytes of memory that the server and its readers may take together.
const MOST: u64 = 1024 * 1024 * 1024;
/// Shares of the facts that must be in the texts, and found by a search for them:
/// another parser took them, and some are no part of the document itself.
const IN_TEXT: f64 = 0.95;
const FOUND: f64 = 0.9;
/// The share of the files that are said to be bad that must be refused: what one
/// parser cannot read another may.
const REFUSED: f64 = 0.8;

async fn get(client: &Client, url: &str) -> Value {
    let reply = client.get(url).send().await.unwrap();
    assert!(reply.status().is_success(), "{url}: {}", reply.status());
    reply.json().await.unwrap()
}

/// All documents, by their keys.
async fn documents(client: &Client, server: &Server) -> HashMap<String, Value> {
    let (mut all, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = get(client, &format!("{}/api/v1/documents?limit=200{cursor}", server.url)).await;
        for document in page["items"].as_array().unwrap() {
            all.insert(document["key"].as_str().unwrap().to_owned(), document.clone());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What became of a fact.
struct Fact {
    /// The text of its document contains it.
    is_in_text: bool,
    /// A search for it finds its document.
    finds_document: bool,
    /// A search for it finds it, in whatever document: of passages that are nearly the
    /// same only one is shown.
    is_found: bool,
}

async fn look(client: &Client, server: &Server, document: &Value, fact: &str) -> Fact {
    let revision = document["revision_id"].as_str().unwrap_or_default();
    let reply = client.get(format!("{}/api/v1/revisions/{revision}/text", server.url)).send().await.unwrap();
    let text: Value = reply.json().await.unwrap_or_default();
    let is_in_text = folded(text["text"].as_str().unwrap_or_default()).contains(&folded(fact));
    let search = json!({ "query": fact, "limit": 10 });
    let found = client.post(format!("{}/api/v1/search", server.url)).json(&search).send().await.unwrap();
    let found: Value = found.json().await.unwrap();
    let passages = found["passages"].as_array().unwrap();
    let finds_document = passages.iter().any(|passage| passage["document_id"] == document["id"]);
    let says = |passage: &Value| folded(passage["text"].as_str().unwrap_or_default()).contains(&folded(fact));
    Fact { is_in_text, finds_document, is_found: finds_document || passages.iter().any(says) }
}

/// The most memory that the server and its readers take while `over` is not set.
async fn most_memory(server: &Server, over: &Cell<bool>) -> u64 {
    let mut most = 0;
    while !over.get() {
        most = most.max(resident(&server.child) + readers(server.child.id()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    most
}

/// Bytes in memory of a process's children that are of the same program.
fn readers(parent: u32) -> u64 {
    let field = |pid: &str, name: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let children = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let pid = entry.file_name().into_string().ok()?;
        let is_reader = field(&pid, "PPid:")? == parent.to_string() && field(&pid, "Name:")? == "footnote";
        let size: u64 = field(&pid, "VmRSS:")?.trim_end_matches(" kB").parse().ok()?;
        is_reader.then_some(size * 1024)
    });
    children.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_real_documents_gives_its_texts_and_reasons() {
    let Ok(folder) = std::env::var("FOOTNOTE_FORMATS") else {
        eprintln!("FOOTNOTE_FORMATS names no folder: nothing was tried");
        return;
    };
    let expected = std::fs::read_to_string(Path::new(&folder).join(EXPECTED)).unwrap();
    let expected: Vec<Value> = expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let footnote = Footnote::new();
    let server = footnote.serve();
    let client = server.client();
    let over = Cell::new(false);
    let ingesting = async {
        let mut command = footnote.command(&["ingest", &folder, "--exclude", EXPECTED, "--json"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        over.set(true);
        output
    };
    let (output, most) = tokio::join!(ingesting, most_memory(&server, &over));
    assert!([0, 5].contains(&output.status.code().unwrap()), "{}", errors(&output));
    let report = parsed(&output);
    let documents = documents(&client, &server).await;
    for document in documents.values() {
        let (stage, code) = (document["stage"].as_str().unwrap(), &document["failure_code"]);
        assert!(stage == "done" || stage == "failed" && code.is_string(), "{document}");
    }
    let (mut facts, mut in_text, mut found, mut here, mut wrong) = (0.0, 0.0, 0.0, 0.0, Vec::new());
    let (mut bad, mut refused) = (0.0, 0.0);
    for line in &expected {
        let file = line["file"].as_str().unwrap();
        let document = documents.get(file);
        if let Some(fact) = line["contains"].as_str() {
            let document = document.unwrap_or_else(|| panic!("{file} is no document; {report}"));
            let Fact { is_in_text, finds_document, is_found } = look(&client, &server, document, fact).await;
            facts += 1.0;
            in_text += f64::from(is_in_text);
            found += f64::from(is_found);
            here += f64::from(finds_document);
            if !is_in_text || !is_found {
                wrong.push(format!("{file}: in its text {is_in_text}, found {is_found}: {fact}"));
            }
        } else {
            // A file that is no document at all may have been passed over.
            let is_refused = document.is_none_or(|document| document["stage"] == "failed");
            bad += 1.0;
            refused += f64::from(is_refused);
            if !is_refused {
                wrong.push(format!("{file}: said to be {}, was read", line["error"]));
            }
        }
    }
    eprintln!(
        "{} documents, {facts} facts: {in_text} in their texts, {found} found, {here} of them in the file named; {refused} of {bad} bad ones refused; \
         {} MiB at most\n{}",
        documents.len(),
        most >> 20,
        wrong.join("\n")
    );
    assert!(facts > 0.0 && in_text >= facts * IN_TEXT && found >= facts * FOUND, "{}", wrong.join("\n"));
    assert!(refused >= bad * REFUSED, "{}", wrong.join("\n"));
    assert!(most <= MOST, "{} MiB", most >> 20);
    assert_eq!(server.stop(), Some(0));
}
