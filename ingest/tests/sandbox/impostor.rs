//! A child that no longer does what this program told it to.

use std::time::{Duration, Instant};

use footnote_ingest::parse::ParseError;
use footnote_ingest::sandbox::{Limit, Refusal, Sandbox, SandboxConfig};

use crate::{config, limit_of, run};

/// A shell in place of the parser: says that it is ready, then `answer`.
fn impostor(answer: &str) -> SandboxConfig {
    let print = |json: &str| format!("printf '\\{:o}\\0\\0\\0{json}'; ", json.len());
    let ready = r#"{"sections":[],"head":{"number":0,"outcome":{"ready":{"memory":true,"landlock":true,"seccomp":true,"inherited":0}}}}"#;
    let answer = if answer.starts_with('{') { print(answer) } else { answer.to_owned() };
    let script = format!("{}{answer} exec cat >/dev/null", print(ready));
    SandboxConfig { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()], ..config(1) }
}

#[tokio::test]
async fn a_child_that_was_taken_over_is_not_believed() {
    let malformed = [
        r#"{"sections":[],"head":{"number":7,"outcome":{"failed":"empty"}}}"#,
        r#"{"sections":[],"head":{"number":1,"outcome":{"parsed":{"title":null,"map":{},"syntax":"plain","members":[]}}}}"#,
        r#"{"sections":[],"head":{}}"#,
        r"printf '\2\0\0\0no';",
    ];
    for answer in malformed {
        let (which, message) = limit_of(&Sandbox::new(impostor(answer)), "x").await;
        assert!(which == Limit::Crash && message.contains("cannot be read"), "{answer}: {message}");
    }
    let large = [
        r"printf '\377\377\377\377';",
        r#"{"sections":[99999999999999],"head":{"number":1,"outcome":{"failed":"empty"}}}"#,
    ];
    for answer in large {
        assert_eq!(limit_of(&Sandbox::new(impostor(answer)), "x").await.0, Limit::Output, "{answer}");
    }
    let right = r#"{"sections":[],"head":{"number":1,"outcome":{"failed":"empty"}}}"#;
    assert_eq!(run(&Sandbox::new(impostor(right)), "x").await, Err(Refusal::Parse(ParseError::Empty)));
}

#[tokio::test]
async fn a_child_that_closes_its_pipe_and_stays_is_killed() {
    let sandbox = Sandbox::new(impostor("exec >&-;"));
    let started = Instant::now();
    assert_eq!(limit_of(&sandbox, "x").await.0, Limit::Crash);
    assert!(started.elapsed() < Duration::from_secs(10));
}
