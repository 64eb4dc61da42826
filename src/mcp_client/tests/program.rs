//! Odd servers that are programs: a shell script that speaks the protocol of
//! before.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{call, definition, servers};
use crate::mcp_client::{McpError, Servers};

/// Answers line by line. `$DO` is what a call does; what it prints is the
/// result's text.
const SCRIPT: &str = r#"
say() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
echo 'starting; this is no message'
echo "my key is $API_KEY" >&2
words=first
while read -r line; do
    id=${line#*'"id":'}
    id=${id%%[,\}]*}
    case $line in
    *'"server/discover"'*) say '"id":'"$id"',"error":{"code":-32601,"message":"unknown"}' ;;
    *'"initialize"'*) say '"id":'"$id"',"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"tools/list"'*) say '"id":'"$id"',"result":{"tools":[{"name":"do","description":"'"$words"'","inputSchema":{"type":"object"}}]}' ;;
    *'"tools/call"'*) eval "$DO" ;;
    esac
done
eval "$AT_END"
"#;

/// Answers a call with what is in `$text`.
const REPLY: &str = r#"say '"id":'"$id"',"result":{"content":[{"type":"text","text":"'"$text"'"}]}'"#;

fn program(actions: &str, env: &Value) -> Servers {
    let mut config = json!({ "name": "sh", "command": "/bin/sh", "args": ["-c", SCRIPT], "env": env, "timeout": 60 });
    config["env"]["DO"] = json!(format!("{actions}; {REPLY}"));
    servers(&[config])
}

async fn run(servers: &Servers) -> Result<String, McpError> {
    call(servers, "sh__do", json!({})).await.map(|output| output.text)
}

/// A process that has ended, though nobody may have taken note of it.
fn has_ended(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])))
}

/// Waits without a pause for what will soon be so.
async fn until(happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.expect("it to happen");
}

#[tokio::test]
async fn a_program_gets_hardly_any_environment() {
    let servers = program("text=$(env | cut -d= -f1 | sort | tr '\\n' ' ')", &json!({ "ZONE": "UTC" }));
    let names = run(&servers).await.expect("its environment");
    let known = ["DO", "HOME", "LANG", "PATH", "PWD", "OLDPWD", "SHLVL", "ZONE", "_"];
    assert!(names.split_whitespace().all(|name| known.contains(&name)), "{names}");
    assert!(names.contains("PATH") && names.contains("ZONE"), "{names}");
}

#[tokio::test]
async fn a_program_that_was_killed_is_started_again_by_the_next_call() {
    let servers = program("text=$$", &json!({}));
    let first = run(&servers).await.expect("its number");
    let state = servers.servers[0].state.lock().await;
    let link = std::sync::Arc::clone(&state.ready.as_ref().expect("a connection").link);
    drop(state);
    let process = link.process().expect("a program");
    let pid = process.pid().expect("a number");
    assert_eq!(first, pid.as_raw_nonzero().to_string());
    rustix::process::kill_process(pid, Signal::KILL).expect("killed");
    until(|| process.has_ended()).await;
    let second = run(&servers).await.expect("its number");
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_program_that_dies_within_a_call_is_an_error_and_the_next_call_starts_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let marker = folder.path().join("died");
    let servers = program(
        "if [ ! -e \"$MARKER\" ]; then : >\"$MARKER\"; exit 1; fi; text=alive",
        &json!({ "MARKER": marker.display().to_string() }),
    );
    assert_eq!(run(&servers).await.expect_err("it died").code(), "gone");
    assert_eq!(run(&servers).await.as_deref(), Ok("alive"));
}

#[tokio::test]
async fn dropping_the_servers_kills_what_they_started() {
    let servers = program("sleep 1000 & text=\"$$ $!\"", &json!({}));
    let numbers = run(&servers).await.expect("the numbers");
    assert!(numbers.split(' ').all(|pid| !has_ended(pid)));
    drop(servers);
    until(|| numbers.split(' ').all(has_ended)).await;
}

#[tokio::test]
async fn a_program_may_end_by_itself_and_what_it_leaves_behind_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let marker = folder.path().join("ended");
    let env = json!({ "AT_END": "echo ended >\"$MARKER\"", "MARKER": marker.display().to_string() });
    let servers = program("sleep 1000 >/dev/null & text=$!", &env);
    let left = run(&servers).await.expect("a number");
    servers.stop().await;
    assert_eq!(std::fs::read_to_string(marker).expect("the marker"), "ended\n");
    until(|| has_ended(&left)).await;
}

#[tokio::test]
async fn a_program_that_does_not_end_by_itself_is_made_to() {
    let servers = program("text=$$", &json!({ "AT_END": "trap '' TERM; while :; do sleep 1; done" }));
    let pid = run(&servers).await.expect("a number");
    timeout(Duration::from_secs(15), servers.stop()).await.expect("an end");
    until(|| has_ended(&pid)).await;
}

#[tokio::test]
async fn a_change_that_a_program_tells_of_is_listed() {
    let change = "words=second; text=ok; say '\"method\":\"notifications/tools/list_changed\"'";
    let servers = program(change, &json!({}));
    let before = definition(&servers, "sh__do").await;
    run(&servers).await.expect("a result");
    let changed = async {
        while definition(&servers, "sh__do").await.sha256 == before.sha256 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), changed).await.expect("the change");
    assert_eq!(definition(&servers, "sh__do").await.description, "second");
}

#[tokio::test]
async fn a_secret_of_the_environment_does_not_come_back() {
    let servers = program("text=\"$API_KEY $ZONE\"", &json!({ "API_KEY": "canary-1", "ZONE": "Europe/Berlin" }));
    assert_eq!(run(&servers).await.as_deref(), Ok("[secret] Europe/Berlin"));
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_left_out() {
    let servers = servers(&[
        json!({ "name": "none", "command": "/nowhere/at/all" }),
        json!({ "name": "short", "command": "/bin/true" }),
    ]);
    assert!(servers.tools().await.is_empty());
    for name in ["none__do", "short__do"] {
        assert_eq!(call(&servers, name, json!({})).await.expect_err("no server").code(), "gone");
    }
}
