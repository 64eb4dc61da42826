//! How a child gives up what a parser does not need: limits of the kernel
//! here, what only Linux has in `linux`. Runs once in a child, before its
//! first thread. Imports the protocol's types.
//!
//! Elsewhere than on Linux, time and output are limited but memory is not.

#[cfg(target_os = "linux")]
mod linux;

use std::fs::File;
use std::io;

use rustix::process::{Resource, Rlimit};
use rustix::time::ClockId;

use super::protocol::{Confinement, Setup};

/// Open files: the pipes and what the runtime opens in passing.
const OPEN_FILES: u64 = 32;

/// Keeps standard input and output for the protocol. Whatever reads or prints
/// later meets `/dev/null` and standard error.
///
/// # Errors
/// Those of the system calls.
pub fn take_standard_streams() -> io::Result<(File, File)> {
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok((input.into(), output.into()))
}

/// Applies all of it to this process.
///
/// # Errors
/// If a limit cannot be set; a child without limits reads nothing.
pub fn apply(setup: &Setup) -> io::Result<Confinement> {
    #[cfg(target_os = "linux")]
    let inherited = linux::inherited();
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, OPEN_FILES)?;
    #[cfg(target_os = "linux")]
    return linux::apply(setup.memory_bytes, inherited);
    #[cfg(not(target_os = "linux"))]
    let Setup { .. } = setup;
    #[cfg(not(target_os = "linux"))]
    Ok(Confinement { memory: false, landlock: false, seccomp: false, inherited: 0 })
}

/// Gives the process `seconds` of processor time from now on.
///
/// `RLIMIT_CPU` counts the whole life of a process; raising its soft limit
/// before each file makes it one for the file, to the second.
///
/// # Errors
/// Those of the system call.
pub fn renew_processor_time(seconds: u64) -> io::Result<()> {
    let used = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    let used = u64::try_from(used.tv_sec).unwrap_or(0) + u64::from(used.tv_nsec > 0);
    let maximum = rustix::process::getrlimit(Resource::Cpu).maximum;
    let current = used.saturating_add(seconds);
    let current = maximum.map_or(current, |maximum| current.min(maximum));
    Ok(rustix::process::setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum })?)
}

/// Sets a limit for good, or leaves a stricter one.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let before = rustix::process::getrlimit(resource).maximum;
    let most = Some(before.map_or(most, |before| before.min(most)));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: most, maximum: most })?)
}
