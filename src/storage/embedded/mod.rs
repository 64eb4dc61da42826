//! A private Postgres that the program starts and stops itself.
//!
//! Owns the folders `postgres` and `socket`, the lock and the log in the data folder. Imports
//! nothing of the crate, and knows no SQL: it hands out where to connect, and its caller makes
//! the database.
//!
//! The server listens on a Unix socket only, in a folder that only its user (and root) can
//! enter. It ends with us, however we end: see [`guard_main`]. On systems other than Linux a
//! server can outlive a killed parent; the next start ends it. One that ends by itself is
//! started again, in the same place.

mod binaries;
mod cluster;
mod error;
mod guard;
mod keeper;
mod process;
mod user;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use binaries::Binaries;
use cluster::POLL;
pub use error::EmbeddedError;
use error::Tried as _;
use guard::Launcher;
pub use guard::{GUARD_ARG, HOLD_ARG, guard_main};
use keeper::Keeper;
use process::Process;

/// Names the socket's file; nothing listens on the network.
pub const PORT: u16 = 5432;

/// The superuser, and the only user.
pub const USER: &str = "footnote";

/// How long a start may take, crash recovery included.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long the lock may stay with a process that is just being killed.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

/// What a server is told at the end, and how long it has to obey.
const STOP_SIGNALS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(10)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// Small memory at rest, small files, and a quiet log.
const SETTINGS: [&str; 11] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "cluster_name=footnote",
    "max_connections=60",
    "shared_buffers=128MB",
    "max_wal_size=256MB",
    // Compiling plans costs more memory than our short queries could win back in time.
    "jit=off",
    // `try` can end a backend by SIGBUS in a container whose limit for huge pages is zero.
    "huge_pages=off",
    // Statements carry the text of private documents.
    "log_min_error_statement=panic",
    "log_timezone=UTC",
    "log_line_prefix=%m [%p] ",
];

/// Where things are.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Holds the cluster; made if missing.
    pub data_dir: PathBuf,
    /// Where to look for `initdb` and `postgres` first.
    pub bin_dir: Option<PathBuf>,
    /// A program whose `main` calls [`guard_main`]; the running one if `None`.
    pub guard_exe: Option<PathBuf>,
}

/// A running server. Dropping it stops it too, but only [`EmbeddedPostgres::stop`] says whether
/// it did.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    keeper: Keeper,
    /// Released last, when the server is gone.
    _lock: File,
}

impl EmbeddedPostgres {
    /// Starts the server of `config.data_dir`, making its cluster on the first start, and
    /// returns when it takes connections.
    ///
    /// # Errors
    ///
    /// Each [`EmbeddedError`] says what to do about it.
    pub async fn start(config: &Config) -> Result<Self, EmbeddedError> {
        let data_dir = config.data_dir.clone();
        let config = config.clone();
        // A caller that stops waiting drops the result, and with it the server.
        tokio::task::spawn_blocking(move || start(&config))
            .await
            .map_err(io::Error::other)
            .tried("start the database in", &data_dir)?
    }

    /// The folder of the Unix socket. Connect to port [`PORT`] there as user [`USER`], without
    /// a password; database `postgres` exists, any other is the caller's to create.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.keeper.plan().socket_dir
    }

    /// The folder of the binaries, where `psql` and `pg_dump` may be too.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.keeper.plan().binaries.folder
    }

    /// The server's process id: another one when it ended by itself and was started again.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.keeper.pid().as_raw_nonzero().get().unsigned_abs()
    }

    /// Stops the server: open sessions end, then a checkpoint is written.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::StillRunning`] when it ignores even SIGKILL.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let folder = self.keeper.plan().folder.clone();
        tokio::task::spawn_blocking(move || match self.keeper.stop(&STOP_SIGNALS) {
            Some(ended) => {
                tracing::info!(postgres.status = ended.status, "postgres stopped");
                Ok(())
            }
            None => Err(EmbeddedError::StillRunning { pid: self.keeper.pid().as_raw_nonzero().get() }),
        })
        .await
        .map_err(io::Error::other)
        .tried("stop the database in", &folder)?
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        self.keeper.end();
        // Leaves no litter in `/tmp`. While the server is still ending the folder is not empty
        // and stays; the next start uses it again.
        let socket_dir = self.socket_dir();
        if socket_dir.parent() == Some(Path::new("/tmp")) {
            let _ = fs::remove_dir(socket_dir);
        }
    }
}

/// What a launch needs.
#[derive(Debug)]
struct Plan {
    data_dir: PathBuf,
    folder: PathBuf,
    socket_dir: PathBuf,
    binaries: Binaries,
    launcher: Launcher,
}

fn start(config: &Config) -> Result<EmbeddedPostgres, EmbeddedError> {
    let begun = Instant::now();
    let data_dir = prepare(&config.data_dir)?;
    let lock = lock(&data_dir)?;
    let plan = plan(config, data_dir)?;
    let process = launch(&plan, &AtomicBool::new(false))?;
    tracing::info!(
        postgres.pid = process.pid().as_raw_nonzero(),
        postgres.version = plan.binaries.major,
        postgres.socket = %plan.socket_dir.display(),
        elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "postgres is ready"
    );
    let data_dir = plan.data_dir.clone();
    let keeper = Keeper::start(plan, process).tried("look after the database in", &data_dir)?;
    Ok(EmbeddedPostgres { keeper, _lock: lock })
}

