//! The cluster's files: making them once, and clearing away what a killed server left.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::binaries::{Binaries, leading_number};
use super::error::{EmbeddedError, Tried as _};
use super::guard::Launcher;
use super::process::Process;
use super::user::ServiceUser;
use super::{PORT, USER};

/// How often a condition is looked at again.
pub(super) const POLL: Duration = Duration::from_millis(5);

/// `initdb` takes 2 s on a laptop; a slow network disk may need far longer.
const INITDB_WITHIN: Duration = Duration::from_mins(3);

/// What an orphan is told, and how long it has to obey.
const ORPHAN_SIGNALS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(15)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// The longest path that fits into a socket address, without its final zero.
const SOCKET_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The major version that made the cluster in `folder`; `None` when there is none yet.
pub(super) fn made_by(folder: &Path) -> Result<Option<u32>, EmbeddedError> {
    let ours = rustix::process::geteuid();
    match fs::metadata(folder) {
        Ok(metadata) if !ours.is_root() && metadata.uid() != ours.as_raw() => {
            return Err(EmbeddedError::NotOwner {
                path: folder.to_owned(),
                owner: metadata.uid(),
                ours: ours.as_raw(),
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EmbeddedError::io("read", folder, error)),
    }
    let file = folder.join("PG_VERSION");
    let not_a_cluster = || EmbeddedError::NotACluster { path: folder.to_owned() };
    match fs::read_to_string(&file) {
        Ok(text) => leading_number(text.trim()).map(Some).ok_or_else(not_a_cluster),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let empty = fs::read_dir(folder).tried("read", folder)?.next().is_none();
            if empty { Ok(None) } else { Err(not_a_cluster()) }
        }
        Err(error) => Err(EmbeddedError::io("read", &file, error)),
    }
}

/// Makes the cluster. It grows in a folder beside and moves into place complete, so a killed
/// `initdb` leaves no half cluster.
pub(super) fn make(
    folder: &Path,
    binaries: &Binaries,
    launcher: &Launcher,
    user: Option<&ServiceUser>,
) -> Result<(), EmbeddedError> {
    let parent = folder.parent().unwrap_or(folder);
    for left in unfinished(folder, parent)? {
        remove_tree(&left)?;
    }
    // Of this process alone: what a killed one began may not be dead yet, and
    // clears its folder when it fails.
    let growing = folder.with_extension(format!("new-{}", std::process::id()));
    make_private(&growing, user)?;
    let result = run_initdb(&growing, binaries, launcher)
        .and_then(|()| fs::rename(&growing, folder).tried("move into place", folder));
    if let Err(error) = result {
        let _ = fs::remove_dir_all(&growing);
        return Err(error);
    }
    // `initdb` synced what it wrote; the new name is ours to sync.
    fs::File::open(parent).and_then(|parent| parent.sync_all()).tried("sync", parent)
}

/// Clusters that were begun for `folder` and never moved into place.
fn unfinished(folder: &Path, parent: &Path) -> Result<Vec<PathBuf>, EmbeddedError> {
    let begun = folder.with_extension("new");
    let begun = begun.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).tried("read", parent)? {
        let entry = entry.tried("read", parent)?;
        if entry.file_name().to_string_lossy().starts_with(&begun) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn run_initdb(folder: &Path, binaries: &Binaries, launcher: &Launcher) -> Result<(), EmbeddedError> {
    let mut command = launcher.command(&binaries.initdb());
    command.arg("-D").arg(folder).args([
        "--username",
        USER,
        "--encoding=UTF8",
        "--locale=C",
        // Whoever reaches the socket is let in, and only its folder's owner and root reach it.
        "--auth-local=trust",
        "--auth-host=reject",
        "--data-checksums",
        "--no-instructions",
    ]);
    let process = Process::spawn(command, None).tried("run", &binaries.initdb())?;
    let ended = process.wait(INITDB_WITHIN);
    if ended.as_ref().is_some_and(|ended| ended.success) {
        return Ok(());
    }
    process.signal(Signal::KILL);
    let log = process.tail();
    if is_disk_full(&log) {
        return Err(EmbeddedError::DiskFull { path: folder.to_owned() });
    }
    let status = match ended {
        Some(ended) => ended.status,
        None => format!("stopped after {} s", INITDB_WITHIN.as_secs()),
    };
    Err(EmbeddedError::InitDb { status, log })
}

/// Postgres reports a full disk only in words; `LC_ALL=C` makes sure of their language.
pub(super) fn is_disk_full(log: &str) -> bool {
    log.contains("No space left on device") || log.contains("Disk quota exceeded")
}

/// Gives a cluster that root copied here to the user that will run it.
pub(super) fn hand_over(folder: &Path, user: &ServiceUser) -> Result<(), EmbeddedError> {
    if fs::metadata(folder).tried("read", folder)?.uid() == user.uid {
        return Ok(());
    }
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        if fs::symlink_metadata(&path).tried("read", &path)?.is_dir() {
            for entry in fs::read_dir(&path).tried("read", &path)? {
                left.push(entry.tried("read", &path)?.path());
            }
        }
        lchown(&path, Some(user.uid), Some(user.gid)).tried("change the owner of", &path)?;
    }
    Ok(())
}

/// Removes a folder that a dying `initdb` may be clearing at the same time.
fn remove_tree(folder: &Path) -> Result<(), EmbeddedError> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => {
                return Ok(());
            }
            Err(_) if Instant::now() < deadline => thread::sleep(POLL),
            result => return result.tried("remove", folder),
        }
    }
}

