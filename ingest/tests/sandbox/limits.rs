//! Each limit costs the file that exceeds it, and no other.

use std::time::Duration;

use footnote_ingest::parse::Source;
use footnote_ingest::sandbox::{Limit, Refusal, Sandbox, SandboxConfig};

use crate::{config, limit_of, text_of};

/// Refused for `limit`, on a used child as on a fresh one; the next file works.
async fn costs_one_document(config: SandboxConfig, text: &str, limit: Limit) -> String {
    let sandbox = Sandbox::new(config);
    assert_eq!(limit_of(&sandbox, text).await.0, limit);
    assert_eq!(text_of(&sandbox, "an innocent file").await, "an innocent file");
    let (which, message) = limit_of(&sandbox, text).await;
    assert_eq!(which, limit);
    assert_eq!(text_of(&sandbox, "an innocent file").await, "an innocent file");
    eprintln!("{message}");
    message
}

#[tokio::test]
async fn a_file_that_spins_is_refused_for_processor_time() {
    costs_one_document(config(1), "spin", Limit::Cpu).await;
}

#[tokio::test]
async fn processor_time_is_counted_for_each_file_not_for_the_child() {
    let sandbox = Sandbox::new(SandboxConfig { cpu_seconds: 2, ..config(1) });
    let pid = text_of(&sandbox, "pid").await;
    for _ in 0..4 {
        assert_eq!(text_of(&sandbox, "spin-ms 800").await, pid);
    }
    assert_eq!(limit_of(&sandbox, "spin").await.0, Limit::Cpu);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_takes_too_much_memory_is_refused_for_it() {
    costs_one_document(config(1), "allocate-mib 2048", Limit::Memory).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_larger_than_the_memory_is_refused_for_it() {
    let sandbox = Sandbox::new(SandboxConfig { memory_bytes: 48 << 20, ..config(1) });
    for mib in [47, 49] {
        let bytes = vec![b'x'; mib << 20];
        let answer = sandbox.parse(&Source { bytes: &bytes, name: None, media_type: None }).await;
        assert!(matches!(answer, Err(Refusal::Limit { which: Limit::Memory, .. })), "{mib}: {answer:?}");
    }
    assert_eq!(text_of(&sandbox, "ok").await, "ok");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_that_earlier_files_left_behind_is_not_held_against_the_next() {
    let sandbox = Sandbox::new(config(1));
    let pid = text_of(&sandbox, "pid").await;
    text_of(&sandbox, "leak-mib 20").await;
    assert_eq!(text_of(&sandbox, "pid").await, pid);
    assert_eq!(text_of(&sandbox, "allocate-mib 90").await, (90 << 20).to_string());
    text_of(&sandbox, "leak-mib 60").await;
    assert_ne!(text_of(&sandbox, "pid").await, pid, "a fat child is replaced");
}

#[tokio::test]
async fn memory_outside_of_the_process_data_cannot_be_had() {
    let sandbox = Sandbox::new(config(1));
    if sandbox.warm().await.unwrap().seccomp {
        assert!(text_of(&sandbox, "shared-mib 2048").await.contains("Err"));
    }
}

#[tokio::test]
async fn an_abort_is_a_crash() {
    costs_one_document(config(1), "abort", Limit::Crash).await;
}

#[tokio::test]
async fn a_child_that_leaves_is_a_crash() {
    costs_one_document(config(1), "exit", Limit::Crash).await;
}

#[tokio::test]
async fn a_stack_overflow_is_a_crash() {
    costs_one_document(config(1), "recurse", Limit::Crash).await;
}

#[tokio::test]
async fn nesting_of_4_000_levels_fits_the_stack() {
    assert_eq!(text_of(&Sandbox::new(config(1)), "nest 4000").await, "4000");
}

#[tokio::test]
async fn a_file_that_waits_is_refused_for_time() {
    costs_one_document(SandboxConfig { wall: Duration::from_millis(300), ..config(1) }, "wait", Limit::Wall).await;
}

#[tokio::test]
async fn a_file_whose_child_is_killed_twice_is_a_crash() {
    costs_one_document(config(1), "die", Limit::Crash).await;
}

#[tokio::test]
async fn a_huge_output_is_refused_and_the_server_does_not_grow() {
    let before = peak_kib();
    costs_one_document(config(1), "output-mib 100", Limit::Output).await;
    let grown = peak_kib() - before;
    eprintln!("a document of 100 MiB refused; the server grew by {grown} KiB");
    assert!(grown < 20 << 10, "{grown} KiB");
}

/// Peak memory of this process. Tests of other threads count too; they are small.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
