//! Ties a child to our life: no process that starts here outlives us.
//!
//! `PR_SET_PDEATHSIG` has to be set in the child between `fork` and `exec`, which safe Rust
//! cannot do. So our own binary is started first, as a guard: it sets the signal and then
//! becomes Postgres by `exec`, under the same process id.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::{CommandExt as _, parent_id};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};

use super::user::ServiceUser;
use super::{Config, EmbeddedPostgres};

/// First argument of the guard: parent's process id, program and its arguments follow.
pub const GUARD_ARG: &str = "__postgres-guard";

/// First argument of the holder, for tests and debugging: starts the Postgres of the data
/// folder that follows, prints the socket's folder and waits until it is killed.
pub const HOLD_ARG: &str = "__postgres-hold";

/// Must be the first thing that `main` calls, before any thread is started: when the process
/// was started as a guard, this becomes Postgres and does not return on success. `None` means
/// that the arguments are for the program itself.
pub fn guard_main(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let first = args.next()?;
    let outcome = if first == GUARD_ARG {
        guard(args)
    } else if first == HOLD_ARG {
        hold(args)
    } else {
        return None;
    };
    let Err(problem) = outcome;
    let _ = writeln!(io::stderr(), "{problem}");
    Some(ExitCode::FAILURE)
}

/// What a guard or a holder returns if it succeeds: nothing, it never does.
type Never = std::convert::Infallible;

fn guard(mut args: impl Iterator<Item = OsString>) -> Result<Never, String> {
    let parent: Option<u32> = args.next().and_then(|arg| arg.to_str()?.parse().ok());
    let (Some(parent), Some(program)) = (parent, args.next()) else {
        return Err(format!("`{GUARD_ARG}` is internal; run the program without it"));
    };
    // SIGINT is a fast shutdown: sessions end, a checkpoint is written, shared memory is freed.
    // The user id was changed before this point, at the fork: changing it later clears the
    // signal again.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::INT))
        .map_err(|error| format!("cannot tie Postgres to its parent: {error}"))?;
    // A parent that died before that line sends nothing any more.
    if parent_id() != parent {
        return Err("the parent is gone, so Postgres is not started".to_owned());
    }
    let error = Command::new(&program).args(args).exec();
    Err(format!("cannot run `{}`: {error}", program.display()))
}

fn hold(mut args: impl Iterator<Item = OsString>) -> Result<Never, String> {
    let data_dir = args.next().ok_or("name the data folder")?.into();
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    let config = Config { data_dir, bin_dir: None, guard_exe: None };
    let postgres = runtime.block_on(EmbeddedPostgres::start(&config)).map_err(|error| error.to_string())?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", postgres.socket_dir().display())
        .and_then(|()| stdout.flush())
        .map_err(|error| error.to_string())?;
    loop {
        std::thread::park();
    }
}

/// Starts programs through the guard.
#[derive(Debug)]
pub(super) struct Launcher {
    exe: PathBuf,
    /// Keeps `exe` valid when it names an open file.
    _file: Option<File>,
    user: Option<ServiceUser>,
}

impl Launcher {
    pub(super) fn new(exe: Option<&Path>, user: Option<ServiceUser>) -> io::Result<Self> {
        let Some(exe) = exe else {
            return Ok(Self { exe: own_exe()?, _file: None, user });
        };
        // The database user may not be able to walk to the file, but may run an open one.
        let file = File::open(exe)?;
        let open = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let exe = if open.exists() { open } else { exe.canonicalize()? };
        Ok(Self { exe, _file: Some(file), user })
    }

    /// A command that will run `program` as the right user and not outlive us.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.exe);
        command
            .arg(GUARD_ARG)
            .arg(process::id().to_string())
            .arg(program)
            .current_dir("/")
            // Ctrl-C in a terminal reaches the whole group, and Postgres has to outlast the
            // requests that we finish first.
            .process_group(0)
            .env("LC_ALL", "C");
        // The caller's `PGPORT`, `PGDATA` and the like are about other servers.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some(user) = &self.user {
            user.apply(&mut command);
        }
        command
    }
}

/// Our own binary. The link in `/proc` is best: it needs no way to the file, and still works
/// when an upgrade has replaced it.
fn own_exe() -> io::Result<PathBuf> {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() {
        return Ok(link);
    }
    env::current_exe().or_else(|error| {
        // On Linux `current_exe` reads `/proc` too, so without it only the arguments are left.
        let name = PathBuf::from(env::args_os().next().ok_or(error)?);
        if name.components().count() > 1 {
            return name.canonicalize();
        }
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .map(|folder| folder.join(&name))
            .find(|file| file.is_file())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_arguments_are_left_to_the_program() {
        for args in [vec![], vec!["footnote"], vec!["footnote", "serve", GUARD_ARG]] {
            assert!(guard_main(args.into_iter().map(OsString::from)).is_none());
        }
    }

    #[test]
    fn a_guard_whose_parent_is_gone_starts_nothing() {
        let args = ["1".into(), "/bin/false".into()];
        assert!(guard(args.into_iter()).unwrap_err().contains("parent is gone"));
    }

    #[test]
    fn a_guard_without_a_program_explains_itself() {
        assert!(guard(std::iter::empty()).unwrap_err().contains("internal"));
    }
}