/// Makes a folder that only the database user (and root) can use, or checks that it is one.
fn make_private(folder: &Path, user: Option<&ServiceUser>) -> Result<(), EmbeddedError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(EmbeddedError::io("create", folder, error));
        }
        _ => {}
    }
    // Not through a link: in `/tmp` anybody could have made one.
    let metadata = fs::symlink_metadata(folder).tried("read", folder)?;
    let ours = rustix::process::geteuid().as_raw();
    let wanted = user.map_or(ours, |user| user.uid);
    let wrong = |problem| EmbeddedError::SocketFolder { path: folder.to_owned(), problem };
    if !metadata.is_dir() {
        return Err(wrong("it is not a folder"));
    }
    if metadata.uid() != wanted && metadata.uid() != ours {
        return Err(wrong("it belongs to another user"));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).tried("close", folder)?;
    if let Some(user) = user
        && metadata.uid() != user.uid
    {
        lchown(folder, Some(user.uid), Some(user.gid)).tried("change the owner of", folder)?;
    }
    Ok(())
}

/// Makes the folder for the socket: in the data folder, or where that path is too long for a
/// socket or needs quoting in Postgres's settings, a short one that only we can use.
pub(super) fn socket_folder(data_dir: &Path, user: Option<&ServiceUser>) -> Result<PathBuf, EmbeddedError> {
    let uid = user.map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid);
    let folder = socket_path(data_dir, uid);
    make_private(&folder, user)?;
    Ok(folder)
}

fn socket_path(data_dir: &Path, uid: u32) -> PathBuf {
    let folder = data_dir.join("socket");
    let bytes = folder.as_os_str().len() + format!("/.s.PGSQL.{PORT}").len();
    let plain = folder.to_str().is_some_and(|path| !path.contains([',', '"', '\'', '\\', '\n']));
    if plain && bytes <= SOCKET_PATH_BYTES {
        return folder;
    }
    // FNV-1a: the same name on every start, and no secret.
    let hash = data_dir
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    PathBuf::from(format!("/tmp/footnote-{uid}-{hash:016x}"))
}

