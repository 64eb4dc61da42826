//! `footnote mcp`, as a program starts it that speaks to it by standard input
//! and output.

use std::process::Stdio;
use std::time::Duration;

use rmcp::service::{ClientLifecycleMode, ClientServiceExt};
use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::json;
use tokio::process::{Child, Command};

use crate::command::{Footnote, errors, write};
use crate::harness::folder;
use crate::mcp_face::{Client, called, eras, refused};

/// How long the program may take to end.
const END: Duration = Duration::from_mins(1);

/// Data with a manual in the collection `manuals` and rules in `rules`.
fn filled() -> Footnote {
    let footnote = Footnote::new();
    let notes = folder();
    write(notes.path(), "manuals/pump.md", "# Pump P4\n\nThe pump P4 is rated for a pressure of 4 bar.\n");
    write(notes.path(), "rules/leave.txt", "Every employee has thirty days of paid leave in a year.\n");
    for collection in ["manuals", "rules"] {
        let path = notes.path().join(collection);
        footnote.json(&["ingest", path.to_str().unwrap(), "--collection", collection]);
    }
    footnote
}

async fn connect(footnote: &Footnote, arguments: &[&str], era: ClientLifecycleMode) -> (Client, Child) {
    let mut command = footnote.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Command::from(command).kill_on_drop(true).spawn().unwrap();
    let (output, input) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let client = ().serve_with_lifecycle(AsyncRwTransport::new_client(output, input), era).await.unwrap();
    (client, child)
}

/// Closes the connection, at which the program ends well.
async fn close(client: Client, mut child: Child) {
    client.cancel().await.unwrap();
    let ended = tokio::time::timeout(END, child.wait()).await.expect("it ends").unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_starts_it_finds_reads_and_asks() {
    let footnote = filled();
    for (era, version) in eras() {
        let (client, child) = connect(&footnote, &["mcp"], era).await;
        assert_eq!(client.peer_info().unwrap().protocol_version.to_string(), version);
        assert_eq!(client.list_all_tools().await.unwrap().len(), 4);
        let found = called(&client, "search", json!({ "query": "paid leave", "limit": 1 })).await;
        let hit = &found["results"][0];
        assert!(hit["url"].as_str().unwrap().starts_with("file:///"), "{found}");
        let passage = called(&client, "fetch", json!({ "id": hit["id"] })).await;
        assert!(passage["text"].as_str().unwrap().contains("thirty days"), "{passage}");
        let whole = called(&client, "fetch", json!({ "id": passage["metadata"]["document_id"] })).await;
        assert!(whole["text"].as_str().unwrap().contains("thirty days"), "{whole}");

        let question = json!({ "question": "What pressure is the pump P4 rated for?" });
        let answer = called(&client, "ask", question.clone()).await;
        assert_eq!(answer["grounded"], true, "{answer}");
        assert!(answer["citations"][0]["quote"].as_str().unwrap().contains("4 bar"), "{answer}");

        let listed = called(&client, "list_collections", json!({})).await;
        assert_eq!(listed["collections"].as_array().unwrap().len(), 2, "{listed}");
        assert_eq!(client.list_all_resources().await.unwrap().len(), 2);
        assert_eq!(refused(&client, "fetch", json!({ "id": "x" })).await, "no such document");
        let refusal = refused(&client, "ask", json!({ "question": "a", "collection": "nowhere" })).await;
        assert!(refusal.contains("no such collection: `nowhere`"), "{refusal}");
        close(client, child).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_can_be_meant_where_none_is_named() {
    let footnote = filled();
    let (client, child) = connect(&footnote, &["mcp", "--collection", "rules"], eras()[0].0.clone()).await;
    let query = json!({ "query": "What pressure is the pump P4 rated for?" });
    let found = called(&client, "search", query).await.to_string();
    assert!(found.contains("paid leave") && !found.contains("4 bar"), "{found}");
    let named = called(&client, "search", json!({ "query": "pump", "collection": "manuals" })).await.to_string();
    assert!(named.contains("4 bar"), "{named}");
    let resources = client.list_all_resources().await.unwrap();
    assert_eq!((resources.len(), resources[0].name.as_str()), (1, "leave.txt"));
    close(client, child).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_server_it_goes_through_it_and_says_when_it_is_gone() {
    let footnote = filled();
    let server = footnote.serve();
    let (client, child) = connect(&footnote, &["mcp"], eras()[0].0.clone()).await;
    let (other, its_child) = connect(&footnote, &["mcp"], eras()[1].0.clone()).await;
    for client in [&client, &other] {
        let found = called(client, "search", json!({ "query": "paid leave" })).await.to_string();
        assert!(found.contains("thirty days"), "{found}");
    }
    server.stop();
    let told = refused(&client, "search", json!({ "query": "paid leave" })).await;
    assert!(told.contains("does not answer"), "{told}");
    close(client, child).await;
    close(other, its_child).await;
}

#[test]
fn standard_output_belongs_to_the_protocol() {
    let footnote = Footnote::new();
    // Nothing comes in, so nothing goes out.
    let output = footnote.run(&["mcp", "-vv"]);
    assert!(output.status.success(), "{}", errors(&output));
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}
