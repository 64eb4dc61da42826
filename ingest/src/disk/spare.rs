//! Room on a disk that is taken before it is needed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FallocateFlags;

/// Bytes that are held on a disk, to be given back when it is full. They are free
/// again when this is dropped and when the process ends, however it ends.
#[derive(Debug)]
pub struct Spare {
    file: File,
    held: AtomicU64,
}

impl Spare {
    /// Will hold bytes on the disk of `folder`, and holds none yet.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn on_disk_of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("spare-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        // Without a name the kernel removes it with its last user.
        fs::remove_file(&path)?;
        Ok(Self { file, held: AtomicU64::new(0) })
    }

    /// Holds so many bytes, if it does not yet.
    ///
    /// # Errors
    /// When the disk does not have them, or cannot promise them: it holds none then.
    pub fn hold(&self, bytes: u64) -> io::Result<()> {
        if bytes == 0 || self.held() >= bytes {
            return Ok(());
        }
        if let Err(error) = rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
            // Some file systems keep what they had until they ran out.
            self.held.store(0, Ordering::Release);
            let _ = rustix::fs::ftruncate(&self.file, 0);
            return Err(error.into());
        }
        self.held.store(bytes, Ordering::Release);
        Ok(())
    }

    /// Gives so many bytes back, or as many as it holds, and says how many. A
    /// signal's handler may call this: it takes no lock and no memory.
    pub fn give(&self, bytes: u64) -> u64 {
        let less = |held: u64| Some(held.saturating_sub(bytes));
        let held = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).unwrap_or_default();
        let given = held.min(bytes);
        if given > 0 {
            let _ = rustix::fs::ftruncate(&self.file, held - given);
        }
        given
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    /// Bytes that are free on its disk besides. A signal's handler may call this.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::fstatvfs(&self.file)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back_in_parts_and_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let spare = Spare::on_disk_of(folder.path()).expect("a file");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
        assert_eq!((spare.held(), spare.give(1)), (0, 0));
        spare.hold(3 << 20).expect("it has room");
        let blocks = || std::os::unix::fs::MetadataExt::blocks(&spare.file.metadata().expect("it is open"));
        assert!(blocks() * 512 >= 3 << 20, "they are taken, not only named");
        assert_eq!((spare.give(1 << 20), spare.held()), (1 << 20, 2 << 20));
        assert_eq!((spare.give(u64::MAX), spare.held(), blocks()), (2 << 20, 0, 0));
        spare.hold(1 << 20).expect("it has room");
        assert_eq!(spare.held(), 1 << 20);
    }

    #[test]
    fn more_than_the_disk_has_is_not_held_and_nothing_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let spare = Spare::on_disk_of(folder.path()).expect("a file");
        let free = spare.free().expect("the disk answers");
        spare.hold(free.saturating_mul(2).max(1 << 50)).expect_err("more than there is");
        assert_eq!(spare.held(), 0);
        assert_eq!(spare.file.metadata().expect("it is open").len(), 0);
    }
}