/// Makes the data folder; its parents as open as usual, itself for us alone.
fn prepare(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    let data_dir = std::path::absolute(data_dir).tried("find", data_dir)?;
    if let Some(parent) = data_dir.parent() {
        fs::create_dir_all(parent).tried("create", parent)?;
    }
    match DirBuilder::new().mode(0o700).create(&data_dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(EmbeddedError::io("create", &data_dir, error))
        }
        _ => data_dir.canonicalize().tried("find", &data_dir),
    }
}

/// Takes the data folder for this process. The kernel lets go of the lock when we end, so it
/// is never stale.
fn lock(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join("postgres.lock");
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(&path).tried("open", &path)?;
    let deadline = Instant::now() + LOCK_WITHIN;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(POLL),
            Err(TryLockError::WouldBlock) => {
                return Err(EmbeddedError::InUse { data_dir: data_dir.to_owned() });
            }
            Err(TryLockError::Error(error)) => {
                return Err(EmbeddedError::io("lock", &path, error));
            }
        }
    }
}

/// Chooses user, binaries and folders, and makes the cluster if there is none.
fn plan(config: &Config, data_dir: PathBuf) -> Result<Plan, EmbeddedError> {
    let folder = data_dir.join("postgres");
    let made_by = cluster::made_by(&folder)?;
    let user = user::service_user(&folder)?;
    if let Some(user) = &user {
        user::open_way(&data_dir, user)?;
    }
    let user = user.as_ref();
    let places = binaries::places(config.bin_dir.as_deref());
    let binaries = binaries::find(&places, &folder, made_by, user)?;
    if config.bin_dir.is_some() && places.first() != Some(&binaries.folder) {
        tracing::warn!(
            postgres.bin_dir = %binaries.folder.display(),
            "the configured folder has no suitable postgres, using another"
        );
    }
    let exe = config.guard_exe.as_deref();
    let launcher = Launcher::new(exe, user.cloned()).tried("open", exe.unwrap_or(Path::new("our own executable")))?;
    if made_by.is_none() {
        tracing::info!(postgres.folder = %folder.display(), "making the database, once");
        cluster::make(&folder, &binaries, &launcher, user)?;
    } else if let Some(user) = user {
        cluster::hand_over(&folder, user)?;
    }
    let socket_dir = cluster::socket_folder(&data_dir, user)?;
    Ok(Plan { data_dir, folder, socket_dir, binaries, launcher })
}

/// Starts the server and waits until it takes connections, or until `stop` says that it is
/// not wanted any more.
fn launch(plan: &Plan, stop: &AtomicBool) -> Result<Process, EmbeddedError> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        cluster::clear_left_overs(&plan.folder, &plan.socket_dir)?;
        let process = spawn(plan)?;
        match wait_until_ready(&process, &plan.folder, deadline, stop) {
            Ok(()) => return Ok(process),
            Err(EmbeddedError::Ended { log, .. })
                if is_contested(&log) && Instant::now() < deadline && !stop.load(Ordering::Acquire) =>
            {
                tracing::warn!("an earlier postgres is still ending, trying again");
                thread::sleep(10 * POLL);
            }
            Err(error) => return Err(error),
        }
    }
}

fn spawn(plan: &Plan) -> Result<Process, EmbeddedError> {
    let postgres = plan.binaries.postgres();
    let mut command = plan.launcher.command(&postgres);
    command.arg("-D").arg(&plan.folder).arg("-p").arg(PORT.to_string());
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.arg("-c").arg(format!("unix_socket_directories={}", plan.socket_dir.display()));
    let log = plan.data_dir.join("postgres.log");
    Process::spawn(command, Some(log)).tried("run", &postgres)
}

fn wait_until_ready(
    process: &Process,
    folder: &Path,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<(), EmbeddedError> {
    while !cluster::is_ready(folder, process.pid()) {
        if let Some(ended) = process.wait(POLL) {
            let log = process.tail();
            return Err(if cluster::is_disk_full(&log) {
                EmbeddedError::DiskFull { path: folder.to_owned() }
            } else {
                EmbeddedError::Ended { status: ended.status, log }
            });
        }
        if Instant::now() >= deadline || stop.load(Ordering::Acquire) {
            let seconds = READY_WITHIN.as_secs();
            return Err(EmbeddedError::NotReady { seconds, log: process.tail() });
        }
    }
    Ok(())
}

/// Whether a server gave up because the last one's processes are not all gone yet: those of a
/// killed postmaster hold its shared memory, and one that was just forked when we were killed
/// may write its lock file after we looked.
fn is_contested(log: &str) -> bool {
    log.contains("pre-existing shared memory block") || (log.contains("lock file \"") && log.contains("already exists"))
}
