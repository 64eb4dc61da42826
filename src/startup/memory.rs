//! The C library's heap. glibc keeps a heap for each of many threads, and what
//! was once a large block stays in it: a model's runs leave hundreds of
//! megabytes behind. It can be told otherwise only by its environment at the
//! start of a process, so the process starts itself once more.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Once;
use std::thread;
use std::time::Duration;

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

/// How often what is free is given back.
const TIDY: Duration = Duration::from_secs(20);

/// Gives what is free within the heaps back to the system, now and then, for as long
/// as the process lives: by itself the library gives only what lies at their ends, so
/// what a rush of requests took for a moment would stay. See `malloc_trim(3)`.
pub fn keep_tidy() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let tidying = thread::Builder::new().name("heap".to_owned()).spawn(|| {
            loop {
                thread::sleep(TIDY);
                trim();
            }
        });
        if let Err(error) = tidying {
            tracing::warn!(%error, "free memory is not given back to the system");
        }
    });
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the library has no other way to be told")]
fn trim() {
    // SAFETY: may be called at any time from any thread.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
#[cfg(target_env = "gnu")]
mod tests {
    use super::*;

    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
        let pages: u64 = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
        pages * 4096
    }

    #[test]
    fn what_is_free_within_the_heap_is_given_back() {
        // Blocks of 16 KiB, of which every other one stays.
        let mut blocks: Vec<Option<Vec<u8>>> = (0..4096).map(|_| Some(vec![7; 16 * 1024])).collect();
        for block in blocks.iter_mut().step_by(2) {
            *block = None;
        }
        let before = resident();
        trim();
        assert!(before - resident() > 16 << 20, "{before} became {}", resident());
        assert!(blocks.iter().flatten().all(|block| block[0] == 7));
    }
}
