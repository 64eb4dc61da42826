//! A database as a first start leaves it, made once and copied for each test: to make
//! a cluster and to bring its schema up to date takes longer than most tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use footnote::storage::database;
use footnote::storage::embedded::{Config, EmbeddedPostgres, PORT, USER};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;

use crate::harness::folder;

/// How a cluster is made; another way makes another template.
const MAKING: &str = include_str!("../../src/storage/embedded/cluster.rs");

/// Since when one that is not of this version is not used by another run.
const LEFT: Duration = Duration::from_hours(24);

/// Copies the template's `database` into this folder.
pub async fn copy_to(folder: &Path) {
    let template = ready().await;
    copy(&template.join("database"), folder);
}

/// Where the template is, which this makes if it is not there.
async fn ready() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let template = place.join(format!("template-{}", key()));
    // Tests run in processes of their own: one makes it, the others wait.
    let lock = File::create(place.join("template.lock")).unwrap();
    lock.lock().unwrap();
    if !template.exists() {
        make(place, &template).await;
    }
    template
}

async fn make(place: &Path, template: &Path) {
    // Of other versions, which nobody uses any more; and what a run that was killed
    // left.
    for entry in fs::read_dir(place).unwrap().flatten() {
        let made = entry.metadata().and_then(|about| about.modified()).unwrap();
        let is_old = made.elapsed().is_ok_and(|age| age > LEFT);
        if is_old && entry.path().is_dir() && entry.file_name().to_string_lossy().starts_with("template-") {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let _ = fs::remove_dir_all(template.with_extension("new"));
    // The database's user may not be able to enter the other place.
    let made = folder();
    let config = Config { data_dir: made.path().join("database"), bin_dir: None, guard_exe: Some(guard()) };
    let postgres = EmbeddedPostgres::start(&config).await.expect("postgres starts");
    database::open_private(options(&postgres), "footnote").await.expect("the schema").close().await;
    postgres.stop().await.unwrap();
    let unfinished = template.with_extension("new");
    fs::create_dir_all(&unfinished).unwrap();
    copy(&config.data_dir, &unfinished);
    fs::rename(&unfinished, template).unwrap();
}

pub fn guard() -> PathBuf {
    env!("CARGO_BIN_EXE_footnote").into()
}

pub fn options(postgres: &EmbeddedPostgres) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(postgres.socket_dir()).port(PORT).username(USER)
}

/// With owners and modes: Postgres looks at both.
fn copy(from: &Path, into: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(into).status().unwrap();
    assert!(copied.success(), "{} is copied", from.display());
}

/// What makes the template another one: the schema, and who makes it.
fn key() -> String {
    let mut hash = Sha256::new();
    hash.update(MAKING);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> =
        fs::read_dir(root.join("migrations")).unwrap().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        hash.update(fs::read(file).unwrap());
    }
    let named = ["FOOTNOTE_POSTGRES_BIN", "PATH"].map(|name| std::env::var_os(name).unwrap_or_default());
    for folder in named.iter().flat_map(std::env::split_paths).filter(|folder| folder.join("initdb").exists()) {
        hash.update(folder.as_os_str().as_encoded_bytes());
    }
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<_> = installed.map(|entry| entry.file_name()).collect();
    installed.sort();
    hash.update(format!("{installed:?}"));
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
