//! A parser for the sandbox's tests: the text of a file says what it does.

#![expect(clippy::panic, clippy::print_stdout, reason = "a parser that misbehaves is what is tested")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use footnote_ingest::document::{Heading, Member, Parsed, Syntax, TextMap};
use footnote_ingest::parse::{ParseError, Source};

fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("parse-child") => footnote_ingest::sandbox::serve(|source, _| parse(source)),
        Some("chatter") => {
            println!("usage: none");
            Ok(())
        }
        _ => Err(std::io::Error::other("the argument `parse-child` is missing")),
    }
}

fn parse(source: &Source<'_>) -> Result<Parsed, ParseError> {
    let text = str::from_utf8(source.bytes).map_err(|_| ParseError::NotText)?;
    let (command, argument) = text.split_once(' ').unwrap_or((text, ""));
    let number: usize = argument.parse().unwrap_or(0);
    let mut members = vec![];
    let answer = match command {
        "" => return Err(ParseError::Empty),
        "spin" => loop {
            black_box(0);
        },
        "spin-ms" => {
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(number as u64) {
                black_box(0);
            }
            std::process::id().to_string()
        }
        "allocate-mib" => black_box(vec![1_u8; number << 20]).len().to_string(),
        "leak-mib" => Vec::leak(vec![1_u8; number << 20]).len().to_string(),
        "shared-mib" => format!("{:?}", shared(number)),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "die" => {
            let own = rustix::process::getpid();
            format!("{:?}", rustix::process::kill_process(own, rustix::process::Signal::KILL))
        }
        "recurse" => recurse(0).to_string(),
        "nest" => nest(number).to_string(),
        "wait" => loop {
            std::thread::park();
        },
        "output-mib" => "x".repeat(number << 20),
        "panic" => panic!("the words of the document"),
        "print" => {
            println!("noise {}", "x".repeat(number));
            std::io::stdin().read_line(&mut String::new()).map_or(1, |read| read).to_string()
        }
        "pid" => std::process::id().to_string(),
        "reach" => reach(argument),
        "environment" => {
            format!("{:?} {:?}", std::env::vars_os().map(|(name, _)| name).collect::<Vec<_>>(), std::env::current_dir())
        }
        "members" => {
            let member = |name: &str| Member { name: name.into(), media_type: None, bytes: vec![0, 255, b'"'] };
            members = vec![member("a"), member("../b")];
            "two".into()
        }
        _ => text.into(),
    };
    let headings = vec![Heading { level: 1, title: source.name.unwrap_or_default().into(), start: 0 }];
    let map = TextMap { headings, ..TextMap::default() };
    let title = source.media_type.map(Into::into);
    Ok(Parsed { title, text: answer, map, syntax: Syntax::Markdown, members })
}

fn recurse(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    if room[3] == u64::MAX { 0 } else { recurse(depth + 1) + room[5] }
}

/// Nesting that a damaged but harmless file may have: 1 KiB of stack a level.
fn nest(depth: usize) -> usize {
    let room = black_box([depth; 128]);
    if depth == 0 { 0 } else { nest(depth - 1) + room[0].min(1) }
}

/// Memory that is not the process's own data.
#[cfg(target_os = "linux")]
fn shared(mib: usize) -> std::io::Result<()> {
    let file = rustix::fs::memfd_create("a", rustix::fs::MemfdFlags::empty())?;
    Ok(rustix::fs::ftruncate(file, (mib as u64) << 20)?)
}

#[cfg(not(target_os = "linux"))]
fn shared(_: usize) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// What a parser that was taken over would try; `refused` or `done`.
fn reach(what: &str) -> String {
    let program = std::process::Command::new("/bin/true");
    let done = match what {
        "read" => std::fs::read("/etc/passwd").is_ok(),
        "list" => std::fs::read_dir("/proc").is_ok(),
        "write" => std::fs::write("/tmp/sandbox-was-here", "x").is_ok(),
        "tcp" => reached(std::net::TcpStream::connect("127.0.0.1:1").map(drop)),
        "udp" => std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
        "program" => { program }.spawn().is_ok(),
        "signal" => {
            let parent = rustix::process::getppid();
            parent.is_some_and(|parent| rustix::process::test_kill_process(parent).is_ok())
        }
        _ => return "what?".into(),
    };
    if done { "done".into() } else { "refused".into() }
}

/// A refused connection has reached the network.
fn reached(connected: std::io::Result<()>) -> bool {
    connected.map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionRefused, |()| true)
}
