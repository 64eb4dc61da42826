//! Servers made by others. Where they are is said by `MCP_TIME_COMMAND`, the
//! program of `mcp-server-time` of Python's registry, and `MCP_EVERYTHING_SCRIPT`, the
//! `dist/index.js` of `@modelcontextprotocol/server-everything` of Node's.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{call, definition, limit, servers};
use crate::mcp_client::Servers;

fn place(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; `make test` installs the servers"))
}

fn time() -> Servers {
    servers(&[json!({
        "name": "time", "command": place("MCP_TIME_COMMAND"), "args": ["--local-timezone", "Europe/Berlin"],
        "timeout": 120
    })])
}

fn everything(more: &Value) -> Servers {
    let mut config = json!({ "name": "everything", "command": "node", "args": [place("MCP_EVERYTHING_SCRIPT"), "stdio"],
        "timeout": 120 });
    for (name, value) in more.as_object().expect("an object") {
        config[name] = value.clone();
    }
    servers(&[config])
}

/// The same server over HTTP.
struct Listening {
    url: String,
    _process: Child,
}

impl Listening {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address").port();
        let mut process = Command::new("node")
            .args([&place("MCP_EVERYTHING_SCRIPT"), "streamableHttp"])
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node");
        let mut lines = BufReader::new(process.stderr.take().expect("its log")).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.expect("a line") {
                if line.contains("listening") {
                    return;
                }
            }
            panic!("the server ended");
        };
        timeout(Duration::from_mins(2), listening).await.expect("the server");
        // Read on, so that it never waits for its log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url: format!("http://127.0.0.1:{port}/mcp"), _process: process }
    }

    fn servers(&self) -> Servers {
        servers(&[json!({ "name": "everything", "url": self.url, "timeout": 120 })])
    }
}

async fn protocol_version(servers: &Servers) -> String {
    let state = servers.servers[0].state.lock().await;
    state.ready.as_ref().expect("a connection").link.protocol_version()
}

/// What every way to the everything server must give.
async fn works(servers: &Servers) {
    let echo = definition(servers, "everything__echo").await;
    assert!(echo.read_only && !echo.needs_approval && !echo.description.is_empty());
    assert_eq!(echo.input_schema["properties"]["message"]["type"], "string");
    assert_eq!(protocol_version(servers).await, "2025-11-25");

    let sum = call(servers, "everything__get-sum", json!({ "a": 2, "b": 3 })).await.expect("a sum");
    assert!(sum.text.contains('5'), "{}", sum.text);
    let refused = call(servers, "everything__get-sum", json!({ "a": "two", "b": 3 })).await.expect_err("refused");
    assert!(refused.to_string().contains("/a: "), "{refused}");

    let weather = definition(servers, "everything__get-structured-content").await;
    assert_eq!(weather.output_schema.expect("a schema")["properties"]["temperature"]["type"], "number");
    let weather = call(servers, "everything__get-structured-content", json!({ "location": "Chicago" })).await;
    assert!(weather.expect("weather").structured.expect("a value")["temperature"].is_number());

    let image = call(servers, "everything__get-tiny-image", json!({})).await.expect("an image").text;
    assert!(image.contains("[image, image/png, "), "{image}");
    let links = call(servers, "everything__get-resource-links", json!({ "count": 2 })).await.expect("links").text;
    assert_eq!(links.matches("[link to ").count(), 2, "{links}");
}

/// An operation that outlasts the limit; the server goes on to serve.
async fn hangs(mut servers: Servers) {
    assert!(!servers.tools().await.is_empty());
    limit(&mut servers, 2);
    let long = json!({ "duration": 600, "steps": 600 });
    let call_it = call(&servers, "everything__trigger-long-running-operation", long);
    let error = timeout(Duration::from_mins(2), call_it).await.expect("an end").expect_err("too long");
    assert_eq!(error.code(), "timeout");
    limit(&mut servers, 120);
    call(&servers, "everything__echo", json!({ "message": "still here" })).await.expect("an echo");
}

#[tokio::test]
async fn the_time_server_is_spoken_to_without_a_handshake() {
    let servers = time();
    let convert = definition(&servers, "time__convert_time").await;
    assert_eq!(protocol_version(&servers).await, "2026-07-28");
    let required = convert.input_schema["required"].as_array().expect("a list").len();
    assert_eq!(required, 3);
    let with = json!({ "source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo" });
    let converted = call(&servers, "time__convert_time", with).await.expect("a time");
    assert!(converted.text.contains("Asia/Tokyo") && !converted.is_error, "{}", converted.text);
    let refused = call(&servers, "time__convert_time", json!({ "time": 12 })).await.expect_err("refused");
    assert_eq!(refused.code(), "invalid_arguments");
    let nowhere = call(&servers, "time__get_current_time", json!({ "timezone": "Nowhere/None" })).await;
    assert!(nowhere.expect("the tool's own failure").is_error);
    servers.stop().await;
}

#[tokio::test]
async fn the_everything_server_works_as_a_program() {
    let servers = everything(&json!({}));
    works(&servers).await;
    servers.stop().await;
}

#[tokio::test]
async fn the_everything_server_works_over_http() {
    let listening = Listening::start().await;
    let servers = listening.servers();
    works(&servers).await;
    servers.stop().await;
}

#[tokio::test]
async fn an_operation_that_hangs_ends_in_time_as_a_program_and_over_http() {
    hangs(everything(&json!({}))).await;
    let listening = Listening::start().await;
    hangs(listening.servers()).await;
}

#[tokio::test]
async fn a_real_server_that_was_killed_is_started_again() {
    let servers = everything(&json!({}));
    servers.tools().await;
    let state = servers.servers[0].state.lock().await;
    let link = std::sync::Arc::clone(&state.ready.as_ref().expect("a connection").link);
    drop(state);
    let process = link.process().expect("a program");
    let killed = async {
        rustix::process::kill_process(process.pid().expect("a number"), Signal::KILL).expect("killed");
        while !process.has_ended() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), killed).await.expect("its end");
    let echo = call(&servers, "everything__echo", json!({ "message": "again" })).await.expect("an echo");
    assert!(echo.text.contains("again"), "{}", echo.text);
}

#[tokio::test]
async fn a_program_is_told_no_variable_of_ours() {
    let servers = everything(&json!({ "env": { "API_KEY": "canary-1", "ZONE": "Europe/Berlin" } }));
    let env = call(&servers, "everything__get-env", json!({})).await.expect("its environment").text;
    assert!(env.contains("Europe/Berlin") && env.contains("[secret]"), "{env}");
    assert!(!env.contains("canary") && !env.contains("CARGO") && !env.contains("MCP_"), "{env}");
}
