//! Who holds the data folder: one process at a time. Others find it, and go
//! through it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::credentials::secret_file;
use crate::error::{Error, Result};

/// How long the holder of a folder may take to say where it answers.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(10);
/// How often a waiting process looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The data folder, held by this process until dropped.
#[derive(Debug)]
pub struct Tenancy {
    announcement: PathBuf,
    // The kernel lets go of it when this process ends, however it ends.
    _lock: File,
}

/// Where a running server answers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its base URL.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// By what it knows the commands of this machine.
    pub token: String,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("url", &self.url).field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// Who holds a data folder.
#[derive(Debug)]
pub enum Tenant {
    /// This process, from now on.
    Us(Tenancy),
    /// A running server.
    Server(Running),
}

impl Tenancy {
    /// Takes the folder, or finds the server that holds it.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds it that is no server.
    pub async fn take(data_dir: &Path) -> Result<Tenant> {
        std::fs::create_dir_all(data_dir).map_err(|error| unusable(data_dir, &error))?;
        let announcement = data_dir.join("server.json");
        let deadline = tokio::time::Instant::now() + ANNOUNCED_WITHIN;
        loop {
            if let Some(lock) = lock(data_dir)? {
                // Left behind by one that was killed.
                let _ = std::fs::remove_file(&announcement);
                return Ok(Tenant::Us(Self { announcement, _lock: lock }));
            }
            if let Some(running) = read(&announcement) {
                return Ok(Tenant::Server(running));
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Error::InUse(data_dir.to_path_buf()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What a server that holds the folder announced; it may have died since.
    #[must_use]
    pub fn running(data_dir: &Path) -> Option<Running> {
        read(&data_dir.join("server.json"))
    }

    /// Says where this process answers.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn announce(&self, url: String, token: &SecretString) -> Result<()> {
        let running = Running { url, pid: std::process::id(), token: token.expose_secret().to_owned() };
        let text = serde_json::to_vec(&running).map_err(anyhow::Error::from)?;
        // For the service's own user alone, and never half of it.
        secret_file::replace(&self.announcement, &text).map_err(|error| {
            let problem = format!("`{}` cannot be written: {error}", self.announcement.display());
            Error::Invalid { field: "data_dir", problem }
        })
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.announcement);
    }
}

fn lock(data_dir: &Path) -> Result<Option<File>> {
    let path = data_dir.join("footnote.lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| unusable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unusable(&path, &error)),
    }
}

fn read(announcement: &Path) -> Option<Running> {
    serde_json::from_slice(&std::fs::read(announcement).ok()?).ok()
}

pub(super) fn unusable(path: &Path, error: &io::Error) -> Error {
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let first = if is_full { "free some space, or " } else { "" };
    let problem = format!("`{}` cannot be used: {error}; {first}choose another with --data-dir", path.display());
    Error::Invalid { field: "data_dir", problem }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_second_process_finds_the_server_that_holds_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let Tenant::Us(tenancy) = Tenancy::take(folder.path()).await.expect("free") else {
            panic!("nobody else is here");
        };
        tenancy.announce("http://127.0.0.1:1".into(), &"secret".to_owned().into()).expect("announced");
        let kept = folder.path().join("server.json").metadata().expect("it is there").permissions();
        assert_eq!(kept.mode() & 0o777, 0o600);
        let Tenant::Server(running) = Tenancy::take(folder.path()).await.expect("found") else {
            panic!("it is held");
        };
        assert_eq!((running.url.as_str(), running.token.as_str()), ("http://127.0.0.1:1", "secret"));
        drop(tenancy);
        assert!(matches!(Tenancy::take(folder.path()).await, Ok(Tenant::Us(_))));
    }

    #[tokio::test]
    async fn an_announcement_of_a_dead_server_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let left_behind = r#"{"url": "http://127.0.0.1:1", "pid": 1, "token": "secret"}"#;
        std::fs::write(folder.path().join("server.json"), left_behind).expect("written");
        assert!(matches!(Tenancy::take(folder.path()).await, Ok(Tenant::Us(_))));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_says_what_to_do() {
        let refusal = Tenancy::take(Path::new("/dev/null/footnote")).await.expect_err("no folder").to_string();
        assert!(refusal.contains("--data-dir"), "{refusal}");
    }
}
