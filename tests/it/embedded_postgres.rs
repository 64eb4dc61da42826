//! The embedded Postgres, with real servers: each test makes its own cluster.
//!
//! `FOOTNOTE_KILLS` sets how often the kill test kills (5 unless set).

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use footnote::storage::embedded::{Config, EmbeddedError, EmbeddedPostgres, HOLD_ARG, USER};
use tempfile::TempDir;

/// A temporary folder that the database user can pass through.
fn temp() -> TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
    temp
}

async fn start(data_dir: &Path) -> Result<EmbeddedPostgres, EmbeddedError> {
    let guard_exe = Some(env!("CARGO_BIN_EXE_footnote").into());
    EmbeddedPostgres::start(&Config { data_dir: data_dir.into(), bin_dir: None, guard_exe }).await
}

/// Runs one statement and returns what `psql` prints.
fn query(socket_dir: &Path, sql: &str) -> String {
    let output = Command::new("psql")
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", "postgres"])
        .arg("-h")
        .arg(socket_dir)
        .args(["-c", sql])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Every process that stands in the cluster's folder, with its parent.
fn servers(data_dir: &Path) -> HashMap<i32, i32> {
    let cluster = data_dir.join("postgres");
    let Ok(cluster) = fs::metadata(cluster) else {
        return HashMap::new();
    };
    let stands_there = |entry: &fs::DirEntry| {
        fs::metadata(entry.path().join("cwd")).is_ok_and(|cwd| (cwd.dev(), cwd.ino()) == (cluster.dev(), cluster.ino()))
    };
    let parent = |status: &str| status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(stands_there)
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, parent(&fs::read_to_string(entry.path().join("status")).ok()?)?))
        })
        .collect()
}

