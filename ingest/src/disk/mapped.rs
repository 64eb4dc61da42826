//! Writes into mapped files, for which the disk may have no room.
//!
//! A file that is mapped takes its blocks when they are first touched. Where none
//! is left then, the kernel sends SIGBUS, which ends the process. Here the signal
//! gives up what is held for this; the same instruction is done again when the
//! handler returns, and finds room. When all is given up, or nothing could be held,
//! whoever touched the page waits until somebody makes room, which the log asks for.
//! Everybody else goes on, but for those who look into the part of the index that is
//! being written: they wait too.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use libc::{c_int, c_void, siginfo_t};
use rustix::thread::nanosleep;
use rustix::time::Timespec;

use super::spare::Spare;

/// Bytes below which a disk has no room: some file systems refuse the last ones.
const LITTLE: u64 = 4 * 1024 * 1024;
/// How long somebody waits before he tries again.
const WAIT: Duration = Duration::from_millis(20);
/// How often something is tried in vain on a disk that has room: there is another
/// reason then, a file that was cut off say, and that does not pass.
const IN_VAIN: u32 = 200;

/// What is held for all mapped files of this process.
static SPARE: OnceLock<Option<Spare>> = OnceLock::new();
static TRIED: AtomicU32 = AtomicU32::new(0);
/// Somebody waits for room.
static WAITS: AtomicBool = AtomicBool::new(false);
/// Nothing could be held, which was said.
static NOTHING_HELD: AtomicBool = AtomicBool::new(false);
/// How often it is looked whether somebody waits.
const LOOK: Duration = Duration::from_secs(5);

/// Holds so many bytes on the disk of `folder`, as far as it has them. The first
/// folder decides the disk, and from then on a full one ends nothing. False when there
/// is no room any more; where nothing can be held for other reasons, that is logged.
pub(super) fn hold(folder: &Path, bytes: u64) -> bool {
    let spare = SPARE.get_or_init(|| {
        let spare = Spare::on_disk_of(folder).inspect_err(|error| {
            tracing::warn!(%error, "nothing can be held for a full disk, which may end the process");
        });
        if spare.is_ok() {
            catch_bus_errors();
            ask_for_room();
        }
        spare.ok()
    });
    let Some(spare) = spare else { return true };
    if TRIED.swap(0, Ordering::Relaxed) > 0 {
        tracing::warn!("the disk was full while the index was written, which used what was held for that");
    }
    let why = match spare.hold(bytes) {
        Ok(()) if bytes > 0 => return true,
        Ok(()) => "there is no reserve".to_owned(),
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => return false,
        Err(error) => error.to_string(),
    };
    if !NOTHING_HELD.swap(true, Ordering::Relaxed) {
        tracing::warn!(why, "nothing is held for a full disk: one that others fill holds up searches");
    }
    true
}

/// Bytes that are held.
pub(super) fn held() -> u64 {
    SPARE.get().and_then(Option::as_ref).map_or(0, Spare::held)
}

/// Whether what failed for want of room may be tried again. Called by a signal's
/// handler: takes no lock and no memory.
fn may_try_again() -> bool {
    let Some(Some(spare)) = SPARE.get() else { return false };
    let Ok(free) = spare.free() else { return false };
    if free < LITTLE {
        TRIED.fetch_max(1, Ordering::Relaxed);
    } else if TRIED.fetch_add(1, Ordering::Relaxed) >= IN_VAIN {
        return false;
    }
    if spare.give(u64::MAX) > 0 {
        return true;
    }
    WAITS.store(true, Ordering::Relaxed);
    let _ = nanosleep(&Timespec { tv_sec: 0, tv_nsec: WAIT.subsec_nanos().into() });
    true
}

/// Says so when somebody waits, in a thread that the one who waits does not hold up.
fn ask_for_room() {
    let watch = || loop {
        std::thread::sleep(LOOK);
        if WAITS.swap(false, Ordering::Relaxed) {
            tracing::error!("the disk is full, and the index waits for room in the midst of a write; free some space");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("disk".into()).spawn(watch) {
        tracing::warn!(%error, "a full disk will not be told of");
    }
}

#[expect(unsafe_code, reason = "the system gives no other way to set a handler and to read what it is told")]
fn catch_bus_errors() {
    extern "C" fn on_bus_error(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
        // SAFETY: the kernel hands over a valid `siginfo_t`, for `SA_SIGINFO` is set.
        let of_a_file = unsafe { (*info).si_code } == libc::BUS_ADRERR;
        if !(of_a_file && may_try_again()) {
            // SAFETY: both may be called in handlers. The process ends as it would
            // have without this one, when it returns.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                libc::raise(signal);
            }
        }
    }
    // SAFETY: all zeros are a valid `sigaction`: no flags, and no signals that wait.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_bus_error as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler has the form that `SA_SIGINFO` asks for, and does only
    // what handlers may do.
    if unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) } != 0 {
        tracing::warn!("a full disk may end the process: its signal cannot be caught");
    }
}
