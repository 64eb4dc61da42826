//! The free-space guard. Floor 3: imports errors only.
//!
//! The index maps its files into memory, and writes into them for which the disk
//! has no room end the process by SIGBUS. So room is checked before the store is
//! opened and before each batch, and a reserve is never touched. Others may fill
//! the disk at any moment all the same: for them a part of the reserve is held
//! ([`Spare`]), and such a write finds it.

#[cfg(target_os = "linux")]
mod mapped;
mod spare;

use std::path::{Path, PathBuf};

pub use spare::Spare;

use crate::error::{Error, Result};

/// Bytes that stay free on the disk of the data folder. The index extends its
/// files in steps of up to 32 MiB, several at a time.
pub const DEFAULT_RESERVE: u64 = 256 * 1024 * 1024;
/// Bytes of it that are held, at most: more than one batch writes.
#[cfg(target_os = "linux")]
const HELD: u64 = 64 * 1024 * 1024;

/// Refuses to write where the disk is nearly full.
#[derive(Debug, Clone)]
pub struct DiskGuard {
    path: PathBuf,
    reserve: u64,
}

impl DiskGuard {
    /// Guards the disk that holds `path`, keeping `reserve` bytes free.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, reserve: u64) -> Self {
        Self { path: path.into(), reserve }
    }

    /// Checks that `need` bytes can be written without touching the reserve.
    ///
    /// # Errors
    /// [`Error::DiskFull`] when they cannot, [`Error::Io`] when the disk does
    /// not answer.
    pub fn check(&self, need: u64) -> Result<()> {
        let available = free_bytes(&self.path)?;
        if available.saturating_add(held()) < self.reserve.saturating_add(need) {
            return Err(self.full(available));
        }
        Ok(())
    }

    fn full(&self, available: u64) -> Error {
        Error::DiskFull { path: self.path.clone(), available, reserve: self.reserve }
    }

    /// Checks before mapped files are written, and holds a part of the reserve for
    /// the case that somebody else fills the disk meanwhile.
    ///
    /// # Errors
    /// As [`DiskGuard::check`].
    pub fn check_mapped(&self) -> Result<()> {
        self.check(0)?;
        #[cfg(target_os = "linux")]
        if !mapped::hold(&self.path, (self.reserve / 4).min(HELD)) {
            // Somebody took the room since it was checked.
            return Err(self.full(free_bytes(&self.path)?));
        }
        Ok(())
    }
}

/// Bytes of the reserve that are held.
fn held() -> u64 {
    #[cfg(target_os = "linux")]
    return mapped::held();
    #[cfg(not(target_os = "linux"))]
    return 0;
}

/// Bytes that this process may still write on the disk that holds `path`.
fn free_bytes(path: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(path).map_err(|error| Error::io(path, error.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_larger_than_the_disk_refuses_and_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let refusal = DiskGuard::new(folder.path(), u64::MAX).check(0).expect_err("no disk is that large");
        assert!(matches!(refusal, Error::DiskFull { .. }));
        assert!(refusal.to_string().contains("free some space"));
        DiskGuard::new(folder.path(), 0).check(1).expect("a byte fits");
    }
}
