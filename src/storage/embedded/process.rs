//! One child process, watched by two threads: one waits for it, one keeps the end of what it
//! says, in memory and in a log file of bounded size.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// How much of the output an error message quotes.
const TAIL_BYTES: usize = 4 * 1024;

/// At this size the log file becomes `*.log.1`, so the two never hold more than twice this.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// A drop blocks its thread, so it waits only as long as a fast shutdown usually takes.
const DROP_WAITS: Duration = Duration::from_secs(2);

/// How a child ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) success: bool,
    pub(super) status: String,
}

/// A running child.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: Option<Ended>,
    /// The output was read to its end.
    drained: bool,
    tail: VecDeque<u8>,
}

impl Process {
    /// Starts `command` with its output going to `log`.
    ///
    /// `PR_SET_PDEATHSIG` fires when the *thread* that forked ends, not when its process does.
    /// A thread of a pool may end at any time, so the fork happens on a thread of its own,
    /// which lives exactly as long as the child because it does nothing but wait for it.
    pub(super) fn spawn(mut command: Command, log: Option<PathBuf>) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let (started, answer) = mpsc::sync_channel(1);
        let watcher = Arc::clone(&shared);
        thread::Builder::new().name("postgres".to_owned()).spawn(move || {
            let child = command.spawn();
            // It holds our writing ends of the pipe, and the reader waits for the last one.
            drop(command);
            match child {
                Ok(child) => {
                    let pid = Pid::from_child(&child);
                    // Sending fails only if the caller is gone, and the child is waited for
                    // all the same.
                    let _ = started.send(Ok(pid));
                    watcher.wait(pid, child);
                }
                Err(error) => drop(started.send(Err(error))),
            }
        })?;
        let pid = answer.recv().map_err(io::Error::other)??;
        let process = Self { pid, shared };
        let drain = Arc::clone(&process.shared);
        thread::Builder::new()
            .name("postgres-log".to_owned())
            .spawn(move || drain.drain(reader, log.map(LogFile::open)))?;
        Ok(process)
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends `signal` if the child still runs.
    pub(super) fn signal(&self, signal: Signal) {
        let state = self.shared.lock();
        // The child is reaped under this lock, so the number cannot have passed to another.
        if state.ended.is_none() {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Waits until the child ends, at most for `time`.
    pub(super) fn wait(&self, time: Duration) -> Option<Ended> {
        self.shared.wait_until(time, |state| state.ended.is_some()).ended.clone()
    }

    /// Tells the child to end, and waits a moment for it.
    pub(super) fn end(&self) {
        self.signal(Signal::INT);
        if self.wait(DROP_WAITS).is_none() {
            tracing::warn!(process.id = self.pid.as_raw_nonzero(), "the child is still ending");
        }
    }

    /// The end of what the child said; all of it if the child has just ended.
    pub(super) fn tail(&self) -> String {
        let mut state = self.shared.lock();
        if state.ended.is_some() {
            drop(state);
            // A grandchild may hold the pipe open a little longer; do not wait for that.
            state = self.shared.wait_until(Duration::from_secs(1), |state| state.drained);
        }
        let (first, second) = state.tail.as_slices();
        String::from_utf8_lossy(&[first, second].concat()).trim_end().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(&self, time: Duration, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn wait(&self, pid: Pid, mut child: Child) {
        // First without reaping, because that must happen under the lock; see `signal`.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), options) {}
        let mut state = self.lock();
        state.ended = Some(match child.wait() {
            Ok(status) => Ended { success: status.success(), status: status.to_string() },
            Err(error) => Ended { success: false, status: error.to_string() },
        });
        drop(state);
        self.changed.notify_all();
    }

    fn drain(&self, mut reader: PipeReader, mut log: Option<LogFile>) {
        let mut buffer = [0; 8 * 1024];
        loop {
            let bytes = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let mut state = self.lock();
            state.tail.extend(bytes);
            let surplus = state.tail.len().saturating_sub(TAIL_BYTES);
            state.tail.drain(..surplus);
            drop(state);
            if let Some(log) = &mut log {
                log.write(bytes);
            }
        }
        self.lock().drained = true;
        self.changed.notify_all();
    }
}

/// A log file that starts anew when it is large. Failures are swallowed: a full disk must not
/// stop the reading, or Postgres would block on its own log.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: Option<File>,
    length: u64,
}

impl LogFile {
    fn open(path: PathBuf) -> Self {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).ok();
        let length = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |m| m.len());
        Self { path, file, length }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.length > LOG_BYTES {
            let _ = fs::rename(&self.path, self.path.with_extension("log.1"));
            *self = Self::open(std::mem::take(&mut self.path));
        }
        if let Some(file) = &mut self.file
            && file.write_all(bytes).is_ok()
        {
            self.length += bytes.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: Option<PathBuf>) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::spawn(command, log).unwrap()
    }

    #[test]
    fn the_end_of_the_output_is_kept_with_the_status() {
        let process = shell("echo one; echo two >&2; exit 3", None);
        let ended = process.wait(Duration::from_secs(10)).unwrap();
        assert!(!ended.success);
        assert_eq!(ended.status, "exit status: 3");
        assert_eq!(process.tail(), "one\ntwo");
    }

    #[test]
    fn a_signal_after_the_end_is_harmless() {
        let process = shell("exec sleep 60", None);
        assert!(process.wait(Duration::from_millis(20)).is_none());
        process.signal(Signal::KILL);
        let ended = process.wait(Duration::from_secs(10)).unwrap();
        assert!(ended.status.contains("signal: 9"), "{}", ended.status);
        process.signal(Signal::KILL);
    }

    #[test]
    fn the_log_file_is_bounded() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("postgres.log");
        let script = "head -c 20000000 /dev/zero; echo end";
        let process = shell(script, Some(path.clone()));
        assert!(process.wait(Duration::from_mins(1)).unwrap().success);
        assert!(process.tail().ends_with("end"));
        let sizes = [path.clone(), path.with_extension("log.1")].map(|path| fs::metadata(path).unwrap().len());
        assert!(sizes.iter().all(|size| *size <= LOG_BYTES + 8 * 1024), "{sizes:?}");
    }

    #[test]
    fn a_command_that_cannot_start_is_an_error() {
        let error = Process::spawn(Command::new("/nowhere/at/all"), None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
