//! A tool that takes long and says nothing: whoever follows the answer is told
//! that it goes on, so that no proxy in between takes them for gone.
//!
//! `FOOTNOTE_SILENT_TOOL_SECONDS` sets how long it takes (32 unless set; 600 in
//! `make soak`), `FOOTNOTE_PROXY_SECONDS` after how much silence the proxy hangs up
//! (18 unless set; 60 in `make soak`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::conversing::Conversing;
use crate::live::{Live, OPEN};
use crate::random::number;
use crate::reading::{assert_whole, frames, said};
use crate::relay::{End, Relay};
use crate::talk::{MANUAL, PRESSURE, Talk, puppet};

/// How often readers are told that an answer goes on.
const HEARTBEAT: u64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn a_long_silent_tool_does_not_drop_the_stream() {
    let seconds = number("FOOTNOTE_SILENT_TOOL_SECONDS", 32);
    let patience = number("FOOTNOTE_PROXY_SECONDS", 18);
    let script = std::env::var("MCP_EVERYTHING_SCRIPT").expect("MCP_EVERYTHING_SCRIPT, which `make test` sets");
    let talk = Talk::with(Conversing::start(puppet).await, |settings| {
        let server = json!({
            "name": "everything", "command": "node", "args": [script, "stdio"], "approve": "never",
            "timeout": seconds + 60,
        });
        settings.mcp_servers = serde_json::from_value(json!([server])).unwrap();
        settings.answer_timeout = seconds + 120;
    })
    .await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    let live = Live::start(talk.app.router.clone(), OPEN).await;
    let proxy = Relay::patient(End::Port(live.address), Duration::from_secs(patience)).await;
    let arguments = json!({ "duration": seconds, "steps": 1 });
    let question =
        format!("{PRESSURE}\nCALL everything__trigger-long-running-operation {arguments}\nSAY It took its time.");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client
        .post(format!("http://{}{}", proxy.address, talk.messages))
        .json(&json!({ "content": question, "stream": true }));
    let bytes = asked.send().await.unwrap().bytes().await.expect("the stream is not dropped");
    let events = frames(&bytes);
    assert_whole(&events, "message.completed");
    assert_eq!(said(&events).trim(), "It took its time.");
    let done: Value = events.iter().find(|event| event.name == "tool.completed").expect("a result").json();
    assert_eq!(done["failed"], false, "{done}");
    let beats = bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b":")).count() as u64;
    eprintln!("a tool of {seconds} s behind a proxy that hangs up after {patience} s: {beats} heartbeats");
    assert!(beats >= seconds / HEARTBEAT, "{beats}");
    live.ended().await;
    talk.stop().await;
}
