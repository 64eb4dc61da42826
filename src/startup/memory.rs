//! The C library's heap. glibc keeps a heap for each of many threads, and what
//! was once a large block stays in it: a model's runs leave hundreds of
//! megabytes behind. It can be told otherwise only by its environment at the
//! start of a process, so the process starts itself once more.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Heaps, and the size in bytes from which on blocks are given back to the
/// system: see `mallopt(3)`.
const SETTINGS: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];

/// Starts this process again with a frugal heap, under the same id; returns
/// where that is done already, was set by the caller, or cannot be done. For
/// `main`, before anything else is under way.
pub fn settle() {
    let is_set = SETTINGS.iter().any(|(name, _)| std::env::var_os(name).is_some());
    if !cfg!(target_env = "gnu") || is_set {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let Some(name) = arguments.next() else { return };
    // Returns only if it failed: then this process goes on as it is.
    let _ = Command::new(program).arg0(name).args(arguments).envs(SETTINGS).exec();
}
