//! A small file system, mounted for a test and unmounted after it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::FallocateFlags;
use tempfile::TempDir;

use crate::command::errors;
use crate::harness::folder;

/// Bytes of the whole file system.
const SIZE: u64 = 512 * 1024 * 1024;

/// What it is made of.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Memory.
    Tmpfs,
    /// An image file.
    Ext4,
}

/// A mounted file system.
pub struct Disk {
    place: PathBuf,
    _image: Option<TempDir>,
}

impl Disk {
    /// Mounts one at `place`. None where that is not permitted, which is told, and an
    /// error where `FOOTNOTE_NEEDS_DISKS` is set.
    pub fn mount(kind: Kind, place: &Path) -> Option<Self> {
        let (image, mount) = match kind {
            Kind::Tmpfs => {
                let mut mount = Command::new("mount");
                mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE},mode=755"), "tmpfs"]);
                (None, mount)
            }
            Kind::Ext4 => {
                let image = folder();
                let path = image.path().join("image");
                File::create(&path).unwrap().set_len(SIZE).unwrap();
                // Nothing is kept for root: the service may be root, and its Postgres is not.
                let mut make = Command::new("mkfs.ext4");
                tried(make.args(["-q", "-F", "-m", "0"]).arg(&path))?;
                let mut mount = Command::new("mount");
                mount.args(["-o", "loop"]).arg(&path);
                (Some(image), mount)
            }
        };
        let mut mount = mount;
        tried(mount.arg(place))?;
        // From here on it is unmounted, however the test ends.
        Some(Self { place: place.to_owned(), _image: image })
    }

    /// Bytes that are free.
    pub fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.place).unwrap();
        disk.f_bavail * disk.f_frsize
    }

    /// Takes room until only so many bytes are left, at once, as another program on
    /// the same disk may.
    pub fn fill(&self, left: u64) {
        let mut others = OpenOptions::new().create(true).append(true).open(self.others()).unwrap();
        let mut wanted = self.free().saturating_sub(left);
        while wanted > 0 {
            let end = others.metadata().unwrap().len();
            wanted = match rustix::fs::fallocate(&others, FallocateFlags::empty(), end, wanted) {
                Ok(()) => self.free().saturating_sub(left),
                // Somebody else was quicker.
                Err(_) => (wanted / 2).min(self.free()),
            };
        }
        // The last ones are not told of.
        while left == 0 && others.write_all(&[1; 512]).is_ok() {}
    }

    /// Gives back what was taken.
    pub fn clear(&self) {
        let _ = fs::remove_file(self.others());
    }

    fn others(&self) -> PathBuf {
        self.place.join("others")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also while somebody still stands in it.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.place).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.place.display());
        }
    }
}

/// Runs a command, and tells why a test is not done when it does not succeed.
fn tried(command: &mut Command) -> Option<()> {
    let why = match command.output() {
        Ok(output) if output.status.success() => return Some(()),
        Ok(output) => errors(&output),
        Err(error) => error.to_string(),
    };
    assert!(std::env::var_os("FOOTNOTE_NEEDS_DISKS").is_none(), "{why}");
    let program = command.get_program().display();
    eprintln!("not tested: a full disk needs a file system of its own, which `{program}` does not give: {why}");
    None
}
