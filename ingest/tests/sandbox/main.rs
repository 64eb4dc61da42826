//! Hostile files against real parser processes: each costs itself and nothing
//! else. The parser is `toy.rs`, whose files say what it does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]
#![expect(clippy::disallowed_methods, reason = "a parser asks no database")]

mod impostor;
mod limits;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use footnote_ingest::document::Parsed;
use footnote_ingest::parse::{ParseError, Source};
use footnote_ingest::sandbox::{Limit, Refusal, Sandbox, SandboxConfig};
use rustix::process::{Pid, Signal};

fn config(children: usize) -> SandboxConfig {
    SandboxConfig {
        children,
        memory_bytes: 128 << 20,
        cpu_seconds: 1,
        wall: Duration::from_secs(20),
        output_bytes: 8 << 20,
        ..SandboxConfig::new(PathBuf::from(env!("CARGO_BIN_EXE_toy-parser")), vec!["parse-child".into()])
    }
}

async fn run(sandbox: &Sandbox, text: &str) -> Result<Parsed, Refusal> {
    sandbox.parse(&Source { bytes: text.as_bytes(), name: Some("a.md"), media_type: None }).await
}

async fn text_of(sandbox: &Sandbox, text: &str) -> String {
    run(sandbox, text).await.unwrap().text
}

async fn limit_of(sandbox: &Sandbox, text: &str) -> (Limit, String) {
    match run(sandbox, text).await {
        Err(error @ Refusal::Limit { which, .. }) => (which, error.to_string()),
        other => panic!("{text}: {:?}", other.map(|parsed| parsed.text.len())),
    }
}

#[tokio::test]
async fn a_document_comes_back_whole() {
    let sandbox = Sandbox::new(config(1));
    let source = Source { bytes: b"members", name: Some("Größe \"1\".zip"), media_type: Some("a/b") };
    let parsed = sandbox.parse(&source).await.unwrap();
    assert_eq!((parsed.title.as_deref(), parsed.text.as_str()), (Some("a/b"), "two"));
    assert_eq!(parsed.map.headings[0].title, "Größe \"1\".zip");
    assert_eq!(parsed.members.len(), 2);
    assert_eq!((parsed.members[1].name.as_str(), parsed.members[1].bytes.as_slice()), ("../b", &[0, 255, b'"'][..]));
}

#[tokio::test]
async fn the_parsers_own_refusal_is_handed_on_and_the_child_lives() {
    let sandbox = Sandbox::new(config(1));
    let pid = text_of(&sandbox, "pid").await;
    assert_eq!(run(&sandbox, "").await, Err(Refusal::Parse(ParseError::Empty)));
    assert_eq!(text_of(&sandbox, "pid").await, pid);
}

#[tokio::test]
async fn a_panic_is_a_damaged_file_and_its_words_stay_inside() {
    let sandbox = Sandbox::new(config(1));
    let pid = text_of(&sandbox, "pid").await;
    let error = run(&sandbox, "panic").await.unwrap_err();
    assert!(matches!(error, Refusal::Parse(ParseError::Broken { .. })), "{error}");
    assert!(!error.to_string().contains("the words"), "{error}");
    assert_eq!(text_of(&sandbox, "pid").await, pid);
}

#[tokio::test]
async fn what_a_library_prints_does_not_reach_the_protocol() {
    let sandbox = Sandbox::new(config(1));
    assert_eq!(text_of(&sandbox, "print 1000000").await, "0");
    assert_eq!(text_of(&sandbox, "ok").await, "ok");
}

#[tokio::test]
async fn a_child_reaches_no_file_no_network_no_process() {
    let sandbox = Sandbox::new(config(1));
    let confinement = sandbox.warm().await.unwrap();
    eprintln!("{confinement:?}");
    let mut reaches = vec!["write"];
    if confinement.landlock {
        reaches.extend(["read", "list", "tcp"]);
    }
    if confinement.seccomp {
        reaches.extend(["tcp", "udp", "program", "signal"]);
    }
    for what in reaches {
        assert_eq!(text_of(&sandbox, &format!("reach {what}")).await, "refused", "{what}");
    }
}

#[tokio::test]
async fn a_descriptor_that_leaks_into_the_children_is_counted() {
    let before = Sandbox::new(config(1)).warm().await.unwrap().inherited;
    let _leak = rustix::io::dup(std::io::stdin()).unwrap();
    let after = Sandbox::new(config(1)).warm().await.unwrap().inherited;
    assert_eq!(after, before + usize::from(cfg!(target_os = "linux")));
}

#[tokio::test]
async fn a_child_knows_nothing_of_the_servers_environment() {
    let environment = text_of(&Sandbox::new(config(1)), "environment").await;
    assert!(!environment.contains("CARGO") && !environment.contains("HOME"), "{environment}");
    assert!(environment.ends_with("Ok(\"/\")"), "{environment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_callers_share_two_children() {
    let sandbox = Sandbox::new(config(2));
    let callers = (0..8).map(|caller| {
        let sandbox = sandbox.clone();
        tokio::spawn(async move {
            for file in 0..50 {
                let text = format!("caller {caller} file {file}");
                assert_eq!(text_of(&sandbox, &text).await, text);
            }
            text_of(&sandbox, "pid").await
        })
    });
    let mut pids = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        pids.push(caller.await.unwrap());
    }
    pids.sort();
    pids.dedup();
    assert!(pids.len() <= 2, "{pids:?}");
}