/// Ends a server of this cluster that outlived its parent, and removes what a killed one left.
///
/// The caller holds the data folder's lock, so a server that still runs belongs to nobody. The
/// process id in a left-over file may be another program's by now, and Postgres would then
/// refuse to start, so the files go unless that process is this cluster's server.
pub(super) fn clear_left_overs(folder: &Path, socket: &Path) -> Result<(), EmbeddedError> {
    let pid_file = folder.join("postmaster.pid");
    if let Some(pid) = pid_in(&pid_file)
        && is_server_of(pid, folder)
    {
        tracing::warn!(postgres.pid = pid.as_raw_nonzero(), "ending an orphaned postgres");
        end_orphan(pid, folder)?;
    }
    let name = format!(".s.PGSQL.{PORT}");
    for path in [pid_file, socket.join(format!("{name}.lock")), socket.join(name)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(EmbeddedError::io("remove", &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn end_orphan(pid: Pid, folder: &Path) -> Result<(), EmbeddedError> {
    for (signal, time) in ORPHAN_SIGNALS {
        let deadline = Instant::now() + time;
        // It has had SIGINT from the kernel already; once more does no harm.
        let _ = rustix::process::kill_process(pid, signal);
        while Instant::now() < deadline {
            if !is_server_of(pid, folder) {
                return Ok(());
            }
            thread::sleep(POLL);
        }
    }
    Err(EmbeddedError::StillRunning { pid: pid.as_raw_nonzero().get() })
}

/// The process id on the first line of a lock file.
fn pid_in(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    // A server in single-user mode writes its number as a negative one.
    Pid::from_raw(number.checked_abs()?)
}

/// Whether `pid` runs Postgres on the cluster in `folder`: a postmaster, or a backend that
/// outlived it. Both stand in the cluster's folder.
fn is_server_of(pid: Pid, folder: &Path) -> bool {
    let pid = pid.as_raw_nonzero();
    if !Path::new("/proc/self").exists() {
        let ps = Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
        let Ok(ps) = ps else { return false };
        let command = String::from_utf8_lossy(&ps.stdout).into_owned();
        return command.contains("postgres") && command.contains(&*folder.to_string_lossy());
    }
    let process = PathBuf::from(format!("/proc/{pid}"));
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    if !matches!(name.trim(), "postgres" | "postmaster") {
        return false;
    }
    // A zombie stands nowhere, and has ended for our purposes.
    match (fs::metadata(process.join("cwd")), fs::metadata(folder)) {
        (Ok(cwd), Ok(folder)) => (cwd.dev(), cwd.ino()) == (folder.dev(), folder.ino()),
        _ => false,
    }
}

/// Whether the server `pid` takes connections: it says so on line 8 of its lock file.
pub(super) fn is_ready(folder: &Path, pid: Pid) -> bool {
    let file = folder.join("postmaster.pid");
    let text = fs::read_to_string(&file).unwrap_or_default();
    pid_in(&file) == Some(pid) && text.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_with_other_things_is_no_cluster() {
        let temp = tempfile::tempdir().unwrap();
        assert!(matches!(made_by(&temp.path().join("missing")), Ok(None)));
        assert!(matches!(made_by(temp.path()), Ok(None)));
        fs::write(temp.path().join("thesis.txt"), "").unwrap();
        assert!(matches!(made_by(temp.path()), Err(EmbeddedError::NotACluster { .. })));
        fs::write(temp.path().join("PG_VERSION"), "15\n").unwrap();
        assert!(matches!(made_by(temp.path()), Ok(Some(15))));
    }

    #[test]
    fn the_socket_leaves_a_folder_whose_path_is_too_long_or_odd() {
        let short = Path::new("/var/lib/footnote");
        assert_eq!(socket_path(short, 7), short.join("socket"));
        let room = SOCKET_PATH_BYTES - "/socket/.s.PGSQL.5432".len();
        let fits = PathBuf::from(format!("/{}", "a".repeat(room - 1)));
        assert_eq!(socket_path(&fits, 7), fits.join("socket"));
        let long = PathBuf::from(format!("/{}", "a".repeat(room)));
        for path in [long.as_path(), Path::new("/a,b"), Path::new("/a\"b")] {
            let folder = socket_path(path, 7);
            assert!(folder.to_str().unwrap().starts_with("/tmp/footnote-7-"), "{folder:?}");
            assert_eq!(folder, socket_path(path, 7));
        }
    }

    #[test]
    fn a_link_in_place_of_the_socket_folder_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let link = temp.path().join("link");
        symlink("/tmp", &link).unwrap();
        let error = make_private(&link, None).unwrap_err();
        assert!(error.to_string().contains("it is not a folder"), "{error}");
    }

    #[test]
    fn left_over_files_of_another_process_are_removed() {
        let temp = tempfile::tempdir().unwrap();
        let pid_file = temp.path().join("postmaster.pid");
        let socket_lock = temp.path().join(format!(".s.PGSQL.{PORT}.lock"));
        // The number in both files is alive and is this test.
        for file in [&pid_file, &socket_lock] {
            fs::write(file, format!("{}\n", std::process::id())).unwrap();
        }
        clear_left_overs(temp.path(), temp.path()).unwrap();
        assert!(!pid_file.exists() && !socket_lock.exists());
    }

    #[test]
    fn nonsense_in_a_lock_file_names_no_process() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("postmaster.pid");
        for text in ["", "\n", "0\n", "-2147483648\n", "many\n", "99999999999\n"] {
            fs::write(&file, text).unwrap();
            assert!(pid_in(&file).is_none(), "{text:?}");
        }
    }
}
