//! Tools of MCP servers that others wrote, called by a model in an answer: with
//! leave where they may change something, and not at all once they are not what
//! they were.

use axum::http::StatusCode;
use footnote::config::Settings;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::conversing::{Conversing, Reply, Task};
use crate::talk::{MANUAL, PRESSURE, Talk, completed, parts, puppet, text, told};

/// Where `make test` has installed a server.
fn place(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; `make test` installs the servers"))
}

/// The two servers; calls of the second one need leave.
fn servers(settings: &mut Settings) {
    let servers = json!([
        { "name": "time", "command": place("MCP_TIME_COMMAND"), "args": ["--local-timezone", "Europe/Zurich"],
          "approve": "never", "timeout": 60 },
        { "name": "everything", "command": "node", "args": [place("MCP_EVERYTHING_SCRIPT"), "stdio"],
          "approve": "always", "timeout": 60 },
    ]);
    settings.mcp_servers = serde_json::from_value(servers).unwrap();
    settings.approval_timeout = 60;
}

pub async fn with_servers(model: Conversing) -> Talk {
    let talk = Talk::with(model, servers).await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    talk
}

/// Decides on the first call that waits for leave.
fn deciding(talk: &Talk, approve: bool) -> JoinHandle<Value> {
    let (router, db, messages) = (talk.app.router.clone(), talk.app.db.clone(), talk.messages.clone());
    tokio::spawn(async move {
        let waiting = "select id::text, message_id::text from approvals where state = 'waiting'";
        let (id, answer): (String, String) = loop {
            match sqlx::query_as(waiting).fetch_optional(&db).await.unwrap() {
                Some(found) => break found,
                None => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        };
        let path = format!("{messages}/{answer}/approvals/{id}");
        let decision = || {
            let request = crate::harness::request("POST", &path).header("content-type", "application/json");
            request.body(axum::body::Body::from(json!({ "approve": approve }).to_string())).unwrap()
        };
        let first = tower::ServiceExt::oneshot(router.clone(), decision()).await.unwrap();
        assert_eq!(first.status(), StatusCode::OK);
        // Decided once, there is nothing to decide.
        let second = tower::ServiceExt::oneshot(router, decision()).await.unwrap();
        assert_eq!(second.status(), StatusCode::NOT_FOUND);
        let bytes = axum::body::to_bytes(first.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_needs_leave_is_called_once_it_has_it() {
    let talk = with_servers(Conversing::start(puppet).await).await;
    let decided = deciding(&talk, true);
    let question = format!("{PRESSURE}\nCALL everything__echo {{\"message\":\"herons\"}}\nSAY It said so.");
    let events = talk.events(&question).await;
    let approval = &told(&events, "approval.requested")[0]["approval"];
    assert_eq!((&approval["tool"], &approval["state"]), (&json!("everything__echo"), &json!("waiting")));
    let decided = decided.await.unwrap();
    assert_eq!((&decided["id"], &decided["state"]), (&approval["id"], &json!("approved")));
    let done = told(&events, "tool.completed")[0];
    assert_eq!(done["failed"], false, "{done}");
    assert!(done["text"].as_str().unwrap().contains("herons"), "{done}");
    assert_eq!(text(completed(&events)).trim(), "It said so.");
    assert_eq!(talk.count("select count(*) from approvals where state = 'used'").await, 1);
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_denied_is_not_made_and_the_model_is_told() {
    let talk = with_servers(Conversing::start(puppet).await).await;
    let decided = deciding(&talk, false);
    let question = format!("{PRESSURE}\nCALL everything__echo {{\"message\":\"herons\"}}\nSAY So be it.");
    let events = talk.events(&question).await;
    decided.await.unwrap();
    let done = told(&events, "tool.completed")[0];
    assert_eq!(done["failed"], true, "{done}");
    assert!(done["text"].as_str().unwrap().contains("not allowed"), "{done}");
    let told = talk.model.bodies(Task::Answer)[1].to_string();
    assert!(told.contains("not allowed") && !told.contains("Echo: herons"), "{told}");
    assert_eq!(parts(completed(&events), "tool_result").len(), 1);
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_only_reads_needs_no_leave() {
    let talk = with_servers(Conversing::start(puppet).await).await;
    let arguments = json!({ "source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo" });
    let question = format!("{PRESSURE}\nCALL time__convert_time {arguments}\nSAY That late.");
    let events = talk.events(&question).await;
    assert!(told(&events, "approval.requested").is_empty());
    let done = told(&events, "tool.completed")[0];
    assert!(done["text"].as_str().unwrap().contains("21:00"), "{done}");
    // Arguments that are not what the tool takes never reach the server.
    let wrong = format!("{PRESSURE}\nCALL time__convert_time {{\"time\":12}}\nSAY Well.");
    let events = talk.events(&wrong).await;
    let done = told(&events, "tool.completed")[0];
    assert_eq!(done["failed"], true, "{done}");
    assert!(done["text"].as_str().unwrap().contains("not valid"), "{done}");
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_not_what_it_was_is_left_out_until_it_is_trusted() {
    let talk = with_servers(Conversing::start(|_: &Value| Reply::says("Done.")).await).await;
    let offers = |name: &str| {
        let body = talk.model.bodies(Task::Answer).pop().unwrap();
        body["tools"].as_array().unwrap().iter().any(|tool| tool["function"]["name"] == name)
    };
    let trusted = async |name: &str| {
        let tools = talk.app.get("/api/v1/admin/tools").await.json();
        let tool = tools["items"].as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
        tool["trusted"].as_bool().unwrap()
    };
    talk.ask(PRESSURE).await;
    assert!(offers("everything__echo") && trusted("everything__echo").await);

    // As if the server had said something else before.
    let changed = "update tool_pins set sha256 = 'other' where server = 'everything' and tool = 'echo'";
    sqlx::query(changed).execute(&talk.app.db).await.unwrap();
    talk.ask("How heavy is the pump P4?").await;
    assert!(!offers("everything__echo") && !trusted("everything__echo").await);
    assert!(offers("everything__get-sum"));

    let trust = talk.app.post("/api/v1/admin/tools/trust", &json!({ "name": "everything__echo" })).await;
    assert_eq!(trust.status, StatusCode::NO_CONTENT, "{}", trust.text());
    talk.ask("How often is the pump P4 oiled?").await;
    assert!(offers("everything__echo"));
    let unknown = talk.app.post("/api/v1/admin/tools/trust", &json!({ "name": "everything__nothing" })).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    talk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_no_error_of_the_answer() {
    let model = Conversing::start(|_: &Value| Reply::says("Done.")).await;
    let talk = Talk::with(model, |settings| {
        let gone = json!([{ "name": "gone", "command": "/nonexistent/server", "timeout": 5 }]);
        settings.mcp_servers = serde_json::from_value(gone).unwrap();
    })
    .await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    assert_eq!(text(&talk.ask(PRESSURE).await), "Done.");
    talk.stop().await;
}