#[tokio::test]
async fn a_child_is_replaced_after_its_share_of_files() {
    let sandbox = Sandbox::new(SandboxConfig { files_per_child: 3, ..config(1) });
    let mut pids = Vec::new();
    for _ in 0..6 {
        pids.push(text_of(&sandbox, "pid").await);
    }
    assert_eq!(pids[0], pids[2]);
    assert_ne!(pids[2], pids[3]);
    assert_eq!(pids[3], pids[5]);
}

#[tokio::test]
async fn a_dropped_call_kills_its_child_and_frees_its_place() {
    let sandbox = Sandbox::new(config(1));
    let pid = text_of(&sandbox, "pid").await;
    let call = run(&sandbox, "wait");
    assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    assert_ne!(text_of(&sandbox, "pid").await, pid);
    until(|| !runs(&pid)).await;
}

#[tokio::test]
async fn children_end_with_the_last_clone() {
    let sandbox = Sandbox::new(config(1));
    let clone = sandbox.clone();
    let pid = text_of(&sandbox, "pid").await;
    drop(sandbox);
    assert_eq!(text_of(&clone, "pid").await, pid);
    drop(clone);
    until(|| !runs(&pid)).await;
}

#[test]
fn a_sandbox_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(config(1));
    let pid = runtime.block_on(text_of(&sandbox, "pid"));
    drop(runtime);
    drop(sandbox);
    tokio::runtime::Runtime::new().unwrap().block_on(until(|| !runs(&pid)));
}

#[tokio::test]
async fn a_child_that_was_killed_while_idle_is_replaced_unseen() {
    let sandbox = Sandbox::new(config(1));
    let pid = text_of(&sandbox, "pid").await;
    kill(&pid);
    assert_ne!(text_of(&sandbox, "pid").await, pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_child_was_killed_at_work_is_read_by_a_fresh_one() {
    let sandbox = Sandbox::new(SandboxConfig { cpu_seconds: 5, ..config(1) });
    let pid = text_of(&sandbox, "pid").await;
    let before = processor_ticks(&pid);
    let call = tokio::spawn(async move { text_of(&sandbox, "spin-ms 700").await });
    until(|| processor_ticks(&pid) > before + 5).await;
    kill(&pid);
    assert_ne!(call.await.unwrap(), pid);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_says_nothing_of_the_file() {
    let nowhere = SandboxConfig { program: "/nowhere/at/all".into(), ..config(1) };
    for config in [
        nowhere,
        SandboxConfig { arguments: vec![], ..config(1) },
        SandboxConfig { arguments: vec!["chatter".into()], ..config(1) },
    ] {
        let error = run(&Sandbox::new(config), "x").await.unwrap_err();
        assert!(matches!(error, Refusal::Unavailable { .. }) && !error.is_final(), "{error}");
        eprintln!("{error}");
    }
}

#[tokio::test]
async fn a_child_whose_parent_is_gone_ends_in_the_midst_of_a_file() {
    use std::io::{Read, Write};
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_toy-parser"))
        .arg("parse-child")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let frame = |json: &str, raw: &str| {
        let length = u32::try_from(json.len()).unwrap().to_le_bytes();
        [&length[..], json.as_bytes(), raw.as_bytes()].concat()
    };
    let setup = r#"{"sections":[],"head":{"version":2,"memory_bytes":134217728,"cpu_seconds":60}}"#;
    input.write_all(&frame(setup, "")).unwrap();
    assert_ne!(child.stdout.as_mut().unwrap().read(&mut [0; 512]).unwrap(), 0, "ready");
    let request = r#"{"sections":[4],"head":{"number":1,"purpose":"text","name":null,"media_type":null}}"#;
    input.write_all(&frame(request, "wait")).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_small_files_do_not_pay_for_a_process_each() {
    let sandbox = Sandbox::new(SandboxConfig { files_per_child: 10_000, ..config(2) });
    let started = Instant::now();
    sandbox.warm().await.unwrap();
    let start = started.elapsed();
    let text = "A small file. ".repeat(70);
    let started = Instant::now();
    for _ in 0..1000 {
        assert_eq!(text_of(&sandbox, &text).await.len(), text.len());
    }
    let each = started.elapsed() / 1000;
    eprintln!("spawn to ready: {start:?}; 1,000 files of 1 KB: {each:?} each");
    assert!(each < Duration::from_millis(5), "{each:?}");
}

/// Waits for a state of other processes, which send no notice of it.
async fn until(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "it never came to hold");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn pid_of(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}

fn kill(pid: &str) {
    rustix::process::kill_process(pid_of(pid), Signal::KILL).unwrap();
}

/// Whether the process exists and is no zombie.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Processor time that the process has used, in the kernel's ticks.
fn processor_ticks(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ').nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}