fn postmasters(data_dir: &Path) -> usize {
    let servers = servers(data_dir);
    servers.values().filter(|parent| !servers.contains_key(parent)).count()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Another process that holds a server until it is killed.
struct Holder {
    child: Child,
    socket_dir: PathBuf,
}

impl Holder {
    fn start(data_dir: &Path) -> Self {
        let mut child = Self::spawn(data_dir);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the holder failed to start");
        Self { child, socket_dir: line.trim().into() }
    }

    fn spawn(data_dir: &Path) -> Child {
        Command::new(env!("CARGO_BIN_EXE_footnote")).arg(HOLD_ARG).arg(data_dir).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn the_second_start_finds_what_the_first_one_kept() {
    let temp = temp();
    let data_dir = temp.path().join("deep/data");
    let begun = Instant::now();
    let postgres = start(&data_dir).await.unwrap();
    eprintln!("first start: {:?}", begun.elapsed());
    assert_eq!(query(postgres.socket_dir(), "select 1"), "1");
    assert_eq!(query(postgres.socket_dir(), "show listen_addresses"), "");
    assert_eq!(query(postgres.socket_dir(), "show server_encoding"), "UTF8");
    query(postgres.socket_dir(), "create table kept as select 7 as n");
    postgres.stop().await.unwrap();
    assert_eq!(postmasters(&data_dir), 0);

    for _ in 0..3 {
        let begun = Instant::now();
        let postgres = start(&data_dir).await.unwrap();
        let ready = begun.elapsed();
        assert_eq!(query(postgres.socket_dir(), "select n from kept"), "7");
        let begun = Instant::now();
        postgres.stop().await.unwrap();
        eprintln!("warm start: {ready:?}, stop: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn only_the_database_user_and_root_reach_the_files() {
    let temp = temp();
    let data_dir = temp.path().join("data");
    let postgres = start(&data_dir).await.unwrap();
    for folder in [postgres.socket_dir(), &data_dir.join("postgres")] {
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o7777, 0o700, "{folder:?}");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", postgres.pid())).unwrap();
    let field = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let uids = field("Uid:");
    assert!(uids.iter().all(|uid| uid != "0"), "{uids:?}");
    if rustix::process::geteuid().is_root() {
        assert!(field("Groups:").is_empty(), "root's groups are dropped");
    }
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn killed_parents_take_the_server_along_and_lose_no_row() {
    let kills = env::var("FOOTNOTE_KILLS").map_or(5, |kills| kills.parse().unwrap());
    let temp = temp();
    let data_dir = temp.path().join("data");
    let mut slowest = Duration::ZERO;
    for round in 0..kills {
        let begun = Instant::now();
        let holder = Holder::start(&data_dir);
        if round > 0 {
            slowest = slowest.max(begun.elapsed());
        }
        assert_eq!(postmasters(&data_dir), 1);
        query(&holder.socket_dir, "create table if not exists kept (n int)");
        assert_eq!(query(&holder.socket_dir, "select count(*) from kept"), round.to_string());
        query(&holder.socket_dir, "insert into kept values (1)");
        holder.kill();
    }
    eprintln!("slowest start after {kills} kills: {slowest:?}");
    assert!(slowest < Duration::from_secs(15), "{slowest:?}");
    wait_until("the end of the orphan", || postmasters(&data_dir) == 0);
}

#[tokio::test]
async fn a_kill_of_every_process_at_once_is_survived() {
    let temp = temp();
    let data_dir = temp.path().join("data");
    for round in 0..3 {
        let holder = Holder::start(&data_dir);
        query(&holder.socket_dir, "create table if not exists kept (n int)");
        query(&holder.socket_dir, "insert into kept values (1)");
        let mut kill = Command::new("kill");
        kill.arg("-9").args(servers(&data_dir).keys().map(i32::to_string));
        if round == 2 {
            // The server first and alone: its parent lives and sees it.
            kill.status().unwrap();
            holder.kill();
        } else {
            kill.arg(holder.child.id().to_string()).status().unwrap();
            holder.kill();
        }
    }
    let postgres = start(&data_dir).await.unwrap();
    assert_eq!(query(postgres.socket_dir(), "select count(*) from kept"), "3");
    assert_eq!(postmasters(&data_dir), 1);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_during_the_first_start_leaves_no_half_cluster() {
    let temp = temp();
    for wait in [20, 200, 700, 1200] {
        let data_dir = temp.path().join(wait.to_string());
        let mut holder = Holder::spawn(&data_dir);
        // Not for readiness: each wait strikes another step of the first start.
        std::thread::sleep(Duration::from_millis(wait));
        holder.kill().unwrap();
        holder.wait().unwrap();
        let postgres = start(&data_dir).await.unwrap();
        assert_eq!(query(postgres.socket_dir(), "select 1"), "1");
        postgres.stop().await.unwrap();
        let left = std::fs::read_dir(&data_dir).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("postgres.new")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[tokio::test]
async fn a_recycled_process_id_in_stale_files_does_not_matter() {
    let temp = temp();
    let data_dir = temp.path().join("data");
    let postgres = start(&data_dir).await.unwrap();
    let pid_file = data_dir.join("postgres/postmaster.pid");
    let lock_file = postgres.socket_dir().join(".s.PGSQL.5432.lock");
    let texts = [&pid_file, &lock_file].map(|file| fs::read_to_string(file).unwrap());
    let old = postgres.pid().to_string();
    postgres.stop().await.unwrap();

    let mut other = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
    for (file, text) in [pid_file, lock_file].iter().zip(texts) {
        fs::write(file, text.replacen(&old, &other.id().to_string(), 1)).unwrap();
    }
    let postgres = start(&data_dir).await.unwrap();
    assert_eq!(query(postgres.socket_dir(), "select 1"), "1");
    assert!(other.try_wait().unwrap().is_none(), "the other process is left alone");
    postgres.stop().await.unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn one_folder_serves_one_process() {
    let temp = temp();
    let postgres = start(temp.path()).await.unwrap();
    let error = start(temp.path()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::InUse { .. }), "{error}");
    assert_eq!(query(postgres.socket_dir(), "select 1"), "1");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_stops() {
    let temp = temp();
    let postgres = start(temp.path()).await.unwrap();
    assert_eq!(postmasters(temp.path()), 1);
    drop(postgres);
    wait_until("the end of the server", || postmasters(temp.path()) == 0);
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_started_again() {
    let temp = temp();
    let postgres = start(temp.path()).await.unwrap();
    query(postgres.socket_dir(), "create table kept as select 7 as n");
    let first = postgres.pid();
    Command::new("kill").args(["-9", &first.to_string()]).status().unwrap();
    // It is known by another number once it takes connections.
    wait_until("the next server", || postgres.pid() != first);
    assert_eq!(query(postgres.socket_dir(), "select n from kept"), "7");
    postgres.stop().await.unwrap();
    assert_eq!(postmasters(temp.path()), 0, "one that was stopped is not");
}

#[tokio::test]
async fn a_server_that_cannot_be_started_again_can_be_stopped() {
    let temp = temp();
    let postgres = start(temp.path()).await.unwrap();
    let settings = temp.path().join("postgres/postgresql.conf");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text + "work_mem = lots\n").unwrap();
    Command::new("kill").args(["-9", &postgres.pid().to_string()]).status().unwrap();
    wait_until("the end of the server", || postmasters(temp.path()) == 0);
    postgres.stop().await.unwrap();
    assert_eq!(postmasters(temp.path()), 0);
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_still_works() {
    let temp = temp();
    let data_dir = temp.path().join(format!("{}/it's, \"odd\"", "long".repeat(30)));
    let postgres = start(&data_dir).await.unwrap();
    let socket_dir = postgres.socket_dir().to_owned();
    assert!(socket_dir.starts_with("/tmp") && !socket_dir.starts_with(temp.path()));
    assert_eq!(fs::metadata(&socket_dir).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(query(&socket_dir, "select 1"), "1");
    postgres.stop().await.unwrap();
    assert!(!socket_dir.exists(), "nothing is left in `/tmp`");
}

#[tokio::test]
async fn a_closed_folder_on_the_way_is_named() {
    if !rustix::process::geteuid().is_root() {
        return; // Everybody else runs Postgres as themselves.
    }
    let temp = temp();
    let closed = temp.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let message = start(&closed.join("data")).await.unwrap_err().to_string();
    assert!(message.contains(&format!("cannot enter `{}`", closed.display())), "{message}");
    assert!(message.contains("--data-dir"), "{message}");
}

#[tokio::test]
async fn a_cluster_of_another_version_is_left_alone() {
    let temp = temp();
    let cluster = temp.path().join("postgres");
    fs::create_dir(&cluster).unwrap();
    fs::write(cluster.join("PG_VERSION"), "99\n").unwrap();
    let error = start(temp.path()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::WrongVersion { wanted: 99, .. }), "{error}");
    assert_eq!(fs::read_dir(&cluster).unwrap().count(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_its_settings_says_why() {
    let temp = temp();
    start(temp.path()).await.unwrap().stop().await.unwrap();
    let settings = temp.path().join("postgres/postgresql.conf");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text + "work_mem = lots\n").unwrap();
    let error = start(temp.path()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("work_mem"), "{error}");
}
